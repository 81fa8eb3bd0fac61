"""The journal: what survives a power cut. Intents with names, not tables, are what others see.

`Store` says what can be asked of a journal; a backend is private to this package. A change is a
plain function of what stands in the journal at that instant, run inside the transaction: it can
not await, so no network call can ever sit inside one. Every write is durable when its call
returns.

Every method raises `JournalUnavailable` where the journal can not be read or written at the
moment.
"""

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from gateway.domain.alert import Alert
from gateway.domain.delivery import Delivery, DeliveryState, Message
from gateway.domain.order import Order


class JournalInUse(Exception):  # noqa: N818  the name says what is the matter
    """Another process holds this journal; the text says which."""


class JournalUnusable(Exception):  # noqa: N818  the name says what is the matter
    """This journal can not be opened at all; the text says why."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One step of an order's timeline.

    Attributes:
        at: Unix milliseconds.
        kind: what happened: asked, sending, answered, called_back, looked_up, decided, alert,
            told, not_told, resent, overruled, archived.
        text: what was said or done, without secrets.
    """

    at: int
    kind: str
    text: str


Telling = Callable[[Order], Message | None]
"""Makes of an order what its reseller is told, or None where there is nobody to tell."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one transaction writes about one order.

    Attributes:
        order: as it stands from now on.
        entries: what to add to its timeline.
        once: nothing is added to the timeline where `entries[0]` stands in it already, in these
            very words: what is said a thousand times must not fill the journal.
        message: what to tell the reseller; takes the place of what was not told yet. A function
            makes it of the order as it is written, for a new order has its number only then.
        tell_at: when it is due, Unix milliseconds.
        alert: what the operator must know, or None. Raised, and added to the timeline, once; what
            was written has None here where it had been raised before.
        saldo: the balance that was seen under the order's upstream key, Rupiah, or None.
    """

    order: Order
    entries: tuple[Entry, ...] = ()
    once: bool = False
    message: Message | Telling | None = None
    tell_at: int = 0
    alert: Entry | None = None
    saldo: int | None = None


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one transaction writes about one delivery.

    Attributes:
        delivery: as it stands from now on.
        entry: a step for its order's timeline.
        alert: what the operator must know, or None; raised once, as in `Record`.
        settles: how the alerts of its order begin that are no longer true, or None; they are
            taken note of.
    """

    delivery: Delivery
    entry: Entry
    alert: Entry | None = None
    settles: str | None = None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of a reseller's keys. `ends_at` is when it stops being taken, or None."""

    hash: bytes
    sealed: bytes
    hint: str
    created_at: int
    ends_at: int | None = None


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key at the upstream, sealed, and the balance last seen under it, Rupiah."""

    id: str
    sealed: bytes
    saldo: int | None = None


class ResellerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reseller as the journal holds it, keys, pin and password sealed."""

    code: str
    name: str = ""
    account: str | None = None
    callback_url: str | None = None
    callback_hosts: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    delivery: str = "toss"
    suspended: bool = False
    created_at: int = 0
    pin: bytes | None = None
    password: bytes | None = None
    allow_pin: bool = False
    max_price: int | None = None
    keys: tuple[KeyRow, ...] = ()


class Form(StrEnum):
    """In which form a callback came (contract §7)."""

    TEXT = "text"  # a query, with its order's token
    JSON = "json"  # a body, signed under its order's upstream key
    HINT = "hint"  # a query, with neither


