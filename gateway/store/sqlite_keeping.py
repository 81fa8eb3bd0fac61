"""What the SQLite journal can do beyond an order's way: back itself up, and remember what changes.

A part of `SqliteStore`, in a room of its own because no order passes here.
"""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

from gateway.store.group_commit import T, Work, Writer
from gateway.store.keeping import Kept, Progress, Target
from gateway.store.sqlite_backup import back_up
from gateway.store.sqlite_restore import mark_restored
from gateway.store.sqlite_scribe import Scribe


class SqliteKeeping:
    """The part of `SqliteStore` that is a `store.keeping.Keeper`."""

    path: Path
    _writer: Writer
    _scribe: Scribe | None

    async def _write_aside(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def _write(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep something under a name, in place of what is there."""
        sql = (
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        await self._write_aside(lambda connection: connection.execute(sql, (key, value)).rowcount)

    async def mark_restored(self, at: int) -> None:
        """Write down that this journal was brought back from a backup, at this time."""

        def work(connection: sqlite3.Connection) -> None:
            mark_restored(connection, at)

        await self._write(work)

    async def back_up(self, target: Target, progress: Progress) -> Kept:
        """Make a backup on a thread of its own."""
        return await asyncio.to_thread(partial(back_up, self.path, target, progress))

    async def leave_log(self) -> None:
        """Bring nothing of the log into the journal's file by ourselves."""
        pragma = "wal_autocheckpoint = 0"
        await self._writer.alone(
            lambda connection: connection.execute(f"PRAGMA {pragma}").fetchall()
        )
        if self._scribe is not None:
            self._scribe.add_pragma(pragma)

    async def beat(self) -> None:
        """Return when whoever writes has come to this."""
        await self._writer.alone(lambda _: None)
