"""A send and what comes of it: one request on the wire, and FAILED only with proof (T1 to T7)."""

import asyncio
import socket
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from gateway.domain.errors import DEFINITE_REFUSALS, Code
from tests.support import (
    MANY_AT_ONCE,
    Answerer,
    Asked,
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    drops,
    eventually,
    in_turn,
    invoice,
    raw_upstream,
    refuses,
    reserved_port,
    responds,
    says,
    stays,
)

PENDING = "R#{trx_id} S1_1187.{user_id}, status PENDING. RefId : ML_1 . Sisa saldo 5"
SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
UNCERTAIN = "R#T1 S1_1187.123456789, status PENDING. Sedang diproses"

PROOF_OF_NOTHING = {
    "hung up": drops,
    "html": responds("<html>502</html>", 502, "text/html"),
    "html with 200": responds("<html>wait</html>", 200, "text/html"),
    "server error": refuses("SERVER_ERROR", 500),
    "server error as text": responds("SERVER_ERROR"),
    "duplicate": refuses("DUPLICATE_TRX_ID", 400),
    "duplicate as a line": says("R#{trx_id} S1_1187.1, status FAILED. DUPLICATE_TRX_ID"),
    "unknown code": refuses("SOMETHING_NEW", 400),
    "unknown code as a line": says("R#{trx_id} S1_1187.1, status FAILED. SOMETHING_NEW"),
    "server error as a line": says("R#{trx_id} S1_1187.1, status FAILED. SERVER_ERROR - a b"),
    "not found": refuses("INVOICE_NOT_FOUND", 404),
    "unknown text": responds("INSUFFICIENT"),
    "two lines": responds("API_KEY_NOT_FOUND\nAPI_KEY_NOT_FOUND"),
    "empty": responds(""),
    "another order": says("R#toko-T2 S1_1187.1, status FAILED. gagal"),
    "another order's success": says("R#toko-T2 S1_1187.1, status SUCCESS. Budi"),
    "the trx_id without our code": says("R#T1 S1_1187.1, status SUCCESS. Budi"),
    "another word": says("R#{trx_id} S1_1187.1, status SUKSES. Budi"),
    "a word in small letters": says("R#{trx_id} S1_1187.1, status success. Budi"),
    "no utf-8": responds(b"R#toko-T1 S1_1187.1, status FAILED. \xff"),
    "success as html": responds(
        "R#toko-T1 S1_1187.1, status SUCCESS. Budi", content_type="text/html"
    ),
    "success with 500": responds("R#toko-T1 S1_1187.1, status SUCCESS. Budi", 500),
    "too long": responds("R#toko-T1 S1_1187.1, status FAILED. " + "x" * 70_000),
    "packed": responds(b"\x1f\x8b\x08\x00", Content_Encoding="gzip"),
    "redirect": responds("", 302, Location="/v3/otomax/order?elsewhere"),
    "redirect for good": responds("", 308, Location="/v3/otomax/order?elsewhere"),
    "refusal with a redirect": refuses("INVALID_USER_ID", 302),
    "refusal as html": responds(
        '{"statusCode":400,"message":"INVALID_USER_ID","error":"x"}', 400, "text/html"
    ),
    "half an envelope": responds('{"message":"INVALID_USER_ID"}', 400, "application/json"),
}


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel, whose workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


@pytest.mark.parametrize("reply", PROOF_OF_NOTHING.values(), ids=PROOF_OF_NOTHING)
async def test_what_proves_nothing_is_pending_and_never_sent_again_by_itself(
    calm: House, upstream: FakeUpstream, panel: Panel, reply: Answerer
) -> None:
    upstream.order = reply
    assert await calm.order() == UNCERTAIN
    shown = await calm.shown()
    assert (shown["status"], shown["sends"], shown["sending"]) == ("PENDING", 1, False)
    assert shown["due_at"] is not None
    await asyncio.sleep(0.05)
    assert len(upstream.asked) == 1
    # A second question is answered by a look-up, never by a second send before settle_s.
    upstream.look_up = invoice("SUCCESS", "Budi")
    assert ", status SUCCESS. Budi" in await calm.order()
    assert len(upstream.orders) == 1
    await eventually(lambda: panel.statuses == ["SUCCESS"])


