"""One call is one request on the wire: counted at a raw server that drops connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aiohttp
import pytest

from gateway.clients.once import ConnectionDropped, once

Hangup = Literal["close", "reset"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nOK"
WITH: Sequence[aiohttp.ClientMiddlewareType] = (once,)
CAUSE = {"close": aiohttp.ServerDisconnectedError, "reset": aiohttp.ClientOSError}
WITHOUT: Sequence[aiohttp.ClientMiddlewareType] = ()


class HangsUp:
    """Answers the first request of each connection, and hangs up after reading the second."""

    def __init__(self, hangup: Hangup) -> None:
        self.hangup = hangup
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if (task := asyncio.current_task()) is not None:
            self.tasks.add(task)
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        with suppress(asyncio.IncompleteReadError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if self.hangup == "reset":
            # Lingering for 0 s makes the kernel send RST in place of FIN.
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def hangs_up(hangup: Hangup) -> AsyncIterator[HangsUp]:
    fake = HangsUp(hangup)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/order"
    try:
        yield fake
    finally:
        server.close()
        await asyncio.gather(*fake.tasks)


def session(middlewares: Sequence[aiohttp.ClientMiddlewareType]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(middlewares=middlewares)


async def read(client: aiohttp.ClientSession, url: str, method: str = "GET") -> bytes:
    async with client.request(method, url) as answer:
        return await answer.read()


@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_a_dropped_connection_is_an_error_and_the_request_is_not_repeated(
    hangup: Hangup,
) -> None:
    async with hangs_up(hangup) as fake, session(WITH) as client:
        assert await read(client, fake.url) == b"OK"
        with pytest.raises(ConnectionDropped) as dropped:
            await read(client, fake.url)
        assert isinstance(dropped.value.__cause__, CAUSE[hangup])
        assert len(fake.requests) == 2
        assert fake.connections == 1, "the kept-alive connection was really used again"


@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_without_the_middleware_aiohttp_repeats_the_request(hangup: Hangup) -> None:
    """Shows the trap; when this fails, aiohttp no longer repeats and the middleware may go."""
    async with hangs_up(hangup) as fake, session(WITHOUT) as client:
        assert await read(client, fake.url) == b"OK"
        assert await read(client, fake.url) == b"OK"
        assert len(fake.requests) == 3


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_every_method_is_sent_once(method: str) -> None:
    async with hangs_up("close") as fake, session(WITH) as client:
        await read(client, fake.url)
        with pytest.raises(ConnectionDropped):
            await read(client, fake.url, method)
        assert len(fake.requests) == 2


async def test_calls_work_after_a_drop() -> None:
    async with hangs_up("close") as fake, session(WITH) as client:
        await read(client, fake.url)
        with pytest.raises(ConnectionDropped):
            await read(client, fake.url)
        assert await read(client, fake.url) == b"OK"
        assert len(fake.requests) == 3


async def test_no_connection_keeps_its_own_error() -> None:
    """It proves that nothing was sent, so it must not look like a drop."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        async with session(WITH) as client:
            with pytest.raises(aiohttp.ClientConnectorError):
                await read(client, url)


async def test_a_time_out_keeps_its_own_error() -> None:
    async with session(WITH) as client:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            with pytest.raises(TimeoutError):
                await client.get(url, timeout=aiohttp.ClientTimeout(total=0.05))
