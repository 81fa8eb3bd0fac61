"""The gateways that share one journal: who they are, what each has claimed, what time it is.

A node is one process with the journal open. It has a number, drawn when it joins, and a lease,
renewed with every beat. When the lease is over, or the node has said goodbye, what was its own is
anybody's; a node that comes back joins under a new number, so nothing of its old one counts any
more. What is under way beside an order's own change is claimed for a while, under a number that
only grows: a write under a claim that was lost changes nothing.

All times are Unix milliseconds by the journal's own clock. On SQLite there is one node for ever,
and nothing of this costs anything.
"""

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Protocol

import msgspec


class Claimed(StrEnum):
    """What is claimed, by the numbers of what is handed out."""

    DELIVERY = "delivery"  # due messages; an order's next one is nobody else's meanwhile
    LOOK = "look"  # orders whose look-up is due
    ASK = "ask"  # orders that a panel asks about: shares the claims of LOOK
    CALLBACK = "callback"  # callbacks without an order


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another node.

    Attributes:
        id: its number.
        seen_at: when its last beat came.
        clear_at: whatever came to it before this is in the journal, or never will be.
    """

    id: int
    seen_at: int
    clear_at: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What every node must notice soon.

    Attributes:
        resellers: goes up whenever a reseller, a key or an account was changed.
        clock: goes up whenever the dates were moved, because the clock was set.
    """

    resellers: int = 0
    clock: int = 0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What a beat brought back.

    Attributes:
        held: the lease was not over yet; else nothing was renewed.
        changes: what has changed by now.
        peers: the others whose lease is not over.
        taken_over: orders whose sends were made due, for their nodes are gone.
    """

    held: bool
    changes: Changes
    peers: tuple[Peer, ...]
    taken_over: int = 0


class Outrun(Exception):  # noqa: N818  the name says what happened
    """Somebody else was quicker with a change; nothing was written, and all begins anew."""


class ClaimLost(Exception):  # noqa: N818  the name says what happened
    """What was to be written stood under a claim that is another's by now; nothing was."""


Hear = Callable[[str, int], None]
"""Is told what happened at any node: a kind, in one word, and a number."""


class Nodes(Protocol):
    """What can be asked of a journal about those who share it.

    Every method raises `JournalUnavailable` where the journal can not be read or written.
    """

    is_shared: bool

    async def time(self) -> int:
        """Return what time it is by the journal's own clock."""
        ...

    async def changes(self) -> Changes:
        """Return what has changed by now."""
        ...

    async def join(self, lease_s: float) -> None:
        """Become a node, under a new number, with a lease of so many seconds."""
        ...

    async def beat(self, clear_at: int) -> Beat:
        """Renew the lease, and take over what nodes had that are gone.

        Args:
            clear_at: as in `Peer`.
        """
        ...

    async def leave(self) -> None:
        """Say goodbye: what is claimed is anybody's at once."""
        ...

    async def claim(
        self, kind: Claimed, ids: Collection[int], now: int, lasts_s: float
    ) -> dict[int, int]:
        """Claim what is still due of these; returns the number of each claim, by their ids."""
        ...

    async def release(self, kind: Claimed, ids: Collection[int]) -> None:
        """Give up claims; of deliveries by the numbers of their orders."""
        ...

    async def turn(self, what: str, lasts_s: float) -> bool:
        """Whether something is this node's to do, and nobody else's for so many seconds.

        Who has the turn keeps it by asking again in time; where its node is gone it is anybody's.
        """
        ...

    def tell(self, what: str, which: int) -> None:
        """Let all nodes hear of something soon; it may be lost, so nobody relies on it."""
        ...

    def listen(self, hear: Hear) -> None:
        """Have what happens told to this, also what happens here."""
        ...


class OneNode:
    """`Nodes` for a journal that one process has alone: it holds everything, without asking."""

    is_shared = False

    def __init__(self) -> None:
        self._hear: list[Hear] = []

    async def time(self) -> int:
        raise NotImplementedError("a journal in a file has no clock of its own")

    async def changes(self) -> Changes:
        return Changes()

    async def join(self, lease_s: float) -> None:
        """Do nothing: whoever has the journal open is the node."""

    async def beat(self, clear_at: int) -> Beat:  # noqa: ARG002  there are no peers
        return Beat(held=True, changes=Changes(), peers=())

    async def leave(self) -> None:
        """Do nothing: the next start takes everything up."""

    async def claim(
        self,
        kind: Claimed,  # noqa: ARG002  nobody else can take it
        ids: Collection[int],
        now: int,  # noqa: ARG002
        lasts_s: float,  # noqa: ARG002
    ) -> dict[int, int]:
        return dict.fromkeys(ids, 0)

    async def release(self, kind: Claimed, ids: Collection[int]) -> None:
        """Do nothing: nothing was written."""

    async def turn(self, what: str, lasts_s: float) -> bool:  # noqa: ARG002  nobody else is there
        return True

    def tell(self, what: str, which: int) -> None:
        for hear in self._hear:
            hear(what, which)

    def listen(self, hear: Hear) -> None:
        self._hear.append(hear)
