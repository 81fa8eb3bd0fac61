"""What one attempt makes of a delivery (contract §10)."""

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState, Message, after_attempt

NOW = 1_700_000_000_000
SCHEDULE_S = (0, 5, 15)
MESSAGE = Message(status="SUCCESS", method="GET", url="http://p.test/?a=1", host="p.test:80")


def delivery(**changes: object) -> Delivery:
    due = Delivery(
        id=7,
        order_id=3,
        reseller="toko",
        message=MESSAGE,
        state=DeliveryState.DUE,
        attempts=0,
        next_at=NOW,
        created_at=NOW - 1000,
    )
    return replace(due, **changes)


def attempt(before: Delivery, *, accepted: bool, now: int = NOW) -> Delivery:
    return after_attempt(
        before, accepted=accepted, result="HTTP 500", now=now, schedule_s=SCHEDULE_S
    )


def test_what_was_accepted_is_done() -> None:
    done = attempt(delivery(), accepted=True)
    assert (done.state, done.next_at, done.done_at) == (DeliveryState.DELIVERED, None, NOW)
    assert (done.attempts, done.last_result) == (1, "HTTP 500")
    assert done.message is MESSAGE


def test_refused_attempts_follow_the_schedule_until_it_is_dead() -> None:
    now, waits, current = NOW, [], delivery()
    while current.state is DeliveryState.DUE:
        assert current.next_at is not None
        waits.append((current.next_at - now) // 1000)
        now = current.next_at
        current = attempt(current, accepted=False, now=now)
    assert waits == [0, 5, 15]
    assert (current.state, current.attempts) == (DeliveryState.DEAD, 3)
    assert (current.next_at, current.done_at) == (None, now)
    assert current.message is MESSAGE


def test_the_last_attempt_may_still_be_accepted() -> None:
    done = attempt(delivery(attempts=2), accepted=True)
    assert (done.state, done.attempts) == (DeliveryState.DELIVERED, 3)


@pytest.mark.parametrize(
    "state", [DeliveryState.SUPERSEDED, DeliveryState.DEAD, DeliveryState.DELIVERED]
)
@pytest.mark.parametrize("attempts", [0, 2, 9])
def test_what_is_not_due_any_more_never_becomes_due_again(
    state: DeliveryState, attempts: int
) -> None:
    before = delivery(state=state, attempts=attempts, next_at=None)
    after = attempt(before, accepted=False)
    assert (after.state, after.next_at) == (state, None)
    assert after.attempts == attempts + 1


def test_what_was_superseded_on_its_way_and_accepted_was_delivered() -> None:
    before = delivery(state=DeliveryState.SUPERSEDED, next_at=None)
    after = attempt(before, accepted=True)
    assert (after.state, after.next_at, after.done_at) == (DeliveryState.DELIVERED, None, NOW)
