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
from enum import Enum, Flag, auto

from gateway.domain.backoff import MS_PER_S, delay_ms
from gateway.domain.errors import Code, explain
from gateway.domain.evidence import OPEN_STATUSES, Evidence, Silence, Source, Status

__all__ = [
    "LOOK_UP_GAP_MS",
    "MAX_SENDS",
    "MISSES_TO_EXPIRE",
    "OPEN_STATUSES",
    "STATES",
    "TABLE",
    "Act",
    "Cell",
    "Change",
    "Evidence",
    "Order",
    "Rules",
    "Silence",
    "Source",
    "State",
    "Status",
    "apply",
    "begin_send",
    "fail",
]

MAX_SENDS = 3  # contract T6
MISSES_TO_EXPIRE = 3  # contract T6
# One order is not asked about more than once in this time (contract §4, rule 1).
LOOK_UP_GAP_MS = 2 * MS_PER_S


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
        account: its reseller's upstream key when it was placed, for ever; or None.
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


def fail(order: Order, code: Code, now: int) -> Order:
    """Return the order as failed for this reason: refused by ourselves, or never found."""
    return replace(order, status=Status.FAILED, note=explain(code), due_at=None, final_at=now)


def apply(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """Return what this evidence makes of this order: the one door, which decides and does nothing.

    Args:
        order: as the journal holds it at this instant.
        evidence: what was heard.
        now: Unix milliseconds.
        rules: the times that decide.
    """
    before, only_send = order, order.sends == 1
    ends_send = order.sending and evidence.source is Source.REPLY
    if ends_send:
        order = replace(order, sending=False, send_ended_at=now, lookups=0, misses=0)
    elif evidence.source is Source.LOOKUP:
        order = _looked_up(order, evidence, now)
    if isinstance(evidence.verdict, Status):
        change = _heard(order, evidence, now, only_send=only_send)
    # Only a send can be unsent and only a look-up not find; said by another it proves nothing.
    elif evidence.verdict is Silence.UNSENT and ends_send:
        change = _unsent(order, evidence, now, only_send=only_send)
    elif evidence.verdict is Silence.NOT_FOUND and evidence.source is Source.LOOKUP:
        change = _not_found(order, evidence, now, rules)
    else:
        change = _no_answer(order, evidence, now)
    alert = change.alert or _unconfirmed(before, change.order, evidence)
    return replace(change, order=_schedule(change.order, evidence, now, rules), alert=alert)


def _unconfirmed(before: Order, order: Order, evidence: Evidence) -> str | None:
    """Return an alert where a final order was doubted and the look-up moves nothing."""
    doubt_ends = before.ask_since is not None and order.ask_since is None
    if before.is_open or not doubt_ends or order.status is not before.status:
        return None
    said = evidence.verdict.name.replace("_", " ")
    return f"what was called back is not confirmed: the look-up says {said}"


def _looked_up(order: Order, evidence: Evidence, now: int) -> Order:
    """Count a look-up; an answer that was asked for after the doubt arose settles the doubt."""
    was_due = order.due_at is not None and order.due_at <= now
    order = replace(order, looked_up_at=now, lookups=order.lookups + was_due)
    if order.ask_since is None or not _answers(evidence):
        return order
    # A doubt that lies in the future arose before the clock was set back.
    settled = evidence.asked_at > order.ask_since or order.ask_since > now
    return replace(order, ask_since=None) if settled else order


def _answers(evidence: Evidence) -> bool:
    return isinstance(evidence.verdict, Status) or evidence.verdict is Silence.NOT_FOUND


def _heard(order: Order, evidence: Evidence, now: int, *, only_send: bool) -> Change:
    """One of the six words was said."""
    act = _act(order, evidence, only_send=only_send)
    said = f"{evidence.source} said {evidence.verdict}"
    how = f" with another SN: {evidence.note}" if evidence.verdict is order.status else ""
    alert = f"{said} while the order is {order.status}{how}" if Act.ALERT in act else None
    if evidence.source is not Source.REPLY or evidence.verdict is not Status.FAILED:
        order = replace(order, named=True)  # a refusal names no invoice, everything else does
    order = _enrich(replace(order, misses=0), evidence)
    if Act.APPLY in act:
        return _become(order, evidence, now, alert=alert)
    if Act.ASK in act:
        return Change(order=_owe(order, now), what=f"{said}: to be looked up", alert=alert)
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


def _become(order: Order, evidence: Evidence, now: int, *, alert: str | None) -> Change:
    """The order becomes what was said."""
    assert isinstance(evidence.verdict, Status)  # noqa: S101  narrows the type for mypy
    what = f"{evidence.source} said {evidence.verdict}: applied"
    note = evidence.note or (order.note if evidence.verdict is order.status else "")
    final = evidence.verdict.is_final
    order = replace(
        order, status=evidence.verdict, note=note, final_at=now if final else order.final_at
    )
    return Change(order=order, what=what, tell=final, alert=alert)


def _unsent(order: Order, evidence: Evidence, now: int, *, only_send: bool) -> Change:
    """The send that just ended never left; proof only if there was no other (T3)."""
    if not order.is_open or order.named:
        return _no_answer(order, evidence, now)
    order = replace(order, sends=order.sends - 1)
    if only_send:
        order = replace(order, first_sent_at=None, send_ended_at=None)
        failed = fail(order, Code.UPSTREAM_UNREACHABLE, now)
        return Change(order=failed, what=f"never sent ({evidence.reason}): failed", tell=True)
    what = f"this send never left ({evidence.reason}); an earlier one may have arrived"
    return Change(order=order, what=what)


def _no_answer(order: Order, evidence: Evidence, now: int) -> Change:
    """Nothing was proved (T5): a look-up decides, also one that a final order was waiting for."""
    what = f"{evidence.source}: no proof of anything ({evidence.reason})"
    if evidence.source is Source.CALLBACK:  # whoever knows the token has seen the order
        order = replace(_owe(order, now), named=True)
    return Change(order=replace(order, misses=0), what=what)


def _owe(order: Order, now: int) -> Order:
    """Ask at once, and from the schedule's beginning should that bring no answer."""
    return replace(order, ask_since=now, lookups=0)


def _not_found(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """The upstream does not know the order: send again, give it up, or ask later (T2, T6)."""
    if not order.is_open:
        return Change(order=order, what="lookup: not found, stays final")
    if not _has_settled(order, evidence, rules):
        return Change(order=order, what="lookup: not found, too early to tell")
    order = replace(order, misses=order.misses + 1)
    late = order.first_sent_at is None or now >= order.first_sent_at + rules.expire_s * MS_PER_S
    if not order.named and not late and order.sends < MAX_SENDS:
        what = f"lookup: not found, so it is sent again (send {order.sends + 1} of {MAX_SENDS})"
        return Change(order=begin_send(order, now, rules), what=what, send=True)
    # An order that the upstream once named can not be sent again, and still gets its whole time to
    # turn up.
    if order.misses >= MISSES_TO_EXPIRE and (late or not order.named):
        gone = fail(order, Code.EXPIRED, now)
        what = "lookup: not found three times in a row: expired"
        return Change(order=gone, what=what, tell=True)
    return Change(order=order, what=f"lookup: not found ({order.misses})")


def _has_settled(order: Order, evidence: Evidence, rules: Rules) -> bool:
    """Whether a look-up was asked when a send that was under way could no longer arrive."""
    if order.sending:
        return False
    if order.send_ended_at is None:
        return True
    return evidence.asked_at >= order.send_ended_at + rules.settle_s * MS_PER_S


def _schedule(order: Order, evidence: Evidence, now: int, rules: Rules) -> Order:
    """Set when the order is looked up next. The one place that does.

    An open order is looked up by the schedule, a final one only while a look-up is owed. A send
    under way keeps its own date, after which it is taken for dead.
    """
    if order.is_open and order.sending:
        return order
    unanswered = evidence.source is Source.LOOKUP and not _answers(evidence)
    if order.ask_since is not None and not unanswered:
        return replace(order, due_at=_soonest(order, now))
    if not order.is_open and order.ask_since is None:
        return replace(order, due_at=None)
    if order.due_at is not None and order.due_at > now and evidence.source is not Source.REPLY:
        # A look-up that was not planned, for a panel that asked, uses up nothing of the schedule.
        return replace(order, due_at=max(order.due_at, _soonest(order, now)))
    return replace(order, due_at=_by_schedule(order, now, rules))


def _soonest(order: Order, now: int) -> int:
    """Return when the pace allows the next look-up, also where the clock was set back since."""
    wait = 0 if order.looked_up_at is None else order.looked_up_at + LOOK_UP_GAP_MS - now
    return now + min(max(wait, 0), LOOK_UP_GAP_MS)


def _by_schedule(order: Order, now: int, rules: Rules) -> int:
    due_at = now + delay_ms(rules.schedule_s, order.lookups)
    if order.is_open and order.send_ended_at is not None and not order.named:
        settled_at = order.send_ended_at + round(rules.settle_s * MS_PER_S)
        if now < settled_at < due_at:
            return settled_at  # the first moment at which "not found" means something
    return due_at
