"""One order: its states, the evidence that may move it, and the one table that says how.

Theory of operation
-------------------
An order is journaled *open*, with its first send already begun (contract T1). From then on it
moves only by `apply`, which takes one piece of evidence: the reply to our send, a callback, or the
answer to a look-up. `TABLE` says for each state and each word of the upstream what to do, and
nothing else in the gateway compares states:

    APPLY   the order becomes what was said
    ASK     the word is a reason to look up, no more; what the look-up then says is applied
    ALERT   the operator is told, for what was said contradicts what we know

Every final status and every correction of one is told to the reseller.

Around the table stand the rules about sending (T2 to T6). At most one send is under way
(`sending`), and `sends` counts those that may have reached the upstream. After an uncertain send
only look-ups decide: `INVOICE_NOT_FOUND`, asked when the dust had settled, allows the next send;
when no further send is allowed, three such answers in a row end the order.

`due_at` is when the workers must look at the order again; an open order always has one, so none
can be forgotten. All times are Unix milliseconds, all amounts whole Rupiah.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, Flag, StrEnum, auto

from gateway.domain.backoff import MS_PER_S, delay_ms
from gateway.domain.errors import Code, explain

MAX_SENDS = 3  # contract T6
MISSES_TO_EXPIRE = 3  # contract T6
# One order is not asked about more than once in this time (contract §4, rule 1).
LOOK_UP_GAP_MS = 2 * MS_PER_S


class Status(StrEnum):
    """The upstream's six words for an order (its document, "Get invoice detail")."""

    PENDING = "PENDING"
    PAID = "PAID"
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"

    @property
    def is_final(self) -> bool:
        """Whether the upstream has decided, as far as it says."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = frozenset({Status.PENDING, Status.PAID})


class Silence(Enum):
    """What is not one of the six words, and still tells something."""

    NOT_FOUND = auto()  # the look-up: INVOICE_NOT_FOUND
    NO_ANSWER = auto()  # time-out, reset, 5xx, garbage, text of another order: evidence of nothing
    UNSENT = auto()  # the send provably never left this machine


class Source(StrEnum):
    """Where evidence comes from."""

    REPLY = "reply"
    CALLBACK = "callback"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that was heard about an order.

    Attributes:
        source: from whom.
        verdict: one of the six words, or what its absence means.
        note: the text after `status X. ` as the upstream wrote it: RefId, SN, or reason.
        invoice_number: the upstream's id, where it was said.
        product_price: what it costs, Rupiah, where it was said.
        saldo: the balance after it, Rupiah, where it was said.
        said_dest: the destination as an order line writes it.
        user_id: the destination's first part as a status answer writes it.
        server_id: its second part.
        callback_names: the parameters of a callback in their order, joined by commas.
        asked_at: when a look-up began; what was asked too early proves little.
        reason: for NO_ANSWER and UNSENT: what happened, one short line for the operator.
    """

    source: Source
    verdict: Status | Silence
    note: str = ""
    invoice_number: str | None = None
    product_price: int | None = None
    saldo: int | None = None
    said_dest: str | None = None
    user_id: str | None = None
    server_id: str | None = None
    callback_names: str = ""
    asked_at: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the journal holds it.

    Attributes:
        id: its number in the journal.
        reseller: the reseller's code.
        trx_id: the reseller's id of it.
        product_code: as asked; with `dest` the identity that a used trx_id is compared with.
        dest: user_id and server_id glued, as sent upstream.
        user_id: the first part of the destination, as last known.
        server_id: the second part, or None while unknown.
        said_dest: the destination as the upstream last wrote it in an order line.
        callback_url: where its deliveries go, or None.
        callback_names: the parameters of the upstream's last callback in their order, or empty.
        status: what is true now, in the upstream's word.
        note: the text after `status X. `.
        invoice_number: the upstream's id, once known.
        product_price: Rupiah, once known.
        sends: sends that may have reached the upstream, the one under way included.
        sending: a send is under way, or was when the process that did it died.
        first_sent_at: when the first of them began.
        send_ended_at: when the last one ended.
        named: the upstream has named this order, so it exists there and is never sent again.
        lookups: look-ups since the last send ended; the place in the schedule.
        misses: INVOICE_NOT_FOUND in a row, counted once the dust had settled.
        looked_up_at: when the last look-up ended.
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
    callback_url: str | None = None
    callback_names: str = ""
    status: Status = Status.PENDING
    note: str = ""
    invoice_number: str | None = None
    product_price: int | None = None
    sends: int = 0
    sending: bool = False
    first_sent_at: int | None = None
    send_ended_at: int | None = None
    named: bool = False
    lookups: int = 0
    misses: int = 0
    looked_up_at: int | None = None
    due_at: int | None = None
    placed_at: int
    final_at: int | None = None

    @property
    def upstream_trx_id(self) -> str:
        """Our id of the order at the upstream, and our idempotency key there (contract §1)."""
        return f"{self.reseller}-{self.trx_id}"

    @property
    def is_open(self) -> bool:
        """Whether the upstream has yet to decide."""
        return self.final_at is None

    def is_same_purchase(self, product_code: str, dest: str) -> bool:
        """Whether a request with this order's trx_id asks for what this order asked for (T10)."""
        return self.product_code == product_code and self.dest == dest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The times that decide, in seconds; from the configuration.

    Attributes:
        schedule_s: waits between look-ups; the last repeats.
        settle_s: after an uncertain send, no second send earlier than this.
        expire_s: no send later than this after the first.
        lease_s: after this a send that is still marked as under way belongs to a process that
            died.
    """

    schedule_s: Sequence[float]
    settle_s: float
    expire_s: float
    lease_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
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


class Act(Flag):
    """What the table orders."""

    NOTHING = 0
    APPLY = auto()
    ASK = auto()
    ALERT = auto()


class State(Enum):
    """The rows of the table."""

    OPEN = auto()
    SUCCESS = auto()
    PARTIAL = auto()
    FAILED = auto()
    REFUNDED = auto()


@dataclass(frozen=True, slots=True)
class Cell:
    """What to do on the word of a reply or callback, and on that of an authenticated look-up."""

    heard: Act
    looked_up: Act


_NOTHING = Cell(Act.NOTHING, Act.NOTHING)
_APPLY = Cell(Act.APPLY, Act.APPLY)
_CONFIRM = Cell(Act.ASK, Act.APPLY)  # open orders: said without proof
_CORRECT = Cell(Act.ASK | Act.ALERT, Act.APPLY | Act.ALERT)  # contradicts what was final
_REFUND = Cell(Act.ASK, Act.APPLY | Act.ALERT)  # an ordinary thing, but told to the operator

# The one table (contract T7 to T9). PARTIAL is a final state like SUCCESS.
TABLE: dict[State, dict[Status, Cell]] = {
    State.OPEN: {
        Status.SUCCESS: _APPLY,
        Status.PENDING: _APPLY,
        Status.PAID: _APPLY,
        Status.FAILED: _CONFIRM,  # the reply to the only send is proof, see _act
        Status.REFUNDED: _CONFIRM,
        Status.PARTIAL_SUCCESS: Cell(Act.APPLY | Act.ALERT, Act.APPLY | Act.ALERT),
    },
    State.SUCCESS: {
        Status.SUCCESS: _NOTHING,  # another SN is an alert, see _act
        Status.PENDING: _NOTHING,
        Status.PAID: _NOTHING,
        Status.FAILED: _CORRECT,
        Status.REFUNDED: _REFUND,
        Status.PARTIAL_SUCCESS: _CORRECT,
    },
    State.PARTIAL: {
        Status.SUCCESS: _CORRECT,
        Status.PENDING: _NOTHING,
        Status.PAID: _NOTHING,
        Status.FAILED: _CORRECT,
        Status.REFUNDED: _REFUND,
        Status.PARTIAL_SUCCESS: _NOTHING,  # another SN is an alert, see _act
    },
    State.FAILED: {
        Status.SUCCESS: _CORRECT,
        Status.PENDING: Cell(Act.ASK, Act.NOTHING),
        Status.PAID: Cell(Act.ASK, Act.NOTHING),
        Status.FAILED: _NOTHING,
        Status.REFUNDED: _NOTHING,
        Status.PARTIAL_SUCCESS: _CORRECT,
    },
    State.REFUNDED: {
        Status.SUCCESS: Cell(Act.ALERT, Act.ALERT),
        Status.PENDING: _NOTHING,
        Status.PAID: _NOTHING,
        Status.FAILED: _NOTHING,
        Status.REFUNDED: _NOTHING,
        Status.PARTIAL_SUCCESS: Cell(Act.ALERT, Act.ALERT),
    },
}

STATES: dict[Status, State] = {
    Status.PENDING: State.OPEN,
    Status.PAID: State.OPEN,
    Status.SUCCESS: State.SUCCESS,
    Status.PARTIAL_SUCCESS: State.PARTIAL,
    Status.FAILED: State.FAILED,
    Status.REFUNDED: State.REFUNDED,
}


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
        first_sent_at=order.first_sent_at if order.first_sent_at is not None else now,
        lookups=0,
        misses=0,
        due_at=now + round(rules.lease_s * MS_PER_S),
    )


def fail_unsent(order: Order, code: Code, detail: str | None, now: int) -> Order:
    """Return an order that was refused by ourselves before any send, as final."""
    return replace(
        order, status=Status.FAILED, note=explain(code, detail), due_at=None, final_at=now
    )


def apply(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """Return what this evidence makes of this order: the one door, which decides and does nothing.

    Args:
        order: as the journal holds it at this instant.
        evidence: what was heard.
        now: Unix milliseconds.
        rules: the times that decide.
    """
    only_send = order.sends == 1
    ends_send = order.sending and evidence.source is Source.REPLY
    if ends_send:
        order = _end_send(order, now)
    elif evidence.source is Source.LOOKUP:
        order = replace(order, looked_up_at=now, lookups=order.lookups + 1)
    if isinstance(evidence.verdict, Status):
        return _heard(order, evidence, now, rules, only_send=only_send)
    # Only a send can be unsent and only a look-up not find; said by another it proves nothing.
    if evidence.verdict is Silence.UNSENT and ends_send:
        return _unsent(order, evidence, now, rules, only_send=only_send)
    if evidence.verdict is Silence.NOT_FOUND and evidence.source is Source.LOOKUP:
        return _not_found(order, evidence, now, rules)
    return _no_answer(order, evidence, now, rules)


def _end_send(order: Order, now: int) -> Order:
    return replace(order, sending=False, send_ended_at=now, lookups=0, misses=0)


def _heard(order: Order, evidence: Evidence, now: int, rules: Rules, *, only_send: bool) -> Change:
    """One of the six words was said."""
    act = _act(order, evidence, only_send=only_send)
    said = f"{evidence.source} said {evidence.verdict}"
    how = f" with another SN: {evidence.note}" if evidence.verdict is order.status else ""
    alert = f"{said} while the order is {order.status}{how}" if Act.ALERT in act else None
    if evidence.source is not Source.REPLY or evidence.verdict is not Status.FAILED:
        order = replace(order, named=True)  # a refusal names no invoice, everything else does
    order = _enrich(replace(order, misses=0), evidence)
    if Act.APPLY in act:
        return _become(order, evidence, now, rules, alert=alert)
    if Act.ASK in act:
        return Change(order=_ask(order, now), what=f"{said}: to be looked up", alert=alert)
    if evidence.source is Source.LOOKUP:  # only of final orders: the question is answered
        order = replace(order, due_at=None)
    return Change(order=order, what=f"{said}: changes nothing", alert=alert)


def _act(order: Order, evidence: Evidence, *, only_send: bool) -> Act:
    assert isinstance(evidence.verdict, Status)  # noqa: S101  narrows the type for mypy
    cell = TABLE[STATES[order.status]][evidence.verdict]
    if evidence.source is Source.LOOKUP:
        act = cell.looked_up
    elif evidence.source is Source.REPLY and evidence.verdict is Status.FAILED and only_send:
        act = Act.APPLY if order.is_open and not order.named else cell.heard  # T4
    else:
        act = cell.heard
    if evidence.verdict is order.status and order.status.is_final and _other_sn(order, evidence):
        act |= Act.ALERT
    return act


def _other_sn(order: Order, evidence: Evidence) -> bool:
    sold = order.status in (Status.SUCCESS, Status.PARTIAL_SUCCESS)
    old, new = order.note.strip(), evidence.note.strip()
    return sold and bool(old) and bool(new) and old != new


def _enrich(order: Order, evidence: Evidence) -> Order:
    """Take over what was not known yet, and the destination as it was last written."""
    return replace(
        order,
        invoice_number=order.invoice_number or evidence.invoice_number,
        product_price=(
            order.product_price if order.product_price is not None else evidence.product_price
        ),
        said_dest=evidence.said_dest or order.said_dest,
        user_id=evidence.user_id or order.user_id,
        server_id=evidence.server_id if evidence.user_id else order.server_id,
        callback_names=evidence.callback_names or order.callback_names,
    )


def _become(
    order: Order, evidence: Evidence, now: int, rules: Rules, *, alert: str | None
) -> Change:
    """The order becomes what was said."""
    assert isinstance(evidence.verdict, Status)  # noqa: S101  narrows the type for mypy
    what = f"{evidence.source} said {evidence.verdict}: applied"
    note = evidence.note or (order.note if evidence.verdict is order.status else "")
    order = replace(order, status=evidence.verdict, note=note)
    if not order.status.is_final:
        return Change(order=_plan(order, now, rules), what=what, alert=alert)
    done = replace(order, final_at=now, due_at=None)
    return Change(order=done, what=what, tell=True, alert=alert)


def _unsent(
    order: Order, evidence: Evidence, now: int, rules: Rules, *, only_send: bool
) -> Change:
    """The send that just ended never left; proof only if there was no other (T3)."""
    if not order.is_open or order.named:
        return _no_answer(order, evidence, now, rules)
    order = replace(order, sends=order.sends - 1)
    if only_send:
        order = replace(order, first_sent_at=None, send_ended_at=None)
        failed = fail_unsent(order, Code.UPSTREAM_UNREACHABLE, None, now)
        return Change(order=failed, what=f"never sent ({evidence.reason}): failed", tell=True)
    what = f"this send never left ({evidence.reason}); an earlier one may have arrived"
    return Change(order=_plan(order, now, rules), what=what)


def _no_answer(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """Nothing was proved (T5): a look-up decides, also one that a final order was waiting for."""
    what = f"{evidence.source}: no proof of anything ({evidence.reason})"
    if evidence.source is Source.CALLBACK:
        return Change(order=_ask(order, now), what=what)
    if order.is_open or evidence.source is Source.LOOKUP:
        order = _plan(replace(order, misses=0), now, rules)
    return Change(order=order, what=what)


def _not_found(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """The upstream does not know the order: send again, give it up, or ask later (T2, T6)."""
    if not order.is_open:
        return Change(order=replace(order, due_at=None), what="lookup: not found, stays final")
    if not _has_settled(order, evidence, rules):
        return Change(order=_plan(order, now, rules), what="lookup: not found, too early to tell")
    order = replace(order, misses=order.misses + 1)
    late = order.first_sent_at is None or now >= order.first_sent_at + rules.expire_s * MS_PER_S
    if not order.named and not late and order.sends < MAX_SENDS:
        what = f"lookup: not found, so it is sent again (send {order.sends + 1} of {MAX_SENDS})"
        return Change(order=begin_send(order, now, rules), what=what, send=True)
    # An order that the upstream once named can not be sent again, and still gets its whole time to
    # turn up.
    if order.misses >= MISSES_TO_EXPIRE and (late or not order.named):
        gone = replace(
            order, status=Status.FAILED, note=explain(Code.EXPIRED), due_at=None, final_at=now
        )
        what = "lookup: not found three times in a row: expired"
        return Change(order=gone, what=what, tell=True)
    return Change(order=_plan(order, now, rules), what=f"lookup: not found ({order.misses})")


def _has_settled(order: Order, evidence: Evidence, rules: Rules) -> bool:
    """Whether a look-up was asked when a send that was under way could no longer arrive."""
    if order.sending:
        return False
    if order.send_ended_at is None:
        return True
    return evidence.asked_at >= order.send_ended_at + rules.settle_s * MS_PER_S


def _ask(order: Order, now: int) -> Order:
    """Look up as soon as the pace allows. A send under way keeps its own date."""
    if order.sending:
        return order
    wait = 0 if order.looked_up_at is None else order.looked_up_at + LOOK_UP_GAP_MS - now
    wait = min(max(wait, 0), LOOK_UP_GAP_MS)  # also when the clock was set back since
    return replace(order, due_at=now + wait, lookups=order.lookups if order.is_open else 0)


def _plan(order: Order, now: int, rules: Rules) -> Order:
    """Set when the order is looked up next; a send under way keeps its own date."""
    if order.sending:
        return order
    due_at = now + delay_ms(rules.schedule_s, order.lookups)
    if order.is_open and order.send_ended_at is not None:
        settled_at = order.send_ended_at + round(rules.settle_s * MS_PER_S)
        if not order.named and now < settled_at < due_at:
            due_at = settled_at  # the first moment at which "not found" means something
    return replace(order, due_at=due_at)
