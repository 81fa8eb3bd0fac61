"""What was said to have failed is watched for a day, in case the upstream bought it after all."""

import pytest
from msgspec.structs import replace

from gateway.domain.errors import Code, NotDone
from gateway.domain.order import Silence, Source, Status, fail
from gateway.domain.truth import apply, is_worth_asking, overrule
from tests.domain.cases import NOTE, RULES, T0, Life, S, final, new_order, said, sent, uncertain

DAY_S = 86_400


def failed_by(how: str) -> Life:
    """An order that failed for each of the reasons that there are."""
    life = Life()
    if how == "refused":
        life.reply(Status.FAILED, note="PRODUCT_INACTIVE - x")
    elif how == "unreachable":
        life.reply(Silence.UNSENT)
    elif how == "looked up":
        life.times_out().lookup(Status.FAILED)
    else:
        life.order = uncertain(3, misses=2)
        life.after(100).lookup(Silence.NOT_FOUND)
    assert life.order.status is Status.FAILED
    return life


HOWS = ["refused", "unreachable", "looked up", "expired"]


def looks_until_the_end(life: Life, verdict: Status | Silence) -> list[float]:
    """When it was looked up, in seconds after it failed."""
    failed_at = life.now
    at: list[float] = []
    while life.order.due_at is not None and len(at) < 50:
        life.now = life.order.due_at
        at.append((life.now - failed_at) / S)
        life.lookup(verdict)
    return at


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("verdict", [Silence.NOT_FOUND, Status.FAILED])
def test_whatever_failed_is_watched_for_a_day(how: str, verdict: Silence | Status) -> None:
    life = failed_by(how)
    at = looks_until_the_end(life, verdict)
    assert at[0] == 60
    assert at[-1] == DAY_S
    assert len(at) == 8
    assert life.order.status is Status.FAILED


def test_what_was_never_on_its_way_is_not_watched() -> None:
    order = fail(new_order(), Code.INVALID_PARAMETER, T0)
    change = apply(order, said(Source.CALLBACK, Status.FAILED), T0, RULES)
    assert change.order.due_at is None


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("word", [Status.SUCCESS, Status.PARTIAL_SUCCESS])
def test_a_purchase_that_turns_up_is_told_and_is_an_alert(how: str, word: Status) -> None:
    life = failed_by(how)
    for _ in range(4):
        life.now = life.order.due_at or 0
        assert not life.lookup(Silence.NOT_FOUND).tell
    life.now = life.order.due_at or 0
    change = life.lookup(word, note=NOTE)
    assert (life.order.status, life.order.note, life.order.due_at) == (word, NOTE, None)
    assert change.tell
    assert change.alert == f"lookup said {word} while the order is FAILED"


@pytest.mark.parametrize("how", HOWS)
def test_one_that_the_upstream_is_at_is_followed_until_it_has_decided(how: str) -> None:
    life = failed_by(how)
    for _ in range(200):
        life.now = life.order.due_at or 0
        change = life.lookup(Status.PENDING, note="RefId : ML_1")
        assert change.alert == "lookup said PENDING while the order is FAILED"
        assert (life.order.status, change.tell) == (Status.FAILED, False)
        assert life.order.due_at == life.now + 60 * S
    life.now = life.order.due_at or 0
    life.lookup(Silence.NO_ANSWER)  # one lost answer does not end it
    life.now = life.order.due_at or 0
    assert life.lookup(Status.SUCCESS, note=NOTE).tell


def test_the_day_begins_anew_after_the_last_time_that_it_was_pending() -> None:
    life = failed_by("expired")
    for _ in range(20):
        life.now = life.order.due_at or 0
        life.lookup(Status.PENDING)
    assert len(looks_until_the_end(life, Silence.NOT_FOUND)) == 8


def test_a_hint_that_comes_while_a_look_up_is_under_way_is_not_lost() -> None:
    life = Life(final(Status.SUCCESS), now=T0 + 3600 * S)
    life.callback(Silence.HINT)
    asked_at = life.now
    life.after(0.1).callback(Silence.HINT)
    life.after(0.1).lookup(Status.SUCCESS, note=NOTE, asked_at=asked_at)
    assert life.order.due_at is not None
    life.now = life.order.due_at
    life.lookup(Status.REFUNDED)
    assert life.order.status is Status.REFUNDED


def test_a_watch_that_ends_without_an_answer_is_told_to_the_operator() -> None:
    life = failed_by("refused")
    alerts = []
    while life.order.due_at is not None:
        life.now = life.order.due_at
        alerts.append(life.lookup(Silence.NO_ANSWER).alert)
    last = "whether it was bought after all is not known: the upstream did not answer"
    assert alerts == [None] * 7 + [last]


@pytest.mark.parametrize("how", HOWS)
def test_it_is_never_sent_again(how: str) -> None:
    life = failed_by(how)
    while life.order.due_at is not None:
        life.now = life.order.due_at
        assert not life.lookup(Silence.NOT_FOUND).send


# A clock that was set measures nothing.


