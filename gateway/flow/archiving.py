"""Move what is told of old orders out of the journal, in small parts between which orders go on.

A part is read, kept in the archive, and only when it is durable there forgotten by the journal:
whatever ends the process in between, nothing is lost, and the next run does the part again. The
orders themselves stay, so that a trx_id is used for ever.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.protocol.shown import when
from gateway.store import Archive, OldPart, Place, Store

_DAY_MS = 86_400_000
# A callback is kept for a week, a delivery is tried for three days, a failure watched for one.
MIN_DAYS = 7
# So long a command of the operator works at most before it lets others have their turn, seconds.
_TURN_S = 0.8


class Archiving:
    """The part of the desk that is about what is old.

    Args:
        store: the journal.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.commands: dict[str, Callable[..., Any]] = {"archive.some": self.some}

    async def some(
        self,
        older_than_days: int,
        to: str | None = None,
        *,
        dry_run: bool = False,
        place: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Move a short while long; `place` of the result is where to go on, None at the end.

        Args:
            older_than_days: nothing has happened to an order for so long.
            to: the archive's whole path; None for the one beside the journal.
            dry_run: only count.
            place: `place` of the result before.

        Raises:
            NotDone: the archive can not be used; says why.
        """
        if older_than_days < MIN_DAYS:
            raise NotDone(f"nothing is moved that is younger than {MIN_DAYS} days")
        before = self._clock() - older_than_days * _DAY_MS
        path = self._store.archive_path(None if to is None else Path(to))
        archive = None if dry_run else await self._store.open_archive(path)
        counted = {"orders": 0, "steps": 0, "deliveries": 0, "left": 0}
        try:
            reached = await self._work(archive, before, _place(place), counted)
        finally:
            if archive is not None:
                await archive.close()
        next_place = None if reached is None else {"again": reached.again, "after": reached.after}
        return {**counted, "file": str(path), "before": when(before), "place": next_place}

    async def _work(
        self, archive: Archive | None, before: int, place: Place, counted: dict[str, int]
    ) -> Place | None:
        """Move part after part until the turn is over; returns where to go on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _TURN_S
        while True:
            part = await self._store.old_part(before, place)
            moved = {order.id for order in part.orders}
            if archive is not None:
                moved = await self._move(archive, part, before)
            for order in part.orders:
                if order.id in moved:
                    counted["orders"] += 1
                    counted["steps"] += len(order.steps)
                    counted["deliveries"] += len(order.deliveries)
            counted["left"] += len(part.later) + len(part.orders) - len(moved)
            if part.next_place is None or loop.time() >= until:
                return part.next_place
            place = part.next_place

    async def _move(self, archive: Archive, part: OldPart, before: int) -> set[int]:
        if part.orders:
            await archive.keep(part.orders)  # durable, before the journal forgets it
        forgotten = await self._store.forget(part, before, self._clock(), archive.path.name)
        return set(forgotten)


def _place(said: dict[str, Any] | None) -> Place:
    return Place(again=True) if said is None else Place(**said)
