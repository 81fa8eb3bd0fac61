"""What can be asked of a journal about alerts, telling the operator of them, and saldo.

Part of `Store`, with the values that go in and out, in a room of its own: none of it is on an
order's way. A notice is a row of an outbox of its own, written with the alert that it tells.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from gateway.domain.alert import Alarm, Alert, Kind, What
from gateway.domain.saldo import Seen

Standing = tuple[Kind, str]
"""A condition: its kind, and what it is true of."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the operator is to be told.

    Attributes:
        id: its number.
        what: what it tells.
        alert: of which alert, as it is now.
        made_at: when it was put into the outbox, Unix milliseconds.
        attempts: how often it was claimed, this time included.
        told: the channels that took it.
    """

    id: int
    what: What
    alert: Alert
    made_at: int
    attempts: int
    told: tuple[str, ...] = ()


class NoticeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a notice that was claimed.

    Attributes:
        id: the notice's number.
        attempts: as it was claimed; nothing is written where somebody claimed it since.
        told: the channels that have it by now.
        next_at: when the others are tried again, Unix milliseconds; None where it is done with.
        at: when this came about, Unix milliseconds.
        result: one short line for the operator.
    """

    id: int
    attempts: int
    told: tuple[str, ...]
    next_at: int | None
    at: int
    result: str


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """How the journal stands, in a few figures.

    Attributes:
        alerts: how many alerts are open, by kind.
        deliveries_due: deliveries that wait for an attempt, now or later.
        deliveries_dead: deliveries that were given up.
        oldest_due_at: when the oldest of those that wait was made, Unix milliseconds, or None.
        first_order_at: when the first order of all was placed, Unix milliseconds, or None.
    """

    alerts: dict[str, int]
    deliveries_due: int
    deliveries_dead: int
    oldest_due_at: int | None
    first_order_at: int | None


class LongOpen(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that are open.

    Attributes:
        count: how many of them were placed before a time.
        oldest: the upstream_trx_id of the one that was placed first, or None where none is open.
        placed_at: when that was, Unix milliseconds.
    """

    count: int = 0
    oldest: str | None = None
    placed_at: int | None = None


class LateDeliveries(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be told to one reseller; `since` is when the oldest was made, in Unix ms."""

    reseller: str
    count: int
    since: int


class Notices(Protocol):
    """The part of a journal that is about alerts, notices and saldo."""

    async def raise_alert(self, alert: Alarm) -> bool:
        """Raise an alert about no order; False where it stands, or is open, already."""
        ...

    async def end_alert(self, kind: Kind, about: str, now: int) -> int:
        """End the condition that stands of this kind about this; returns how many that were."""
        ...

    async def standing_alerts(self) -> list[Standing]:
        """List the conditions that were raised and are not over, noted by the operator or not."""
        ...

    async def alerts(
        self, *, with_acked: bool = False, before_id: int | None = None, limit: int = 50
    ) -> list[Alert]:
        """List alerts, newest first."""
        ...

    async def ack_alerts(self, ids: Collection[int] | None, now: int) -> list[int]:
        """Take note of these open alerts, or of every open one; returns which they were."""
        ...

    async def remind(self, now: int, *, every_ms: int, at_most: int) -> int:
        """Put a reminder of every open alert that is due for one into the outbox of notices.

        Args:
            now: Unix milliseconds.
            every_ms: how long after the operator was last told.
            at_most: reminders of one alert.

        Returns:
            How many.
        """
        ...

    async def claim_notices(self, now: int, *, lease_ms: int, limit: int) -> list[Notice]:
        """Take notices that are due, oldest first; nobody else is given them within the lease.

        One whose claimer died is due again when its lease ends.
        """
        ...

    async def note_notices(self, noted: Sequence[NoticeOutcome]) -> None:
        """Write down what came of claimed notices."""
        ...

    async def pulse(self) -> Pulse:
        """Return how the journal stands. Walks nothing but what is open, due or dead."""
        ...

    async def long_open(self, before: int) -> LongOpen:
        """Count the orders that are open and were placed before a time, Unix milliseconds."""
        ...

    async def late_deliveries(self, before: int, limit: int) -> list[LateDeliveries]:
        """List the resellers for whom something waits that was made before a time, worst first."""
        ...

    async def add_saldi(self, at: int, saldi: dict[str, int]) -> None:
        """Add balances, Rupiah by account, to their history."""
        ...

    async def saldo_history(self, account: str, since: int) -> list[Seen]:
        """Return how the balance under an upstream key was seen to change, oldest first.

        Args:
            account: whose.
            since: from when on, Unix milliseconds; the one before it comes first, for that is
                what it was then.
        """
        ...

    async def prune(self, before: int) -> int:
        """Forget balances and notices that are older than this; returns how many rows."""
        ...

    def disk_free(self) -> int | None:
        """Return how many bytes the journal's disk has left for us; None where it is not ours."""
        ...
