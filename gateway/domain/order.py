"""One order as the journal holds it, and the few things that we do to it ourselves.

An order is journaled *open*, with its first send already begun (contract T1). What evidence makes
of it is `domain.truth`, when it is looked at next is `domain.schedule`; here stand the values that
both speak of, and the two steps that need no evidence: to begin a send, and to fail.

`due_at` is when the workers must look at the order again; an open order always has one, so none
can be forgotten. All times are Unix milliseconds, all amounts whole Rupiah.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import Code, explain
from gateway.domain.evidence import Evidence, Silence, Source, Status

__all__ = [
    "LOOK_UP_GAP_MS",
    "MAX_SENDS",
    "Change",
    "Dialect",
    "Evidence",
    "Order",
    "Rules",
    "Silence",
    "Source",
    "Status",
    "begin_send",
    "fail",
    "wait_for_turn",
]

MAX_SENDS = 3  # contract T6
# One order is not asked about more than once in this time (contract §4, rule 1).
LOOK_UP_GAP_MS = 2 * MS_PER_S


class Dialect(StrEnum):
    """In which dialect an order was placed: how it is sent, and how its reseller is told."""

    TEXT = "text"  # the upstream's "H2H (Otomax)" routes (contract §4)
    JSON = "json"  # the upstream's "API" routes (contract §8)
    OTOMAX = "otomax"  # OtomaX's own protocol (contract §9)


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as the journal holds it.

    Attributes:
        id: its number in the journal.
        reseller: the reseller's code.
        trx_id: the reseller's id of it; ours where it gave none.
        unnamed: the reseller gave no trx_id, and is never told the one that we made.
        dialect: in which it was placed, for ever.
        product_code: as asked; with `dest` the identity that a used trx_id is compared with.
        dest: user_id and server_id glued, as sent upstream.
        user_id: the first part of the destination, as last known.
        server_id: the second part, or None while unknown.
        said_dest: the destination as the upstream last wrote it in an order line.
        account: its reseller's upstream key when it was placed, for ever; or None.
        callback_url: where its deliveries go, or None.
        callback_names: the parameters of the upstream's last callback in their order, or empty.
        status: what is true now, in the upstream's word.
        note: the text after `status X. `.
        invoice_number: the upstream's id, once known.
        invoice: the upstream's JSON object of it as last written, with its upstream_trx_id; None
            where only lines of text were heard. Where it differs from the rest, the rest is true.
        product_price: Rupiah, once known.
        sends: sends that may have reached the upstream, the one under way included.
        begun: sends that were ever begun, also those that never left: the number of the last one.
        sending: a send is under way, or was when the process that did it died.
        first_sent_at: when the first of them began.
        send_ended_at: when the last one ended.
        named: the upstream has named this order, so it exists there and is never sent again.
        lookups: look-ups since the last send ended, or since it became final; the place in the
            schedule.
        misses: INVOICE_NOT_FOUND in a row, counted once the dust had settled.
        looked_up_at: when the last look-up ended.
        ask_since: since when a look-up is owed, because something was said without proof.
        due_at: when the workers look at it again, or None.
        placed_at: when it was journaled.
        final_at: when it became final, or None.
    """

    id: int = 0
    reseller: str
    trx_id: str
    product_code: str
    dest: str
    user_id: str
    server_id: str | None = None
    said_dest: str | None = None
    account: str | None = None
    callback_url: str | None = None
    callback_names: str = ""
    status: Status = Status.PENDING
    note: str = ""
    invoice_number: str | None = None
    product_price: int | None = None
    invoice: str | None = None
    sends: int = 0
    sending: bool = False
    first_sent_at: int | None = None
    send_ended_at: int | None = None
    named: bool = False
    lookups: int = 0
    misses: int = 0
    looked_up_at: int | None = None
    ask_since: int | None = None
    due_at: int | None = None
    placed_at: int
    final_at: int | None = None
    dialect: Dialect = Dialect.TEXT
    unnamed: bool = False
    begun: int = 0

    @property
    def upstream_trx_id(self) -> str:
        """Our id of the order at the upstream, and our idempotency key there (contract §1)."""
        return f"{self.reseller}-{self.trx_id}"

    @property
    def told_trx_id(self) -> str | None:
        """The trx_id as its reseller knows it; None where it gave none."""
        return None if self.unnamed else self.trx_id

    @property
    def is_open(self) -> bool:
        """Whether the upstream has yet to decide."""
        return self.final_at is None

    def is_same_purchase(self, product_code: str, dest: str) -> bool:
        """Whether a request with this order's trx_id asks for what this order asked for (T10)."""
        return self.product_code == product_code and self.dest == dest


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The times that decide, in seconds; from the configuration.

    Attributes:
        schedule_s: waits between look-ups; the last repeats.
        settle_s: after an uncertain send, no second send earlier than this.
        expire_s: no send later than this after the first.
        lease_s: after this a send that is still marked as under way belongs to a process that
            died.
        call_s: a call to the upstream is over after this, so the first byte of a send leaves by so
            long before its date, or never: whoever takes it for dead then, takes over nothing
            that is still under way.
        clock_since: since when our clock has run without being set, Unix milliseconds; time that
            passed before measures nothing.
        may_send: a look-up may begin a send; not in a process that is going down, or that does a
            single command.
    """

    schedule_s: Sequence[float]
    settle_s: float
    expire_s: float
    lease_s: float
    call_s: float = 0
    clock_since: int = 0
    may_send: bool = True


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one piece of evidence made of an order.

    Attributes:
        order: the order from now on.
        what: what was done with the evidence, in plain words for the timeline.
        tell: the reseller must be told: a final status, or a correction of one.
        alert: the operator must be told this, or None.
        send: the next send has been begun in this change; whoever made the change must make it
            now.
    """

    order: Order
    what: str
    tell: bool = False
    alert: str | None = None
    send: bool = False


def begin_send(order: Order, now: int, rules: Rules) -> Order:
    """Return the order with one more send under way; durable before its first byte leaves (T1).

    Raises:
        ValueError: a send is under way already, or none is allowed.
    """
    if order.sending or order.named or not order.is_open or order.sends >= MAX_SENDS:
        raise ValueError(f"order {order.upstream_trx_id}: no further send is allowed")
    return replace(
        order,
        sending=True,
        sends=order.sends + 1,
        begun=order.begun + 1,
        first_sent_at=order.first_sent_at if order.first_sent_at is not None else now,
        lookups=0,
        misses=0,
        due_at=now + round(rules.lease_s * MS_PER_S),
    )


def wait_for_turn(order: Order, now: int, rules: Rules) -> Order:
    """Return an order whose send waits for its turn, with the date by which that has an end.

    It leaves within `expire_s` or not at all (T6), and from then on has the time of any send.
    """
    lasts_s = rules.expire_s + rules.lease_s
    return replace(order, due_at=now + round(lasts_s * MS_PER_S))


def fail(order: Order, code: Code, now: int) -> Order:
    """Return the order as failed for this reason: refused by ourselves, or never found."""
    return replace(
        order, status=Status.FAILED, note=explain(code), lookups=0, due_at=None, final_at=now
    )