class WaitingCallback(msgspec.Struct, frozen=True, kw_only=True):
    """A callback whose order is not known yet; `text` is its query or body as it came."""

    id: int
    upstream_trx_id: str
    form: Form
    text: str
    received_at: int


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders a listing shows, newest first."""

    reseller: str | None = None
    statuses: Sequence[str] = ()
    before_id: int | None = None
    limit: int = 50


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """Whose deliveries are to be left alone for now.

    Attributes:
        orders: those of which a delivery is under way.
        hosts: those that are called as often as may be at one time.
        resellers: those who are.
        pairs: a reseller and a host each: nothing is begun of this reseller to this host.
        of_each: of one reseller to one host this many are wanted at most, where more is due than
            can be listed.
    """

    orders: Collection[int] = ()
    hosts: Collection[str] = ()
    resellers: Collection[str] = ()
    pairs: Collection[tuple[str, str]] = ()
    of_each: int = 4


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries are sent again.

    Attributes:
        since: those that came to their state at this time or later, Unix milliseconds; a due one
            was made then.
        until: and not later than this.
        state: those in this state.
        reseller: those of this reseller alone, by its code.
        host: those to this `host:port` alone.
    """

    since: int
    until: int
    state: DeliveryState = DeliveryState.DEAD
    reseller: str | None = None
    host: str | None = None


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a part of the outbox.

    Attributes:
        resent: how many deliveries were made due, or would be.
        skipped: how many matched, but have a newer one of the same order.
        next_id: where the next part begins; None where this was the last.
    """

    resent: int
    skipped: int
    next_id: int | None


class JournalSize(msgspec.Struct, frozen=True, kw_only=True):
    """How large a journal is on its disk, bytes; all 0 where it has no file of its own.

    Attributes:
        journal: its file.
        log: its write-ahead log.
        log_written_at: another number whenever something was written to the log.
    """

    journal: int
    log: int
    log_written_at: int


class Sealed(NamedTuple):
    """What came of sealing anew.

    Attributes:
        held: sealed values that were looked at.
        changed: those of them that were sealed under another key before.
    """

    held: int
    changed: int


class OldOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of an order to which nothing has happened for long.

    Attributes:
        id: the order's number.
        upstream_trx_id: its name.
        steps: of its timeline, each with its number.
        deliveries: all that it had; each is finished.
    """

    id: int
    upstream_trx_id: str
    steps: tuple[tuple[int, Entry], ...]
    deliveries: tuple[Delivery, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far the orders were looked through for what is old.

    Attributes:
        again: among those that were looked at before and had to stay; else among those that never
            were.
        after: the last order that was looked at; None at the beginning.
    """

    again: bool = False
    after: int | None = None


class OldPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the orders, looked through for what is old.

    Attributes:
        orders: what may leave the journal.
        later: orders that may not, yet.
        looked_at: all orders of the part.
        next_place: where the next part begins; None where this was the last.
    """

    orders: tuple[OldOrder, ...]
    later: tuple[int, ...]
    looked_at: tuple[int, ...]
    next_place: Place | None


class Archive(Protocol):
    """A file outside the journal that keeps what is told of old orders."""

    path: Path

    async def keep(self, orders: Sequence[OldOrder]) -> None:
        """Write these; durable when it returns. What is there already, word for word, stays.

        Raises:
            NotDone: nothing was written; says why.
        """
        ...

    async def close(self) -> None:
        """Close the file."""
        ...


class Store(Protocol):
    """What can be asked of a journal."""

    async def place(self, record: Record) -> tuple[Order, bool]:
        """Journal a new order, or find the one that has its (reseller, trx_id).

        Returns:
            The order as it stands, and whether it is new. One that was there is left untouched.
        """
        ...

    async def change_order(
        self, order_id: int, decide: Callable[[Order], Record], *, patient: bool = False
    ) -> Record:
        """Change an order by a function of what it is now; returns what was written.

        Args:
            order_id: which.
            decide: makes of the order what is written.
            patient: nobody waits for it, so that what somebody waits for may be written before.
        """
        ...

    async def order(self, order_id: int) -> Order:
        """Return the order with this number, which must be there."""
        ...

    async def order_by_trx_id(self, reseller: str, trx_id: str) -> Order | None:
        """Find a reseller's order by its trx_id, compared by bytes."""
        ...

    async def order_by_invoice(self, invoice_number: str, reseller: str | None) -> Order | None:
        """Find an order by the upstream's id, among one reseller's or among all."""
        ...

    async def orders(self, wanted: OrderFilter) -> list[Order]:
        """List orders, newest first."""
        ...

    async def due_orders(
        self, now: int, limit: int, skip: Collection[int], *, watched: int | None = None
    ) -> list[Order]:
        """List orders that are due, without those in `skip`.

        Those come first that somebody waits for, the longest due first; then those that are final
        and merely watched, at most `watched` of them.
        """
        ...

    async def count_open(self) -> int:
        """Count the orders that are not final."""
        ...

    async def interrupt_sends(self, now: int) -> int:
        """Make due now what a process that died was sending; returns how many. For start only."""
        ...

    async def move_times(self, by: int, alert: Entry) -> int:
        """Move every date that is still to come, and raise an alert, after the clock was set.

        Args:
            by: milliseconds; what the clock was set ahead by.
            alert: what the operator must know; its time is written down, as by `note_time`.

        Returns:
            How many orders and deliveries were moved.
        """
        ...

    async def note_time(self, now: int, *, furthest: int) -> None:
        """Write down what time it is; `noted_time` reads it after a start.

        What waits for a date beyond `furthest` is due now.
        """
        ...

    async def noted_time(self) -> int | None:
        """Return the time that was last written down, Unix milliseconds."""
        ...

    async def raise_alert(self, alert: Entry) -> bool:
        """Raise an alert about no order; False where it is open already."""
        ...

    async def end_alert(self, begin: str, now: int) -> int:
        """Take note of the open alerts about no order that begin so; returns how many."""
        ...

    async def alerts(
        self, *, with_acked: bool = False, before_id: int | None = None, limit: int = 50
    ) -> list[Alert]:
        """List alerts, newest first."""
        ...

    async def ack_alerts(self, ids: Collection[int] | None, now: int) -> list[int]:
        """Take note of these open alerts, or of every open one; returns which they were."""
        ...

    async def timeline(self, order_id: int) -> list[Entry]:
        """Return an order's steps, oldest first."""
        ...

    async def due_deliveries(self, now: int, limit: int, busy: Busy) -> list[Delivery]:
        """List deliveries that are due, the longest due first, but not those of who is busy.

        What it costs does not grow with what is due for those who are busy.
        """
        ...

    async def change_delivery(
        self, delivery_id: int, decide: Callable[[Delivery], DeliveryRecord]
    ) -> DeliveryRecord:
        """Change a delivery by a function of what it is now; returns what was written."""
        ...

    async def resend_delivery(self, delivery_id: int, now: int, entry: Entry) -> Delivery | None:
        """Make a delivery due now, with its whole schedule before it.

        Returns:
            The delivery, or None where its order has a newer one, which an older must not follow.
        """
        ...

    async def resend_part(
        self, wanted: DeliveryFilter, first_id: int, now: int, entry: Entry | None
    ) -> Resent:
        """Make due now what matches in a part of the outbox, as `resend_delivery` does.

        Args:
            wanted: which deliveries.
            first_id: where the part begins; it is as long as one short transaction bears.
            now: Unix milliseconds.
            entry: a step for the timeline of each order; None where it is only to be counted.
        """
        ...

    async def delivery(self, delivery_id: int) -> Delivery | None:
        """Find a delivery by its number."""
        ...

    async def deliveries(
        self,
        *,
        order_id: int | None = None,
        state: DeliveryState | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """List deliveries, newest first."""
        ...

    async def keep_callback(self, upstream_trx_id: str, form: Form, text: str, now: int) -> None:
        """Keep a callback whose order is not known yet, once."""
        ...

    async def waiting_callbacks(self, now: int, limit: int) -> list[WaitingCallback]:
        """List kept callbacks whose next try is due."""
        ...

    async def count_waiting_callbacks(self, form: Form) -> int:
        """Count the kept callbacks of one form."""
        ...

    async def put_off_callback(self, callback_id: int, next_at: int | None) -> None:
        """Set when a kept callback is tried again; None where it is done with."""
        ...

    async def resellers(self) -> list[ResellerRow]:
        """List every reseller with its keys, by code."""
        ...

    async def put_resellers(
        self, rows: Sequence[ResellerRow], accounts: Sequence[AccountRow] = ()
    ) -> None:
        """Write these resellers with exactly these keys, and new accounts, all or none."""
        ...

    async def accounts(self) -> list[AccountRow]:
        """List every key at the upstream that was ever bought under."""
        ...

    async def see_saldo(self, account: str, saldo: int) -> None:
        """Remember the balance that was seen under an upstream key, Rupiah."""
        ...

    async def meta(self, key: str) -> bytes | None:
        """Return what was kept under this name."""
        ...

    async def put_meta(self, key: str, value: bytes) -> None:
        """Keep something under a name, once: what is there already stays."""
        ...

    async def seal_anew(
        self, seal_anew: Callable[[bytes], bytes], names: Collection[str]
    ) -> Sealed:
        """Put in place of every sealed value what a function makes of it.

        In several transactions: it is repeated where it was interrupted, so the function returns
        what needs no change as it is.

        Args:
            seal_anew: what it raises ends this; what was changed before stays changed.
            names: what is kept sealed under a name.
        """
        ...

    def archive_path(self, path: Path | None) -> Path:
        """Return where the archive is that a path names; by default it is beside the journal."""
        ...

    async def open_archive(self, path: Path) -> Archive:
        """Open an archive, or make it.

        Raises:
            NotDone: this can not be one; says why.
        """
        ...

    async def old_part(self, before: int, place: Place) -> OldPart:
        """Look through a part of the orders for those to which nothing happened since a time.

        Not for what is open, watched, in doubt, not delivered, or under an open alert.
        """
        ...

    async def forget(self, part: OldPart, before: int, at: int, archive: str) -> list[int]:
        """Delete what an archive keeps of a part, steps and deliveries; returns of which orders.

        Each order's timeline says from then on where they are. The order itself stays, and one to
        which something has happened meanwhile is left whole.

        Args:
            part: from `old_part`, kept by then.
            before: as in `old_part`.
            at: Unix milliseconds.
            archive: the archive's name.
        """
        ...

    def size(self) -> JournalSize:
        """Return how large the journal is on its disk."""
        ...

    async def empty_log(self) -> bool:
        """Bring the write-ahead log into the journal's file and cut it; False: somebody reads."""
        ...

    async def check_writable(self) -> None:
        """Write and commit; returns when the journal can record."""
        ...

    def announce(self, about: dict[str, str]) -> None:
        """Say how the process that holds this journal is reached; `running_gateway` reads it."""
        ...

    async def close(self) -> None:
        """Finish what is being written and close the journal."""
        ...
