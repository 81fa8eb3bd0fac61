"""Moves old orders out of a journal, and kills itself in the middle where it is told to.

    run_archive.py JOURNAL ARCHIVE WHERE NTH

WHERE is `kept` or `forgotten`: after the NTH time; `keeping` or `forgetting`: after NTH steps of
SQLite's machine, in the middle of that transaction; or `nowhere`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.clock import now_ms
from gateway.flow.archiving import Archiving
from gateway.store import OldOrder, OldPart
from gateway.store.archive import Archive
from gateway.store.group_commit import Thread
from gateway.store.sqlite import SqliteStore, open_sqlite


def die() -> int:
    """End as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


class Countdown:
    """Kills after so many times."""

    def __init__(self, where: str, nth: int) -> None:
        self.where = where
        self.left = nth

    def reached(self, where: str) -> None:
        self.left -= where == self.where
        if self.where == where and self.left == 0:
            die()

    async def within(self, where: str, thread: Thread) -> None:
        """Kill in the middle of what this connection does."""
        if where == self.where:
            await thread.run(lambda raw: raw.set_progress_handler(die, self.left))


async def main(journal: Path, to: Path, countdown: Countdown) -> None:
    store = await open_sqlite(journal)
    keep, forget = Archive.keep, SqliteStore.forget

    async def watched_keep(self: Archive, orders: Sequence[OldOrder]) -> None:
        await countdown.within("keeping", self._thread)
        await keep(self, orders)
        countdown.reached("kept")

    async def watched_forget(
        self: SqliteStore, part: OldPart, before: int, at: int, archive: str
    ) -> list[int]:
        await countdown.within("forgetting", self._writing_thread)
        forgotten = await forget(self, part, before, at, archive)
        countdown.reached("forgotten")
        return forgotten

    Archive.keep = watched_keep  # type: ignore[method-assign]
    SqliteStore.forget = watched_forget  # type: ignore[method-assign]
    place = None
    while True:
        done = await Archiving(store, now_ms).some(90, str(to), place=place)
        place = done["place"]
        if place is None:
            break
    await store.close()


if __name__ == "__main__":
    _journal, _archive, _where, _nth = sys.argv[1:]
    asyncio.run(main(Path(_journal), Path(_archive), Countdown(_where, int(_nth))))
