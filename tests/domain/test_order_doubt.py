"""What was said without proof is a doubt, kept until a later look-up answers it (T8, T9)."""

import pytest

from gateway.domain.order import Silence, Source, Status
from tests.domain.cases import NOTE, T0, Life, S, final, sent

LATER = T0 + 100 * S


def doubted(word: Status | Silence = Status.FAILED) -> Life:
    """A success that a callback contradicts."""
    life = Life(final(Status.SUCCESS), now=LATER)
    life.callback(word)
    return life


def test_a_doubt_is_asked_about_at_once() -> None:
    life = doubted()
    assert (life.order.ask_since, life.order.due_at) == (LATER, LATER)


@pytest.mark.parametrize("word", [Status.FAILED, Status.REFUNDED, Status.PARTIAL_SUCCESS])
def test_a_look_up_that_confirms_is_applied_and_ends_the_doubt(word: Status) -> None:
    life = doubted(word)
    change = life.after(1).lookup(word)
    assert (life.order.status, life.order.ask_since) == (word, None)
    assert (life.order.due_at is None) == (word is not Status.FAILED), "what failed is watched"
    assert change.tell


@pytest.mark.parametrize("answer", [Status.SUCCESS, Status.PENDING, Silence.NOT_FOUND])
def test_a_look_up_that_does_not_confirm_is_told_to_the_operator(
    answer: Status | Silence,
) -> None:
    life = doubted()
    for seconds in (1, 10, 20):  # the upstream may call back before its look-up knows what is new
        change = life.after(seconds).lookup(answer, note=NOTE)
        assert (change.alert, life.order.ask_since) == (None, LATER)
    change = life.after(1800 if answer is Silence.NOT_FOUND else 9).lookup(answer, note=NOTE)
    assert (life.order.status, life.order.note, life.order.ask_since) == (
        Status.SUCCESS,
        NOTE,
        None,
    )
    assert change.alert is not None
    assert change.alert.endswith(answer.name.replace("_", " "))
    assert not change.tell
    assert life.order.due_at is None


@pytest.mark.parametrize("asked_before_s", [0, 0.001, 5])
def test_a_look_up_that_was_asked_before_the_doubt_does_not_answer_it(
    asked_before_s: float,
) -> None:
    life = doubted()
    asked_at = LATER - round(asked_before_s * S)
    change = life.after(0.5).lookup(Status.SUCCESS, note=NOTE, asked_at=asked_at)
    assert change.alert is None
    assert life.order.ask_since == LATER
    assert life.order.due_at == life.now + 2 * S


def test_no_answer_ends_no_doubt() -> None:
    life = doubted()
    waits = []
    for _ in range(6):
        assert life.order.due_at is not None
        waits.append((life.order.due_at - life.now) // S)
        life.now = life.order.due_at
        assert life.lookup(Silence.NO_ANSWER).alert is None
    assert life.order.ask_since == LATER
    assert waits == [0, 5, 15, 20, 60, 60], "on the schedule, and once when it has settled"


def test_a_doubt_is_not_lost_while_a_send_is_under_way() -> None:
    life = Life(sent())
    life.after(1).callback(Status.FAILED)
    assert life.order.due_at == T0 + 75 * S  # the send's own date
    life.after(1).reply(Silence.NO_ANSWER)
    assert life.order.ask_since == T0 + S
    assert life.order.due_at == life.now


@pytest.mark.parametrize("source", [Source.REPLY, Source.CALLBACK])
def test_a_doubt_outlives_a_word_that_is_no_look_up(source: Source) -> None:
    life = Life(sent())
    life.callback(Status.REFUNDED)
    life.after(1).hears(source, Status.SUCCESS, note=NOTE)
    assert (life.order.status, life.order.due_at) == (Status.SUCCESS, life.now)
    assert life.after(1).lookup(Status.REFUNDED).order.status is Status.REFUNDED


def test_a_doubt_from_before_the_clock_was_set_back_can_be_answered() -> None:
    life = doubted()
    life.after(-0.2).lookup(Status.SUCCESS, note=NOTE)
    waiting_since = life.order.ask_since
    assert waiting_since == life.now, "what was asked before it arose does not answer it"
    life.after(40).lookup(Status.SUCCESS, note=NOTE)
    assert (life.order.ask_since, life.order.due_at) == (None, None)


def test_a_newer_doubt_takes_the_place_of_an_older() -> None:
    life = doubted()
    life.after(5).callback(Status.REFUNDED)
    assert life.order.ask_since == LATER + 5 * S
    life.after(1).lookup(Status.SUCCESS, note=NOTE, asked_at=LATER + 4 * S)
    assert life.order.ask_since == LATER + 5 * S


def test_a_look_up_that_a_panel_caused_uses_up_nothing_of_the_schedule() -> None:
    life = Life(sent())
    life.reply(Status.PENDING)
    life.after(2).lookup(Status.PENDING)  # as planned
    assert (life.order.lookups, life.order.due_at) == (1, life.now + 5 * S)
    planned = life.order.due_at
    life.after(1).lookup(Status.PENDING)
    assert (life.order.lookups, life.order.due_at) == (1, planned)


def test_a_look_up_right_after_one_that_a_panel_caused_keeps_the_pace() -> None:
    life = Life(sent())
    life.reply(Status.PENDING)
    life.after(1.5).lookup(Status.PENDING)
    assert life.order.due_at == life.now + 2 * S


def test_a_doubt_about_an_old_order_is_asked_again_soon_when_nobody_answers() -> None:
    life = Life(sent(sending=False, send_ended_at=T0 + S, named=True, lookups=9), now=LATER)
    life.callback(Status.FAILED)
    life.after(1).lookup(Silence.NO_ANSWER)
    assert life.order.due_at is not None
    assert life.order.due_at <= life.now + 5 * S, "not at the schedule's end"
    assert life.order.ask_since == LATER


def test_whoever_knows_the_token_has_seen_the_order() -> None:
    life = Life()
    life.callback(Silence.NO_ANSWER)
    assert life.order.named
    refused = life.after(1).reply(Status.FAILED, note="INSUFFICIENT_BALANCE - Dana")
    assert life.order.is_open
    assert not refused.tell


def test_a_doubt_that_nobody_answers_is_told_to_the_operator() -> None:
    life = doubted(Status.REFUNDED)
    alerts = []
    while life.now < LATER + 3600 * S:
        assert life.order.due_at is not None
        life.now = life.order.due_at
        alerts.append(life.lookup(Silence.NO_ANSWER).alert)
    assert set(alerts) == {
        None,
        "what was called back can not be looked up: the upstream does not answer",
    }
    assert alerts[0] is None
    assert life.order.ask_since == LATER


def test_a_word_that_a_look_up_confirmed_and_that_is_called_back_again_is_no_alert() -> None:
    life = doubted(Status.REFUNDED)
    life.after(1).callback(Status.REFUNDED)  # by the webhook, while the look-up is under way
    change = life.after(1).lookup(Status.REFUNDED, asked_at=LATER + S - 1)
    assert (change.tell, life.order.ask_since) == (True, LATER + S)
    again = life.after(41).lookup(Status.REFUNDED)
    assert (again.alert, again.tell, life.order.ask_since) == (None, False, None)
