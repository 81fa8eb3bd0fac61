"""What is true of an order: the one table of evidence and states, and `apply`, its one door.

Theory of operation
-------------------
An open order moves only by `apply`, which takes one piece of evidence: the reply to our send, a
callback, or the answer to a look-up. `TABLE` says for each state and each word of the upstream
what to do, and nothing else in the gateway compares states:

    APPLY   the order becomes what was said
    ASK     the word is a reason to look up, no more; what the look-up then says is applied
    ALERT   the operator is told, for what was said contradicts what we know

Every final status and every correction of one is told to the reseller.

Around the table stand the rules about sending (T2 to T6). At most one send is under way
(`sending`), and `sends` counts those that may have reached the upstream. Each has a number that
only grows (`begun`), and the reply to another than the one under way ends nothing: it is a word
like that of a callback. After an uncertain send only look-ups decide: `INVOICE_NOT_FOUND`, asked
when the dust had settled, allows the next send; when no further send is allowed, three such
answers in a row end the order.

An operator who knows better may `overrule` what is open. Nobody overrules what is final.
"""

from dataclasses import dataclass
from enum import Enum, Flag, auto

from msgspec.structs import replace

from gateway.domain.alert import Kind
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import Code, NotDone
from gateway.domain.evidence import OPEN_STATUSES, Evidence, Silence, Source, Status
from gateway.domain.order import MAX_SENDS, Change, Order, Rules, begin_send, fail
from gateway.domain.schedule import (
    answers,
    first_watch,
    looked_up,
    next_look,
    owe,
    settles_at,
    without_doubt,
)

MISSES_TO_EXPIRE = 3  # contract T6


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
_BOUGHT = Cell(Act.ASK, Act.ALERT)  # it was said to have failed, and the upstream is still at it
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
        Status.PENDING: _BOUGHT,
        Status.PAID: _BOUGHT,
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