def test_not_found_means_nothing_until_our_own_clock_has_seen_settle_s_pass() -> None:
    since = T0 + 600 * S
    rules = replace(RULES, clock_since=since)
    order = uncertain(2, due_at=since)
    early = said(Source.LOOKUP, Silence.NOT_FOUND, asked_at=since + 39_999)
    change = apply(order, early, since + 39_999, rules)
    assert (change.send, change.order.misses) == (False, 0)
    settled = said(Source.LOOKUP, Silence.NOT_FOUND, asked_at=since + 40_000)
    assert apply(order, settled, since + 40_000, rules).send


def test_the_first_look_up_that_means_something_is_planned_by_our_own_clock() -> None:
    since = T0 + 3600 * S
    rules = replace(RULES, schedule_s=(900,), clock_since=since)
    change = apply(
        uncertain(2, due_at=since), said(Source.LOOKUP, Silence.NO_ANSWER), since + S, rules
    )
    assert change.order.due_at == since + 40 * S


def test_what_was_asked_in_the_future_was_asked_before_the_clock_was_set_back() -> None:
    order = uncertain(2, due_at=T0 + 100 * S)
    asked = said(Source.LOOKUP, Silence.NOT_FOUND, asked_at=T0 + 3600 * S)
    assert not apply(order, asked, T0 + 100 * S, RULES).send


# The operator's own decision.


@pytest.mark.parametrize(
    "word", [Status.SUCCESS, Status.PARTIAL_SUCCESS, Status.FAILED, Status.REFUNDED]
)
def test_an_operator_may_decide_what_is_open(word: Status) -> None:
    change = overrule(uncertain(2), word, "SN-1", T0 + 9 * S)
    assert (change.order.status, change.order.note) == (word, "SN-1")
    assert change.order.final_at == T0 + 9 * S
    assert change.tell
    watched_at = T0 + 69 * S if word is Status.FAILED else None
    assert change.order.due_at == watched_at


def test_what_an_operator_decided_is_corrected_when_the_upstream_knows_better() -> None:
    life = Life(overrule(uncertain(2), Status.FAILED, "x", T0 + 9 * S).order, now=T0 + 69 * S)
    change = life.lookup(Status.SUCCESS, note=NOTE)
    assert (change.tell, change.alert is not None) == (True, True)
    assert life.order.status is Status.SUCCESS


def test_a_doubt_outlives_an_operator_s_decision() -> None:
    life = Life(uncertain(named=True))
    life.callback(Status.FAILED)
    decided = overrule(life.order, Status.SUCCESS, NOTE, life.now + S).order
    assert (decided.ask_since, decided.due_at) == (life.now, life.now + S)


def test_an_operator_may_not_decide_what_is_final_or_being_sent() -> None:
    done = failed_by("refused").order
    with pytest.raises(NotDone, match=r"order toko-A1 is final \(FAILED\)"):
        overrule(done, Status.SUCCESS, "x", T0)
    with pytest.raises(NotDone, match="is being sent at this moment"):
        overrule(sent(), Status.FAILED, "x", T0)


# A hint of somebody who proved nothing.


def test_a_hint_is_a_reason_to_look_up_and_no_more() -> None:
    life = Life(uncertain(misses=2))
    change = life.after(1).callback(Silence.HINT)
    order = life.order
    assert (order.due_at, order.ask_since) == (life.now, None)
    assert (order.named, order.misses, order.status) == (False, 2, Status.PENDING)
    assert (change.tell, change.alert, change.send) == (False, None, False)


@pytest.mark.parametrize("word", [Status.SUCCESS, Status.FAILED, Status.REFUNDED])
def test_a_hint_about_a_final_order_is_looked_up_and_forgotten(word: Status) -> None:
    life = Life(final(word), now=T0 + 3600 * S)
    life.callback(Silence.HINT)
    assert life.order.due_at == life.now
    unheard = life.lookup(Silence.NO_ANSWER)
    assert (unheard.alert, life.order.due_at) == (None, life.now + 240 * S)
    change = life.after(240).lookup(word, note=NOTE)
    assert (change.alert, change.tell) == (None, False)
    assert (life.order.due_at is None) == (word is not Status.FAILED)


# A process that may not send.


def test_where_nothing_may_be_sent_a_miss_neither_sends_nor_fails() -> None:
    life = Life(uncertain(misses=9), now=T0 + 100 * S)
    evidence = said(Source.LOOKUP, Silence.NOT_FOUND, asked_at=life.now)
    change = apply(life.order, evidence, life.now, replace(RULES, may_send=False))
    assert (change.send, change.tell, change.order.is_open) == (False, False, True)
    assert apply(change.order, evidence, life.now, RULES).send


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.PENDING, {"SUCCESS", "PAID", "FAILED", "REFUNDED", "PARTIAL_SUCCESS", "?"}),
        (Status.SUCCESS, {"FAILED", "REFUNDED", "PARTIAL_SUCCESS", "?"}),
        (Status.FAILED, {"SUCCESS", "PENDING", "PAID", "PARTIAL_SUCCESS", "?"}),
        (Status.REFUNDED, {"?"}),
    ],
)
def test_which_words_of_a_stranger_are_worth_asking(status: Status, words: set[str]) -> None:
    order = uncertain() if status is Status.PENDING else final(status)
    assert {word for word in (*Status, "?") if is_worth_asking(order, word)} == words
