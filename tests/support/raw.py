"""Bytes on a socket: requests that no HTTP client would make, and an upstream below HTTP."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_LINGER_NOT = struct.pack("ii", 1, 0)
_END_OF_HEAD = b"\r\n\r\n"


async def raw_exchange(port: int, sent: bytes, within_s: float = 8.0) -> bytes:
    """Send these bytes to 127.0.0.1, and return everything until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within_s):
            writer.write(sent)
            with suppress(ConnectionError):
                await writer.drain()
            return await _until_hung_up(reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _until_hung_up(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    with suppress(ConnectionError):
        while some := await reader.read(65536):
            received += some
    return bytes(received)


def chunks_of(received: bytes) -> list[tuple[int, bytes]]:
    """Take apart answers that stand one behind the other: the status and body of each."""
    found = []
    while received:
        head, _, rest = received.partition(_END_OF_HEAD)
        lines = head.decode().lower().split("\r\n")
        length = next(
            int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")
        )
        found.append((int(lines[0].split()[1]), rest[:length]))
        received = rest[length:]
    return found


Script = Callable[[int, bytes], bytes | None]


class RawUpstream:
    """Keeps the head of every request; `script` gives the bytes of each answer.

    The script is asked with the request's number, from 0, and its head. None hangs up. What it
    gives may be half an answer.

    Attributes:
        resets: it hangs up with a reset, and not politely.
        hangs_up: it hangs up after each answer.
        goes_on: answers wait for this event.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.resets = False
        self.hangs_up = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving[asyncio.current_task()] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(_END_OF_HEAD)
                self.heads.append(head)
                number = len(self.heads) - 1
                await self.goes_on.wait()
                answer = self.script(number, head)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if self.hangs_up:
                    break
        if self.resets:
            raw: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):  # the other side may be gone already
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def stop(self) -> None:
        self.goes_on.set()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in self._serving if task is not None))


@asynccontextmanager
async def raw_upstream(script: Script) -> AsyncIterator[RawUpstream]:
    fake = RawUpstream(script)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, backlog=1000)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await fake.stop()
