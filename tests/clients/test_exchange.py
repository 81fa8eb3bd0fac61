"""One exchange is one request on the wire: counted at a raw server that drops connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aiohttp
import pytest
from yarl import URL

from gateway.clients.exchange import Exchanges, Place, Times, TooLate
from gateway.clients.wire import ConnectionDropped, NotHttp

Hangup = Literal["close", "reset"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nOK"
CAUSE = {"close": type(None), "reset": ConnectionResetError}


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


@asynccontextmanager
async def connections() -> AsyncIterator[Exchanges]:
    exchanges = Exchanges(aiohttp.TCPConnector(), Times(5, 5), keepalive_s=15)
    try:
        yield exchanges
    finally:
        await exchanges.close()


async def read(exchanges: Exchanges, url: str, method: str = "GET") -> bytes:
    place = Place(URL(url), {})
    request = place.ask(method, URL(url).raw_path)
    answer = await exchanges.carry(place, request, limit=100)
    assert answer.is_whole
    return answer.body


@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_a_dropped_connection_is_an_error_and_the_request_is_not_repeated(
    hangup: Hangup,
) -> None:
    async with hangs_up(hangup) as fake, connections() as kept:
        assert await read(kept, fake.url) == b"OK"
        with pytest.raises(ConnectionDropped) as dropped:
            await read(kept, fake.url)
        assert isinstance(dropped.value.__cause__, CAUSE[hangup])
        assert len(fake.requests) == 2
        assert fake.connections == 1, "the kept-alive connection was really used again"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_every_method_is_sent_once(method: str) -> None:
    async with hangs_up("close") as fake, connections() as kept:
        await read(kept, fake.url)
        with pytest.raises(ConnectionDropped):
            await read(kept, fake.url, method)
        assert len(fake.requests) == 2


async def test_calls_work_after_a_drop() -> None:
    async with hangs_up("close") as fake, connections() as kept:
        await read(kept, fake.url)
        with pytest.raises(ConnectionDropped):
            await read(kept, fake.url)
        assert await read(kept, fake.url) == b"OK"
        assert len(fake.requests) == 3


async def test_no_connection_keeps_its_own_error() -> None:
    """It proves that nothing was sent, so it must not look like a drop."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        async with connections() as kept:
            with pytest.raises(aiohttp.ClientConnectorError):
                await read(kept, url)


async def test_who_leaves_before_the_answer_closes_the_connection() -> None:
    """A connection with an answer on its way must never serve another request."""
    async with connections() as kept:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await read(kept, url)
            taken, _ = silent.accept()
            with taken:
                taken.settimeout(5)
                assert taken.recv(1000).startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")
                await asyncio.sleep(0)
                assert await asyncio.to_thread(taken.recv, 1) == b"", "closed from our side"


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"])
async def test_what_is_no_http_is_called_so(raw: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, connections() as kept:
        with pytest.raises(NotHttp):
            await read(kept, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def test_a_provisional_answer_is_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" + ANSWER)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, connections() as kept:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await read(kept, url) == b"OK"


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/a\x00", "/a\x7f", "/a\tb"])
async def test_a_target_that_would_end_its_line_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        Place(URL("http://127.0.0.1/"), {}).ask("GET", target)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b"])
async def test_a_header_that_would_begin_another_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="X-Key"):
        Place(URL("http://127.0.0.1/"), {}).ask("GET", "/", {"X-Key": value})


async def test_a_request_is_written_as_it_goes_out() -> None:
    place = Place(URL("http://127.0.0.1:81/"), {"User-Agent": "us"})
    assert place.ask("POST", "/x?y", {"A": "b"}, b"cd") == (
        b"POST /x?y HTTP/1.1\r\nHost: 127.0.0.1:81\r\nAccept: */*\r\nUser-Agent: us\r\n"
        b"A: b\r\nContent-Length: 2\r\n\r\ncd"
    )


async def test_what_may_not_leave_any_more_when_it_is_written_does_not() -> None:
    """The connection is there, and the process was stopped before the first byte."""
    async with hangs_up("close") as fake, connections() as kept:
        await read(kept, fake.url)
        place = Place(URL(fake.url), {})
        request = place.ask("GET", "/order")
        with pytest.raises(TooLate):
            await kept.carry(place, request, limit=100, may_leave=lambda: False)
        await kept.close()
        await asyncio.gather(*fake.tasks)
        assert (len(fake.requests), fake.connections) == (1, 1)
