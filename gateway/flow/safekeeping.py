"""Backups at the operator's desk: one is begun by a command, and asked about by others.

A backup of a large journal takes longer than a command may hold the desk, so it goes on by itself
meanwhile, and who began it asks how far it is. When the last one was made stands in the journal.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.flow.worker import Tasks
from gateway.log import get_logger
from gateway.protocol.shown import when
from gateway.store import Store
from gateway.store.keeping import Keeper, Kept, Target

log = get_logger(__name__)

LAST = "backup.last"
"""The name under which the journal keeps what the last backup was: `at`, `path`, `bytes`."""
_OTHERS = "this journal's database makes its own backups: pg_dump, or archiving its log"
# Who asks waits so long for the end, so that a small journal's backup is one question.
_WAIT_S = 0.5


class Safekeeping:
    """The part of the desk that is about backups.

    Args:
        store: the journal.
        keeper: makes its backups, where it does that itself.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, keeper: Keeper | None, clock: Clock) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._tasks = Tasks()
        self._making: asyncio.Task[dict[str, Any]] | None = None
        self._reached: tuple[str, int, int] = ("copy", 0, 0)
        self.commands: dict[str, Callable[..., Any]] = {
            "backup.begin": self.begin,
            "backup.state": self.state,
            "backup.note": self.note,
            "backup.last": self.last,
        }

    async def begin(self, to: str, keep: int | None = None) -> dict[str, Any]:
        """Begin a backup; returns its state.

        Args:
            to: a folder or a file, its whole path.
            keep: so many of the newest of a folder stay.

        Raises:
            NotDone: one is being made already, or it came to nothing.
        """
        if self._keeper is None:
            raise NotDone(_OTHERS)
        if self._making is not None and not self._making.done():
            raise NotDone("a backup is being made at this moment")
        target = Target(to=Path(to), at=self._clock(), keep=keep)
        self._reached = ("copy", 0, 0)
        self._making = self._tasks.start(self._make(self._keeper, target))
        return await self.state()

    async def state(self) -> dict[str, Any]:
        """Tell how far the backup is: `doing`, `done` and `of` bytes; at its end what it is.

        Raises:
            NotDone: it came to nothing; says why.
        """
        making = self._making
        if making is None:
            raise NotDone("no backup is being made")
        await asyncio.wait({making}, timeout=_WAIT_S)
        if making.done():
            return making.result()
        doing, done, size = self._reached
        return {"doing": doing, "done": done, "of": size}

    async def note(self, at: int, path: str, size: int) -> None:
        """Write down that a backup was made, which may have been elsewhere.

        Args:
            at: Unix milliseconds.
            path: where it is.
            size: bytes.
        """
        about = {"at": at, "path": path, "bytes": size}
        await self._store.set_meta(LAST, json.dumps(about).encode())

    async def last(self) -> dict[str, Any] | None:
        """Return what the last backup was, or None where none was ever made."""
        said = await self._store.meta(LAST)
        return None if said is None else dict(json.loads(said))

    async def _make(self, keeper: Keeper, target: Target) -> dict[str, Any]:
        try:
            kept = await keeper.back_up(target, self._reach)
        except NotDone as error:
            log.info("backup.failed", reason=str(error))
            raise
        await self.note(at=target.at, path=str(kept.path), size=kept.size)
        log.info("backup.made", path=str(kept.path), bytes=kept.size)
        return shown_backup(kept, target.at)

    def _reach(self, doing: str, done: int, size: int) -> None:
        self._reached = (doing, done, size)

    async def finish(self, within_s: float) -> None:
        """Wait for a backup that is being made, at most this many seconds."""
        await self._tasks.finish(within_s)


def shown_backup(kept: Kept, at: int) -> dict[str, Any]:
    """Return what a backup is as plain data, ready for JSON."""
    facts = kept.facts
    return {
        "path": str(kept.path),
        "bytes": kept.size,
        "at": when(at),
        "form": facts.form,
        "orders": facts.orders,
        "deliveries": facts.deliveries,
        "last_order": facts.last_order,
        "last_status": facts.last_status,
        "removed": [str(path) for path in kept.removed],
    }
