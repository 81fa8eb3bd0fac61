"""What may come to the callback routes at all: methods, sizes, and bodies that never end."""

import asyncio
import gzip

import pytest

from gateway.web import body
from tests.support import FakeUpstream, House, OpenHouse, raw_exchange
from tests.web.webhooks import door, send, signature, webhook_body

FORMS = pytest.mark.parametrize("form", ["token", "webhook"])
BODY = webhook_body("SUCCESS")
LIMIT = 64 * 1024


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose workers ask only when there is a reason."""
    return await open_house(upstream.url, recheck={"schedule_s": [3600]})


@FORMS
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_no_other_method_has_an_effect(house: House, form: str, method: str) -> None:
    await house.order()
    before = await house.shown(), await house.count_rows()
    target = f"{door(house, form)}?trx_id=toko-T1&status=SUCCESS"
    answer = await house.get(target, method=method, x_signature=signature(b""))
    assert answer.status == 405
    assert (await house.shown(), await house.count_rows()) == before


@FORMS
async def test_a_body_has_a_limit(house: House, form: str) -> None:
    await house.order()
    padded = BODY + b" " * (LIMIT - len(BODY))
    assert await send(house, door(house, form), padded + b" ") == 413
    assert (await house.shown())["status"] == "PENDING"
    assert await send(house, door(house, form), padded) == 200
    assert (await house.shown())["status"] == "SUCCESS"


def head_of(house: House, form: str, *more: str) -> bytes:
    lines = (
        f"POST {door(house, form)} HTTP/1.1",
        "Host: x",
        f"x-signature: {signature(BODY)}",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode()


def code_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def in_chunks(body: bytes, size: int) -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@FORMS
async def test_a_body_in_chunks_is_one_body(house: House, form: str) -> None:
    await house.order()
    head = head_of(house, form, "Transfer-Encoding: chunked", "Connection: close")
    assert code_of(await raw_exchange(house.port, head + in_chunks(BODY, 7))) == 200
    assert (await house.shown())["status"] == "SUCCESS"


@FORMS
async def test_chunks_that_never_end_are_cut_off_at_the_limit(house: House, form: str) -> None:
    head = head_of(house, form, "Transfer-Encoding: chunked")
    endless = in_chunks(b" " * (LIMIT + 4096), 4096)[: -len(b"0\r\n\r\n")]
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head + endless)
    async with asyncio.timeout(5):
        assert code_of(await reader.readline()) == 413
    writer.close()


@FORMS
@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("Transfer-Encoding: chunked", b"zz\r\nxx"),
        ("Transfer-Encoding: chunked", b"5\r\nabcdefgh\r\n"),
        ("Content-Length: 10, 20", b"x" * 20),
        ("Content-Length: -1", b""),
        ("Content-Length: x", b""),
    ],
)
async def test_a_broken_body_is_refused_at_once(
    house: House, form: str, header: str, sent: bytes
) -> None:
    await house.order()
    before = await house.shown()
    head = head_of(house, form, header, "Connection: close")
    assert code_of(await raw_exchange(house.port, head + sent, within_s=5)) == 400
    assert await house.shown() == before


@FORMS
async def test_a_slow_body_is_not_waited_for(
    house: House, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "_BODY_S", 0.2)
    await house.order()
    head = head_of(house, form, f"Content-Length: {len(BODY)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head + BODY[:-1])
    async with asyncio.timeout(5):
        assert code_of(await reader.readline()) == 408
    writer.write(BODY[-1:])  # too late
    writer.close()
    assert (await house.shown())["status"] == "PENDING"


@FORMS
async def test_who_hangs_up_in_the_middle_is_no_evidence(house: House, form: str) -> None:
    await house.order()
    for cut in (0, 1, len(BODY) - 1):
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head_of(house, form, f"Content-Length: {len(BODY)}") + BODY[:cut])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert (await house.shown())["status"] == "PENDING"
    assert await send(house, door(house, form), BODY) == 200  # the house stands


@FORMS
async def test_a_packed_body_is_not_unpacked(house: House, form: str) -> None:
    await house.order()
    packed = gzip.compress(BODY)
    headers = {"x-signature": signature(BODY), "Content-Encoding": "gzip"}
    assert (await house.post(door(house, form), packed, headers)).status == 415
    assert (await house.shown())["status"] == "PENDING"


async def test_a_body_is_read_only_after_address_and_token(house: House) -> None:
    """Who may not call is answered before a byte of the body has come."""
    await house.order()
    head = head_of(house, "token", "Content-Length: 60000").replace(b".toko-T1", b".toko-T2")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head)
    async with asyncio.timeout(5):
        assert code_of(await reader.readline()) == 403
    writer.close()


@FORMS
async def test_many_who_are_slow_delay_nobody(house: House, form: str) -> None:
    await house.order()
    writers = []
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head_of(house, form, "Content-Length: 900"))
        writers.append(writer)
    assert await send(house, door(house, form), BODY) == 200
    for writer in writers:
        writer.close()
