"""One message to a reseller: frozen, and repeated byte for byte until it is accepted or dead.

Only what is true of one outbox row may live here; who sends it and how is `flow.relay` and
`clients.reseller`.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from gateway.domain.backoff import delay_ms


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    DUE = "due"
    DELIVERED = "delivered"
    DEAD = "dead"  # the schedule ended without a 2xx; the operator may resend it
    SUPERSEDED = "superseded"  # a newer status of the same order took its place


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is told to a reseller, frozen when its order was settled.

    Attributes:
        status: the status word that it tells.
        method: GET or POST.
        url: the whole address, encoded as it goes out.
        host: `host:port` of it; deliveries to one host share a limit.
        body: JSON that is sent with it, signed under the reseller's key; None where it has none.
    """

    status: str
    method: str
    url: str
    host: str
    body: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message in the outbox.

    Attributes:
        id: its number, as commands name it.
        order_id: whose status it tells.
        message: the frozen request.
        state: where it stands.
        attempts: how many times it was sent since it was made, or since it was last resent by
            hand.
        next_at: when it is due, Unix milliseconds; None unless `state` is DUE.
        last_result: what came of the last attempt, one short line.
    """

    id: int
    order_id: int
    reseller: str
    message: Message
    state: DeliveryState
    attempts: int
    next_at: int | None
    created_at: int
    done_at: int | None = None
    last_result: str | None = None


def after_attempt(
    delivery: Delivery, *, accepted: bool, result: str, now: int, schedule_s: Sequence[float]
) -> Delivery:
    """Return the delivery as it stands after one attempt.

    Args:
        delivery: as it stood when the journal was read for this change.
        accepted: whether the reseller answered 2xx.
        result: one short line for the operator.
        now: Unix milliseconds.
        schedule_s: the wait before each attempt in seconds; when it is used up the delivery is
            dead.
    """
    told = replace(delivery, attempts=delivery.attempts + 1, last_result=result)
    if accepted:
        return replace(told, state=DeliveryState.DELIVERED, next_at=None, done_at=now)
    if told.state is not DeliveryState.DUE:
        return told
    if told.attempts >= len(schedule_s):
        return replace(told, state=DeliveryState.DEAD, next_at=None, done_at=now)
    return replace(told, next_at=now + delay_ms(schedule_s, told.attempts))
