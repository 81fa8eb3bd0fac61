"""A bad line between a gateway and its PostgreSQL: slow, dark, or torn at any byte.

It knows nothing of what it carries; what is cut at a chosen message is `tests.support.cutter`, to
which it leads.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.cutter import Cutter, cutting


class RoughLine:
    """The line, with what it leads to.

    Attributes:
        cutter: what is behind it: cuts at messages, and refuses.
        slow_s: what is carried waits for so long, either way.
        lit: cleared, the line is a black hole: nothing is refused, and nothing arrives.
    """

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self.slow_s = 0.0
        self.lit = asyncio.Event()
        self.lit.set()
        self._left: int | None = None  # bytes until it is torn
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, database: str) -> str:
        """The URL of a database behind it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=disable"

    def tear_after(self, count: int) -> None:
        """Carry so many bytes more, and break every connection in the midst of what comes next."""
        self._left = count

    @property
    def is_torn(self) -> bool:
        """Whether what was to be carried before it tears was carried."""
        return self._left is None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        """Break everything, and wait until it is broken."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._ends.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):  # ended by `close`, which waits for it
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            self._ends.discard(writer)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_connection("127.0.0.1", self.cutter.port)
        self._ends.add(to_behind)
        ways = [
            asyncio.create_task(self._carry(reader, to_behind)),
            asyncio.create_task(self._carry(behind, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ends.discard(to_behind)
            to_behind.transport.abort()  # before anything is awaited, which may be cancelled
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # so that what was drained has left
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.lit.wait()
                if self.slow_s:
                    await asyncio.sleep(self.slow_s)
                if self._left is not None and len(data) > self._left:
                    writer.write(data[: self._left])
                    await writer.drain()
                    self._tear()
                    return
                if self._left is not None:
                    self._left -= len(data)
                writer.write(data)
                await writer.drain()

    def _tear(self) -> None:
        self._left = None
        for end in self._ends:
            end.transport.abort()


@asynccontextmanager
async def rough_line(socket: Path) -> AsyncIterator[RoughLine]:
    """Give a line to the PostgreSQL behind a socket."""
    async with cutting(socket) as cutter:
        line = RoughLine(cutter)
        await line.start()
        try:
            yield line
        finally:
            await line.close()
