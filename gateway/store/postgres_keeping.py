"""What is written into a PostgreSQL journal that was brought back from a backup.

Backups of it are made with PostgreSQL's own tools, and brought back with them; the journal has to
be told, for only then what was lost is looked up before anything is sold.
"""

import asyncio
from functools import partial
from typing import Final

import msgspec

from gateway.domain.restored import LOOK_MS, WATCH_AGAIN_MS
from gateway.store import JournalInUse
from gateway.store.keeping import RESTORED, Restored
from gateway.store.postgres_fence import RAISED
from gateway.store.postgres_pool import Database, Session

_SET: Final = (
    "INSERT INTO meta (key, value) VALUES ($1, $2)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
PART: Final = 20_000  # orders of one transaction; where all are written, half a second
_MAKE_DUE: Final = (
    f"UPDATE orders SET due_at = $1::bigint, fence = {RAISED} WHERE id > $3 AND id <= $4"
    " AND (due_at IS NOT NULL OR (first_sent_at IS NOT NULL AND (final_at >= $2 OR EXISTS"
    " (SELECT 1 FROM deliveries d WHERE d.order_id = orders.id AND d.next_at IS NOT NULL))))"
)
_SIGN_OF_LIFE_S: Final = 1.5  # a gateway that works gives some within this


class PostgresKeeping:
    """The part of a PostgreSQL journal that knows that it was brought back."""

    _database: Database

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep something under a name, in place of what is there."""
        await self._database.changed(_SET, key, value)

    async def mark_restored(self, at: int) -> None:
        """Write down that this journal was brought back from a backup, at this time.

        Raises:
            JournalInUse: a gateway works on it.

        The mark comes first: from then on nothing is sold before all was looked up, so where the
        rest is interrupted it is only to be done again.
        """
        before = await self._database.repeat(_beats)
        await asyncio.sleep(_SIGN_OF_LIFE_S)
        if await self._database.repeat(_beats) - before:
            raise JournalInUse("a gateway works on this journal: stop every gateway first")
        since, last = await self._database.transact(partial(_mark, at=at))
        for first in range(0, last, PART):
            work = partial(_make_due, at=at, since=since, first=first)
            await self._database.transact(work)


async def _beats(session: Session) -> set[tuple[int, int]]:
    """Return how often each node has beaten; some may be of the time of the backup."""
    return {(row[0], row[1]) for row in await session.rows("SELECT id, beats FROM nodes")}


async def _mark(session: Session, at: int) -> tuple[int, int]:
    """Mark it; returns since when what is final may have moved, and the last order."""
    noted = await session.value("SELECT value FROM meta WHERE key = 'time'")
    taken_at = None if noted is None else int(noted)
    # What those had who shared the journal before the backup was made is nobody's now.
    await session.count("DELETE FROM nodes")
    await session.count("DELETE FROM claims")
    # A machine that was just set up may have a clock of years ago.
    look_until = max(at, taken_at or at) + LOOK_MS
    mark = Restored(at=at, taken_at=taken_at, look_until=look_until)
    await session.count(_SET, RESTORED, msgspec.json.encode(mark))
    last = await session.value("SELECT max(id) FROM orders")
    return (taken_at or at) - WATCH_AGAIN_MS, last or 0


async def _make_due(session: Session, at: int, since: int, first: int) -> None:
    """Let what may have moved be looked up, as `sqlite_restore.mark_restored`; a part of it."""
    await session.count(_MAKE_DUE, at, since, first, first + PART)
