"""Deliveries by host, and hosts that are paused: what can be asked of a journal.

An intent's promises are those of `gateway.store.intents`.
"""

from typing import Protocol

import msgspec

from gateway.domain.delivery import Delivery, DeliveryState


class PausedHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host to which nothing is sent for now.

    Attributes:
        host: `host:port`.
        since: Unix milliseconds.
        who: who paused it, an admin's name or `cli`.
        reason: in his words; may be empty.
    """

    host: str
    since: int
    who: str
    reason: str = ""


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the outbox holds of one host.

    Attributes:
        host: `host:port`.
        due: deliveries that wait for an attempt, now or later.
        next_at: when the first of them is due, Unix milliseconds, or None.
        dead: deliveries that were given up.
        last_result: what came of one of the last attempts, or None.
        delivered_at: when one of the newest deliveries was accepted, Unix milliseconds, or None.
        paused: it is paused, or None.
    """

    host: str
    due: int = 0
    next_at: int | None = None
    dead: int = 0
    last_result: str | None = None
    delivered_at: int | None = None
    paused: PausedHost | None = None


class FoundDeliveries(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the outbox holds, newest first.

    Attributes:
        deliveries: those that were found.
        next_id: deliveries below this number were not looked at; None where all were.
    """

    deliveries: tuple[Delivery, ...] = ()
    next_id: int | None = None


class Hosts(Protocol):
    """What can be asked of a journal about hosts."""

    async def hosts(self, most: int) -> list[HostRow]:
        """List hosts for which something waits or died, that are paused, or were told lately.

        Those with most dead come first, then those with most due; at most `most` of them.
        """
        ...

    async def find_deliveries(
        self, host: str | None, state: DeliveryState | None, before_id: int | None, limit: int
    ) -> FoundDeliveries:
        """Look through a part of the outbox, from the newest back, for one host or for all."""
        ...

    async def pause_host(self, paused: PausedHost) -> bool:
        """Pause a host; False where it is paused already."""
        ...

    async def resume_host(self, host: str) -> bool:
        """Pause it no more; False where it was not paused."""
        ...

    async def paused_hosts(self) -> list[PausedHost]:
        """List the hosts that are paused, by name."""
        ...