@pytest.mark.parametrize("code", sorted(DEFINITE_REFUSALS))
@pytest.mark.parametrize("status", [200, 400, 404, 500])
async def test_a_definite_refusal_of_the_only_send_is_failed_and_delivered(
    calm: House, upstream: FakeUpstream, panel: Panel, code: Code, status: int
) -> None:
    upstream.order = refuses(code, status)
    answer = await calm.order()
    assert answer.startswith(f"R#T1 S1_1187.123456789, status FAILED. {code} - ")
    await eventually(lambda: panel.statuses == ["FAILED"])
    assert panel.told[0]["sn"] == answer.partition("FAILED. ")[2]
    assert len(upstream.asked) == 1
    shown = await calm.shown()
    times = [datetime.fromisoformat(shown[name]) for name in ("final_at", "due_at")]
    assert times[1] - times[0] == timedelta(seconds=60), "watched from then on"


async def test_a_line_that_says_failed_in_words_is_failed(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1, status FAILED. Stok habis . Sisa saldo 5")
    assert await calm.order() == "R#T1 S1_1187.1, status FAILED. Stok habis . Sisa saldo 5"


async def test_the_order_and_its_send_are_durable_before_the_first_byte(
    house: House, upstream: FakeUpstream
) -> None:
    seen = []

    async def look_first(asked: Asked) -> web.StreamResponse:
        shown = await house.shown()
        seen.append((shown["status"], shown["sends"], shown["sending"]))
        return await says(PENDING)(asked)

    upstream.order = look_first
    await house.order()
    assert seen == [("PENDING", 1, True)]


async def test_each_step_stands_in_the_timeline_without_secrets(
    calm: House, upstream: FakeUpstream
) -> None:
    async def repeats_the_request(asked: Asked) -> web.StreamResponse:
        return await responds(f"error near {asked.target}", 500)(asked)

    upstream.order = repeats_the_request
    await calm.order()
    assert await calm.kinds() == ["asked", "sending", "answered", "decided"]
    shown = str(await calm.shown())
    assert "error near" in shown
    assert "upstream-key-of-toko" not in shown
    assert calm.token("toko-T1").partition(".")[0] not in shown
    assert calm.keys["toko"] not in shown


# -- one request on the wire


def http(line: str, more: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(line)}\r\n{more}"
    return f"{head}\r\n{line}".encode()


@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_a_kept_alive_connection_that_drops_is_not_used_for_a_second_send(
    open_house: OpenHouse, hangup: str
) -> None:
    line = "R#toko-T{} S1_1187.123456789, status PENDING. a"
    async with raw_upstream(
        lambda number, _: http(line.format(number)) if number == 0 else None
    ) as wire:
        wire.resets = hangup == "reset"
        house = await open_house(wire.url, recheck={"schedule_s": [3600]})
        assert await house.order("T0") == "R#T0 S1_1187.123456789, status PENDING. a"
        assert wire.connections == 1
        assert await house.order("T1") == UNCERTAIN
        await asyncio.sleep(0.2)
        assert wire.connections == 1, "the second order went out on the kept-alive connection"
        assert [head.split(b"trx_id=")[1].split(b"&")[0] for head in wire.heads] == [
            b"toko-T0",
            b"toko-T1",
        ]


async def test_orders_in_a_row_share_a_connection(open_house: OpenHouse) -> None:
    line = "R#toko-T{} S1_1187.123456789, status SUCCESS. a"
    async with raw_upstream(lambda number, _: http(line.format(number))) as wire:
        house = await open_house(wire.url)
        for number in range(5):
            assert ", status SUCCESS. a" in await house.order(f"T{number}")
        assert (len(wire.heads), wire.connections) == (5, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\nContent-Type: text/plain\r\n\r\nR#toko-T1 S1",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\nzz\r\n",
    ],
)
async def test_half_an_answer_is_no_answer(open_house: OpenHouse, answer: bytes) -> None:
    async with raw_upstream(lambda _, __: answer) as wire:
        wire.hangs_up = True
        house = await open_house(
            wire.url, recheck={"schedule_s": [3600]}, upstream={"timeout_s": 0.5}
        )
        assert await house.order() == UNCERTAIN
        assert len(wire.heads) == 1


async def test_the_request_has_the_documents_form(open_house: OpenHouse) -> None:
    async with raw_upstream(lambda _, __: http("R#toko-T1 S1_1187.1, status SUCCESS. a")) as wire:
        house = await open_house(wire.url)
        await house.order(dest="a b,&=#%+/é".replace(",", ";"), server_id="9")
        head = wire.heads[0].decode("ascii")
    lines = head.split("\r\n")
    callback = f"{house.url}/callback/{house.token('toko-T1')}"
    encoded = callback.replace(":", "%3A").replace("/", "%2F")
    assert lines[0] == (
        "GET /v3/otomax/order?apikey=upstream-key-of-toko&product_code=S1_1187"
        "&user_id=a%20b%3B%26%3D%23%25%2B%2F%C3%A99&trx_id=toko-T1"
        f"&callback_url={encoded} HTTP/1.1"
    )
    names = {line.partition(":")[0].lower() for line in lines[1:] if line}
    assert names <= {"host", "user-agent", "accept", "accept-encoding"}


