"""What goes into a journal and comes out of it: values alone, the same for every backend."""

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

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
        told_saldo: the balance that the reply to the order told, Rupiah, or None: kept where
            others share the journal, for an equal request there is told the same.
    """

    order: Order
    entries: tuple[Entry, ...] = ()
    once: bool = False
    message: Message | Telling | None = None
    tell_at: int = 0
    alert: Entry | None = None
    saldo: int | None = None
    told_saldo: int | None = None


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