def apply(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """Return what this evidence makes of this order: the one door, which decides and does nothing.

    Args:
        order: as the journal holds it at this instant.
        evidence: what was heard.
        now: Unix milliseconds.
        rules: the times that decide.
    """
    before, only_send = order, order.sends == 1 and order.begun == 1
    # Who was stopped for long may bring the reply to a send after which another was begun.
    ends_send = order.sending and evidence.source is Source.REPLY and evidence.send == order.begun
    if ends_send:
        order = replace(order, sending=False, send_ended_at=now, lookups=0, misses=0)
    elif evidence.source is Source.LOOKUP:
        order = looked_up(order, now)
    if isinstance(evidence.verdict, Status):
        change = _heard(order, evidence, now, only_send=only_send)
    # Only a send can be unsent and only a look-up not find; said by another it proves nothing.
    elif evidence.verdict is Silence.UNSENT and ends_send:
        change = _unsent(order, evidence, now, only_send=only_send)
    elif evidence.verdict is Silence.NOT_FOUND and evidence.source is Source.LOOKUP:
        change = _not_found(order, evidence, now, rules)
    elif evidence.verdict is Silence.HINT and evidence.source is Source.CALLBACK:
        change = Change(
            order=replace(order, lookups=0), what="somebody says that it changed: to be looked up"
        )
    else:
        change = _no_answer(order, evidence, now)
    order = without_doubt(before, change.order, evidence, now, rules)
    alert = change.alert or _unconfirmed(before, order, evidence)
    order = replace(order, due_at=next_look(before, order, evidence, now, rules))
    alert = alert or _unheard(before, order, evidence, now, rules)
    return replace(change, order=order, alert=alert)


def is_worth_asking(order: Order, word: str) -> bool:
    """Whether a word that nobody vouches for is a reason to look an order up."""
    if order.is_open or word not in Status.__members__:
        return word != order.status
    return Act.ASK in TABLE[STATES[order.status]][Status(word)].heard


def overrule(order: Order, status: Status, note: str, now: int) -> Change:
    """Return what an operator's own decision makes of an order that is open.

    Args:
        order: as the journal holds it.
        status: one of the four final words.
        note: what the reseller reads behind it.
        now: Unix milliseconds.

    Raises:
        NotDone: the order is final, or may be bought at this very moment.
    """
    name = order.upstream_trx_id
    if not order.is_open:
        raise NotDone(
            f"order {name} is final ({order.status}): only the upstream's own word changes that; "
            f"`order recheck {name}` asks for it"
        )
    if order.sending:
        raise NotDone(
            f"order {name} is being sent at this moment, or was when its gateway ended: decide "
            f"when that has ended; where no gateway runs, `order recheck {name}` first"
        )
    named = order.named or status is not Status.FAILED
    decided = replace(order, status=status, note=note, named=named, lookups=0, final_at=now)
    due_at = now if order.ask_since is not None else first_watch(decided, now)
    what = f"the operator decided {status}"
    return Change(order=replace(decided, due_at=due_at), what=what, tell=True)


NOT_LOOKED_UP = "what was called back can not be looked up: the upstream does not answer"
NOT_KNOWN = "whether it was bought after all is not known: the upstream did not answer"


def kind_of(alert: str) -> Kind:
    """Return the kind of an alert about an order: somebody contradicts, or nobody answers."""
    return Kind.UNANSWERED if alert in (NOT_LOOKED_UP, NOT_KNOWN) else Kind.CONTRADICTION


def _unconfirmed(before: Order, order: Order, evidence: Evidence) -> str | None:
    """Return an alert where a final order was doubted and the look-up moves nothing."""
    doubt_ends = before.ask_since is not None and order.ask_since is None
    if before.is_open or not doubt_ends or order.status is not before.status:
        return None
    if evidence.verdict is order.status and order.status in (Status.FAILED, Status.REFUNDED):
        return None  # a look-up made it so; who said otherwise was an alert then
    said = evidence.verdict.name.replace("_", " ")
    return f"what was called back is not confirmed: the look-up says {said}"


def _unheard(
    before: Order, order: Order, evidence: Evidence, now: int, rules: Rules
) -> str | None:
    """Return an alert where a final order ought to be asked about, and nobody answers."""
    if before.is_open or evidence.source is not Source.LOOKUP or answers(evidence):
        return None
    if order.ask_since is not None and now >= order.ask_since + rules.expire_s * MS_PER_S:
        return NOT_LOOKED_UP
    if order.status is Status.FAILED and before.due_at is not None and order.due_at is None:
        return NOT_KNOWN
    return None


def _heard(order: Order, evidence: Evidence, now: int, *, only_send: bool) -> Change:
    """One of the six words was said."""
    act = _act(order, evidence, only_send=only_send)
    said = f"{evidence.source} said {evidence.verdict}"
    how = f" with another SN: {evidence.note}" if evidence.verdict is order.status else ""
    alert = f"{said} while the order is {order.status}{how}" if Act.ALERT in act else None
    order = _with_invoice(_enrich(order, evidence), evidence, act)
    if not order.is_open and evidence.verdict in OPEN_STATUSES:
        order = replace(order, lookups=0)  # the day of a failed order begins anew
    if Act.APPLY in act:
        return _become(order, evidence, now, alert=alert)
    if Act.ASK in act:
        return Change(order=owe(order, now), what=f"{said}: to be looked up", alert=alert)
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
    """Take over what is said beside the word: that it was found, and what was not known yet.

    The destination is taken over as it was last written.
    """
    # A refusal names no invoice, everything else does.
    names = evidence.source is not Source.REPLY or evidence.verdict is not Status.FAILED
    return replace(
        order,
        misses=0,
        named=order.named or names,
        invoice_number=order.invoice_number or evidence.invoice_number,
        product_price=(
            order.product_price if order.product_price is not None else evidence.product_price
        ),
        said_dest=evidence.said_dest or order.said_dest,
        user_id=evidence.user_id or order.user_id,
        server_id=evidence.server_id if evidence.user_id else order.server_id,
        callback_names=evidence.callback_names or order.callback_names,
    )


def _with_invoice(order: Order, evidence: Evidence, act: Act) -> Order:
    """Take over the upstream's own object where it says what is true, or is all that there is."""
    if evidence.invoice is None:
        return order
    agrees = evidence.verdict is order.status and not _other_sn(order, evidence)
    asked = evidence.source is Source.LOOKUP or order.invoice is None
    if Act.APPLY in act or (agrees and asked):
        return replace(order, invoice=evidence.invoice)
    return order


def _become(order: Order, evidence: Evidence, now: int, *, alert: str | None) -> Change:
    """The order becomes what was said."""
    assert isinstance(evidence.verdict, Status)  # noqa: S101  narrows the type for mypy
    what = f"{evidence.source} said {evidence.verdict}: applied"
    note = evidence.note or (order.note if evidence.verdict is order.status else "")
    final = evidence.verdict.is_final
    order = replace(
        order,
        status=evidence.verdict,
        note=note,
        lookups=0 if final else order.lookups,
        final_at=now if final else order.final_at,
    )
    return Change(order=order, what=what, tell=final, alert=alert)


def _unsent(order: Order, evidence: Evidence, now: int, *, only_send: bool) -> Change:
    """The send that just ended never left; proof only if there was no other (T3)."""
    if not order.is_open or order.named:
        return _no_answer(order, evidence, now)
    order = replace(order, sends=order.sends - 1)
    if only_send:
        failed = fail(order, Code.UPSTREAM_UNREACHABLE, now)
        return Change(order=failed, what=f"never sent ({evidence.reason}): failed", tell=True)
    what = f"this send never left ({evidence.reason}); an earlier one may have arrived"
    return Change(order=order, what=what)


def _no_answer(order: Order, evidence: Evidence, now: int) -> Change:
    """Nothing was proved (T5): a look-up decides, also one that a final order was waiting for."""
    what = f"{evidence.source}: no proof of anything ({evidence.reason})"
    if evidence.source is Source.CALLBACK:  # whoever knows the token has seen the order
        order = replace(owe(order, now), named=True)
    return Change(order=replace(order, misses=0), what=what)


def _not_found(order: Order, evidence: Evidence, now: int, rules: Rules) -> Change:
    """The upstream does not know the order: send again, give it up, or ask later (T2, T6)."""
    if not order.is_open:
        return Change(order=order, what="lookup: not found, stays final")
    if not _has_settled(order, evidence, now, rules):
        return Change(order=order, what="lookup: not found, too early to tell")
    order = replace(order, misses=order.misses + 1)
    late = order.first_sent_at is None or now >= order.first_sent_at + rules.expire_s * MS_PER_S
    if not order.named and not late and order.sends < MAX_SENDS:
        if not rules.may_send:
            return Change(order=order, what="lookup: not found; the next start sends it again")
        what = f"lookup: not found, so it is sent again (send {order.sends + 1} of {MAX_SENDS})"
        return Change(order=begin_send(order, now, rules), what=what, send=True)
    # An order that the upstream once named can not be sent again, and still gets its whole time to
    # turn up.
    if order.misses >= MISSES_TO_EXPIRE and (late or not order.named):
        gone = fail(order, Code.EXPIRED, now)
        what = "lookup: not found three times in a row: expired"
        return Change(order=gone, what=what, tell=True)
    return Change(order=order, what=f"lookup: not found ({order.misses})")


def _has_settled(order: Order, evidence: Evidence, now: int, rules: Rules) -> bool:
    """Whether a look-up was asked when a send that was under way could no longer arrive."""
    if order.sending:
        return False
    settled_at = settles_at(order, rules)
    # What was asked in the future was asked before the clock was set back.
    return settled_at is None or settled_at <= evidence.asked_at <= now
