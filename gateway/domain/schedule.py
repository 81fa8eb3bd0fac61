"""When an order is looked up next, after whatever was heard.

An open order is looked up on the schedule of the configuration until it is decided. A final one is
looked up while a look-up is owed, because something was said without proof; and one that was said
to have failed is watched for a day, in case the upstream bought it after all. Pure arithmetic on
what the journal holds: a date may lie in the past, and then the order is simply due.
"""

from msgspec.structs import replace

from gateway.domain.backoff import MS_PER_S, delay_ms
from gateway.domain.evidence import OPEN_STATUSES, Evidence, Silence, Source, Status
from gateway.domain.order import LOOK_UP_GAP_MS, Order, Rules

# Waits between the look-ups of an order that was said to have failed, seconds: after one minute,
# 5, 15, one hour, 3, 6, 12, and a day. Dense where a late purchase is likely, and eight in all,
# for on a bad day every order of an evening fails.
WATCH_S = (60, 240, 600, 2_700, 7_200, 10_800, 21_600, 43_200)


DueAt = int | None


def answers(evidence: Evidence) -> bool:
    """Whether the upstream said anything about the order, be it that it knows none."""
    return isinstance(evidence.verdict, Status) or evidence.verdict is Silence.NOT_FOUND


def owe(order: Order, now: int) -> Order:
    """Return the order with a look-up owed: at once, and again from the schedule's beginning."""
    return replace(order, ask_since=now, lookups=0)


def looked_up(order: Order, now: int) -> Order:
    """Count a look-up that was planned."""
    was_due = order.due_at is not None and order.due_at <= now
    order = replace(order, looked_up_at=now, lookups=order.lookups + was_due)
    if order.ask_since is not None and order.ask_since > now:
        return replace(order, ask_since=now)  # it arose before the clock was set back a little
    return order


def without_doubt(
    before: Order, order: Order, evidence: Evidence, now: int, rules: Rules
) -> Order:
    """Return the order without its doubt, where this evidence answers it.

    A look-up does that was asked after the doubt arose and moves the order; one that moves nothing
    only when it was asked `settle_s` after it, for the upstream may call back before its own
    look-up knows what is new. That it knows no such order, though somebody spoke of it, is
    believed after `expire_s`.
    """
    if evidence.source is not Source.LOOKUP or not answers(evidence) or before.ask_since is None:
        return order
    since = min(before.ask_since, now)
    settled = replace(order, ask_since=None, lookups=order.lookups if order.is_open else 0)
    if order.status is not before.status and evidence.asked_at > since:
        return settled
    patience_s = rules.expire_s if evidence.verdict is Silence.NOT_FOUND else rules.settle_s
    settled_at = max(since, rules.clock_since) + round(patience_s * MS_PER_S)
    return settled if evidence.asked_at >= settled_at else order


def settles_at(order: Order, rules: Rules) -> int | None:
    """Return from when on "not found" means something; None where nothing was ever sent.

    No time counts that passed before `rules.clock_since`: what a clock said before this process
    began, or before it was set, measures nothing.
    """
    if order.send_ended_at is None:
        return None
    return max(order.send_ended_at, rules.clock_since) + _settle_ms(rules)


def next_look(before: Order, order: Order, evidence: Evidence, now: int, rules: Rules) -> DueAt:
    """Return when the workers look at an order again, or None.

    Args:
        before: the order before the evidence.
        order: what the evidence made of it, still with its old date.
        evidence: what was heard.
        now: Unix milliseconds.
        rules: the times that decide.
    """
    if order.is_open and order.sending:
        return order.due_at  # a send under way is taken for dead after its own date
    if evidence.verdict is Silence.HINT and evidence.source is Source.CALLBACK:
        return _soonest(order, now)
    if order.ask_since is not None and not _has_asked(order, evidence):
        return _soonest(order, now)
    if not order.is_open and order.ask_since is None:
        return _watch(before, order, evidence, now)
    if order.due_at is not None and order.due_at > now and evidence.source is not Source.REPLY:
        # A look-up that was not planned, for a panel that asked, uses up nothing of the schedule.
        return max(order.due_at, _soonest(order, now))
    return _by_schedule(order, now, rules)


def first_watch(order: Order, now: int) -> DueAt:
    """Return when an order that has just become final is looked up first, or None.

    What was never on its way to the upstream can not have been bought there.
    """
    if order.status is not Status.FAILED or order.first_sent_at is None:
        return None
    return now + delay_ms(WATCH_S, 0)


def _watch(before: Order, order: Order, evidence: Evidence, now: int) -> DueAt:
    """Return when an order that is final, and not in doubt, is looked up again."""
    asked_before = before.due_at is not None and before.due_at > evidence.asked_at
    if evidence.source is Source.LOOKUP and asked_before and not before.is_open:
        return max(before.due_at or 0, _soonest(order, now))  # not what that date is for
    if order.status is not before.status or before.is_open:
        return first_watch(order, now)
    if evidence.source is not Source.LOOKUP:
        return order.due_at
    if answers(evidence) and first_watch(order, now) is None:
        return None
    if evidence.verdict in OPEN_STATUSES:
        return now + delay_ms(WATCH_S, 0)  # the upstream is at it: until it has decided
    if before.due_at is None or order.lookups >= len(WATCH_S):
        return None
    return now + delay_ms(WATCH_S, order.lookups)


def _has_asked(order: Order, evidence: Evidence) -> bool:
    """Whether this is what came of asking about the doubt, be it that nothing came."""
    if evidence.source is not Source.LOOKUP or order.ask_since is None:
        return False
    return not answers(evidence) or evidence.asked_at > order.ask_since


def _soonest(order: Order, now: int) -> int:
    """Return when the pace allows the next look-up, also where the clock was set back since."""
    wait = 0 if order.looked_up_at is None else order.looked_up_at + LOOK_UP_GAP_MS - now
    return now + min(max(wait, 0), LOOK_UP_GAP_MS)


def _by_schedule(order: Order, now: int, rules: Rules) -> int:
    due_at = now + delay_ms(rules.schedule_s, order.lookups)
    moments = []
    if order.ask_since is not None:
        moments.append(max(order.ask_since, rules.clock_since) + _settle_ms(rules))
    settled_at = settles_at(order, rules)
    if order.is_open and not order.named and settled_at is not None:
        moments.append(settled_at)
    # Not later than the first moment at which "not found" means something.
    return min([due_at, *(moment for moment in moments if moment > now)])


def _settle_ms(rules: Rules) -> int:
    return round(rules.settle_s * MS_PER_S)