async def test_at_most_so_many_sends_are_under_way(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream={"max_in_flight": 3})
    gate = asyncio.Event()
    upstream.order = after(gate, says(PENDING))
    waiting = [asyncio.create_task(house.order(str(number))) for number in range(9)]
    await eventually(lambda: upstream.now == 3)
    await stays(lambda: upstream.now, 3, 0.1)
    gate.set()
    assert all(", status PENDING. RefId" in answer for answer in await asyncio.gather(*waiting))
    assert upstream.at_once == 3
    assert len(upstream.orders) == 9


# -- unsent


async def test_what_never_left_is_failed_and_nothing_was_sent(
    open_house: OpenHouse, panel: Panel
) -> None:
    with reserved_port() as port:
        house = await open_house(
            f"http://127.0.0.1:{port}",
            reseller={"callback_url": panel.url},
            upstream={"unreachable_s": 0.5},
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = (
            "R#T1 S1_1187.123456789, status FAILED. UPSTREAM_UNREACHABLE - Server supplier tidak "
            "dapat dihubungi, transaksi tidak dikirim."
        )
        assert await house.order() == said
        assert 0.2 <= loop.time() - began < 5
        shown = await house.shown()
        assert (shown["status"], shown["sends"]) == ("FAILED", 0)
        await eventually(lambda: panel.statuses == ["FAILED"])
        assert await house.order() == said
        assert (await house.user()).startswith("status ERROR. UPSTREAM_UNREACHABLE - ")


async def test_what_never_left_is_tried_again_for_a_while(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    with reserved_port() as port:
        house = await open_house(f"http://127.0.0.1:{port}", upstream={"unreachable_s": 4})
        waiting = asyncio.create_task(house.order())
        await asyncio.sleep(0.3)
        async with raw_upstream(lambda _, __: None) as real:
            # The same port begins to listen: what was refused before now arrives, once.
            listener = socket.create_server(("127.0.0.1", port))
            line = http("R#toko-T1 S1_1187.1, status SUCCESS. a")
            real.script = lambda _, __: line
            server = await asyncio.start_server(real.serve, sock=listener)
            assert await waiting == "R#T1 S1_1187.1, status SUCCESS. a"
            assert len(real.heads) == 1
            server.close()
    shown = await house.shown()
    assert shown["sends"] == 1


async def test_a_name_that_does_not_resolve_is_unsent(open_house: OpenHouse) -> None:
    house = await open_house("http://upstream.invalid", upstream={"unreachable_s": 0})
    assert ", status FAILED. UPSTREAM_UNREACHABLE - " in await house.order()


async def test_a_tls_that_fails_is_unsent(open_house: OpenHouse) -> None:
    async with raw_upstream(lambda _, __: None) as plain:
        house = await open_house(
            plain.url.replace("http:", "https:"), upstream={"unreachable_s": 0.3}
        )
        assert ", status FAILED. UPSTREAM_UNREACHABLE - " in await house.order()
        assert plain.heads == []


# -- after an uncertain send


async def test_a_lost_reply_is_settled_by_the_look_up_and_bought_once(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = in_turn(invoice("PENDING", "RefId : ML_1"), invoice("SUCCESS", "Budi"))
    assert await house.order() == UNCERTAIN
    shown = await house.becomes("SUCCESS")
    assert (shown["sends"], shown["note"], shown["due_at"]) == (1, "Budi", None)
    assert len(upstream.orders) == 1


async def test_what_did_not_arrive_is_sent_again_after_it_settled_and_a_look_up_missed_it(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    times: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    reply = in_turn(drops, says(SUCCESS))
    missing = refuses("INVOICE_NOT_FOUND")

    async def order(asked: Asked) -> web.StreamResponse:
        times.append(("order", loop.time()))
        return await reply(asked)

    async def look_up(asked: Asked) -> web.StreamResponse:
        times.append(("look-up", loop.time()))
        return await missing(asked)

    upstream.order, upstream.look_up = order, look_up
    house = await open_house(upstream.url, recheck={"settle_s": 0.7})
    assert await house.order() == UNCERTAIN
    shown = await house.becomes("SUCCESS")
    assert (shown["sends"], shown["note"]) == (2, "Budi")
    (_, first), *between, (last, second) = times
    assert last == "order"
    assert second - first >= 0.7
    assert {what for what, _ in between} == {"look-up"}
    assert between[-1][1] - first >= 0.7, "the look-up that allowed it was asked after settle_s"
    assert {asked.trx_id for asked in upstream.orders} == {"toko-T1"}
    assert len({asked.target for asked in upstream.orders}) == 1
    assert await house.order() == "R#T1 S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5"


async def test_a_refusal_after_an_uncertain_send_decides_nothing(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    """The upstream may look at the balance before it looks for the trx_id."""
    missing = refuses("INVOICE_NOT_FOUND")
    upstream.order = in_turn(drops, refuses("INSUFFICIENT_BALANCE", 400))
    upstream.look_up = missing
    await house.order(callback_url=panel.url)
    await eventually(lambda: len(upstream.orders) == 2)
    upstream.look_up = refuses("SERVER_ERROR", 500)
    await asyncio.sleep(0.3)
    assert (await house.shown())["status"] == "PENDING"
    assert panel.statuses == []
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.becomes("SUCCESS")
    assert len(upstream.orders) == 2
    await eventually(lambda: panel.statuses == ["SUCCESS"])


async def test_after_three_sends_and_three_misses_it_is_expired(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = drops
    await house.order(callback_url=panel.url)
    shown = await house.becomes("FAILED")
    assert shown["sends"] == 3
    assert shown["note"].startswith("EXPIRED - ")
    assert len(upstream.orders) == 3
    looked_up = [step for step in shown["timeline"] if step["kind"] == "looked_up"]
    last_send = [step for step in shown["timeline"] if step["kind"] == "answered"][-1]
    assert len([step for step in looked_up if step["at"] > last_send["at"]]) >= 3
    await eventually(lambda: panel.statuses == ["FAILED"])
    assert len({asked.target for asked in upstream.orders}) == 1


async def test_an_answer_that_is_no_miss_breaks_the_row_of_misses(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck={"expire_s": 0, "settle_s": 0})
    missing, silent = refuses("INVOICE_NOT_FOUND"), refuses("SERVER_ERROR", 500)
    upstream.order = drops
    upstream.look_up = in_turn(missing, missing, silent, missing, missing, silent, missing)
    await house.order()
    await house.becomes("FAILED")
    assert len(upstream.look_ups) == 9
    assert len(upstream.orders) == 1, "too late for another send"


async def test_an_order_that_the_upstream_named_is_never_sent_again(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(PENDING)
    upstream.look_up = refuses("INVOICE_NOT_FOUND")
    await house.order()
    await eventually(lambda: len(upstream.look_ups) >= 8)
    assert len(upstream.orders) == 1
    assert (await house.shown())["status"] == "PENDING"


async def test_a_slow_upstream_is_pending_in_time_and_settled_later(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, server={"reply_timeout_s": 0.4})
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await house.order(callback_url=panel.url) == UNCERTAIN
    assert 0.3 <= loop.time() - began < 5
    # What was answered is used from then on: v3 asks about it, v1 must choose another trx_id.
    assert await house.order() == UNCERTAIN
    assert "DUPLICATE_TRX_ID" in await house.order(version=1)
    assert (await house.shown())["sending"] is True
    gate.set()
    await house.becomes("SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert len(upstream.orders) == 1
    assert ", status SUCCESS. Budi . Sisa saldo 5" in await house.order()


async def test_an_upstream_beyond_its_time_is_uncertain_and_looked_up(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream={"timeout_s": 0.3})
    never = asyncio.Event()
    upstream.order = after(never, says(SUCCESS))
    upstream.look_up = invoice("SUCCESS", "Budi")
    assert await house.order() == UNCERTAIN
    await house.becomes("SUCCESS")
    assert len(upstream.orders) == 1
    never.set()


async def test_look_ups_of_a_busy_hour_keep_room_for_orders(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream=MANY_AT_ONCE)
    upstream.order = drops
    gate = asyncio.Event()
    upstream.look_up = after(gate, invoice("SUCCESS", "Budi"))
    await asyncio.gather(*(house.order(f"L{number}") for number in range(40)))
    await eventually(lambda: upstream.now >= 16)
    assert upstream.now == 16
    upstream.order = says(SUCCESS)
    assert ", status SUCCESS" in await house.order("T1")
    gate.set()
    await eventually(lambda: len(upstream.look_ups) == 40)
