"""What crosses on its way: a doubt beside a send, a reply or an older look-up is never lost.

Each begins with an order that was sold as far as the reseller knows, and of which the upstream
calls back that it took the sale back. Only a look-up that is asked later says what is true.
"""

from collections.abc import Callable

import pytest

from gateway.domain.order import Change, Silence, Source, Status
from tests.domain.cases import NOTE, Life, S, sent


def refunded_while_the_send_hangs() -> Life:
    """The send has no answer yet; its order was called back as sold, and then as refunded."""
    life = Life(sent())
    life.after(1).callback(Status.SUCCESS, note=NOTE)
    life.after(1).callback(Status.REFUNDED)
    assert (life.order.status, life.order.sending) == (Status.SUCCESS, True)
    return life


def answered_after_the_refund() -> Life:
    life = refunded_while_the_send_hangs()
    life.after(1).reply(Status.SUCCESS, note=NOTE)
    return life


def killed_before_the_answer() -> Life:
    """After the start the send that is still marked as under way is closed without an answer."""
    life = refunded_while_the_send_hangs()
    life.after(300).reply(Silence.NO_ANSWER)
    return life


def refunded_just_before_the_reply() -> Life:
    life = Life(sent())
    life.after(1).callback(Status.REFUNDED)
    assert life.order.status is Status.PENDING
    life.reply(Status.SUCCESS, note=NOTE)  # in the same millisecond
    return life


def refunded_while_an_older_look_up_is_in_flight() -> Life:
    life = Life(sent()).times_out()
    asked_at = life.after(2).now
    life.after(0.5).callback(Status.REFUNDED)
    life.after(0.5).lookup(Status.SUCCESS, note=NOTE, asked_at=asked_at)
    return life


VARIANTS = pytest.mark.parametrize(
    "variant",
    [
        refunded_while_the_send_hangs,
        answered_after_the_refund,
        killed_before_the_answer,
        refunded_just_before_the_reply,
        refunded_while_an_older_look_up_is_in_flight,
    ],
)
ENDED = pytest.mark.parametrize(
    "variant",
    [
        answered_after_the_refund,
        killed_before_the_answer,
        refunded_just_before_the_reply,
        refunded_while_an_older_look_up_is_in_flight,
    ],
)


@VARIANTS
def test_the_order_is_sold_and_a_look_up_is_due_soon(variant: Callable[[], Life]) -> None:
    order = (life := variant()).order
    assert order.status is Status.SUCCESS
    assert order.ask_since is not None
    assert order.due_at is not None
    assert order.due_at <= life.now + 2 * S


@ENDED
def test_no_send_is_under_way_any_more(variant: Callable[[], Life]) -> None:
    assert not variant().order.sending


@VARIANTS
def test_a_look_up_that_was_asked_no_later_than_the_refund_settles_nothing(
    variant: Callable[[], Life],
) -> None:
    life = variant()
    assert life.order.ask_since is not None
    for before_ms in (0, 1, 60 * S):
        asked_at = life.order.ask_since - before_ms
        change = life.after(3).lookup(Status.SUCCESS, note=NOTE, asked_at=asked_at)
        assert (change.alert, change.tell) == (None, False)
        assert life.order.ask_since is not None
        assert life.order.due_at is not None


@VARIANTS
def test_a_look_up_that_is_asked_later_corrects_it(variant: Callable[[], Life]) -> None:
    life = variant()
    change = life.after(3).lookup(Status.REFUNDED)
    assert (life.order.status, life.order.ask_since, life.order.due_at) == (
        Status.REFUNDED,
        None,
        None,
    )
    assert change.tell
    assert change.alert is not None


@VARIANTS
def test_a_look_up_that_is_asked_later_and_does_not_confirm_is_an_alert(
    variant: Callable[[], Life],
) -> None:
    life = variant()
    change = life.after(43).lookup(Status.SUCCESS, note=NOTE)
    assert (life.order.ask_since, life.order.due_at, change.tell) == (None, None, False)
    assert change.alert is not None
    assert "not confirmed" in change.alert


@VARIANTS
def test_what_is_no_answer_keeps_it_due(variant: Callable[[], Life]) -> None:
    life = variant()
    for source in (Source.LOOKUP, Source.CALLBACK, Source.LOOKUP):
        life.after(3).hears(source, Silence.NO_ANSWER)
        assert life.order.ask_since is not None
        assert life.order.due_at is not None


def test_an_answer_to_a_look_up_while_the_send_hangs_counts_too() -> None:
    life = refunded_while_the_send_hangs()
    life.after(3).lookup(Status.REFUNDED)
    change = life.after(3).reply(Status.SUCCESS, note=NOTE)  # older than all of it
    assert life.order.status is Status.REFUNDED
    assert not life.order.sending
    assert isinstance(change, Change)
    assert change.alert is not None


# look-ups that a panel causes


def test_a_thousand_look_ups_for_a_panel_put_off_no_planned_one() -> None:
    life = Life(sent())
    life.reply(Status.PENDING)
    for _ in range(4):
        life.now = life.order.due_at or 0
        life.lookup(Status.PENDING)
    planned, lookups = life.order.due_at, life.order.lookups
    assert planned == life.now + 60 * S
    for _ in range(20):
        life.after(2).lookup(Status.PENDING)
        assert (life.order.due_at, life.order.lookups) == (planned, lookups)


def test_a_planned_look_up_comes_two_seconds_after_one_for_a_panel() -> None:
    life = Life(sent())
    life.reply(Status.PENDING)
    life.after(2).lookup(Status.PENDING)
    planned = life.order.due_at
    assert planned == life.now + 5 * S
    life.now = planned - 500
    life.lookup(Status.PENDING)
    assert life.order.due_at == planned + 1500


def test_the_pace_is_no_longer_than_two_seconds_although_the_clock_was_set_back() -> None:
    life = Life(sent())
    life.after(7200).callback(Status.SUCCESS, note=NOTE)
    life.lookup(Status.SUCCESS, note=NOTE)
    life.after(-3600).callback(Status.REFUNDED)
    assert life.order.due_at == life.now + 2 * S


@pytest.mark.parametrize("word", [*Status, Silence.UNSENT, Silence.NO_ANSWER])
def test_a_reply_to_an_older_send_does_not_end_the_one_under_way(word: Status | Silence) -> None:
    """A gateway that was stopped wakes, and brings the reply to the send that was taken over."""
    life = Life(sent()).times_out().is_sent_again()
    before = life.order
    change = life.after(1).reply(word, send=1, note=NOTE)
    after = change.order
    assert (after.sending, after.sends, after.begun) == (True, before.sends, before.begun)
    assert after.send_ended_at == before.send_ended_at
    assert after.is_open or after.status is word  # and a refusal is no proof any more
    assert after.status is not Status.FAILED


def test_a_send_that_never_left_keeps_its_number() -> None:
    life = Life(sent()).times_out().is_sent_again()
    life.reply(Silence.UNSENT)
    assert (life.order.sends, life.order.begun, life.order.sending) == (1, 2, False)
    life.is_sent_again()
    assert life.order.begun == 3
    life.after(1).reply(Silence.UNSENT, send=2)
    assert (life.order.sends, life.order.sending) == (2, True)
