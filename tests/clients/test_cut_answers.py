"""An answer that stops in its body ends with the time that a call has, and is no whole answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest

from gateway.clients.reseller import ResellerClient
from gateway.clients.upstream import NoAnswer, UpstreamClient
from gateway.domain.order import Status
from tests.support import FakeUpstream, House, OpenHouse, eventually, says
from tests.support.raw import raw_upstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LINE = b"R#toko-T1 S1_1187.123456789, status SUCCESS. SN : 12345"
CUT = {
    "a length, and part of it": HEAD + b"Content-Length: 300\r\n\r\n" + LINE,
    "a length, and nothing": HEAD + b"Content-Length: 300\r\n\r\n",
    "chunks, and no end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n37\r\n" + LINE + b"\r\n",
    "a chunk, and part of it": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + LINE,
    "no length, and a part": HEAD + b"\r\n" + LINE,
    "no length, and nothing": HEAD + b"\r\n",
}
TIME_S = 0.3

cut = pytest.mark.parametrize("raw", CUT.values(), ids=CUT.keys())


@cut
async def test_the_upstream_proved_nothing(raw: bytes) -> None:
    async with raw_upstream(lambda _, __: raw) as fake:
        client = UpstreamClient(fake.url, timeout_s=TIME_S, connect_s=1)
        async with asyncio.timeout(10):
            with pytest.raises(NoAnswer, match="no answer within"):
                await client.get("/x")
        await client.close()


@cut
async def test_a_panel_s_head_is_an_answer(raw: bytes) -> None:
    async with raw_upstream(lambda _, __: raw) as fake:
        client = ResellerClient(TIME_S, allow_private=True)
        async with asyncio.timeout(10):
            attempt = await client.deliver("GET", f"{fake.url}/x")
        assert (attempt.status, attempt.accepted) == (200, True)
        assert attempt.reply in ("", LINE.decode())
        await client.close()


@asynccontextmanager
async def answering(first: bytes, later: bytes) -> AsyncIterator[str]:
    """A server that answers its first request, and then once more though nobody asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            if later and first != LATER:
                await asyncio.sleep(0.05)
                writer.write(later)
            first = LATER
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def whole(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


LATER = whole(b"the answer to a later request")


async def test_an_answer_that_nobody_asked_for_is_nobodys_answer() -> None:
    """It would be taken for the answer to the next request, and a bare code names no order."""
    async with answering(whole(b"one"), whole(b"INSUFFICIENT_BALANCE")) as url:
        client = UpstreamClient(url, timeout_s=1, connect_s=1)
        assert (await client.get("/1")).body == b"one"
        await asyncio.sleep(0.2)  # until the second has come
        for number in (2, 3):
            assert (await client.get(f"/{number}")).body == b"the answer to a later request"
        await client.close()


@pytest.mark.parametrize("name", ["a length, and part of it", "no length, and a part"])
async def test_a_cut_reply_is_pending_and_frees_its_place(
    open_house: OpenHouse, name: str
) -> None:
    async with raw_upstream(lambda _, __: CUT[name]) as fake:
        house = await open_house(fake.url, upstream={"timeout_s": TIME_S, "max_in_flight": 1})
        assert ", status PENDING. " in await house.order("T1")
        assert await eventually(lambda: not _in_flight(house), within_s=3)


def _in_flight(house: House) -> set[int]:
    return house.gateway.intake._submission.in_flight


async def test_a_panel_that_answers_half_frees_its_place(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5")
    async with raw_upstream(lambda _, __: CUT["a length, and part of it"]) as panel:
        target = house.order_target("T1") + f"&callback_url={quote(panel.url + '/cb', safe='')}"
        assert f"status {Status.SUCCESS}" in (await house.get(target)).text
        assert await eventually(lambda: len(panel.heads) == 1, within_s=3)
        under_way = house.gateway.relay._under_way
        assert await eventually(lambda: not under_way.orders, within_s=5)
