"""A change by a function of what is, where others may change the same: read, decide, write.

Nothing is locked while it is decided. What was read has a fence, a number that goes up with every
change of its row; the write asks for that very fence and raises it, in one statement, and where
another was quicker all begins anew. That is two round trips in place of the four of a transaction
that locks the row, and one where the row is known already; and no lock outlives a gateway that was
stopped.

A fence's upper part counts the changes, its lower part is drawn by who makes the change. So who
lost the answer to a write reads the row again and knows: the fence that it wrote is there, so it
is written; or another with the same count, so it is not and never will be; or an older one, so it
may be written again, for of two writes upon one fence only one succeeds. Only where others have
gone on meanwhile nothing can be told, and `JournalUnavailable` says so.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from gateway.domain.errors import JournalUnavailable
from gateway.store.postgres_pool import TROUBLES, Database, Patience, Session, is_unheard

V = TypeVar("V")
R = TypeVar("R")

# Two that write at the same moment upon the same fence draw the same once in 10^12 times.
_DRAWN_BITS: Final = 40
RAISED: Final = f"((fence >> {_DRAWN_BITS}) + 1) << {_DRAWN_BITS}"
"""The next fence, in SQL, where nobody has to know his own write again."""


class Fenced(NamedTuple, Generic[V]):
    """What stands in a row, and its fence, as they were together."""

    value: V
    fence: int


class Write(Protocol[V, R]):
    """Writes a record where the fence is still the same; None where it is not."""

    def __call__(
        self, session: Session, before: Fenced[V], record: R, fence: int
    ) -> Awaitable[R | None]:
        """Write it, and this fence."""
        ...


def draw() -> int:
    """Return the lower part of a fence; never 0, which is `RAISED`'s."""
    return 1 + secrets.randbelow((1 << _DRAWN_BITS) - 1)


def _count(fence: int) -> int:
    return fence >> _DRAWN_BITS


class _OutrunError(OSError):
    """Another was quicker."""


class FencedChange(Generic[V, R]):
    """One change, until it is written.

    Args:
        database: where.
        read: reads the row.
        decide: makes of what is there what is written.
        write: writes it.
    """

    def __init__(
        self,
        database: Database,
        read: Callable[[Session], Awaitable[Fenced[V]]],
        decide: Callable[[V], R],
        write: Write[V, R],
    ) -> None:
        self._database = database
        self._read = read
        self._decide = decide
        self._write = write
        self._drawn = draw()
        self._patience = Patience()
        self._unheard: dict[int, R] = {}  # by fence: what may have been written

    async def make(self, known: Fenced[V] | None = None) -> tuple[R, int]:
        """Make it; returns what was written, and its fence.

        Args:
            known: what the row held not long ago; else it is read.

        Raises:
            JournalUnavailable: it is not known to be durable.
        """
        made = None if known is None else await self._make_upon(known)
        while made is None:
            made = await self._make()
        return made

    async def _make_upon(self, known: Fenced[V]) -> tuple[R, int] | None:
        """Make it upon what may be old by now; None where it has to be read."""
        try:
            record = self._decide(known.value)
        except Exception:  # noqa: BLE001  it may be otherwise upon what is there now
            return None
        return await self._write_upon(known, record)

    async def _make(self) -> tuple[R, int] | None:
        """Make it upon what is there; None where it is to be tried again."""
        try:
            before = await self._database.once(self._read)
        except TROUBLES as error:
            await self._patience.bear(error)
            return None
        if (mine := self._found(before.fence)) is not None:
            return mine, before.fence
        return await self._write_upon(before, self._decide(before.value))

    async def _write_upon(self, before: Fenced[V], record: R) -> tuple[R, int] | None:
        fence = ((_count(before.fence) + 1) << _DRAWN_BITS) | self._drawn
        try:
            return await self._written(before, record, fence), fence
        except TROUBLES as error:
            await self._patience.bear(error)
        return None

    async def _written(self, before: Fenced[V], record: R, fence: int) -> R:
        try:
            written = await self._database.once(
                lambda session: self._write(session, before, record, fence)
            )
        except TROUBLES as error:
            if is_unheard(error):
                self._unheard[fence] = record
            raise
        if written is None:
            raise _OutrunError("somebody else changes the same")
        return written

    def _found(self, fence: int) -> R | None:
        """Return what of ours is in the journal; None where nothing is."""
        if fence in self._unheard:
            return self._unheard[fence]
        if any(_count(mine) < _count(fence) for mine in self._unheard):
            raise JournalUnavailable("what became of a change is not known: others followed it")
        if any(_count(mine) == _count(fence) for mine in self._unheard):
            self._unheard.clear()  # another was written in its place
        return None
