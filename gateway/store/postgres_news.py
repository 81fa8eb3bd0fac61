"""What happens at one node is heard at all: LISTEN and NOTIFY, to wake and never to carry.

What is told is a word and a number. It may be lost, with a connection or in a crash, so whoever
waits for something looks for himself now and then; this only spares him the waiting. PostgreSQL
lets one transaction that notifies commit at a time, so nothing is told in an order's own: what
there is is told by a statement of its own, a moment later, together.
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from gateway.domain.errors import JournalUnavailable
from gateway.store.nodes import Hear
from gateway.store.postgres_pool import CONNECT_S, TROUBLES, Database, Session

_CHANNEL: Final = "otomax_gateway"
_SOON_S: Final = 0.01
_AGAIN_S: Final = 1.0  # a connection that broke is made again this soon
_MAX_TOLD: Final = 200  # in one notification, which PostgreSQL bounds by 8,000 bytes
_MAX_WAITING: Final = 2_000  # beyond it what is told is lost: whoever waits looks for himself
_NUMBER_DIGITS: Final = 19


class News:
    """Tells and hears.

    Args:
        database: where it is told.
        url: where it is listened, on a connection of its own.
        settings: of that connection.
    """

    def __init__(self, database: Database, url: str, settings: dict[str, str]) -> None:
        self._database = database
        self._url = url
        self._settings = settings
        self._waiting: dict[tuple[str, int], None] = {}
        self._hear: list[Hear] = []
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    def begin(self) -> None:
        """Listen from now on."""
        if self._listening is None and not self._closed:
            self._listening = asyncio.ensure_future(self._listen())

    def listen(self, hear: Hear) -> None:
        """Have everything told to this."""
        self._hear.append(hear)

    def tell(self, what: str, which: int, *, to_others: bool) -> None:
        """Tell those in this process now, and the others soon."""
        for hear in self._hear:
            hear(what, which)
        if not to_others or self._closed or len(self._waiting) >= _MAX_WAITING:
            return
        self._waiting[what, which] = None
        if self._telling is None:
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        try:
            await asyncio.sleep(_SOON_S)
            while self._waiting:
                some = list(self._waiting)[:_MAX_TOLD]
                for one in some:
                    del self._waiting[one]
                await self._notify("\n".join(f"{what} {which}" for what, which in some))
        finally:
            self._telling = None

    async def _notify(self, text: str) -> None:
        async def work(session: Session) -> None:
            await session.value("SELECT pg_notify($1, $2)", _CHANNEL, text)

        with suppress(JournalUnavailable, *TROUBLES):
            await self._database.repeat(work)

    async def _listen(self) -> None:
        while not self._closed:
            with suppress(*TROUBLES):
                await self._listen_once()
            await asyncio.sleep(_AGAIN_S)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=CONNECT_S, server_settings=self._settings
        )
        broken = asyncio.Event()

        async def note(_: object) -> None:
            broken.set()

        connection.add_termination_listener(note)
        try:
            await connection.add_listener(_CHANNEL, self._heard)
            await broken.wait()
        finally:
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, _channel: str, text: object) -> None:
        """Pass on what was told; what is not understood is of a newer gateway."""
        for line in str(text).split("\n"):
            what, _, number = line.partition(" ")
            if number.isdecimal() and len(number) < _NUMBER_DIGITS:
                for hear in self._hear:
                    hear(what, int(number))

    async def close(self) -> None:
        """Tell what is left, and listen no more."""
        if self._telling is not None:
            await asyncio.wait({self._telling})
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
