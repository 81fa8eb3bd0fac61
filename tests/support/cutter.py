"""What stands between a journal and its PostgreSQL, and cuts the connection at a chosen message.

A real proxy on port 0. It knows no more of PostgreSQL's protocol than where a message begins and
ends (the chapter "Frontend/Backend Protocol" of its manual): a letter, a length, the rest.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path

_READY = b"Z"
_LATE_S = 0.3

Chosen = Callable[[bytes, bytes], bool]
"""Whether a message of the client is the one, by its letter and the rest."""


class Cut(Enum):
    """When the connection breaks."""

    BEFORE = auto()  # the server never hears it
    AFTER = auto()  # it was done, and nobody hears so
    LATE = auto()  # the client hears that it broke, and only then the server gets it


def is_execute(letter: bytes, _: bytes) -> bool:
    """Whether it is a statement with parameters."""
    return letter == b"E"


def is_commit(letter: bytes, rest: bytes) -> bool:
    """Whether it is the COMMIT of a transaction."""
    return letter == b"Q" and rest.startswith(b"COMMIT")


def the_second(chosen: Chosen) -> Chosen:
    """Choose the second of its kind."""
    seen = itertools.count()
    return lambda letter, rest: chosen(letter, rest) and next(seen) == 1


class Cutter:
    """The proxy. `url` leads through it; `arm` says what is cut next.

    Attributes:
        open: whoever connects is let through; clear it to hold them.
        cut: set when something was cut.
        refuse: whether who connects is sent away at once.
        statements: how many statements and transaction words went through.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._chosen: Chosen | None = None
        self._when = Cut.BEFORE
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.cut = asyncio.Event()
        self.refuse = False
        self.statements = 0

    def arm(self, chosen: Chosen, when: Cut) -> None:
        """Cut at the next message of that kind, once."""
        self._chosen, self._when = chosen, when
        self.cut.clear()

    def url(self, database: str) -> str:
        """The URL of a database behind it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut_all(self) -> None:
        """Break every connection that there is."""
        for writer in self._writers:
            writer.transport.abort()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        """Break everything, and wait until it is broken."""
        assert self._server is not None
        self._server.close()
        self.cut_all()
        for task in self._pairs:
            task.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)  # ended by `close`, which waits for it
        finally:
            self._pairs.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        if self.refuse:
            return
        back_reader, back_writer = await asyncio.open_unix_connection(str(self._socket))
        self._writers |= {writer, back_writer}
        passing = asyncio.create_task(_pass_on(back_reader, writer))
        try:
            (length,) = struct.unpack("!i", head := await reader.readexactly(4))
            back_writer.write(head + await reader.readexactly(length - 4))
            while not await self._step(reader, back_writer, passing, writer):
                pass
            with suppress(TimeoutError):  # what the server has to say, nobody hears
                await asyncio.wait_for(_until_ready(back_reader), 5)
        finally:
            passing.cancel()
            self._writers -= {writer, back_writer}
            back_writer.transport.abort()

    async def _step(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        passing: "asyncio.Task[None]",
        client: asyncio.StreamWriter,
    ) -> bool:
        """Pass one message on; True where the connection was cut at it."""
        letter = await reader.readexactly(1)
        (length,) = struct.unpack("!i", size := await reader.readexactly(4))
        rest = await reader.readexactly(length - 4)
        self.statements += letter in {b"E", b"Q"}
        if self._chosen is None or not self._chosen(letter, rest):
            server.write(letter + size + rest)
            return False
        self._chosen = None
        passing.cancel()
        if self._when is Cut.BEFORE:
            server.transport.abort()
            client.transport.abort()
        else:
            sync = b"" if letter == b"Q" else await reader.readexactly(5)
            if self._when is Cut.LATE:
                client.transport.abort()
                await asyncio.sleep(_LATE_S)
            server.write(letter + size + rest + sync)
        self.cut.set()
        return True


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
        writer.transport.abort()


async def _until_ready(reader: asyncio.StreamReader) -> None:
    while await reader.readexactly(1) != _READY:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)


@asynccontextmanager
async def cutting(socket: Path) -> AsyncIterator[Cutter]:
    """Give a proxy to the PostgreSQL behind a socket."""
    cutter = Cutter(socket)
    await cutter.start()
    try:
        yield cutter
    finally:
        await cutter.close()
