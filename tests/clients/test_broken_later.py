"""Answers that turn bad in their second packet, and calls that our own end cuts: all of them end.

aiohttp's parser lets go of a body that it can not read further; whoever reads it hears of it all
the same, at once, and takes nothing that was cut for the whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.clients.reseller import ResellerClient
from gateway.clients.upstream import NoAnswer, UpstreamClient

TIME_S = 1.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK"
WITHOUT = b"HTTP/1.1 200 OK\r\n\r\nOK"

bad = pytest.mark.parametrize(
    ("first", "later"),
    [
        (CHUNKED, b"ZZ\r\n"),
        (CHUNKED, b"2\r\nOKOK"),
        (CHUNKED, b"0\r\nbad trailer\r\n\r\n"),
        (CHUNKED, b"\x00\x01\x02"),
    ],
    ids=["no length", "no line break", "bad trailer", "binary"],
)
unfinished = pytest.mark.parametrize(
    "first", [CHUNKED, WITH_LENGTH, WITHOUT], ids=["chunked", "with a length", "without one"]
)


@asynccontextmanager
async def saying(first: bytes, later: bytes = b"") -> AsyncIterator[str]:
    """A server that answers in two packets, and hangs up only when it is left."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await asyncio.sleep(0.05)
        writer.write(later)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@bad
async def test_the_upstream_proved_nothing_and_the_call_ends(first: bytes, later: bytes) -> None:
    async with saying(first, later) as url:
        client = UpstreamClient(url, timeout_s=TIME_S, connect_s=1)
        async with asyncio.timeout(5):
            with pytest.raises(NoAnswer):
                await client.get("/x")
        await client.close()


@bad
async def test_a_panel_keeps_no_place(first: bytes, later: bytes) -> None:
    async with saying(first, later) as url:
        client = ResellerClient(TIME_S, allow_private=True)
        async with asyncio.timeout(5):
            attempt = await client.deliver("GET", f"{url}/x")
        assert (attempt.status, attempt.accepted) == (200, True)
        await client.close()


@unfinished
async def test_our_own_end_ends_a_call_and_what_it_cut_is_not_the_whole(first: bytes) -> None:
    async with saying(first) as url:
        client = UpstreamClient(url, timeout_s=30, connect_s=1)
        call = asyncio.create_task(client.get("/x"))
        await asyncio.sleep(0.2)
        assert not call.done()
        async with asyncio.timeout(5):
            await client.close()
            with pytest.raises(NoAnswer):
                await call
