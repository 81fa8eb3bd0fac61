"""What stands in front of several gateways: every connection goes to any of those that listen."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress


class Front:
    """A balancer on port 0 that knows nothing of what it passes on.

    Args:
        ports: of 127.0.0.1, those behind it.
        chance: chooses among them.
    """

    def __init__(self, ports: Sequence[int], chance: random.Random) -> None:
        self._ports, self._chance = ports, chance
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

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
        try:
            with suppress(OSError, asyncio.CancelledError):  # ended by `close`, which waits for it
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._chance.sample(self._ports, len(self._ports)):
            with suppress(ConnectionRefusedError):
                behind, to_behind = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            return
        try:
            await both_ways((reader, writer), (behind, to_behind))
        finally:
            to_behind.transport.abort()


End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def both_ways(one: End, other: End) -> None:
    """Pass on what comes from either end, until one has nothing more to say."""
    ways = [asyncio.create_task(_pass_on(one[0], other[1]))]
    ways.append(asyncio.create_task(_pass_on(other[0], one[1])))
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(0)  # so that what was drained has left
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
