"""The rules about sending and asking around the table (contract T1 to T6, §4 rule 1)."""

import pytest

from gateway.domain.errors import Code, explain
from gateway.domain.order import (
    LOOK_UP_GAP_MS,
    MAX_SENDS,
    Order,
    Silence,
    Source,
    Status,
    begin_send,
    fail,
    wait_for_turn,
)
from gateway.domain.truth import apply
from tests.domain.cases import NOTE, RULES, T0, Life, S, final, new_order, said, sent, uncertain


def test_a_first_send_is_under_way_and_has_a_date_when_its_process_died() -> None:
    order = begin_send(new_order(), T0, RULES)
    assert (order.sending, order.sends, order.first_sent_at) == (True, 1, T0)
    assert order.due_at == T0 + 75 * S
    assert order.is_open


def test_a_send_that_waits_for_its_turn_has_until_it_may_not_leave_any_more() -> None:
    order = wait_for_turn(begin_send(new_order(), T0, RULES), T0, RULES)
    assert order.due_at == T0 + round((RULES.expire_s + RULES.lease_s) * S)
    assert order.sending


def test_a_further_send_keeps_when_the_first_began_and_counts_misses_anew() -> None:
    order = begin_send(uncertain(misses=2, lookups=4), T0 + 50 * S, RULES)
    assert (order.sends, order.first_sent_at, order.sending) == (2, T0, True)
    assert (order.misses, order.lookups) == (0, 0)


@pytest.mark.parametrize(
    "order",
    [
        sent(),
        uncertain(named=True),
        uncertain(MAX_SENDS),
        final(Status.FAILED),
        final(Status.SUCCESS),
    ],
    ids=["under way", "named", "three sends", "failed", "success"],
)
def test_a_send_that_is_not_allowed_is_refused(order: Order) -> None:
    with pytest.raises(ValueError, match="no further send is allowed"):
        begin_send(order, T0 + 100 * S, RULES)


def test_what_we_refuse_ourselves_was_never_sent() -> None:
    order = fail(new_order(), Code.INVALID_PARAMETER, T0)
    assert (order.status, order.sends, order.final_at, order.due_at) == (
        Status.FAILED,
        0,
        T0,
        None,
    )
    assert order.note == "INVALID_PARAMETER - Parameter tidak lengkap atau tidak sah."


# T4: a refusal decides alone only of the only send


def test_a_refusal_of_the_only_send_decides() -> None:
    life = Life().after(1)
    change = life.reply(Status.FAILED, note="INSUFFICIENT_BALANCE - Dana")
    assert (life.order.status, life.order.note) == (Status.FAILED, "INSUFFICIENT_BALANCE - Dana")
    assert change.tell


@pytest.mark.parametrize("sends", [2, 3])
def test_a_refusal_after_an_uncertain_send_decides_nothing(sends: int) -> None:
    life = Life()
    for _ in range(sends - 1):
        life.times_out().is_sent_again()
    change = life.after(1).reply(Status.FAILED, note="INSUFFICIENT_BALANCE - Dana")
    assert life.order.is_open
    assert not change.tell
    assert life.order.due_at is not None
    assert life.order.due_at <= life.now + 2 * S
    # The refusal named no invoice, so it does not stand in the way of the next send either.
    assert not life.order.named
    assert life.lookup(Status.SUCCESS).tell


def test_a_refusal_of_an_order_that_a_callback_named_decides_nothing() -> None:
    life = Life()
    life.callback(Status.PENDING)
    life.after(1).reply(Status.FAILED, note="INSUFFICIENT_BALANCE - Dana")
    assert life.order.is_open


def test_a_refusal_after_a_send_that_never_left_still_follows_the_uncertain_first() -> None:
    life = Life().times_out().is_sent_again()
    life.reply(Silence.UNSENT)
    life.is_sent_again()
    assert life.order.sends == 2
    life.reply(Status.FAILED, note="INVALID_USER_ID - x")
    assert life.order.is_open


# T3: provably unsent


def test_an_only_send_that_never_left_fails_as_never_sent() -> None:
    life = Life().after(5)
    change = life.reply(Silence.UNSENT, reason="connection refused")
    assert change.tell
    assert life.order.note == explain(Code.UPSTREAM_UNREACHABLE)
    order = life.order
    assert (order.sends, order.sending) == (0, False)
    assert "connection refused" in change.what


def test_an_unsent_send_after_an_uncertain_one_proves_nothing_and_does_not_count() -> None:
    life = Life().times_out().is_sent_again().after(5)
    change = life.reply(Silence.UNSENT)
    assert life.order.is_open
    assert not change.tell
    assert (life.order.sends, life.order.sending) == (1, False)
    assert life.order.due_at == life.now + 2 * S
    assert life.order.send_ended_at == life.now


def test_an_unsent_send_of_an_order_that_was_named_meanwhile_proves_nothing() -> None:
    life = Life()
    life.callback(Status.PENDING)
    life.reply(Silence.UNSENT)
    assert life.order.is_open


@pytest.mark.parametrize("source", [Source.CALLBACK, Source.LOOKUP])
def test_only_the_send_itself_can_be_unsent(source: Source) -> None:
    for order in (sent(), uncertain()):
        change = apply(order, said(source, Silence.UNSENT), T0 + 2 * S, RULES)
        assert change.order.is_open
        assert change.order.sends == 1


@pytest.mark.parametrize("source", [Source.CALLBACK, Source.REPLY])
def test_only_a_lookup_can_miss(source: Source) -> None:
    now = T0 + 100 * S
    for order in (uncertain(), uncertain(3, misses=2)):
        change = apply(order, said(source, Silence.NOT_FOUND, asked_at=now), now, RULES)
        assert change.order.is_open
        assert not change.send
        assert change.order.misses <= order.misses


# T2: a second send only after the dust has settled, and a look-up that was asked after that


@pytest.mark.parametrize(
    ("asked_after_s", "is_sent"), [(2, False), (39.999, False), (40, True), (41, True)]
)
def test_not_found_allows_a_send_only_when_asked_after_settle_s(
    asked_after_s: float, *, is_sent: bool
) -> None:
    life = Life().after(7).times_out()  # the settling is counted from the end of the send
    ended_at = life.now
    asked_at = ended_at + round(asked_after_s * S)
    change = life.after(60).lookup(Silence.NOT_FOUND, asked_at=asked_at)
    assert change.send == is_sent
    assert life.order.sending == is_sent
    assert life.order.misses == 0
    assert life.order.is_open


def test_not_found_while_a_send_is_under_way_means_nothing() -> None:
    life = Life().times_out().is_sent_again().after(60)
    change = life.lookup(Silence.NOT_FOUND)
    assert not change.send
    assert (life.order.sends, life.order.sending, life.order.misses) == (2, True, 0)


def test_lookups_before_the_dust_has_settled_lead_to_one_right_after() -> None:
    life = Life().times_out()
    ended_at = life.now
    asked = []
    while not life.order.sending:
        assert life.order.due_at is not None
        life.now = life.order.due_at
        asked.append((life.now - ended_at) // S)
        life.lookup(Silence.NOT_FOUND)
    assert asked == [2, 7, 22, 40]  # 2, 5, 15, and not 30 but at the first moment that matters


def test_there_are_at_most_three_sends() -> None:
    life = Life().times_out()
    for _ in range(2):
        life.is_sent_again().times_out()
    assert life.order.sends == MAX_SENDS == 3
    for _ in range(2):
        assert not life.after(60).lookup(Silence.NOT_FOUND).send
        assert life.order.is_open
    change = life.after(60).lookup(Silence.NOT_FOUND)
    assert life.order.note == explain(Code.EXPIRED)
    assert change.tell


@pytest.mark.parametrize(
    ("age_s", "is_sent"), [(1799.999, True), (1800, False), (1801, False), (9999, False)]
)
def test_there_is_no_send_after_expire_s(age_s: float, *, is_sent: bool) -> None:
    life = Life().times_out().after(age_s)
    assert life.lookup(Silence.NOT_FOUND).send == is_sent


# T6: an order that is given up


def given_up(**changes: int) -> Life:
    """An order that may not be sent any more."""
    return Life(uncertain(3, **changes), now=T0 + 2 * S).after(60)


def test_three_misses_in_a_row_expire() -> None:
    life = given_up()
    for misses in (1, 2):
        life.lookup(Silence.NOT_FOUND)
        assert (life.order.is_open, life.order.misses) == (True, misses)
        life.after(60)
    assert life.lookup(Silence.NOT_FOUND).tell
    assert life.order.status is Status.FAILED


@pytest.mark.parametrize("between", [Silence.NO_ANSWER, Silence.UNSENT])
def test_a_lookup_without_an_answer_breaks_the_row(between: Silence) -> None:
    life = given_up()
    for verdict in (Silence.NOT_FOUND, Silence.NOT_FOUND, between):
        life.lookup(verdict)
        life.after(60)
    assert life.order.misses == 0
    for _ in range(2):
        life.lookup(Silence.NOT_FOUND)
        life.after(60)
    assert life.order.is_open
    life.lookup(Silence.NOT_FOUND)
    assert not life.order.is_open


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("word", [Status.PENDING, Status.PAID])
def test_a_word_of_the_upstream_breaks_the_row(source: Source, word: Status) -> None:
    life = given_up(misses=2)
    life.hears(source, word)
    assert life.order.misses == 0


def test_misses_before_the_dust_has_settled_do_not_count() -> None:
    life = Life(uncertain(3), now=T0 + 2 * S)
    for _ in range(10):
        life.after(1).lookup(Silence.NOT_FOUND)
    assert (life.order.misses, life.order.is_open) == (0, True)


def test_misses_do_not_count_across_a_send() -> None:
    life = Life(uncertain(2, misses=2), now=T0 + 60 * S)
    assert life.lookup(Silence.NOT_FOUND).send
    assert life.times_out().order.misses == 0


def test_an_order_past_its_time_needs_three_misses_too() -> None:
    life = Life().times_out().after(1800)
    for _ in range(2):
        assert not life.lookup(Silence.NOT_FOUND).tell
        life.after(60)
    assert life.lookup(Silence.NOT_FOUND).tell
    assert life.order.sends == 1


@pytest.mark.parametrize("source", [Source.REPLY, Source.CALLBACK, Source.LOOKUP])
@pytest.mark.parametrize("word", [Status.PENDING, Status.PAID])
def test_an_order_that_was_named_is_never_sent_again(source: Source, word: Status) -> None:
    life = Life()
    if source is not Source.REPLY:
        life.times_out()
    life.hears(source, word)
    for _ in range(20):
        assert not life.after(60).lookup(Silence.NOT_FOUND).send
    assert life.order.sends == 1
    assert life.order.is_open  # and has its whole time to turn up
    life.after(1800)
    assert life.lookup(Silence.NOT_FOUND).tell
    assert life.order.note == explain(Code.EXPIRED)


@pytest.mark.parametrize("word", [Status.FAILED, Status.REFUNDED])
def test_a_callback_that_is_not_applied_still_names_the_order(word: Status) -> None:
    life = Life().times_out()
    life.callback(word)
    assert not life.after(60).lookup(Silence.NOT_FOUND).send


def test_a_reply_when_no_send_is_under_way_ends_none() -> None:
    life = Life().after(10).times_out()
    ended_at = life.now
    life.after(-3600).reply(Silence.NO_ANSWER)
    assert life.order.send_ended_at == ended_at


# Pacing


def test_asking_waits_until_two_seconds_after_the_last_lookup() -> None:
    life = Life().times_out()
    life.after(3).lookup(Silence.NO_ANSWER)
    looked_up_at = life.now
    life.after(0.5).callback(Status.FAILED)
    assert LOOK_UP_GAP_MS == 2 * S
    assert life.order.due_at == looked_up_at + 2 * S
    life.after(10).callback(Status.FAILED)
    assert life.order.due_at == life.now


def test_asking_soon_is_soon_although_the_clock_was_set_back() -> None:
    life = Life().times_out()
    life.lookup(Silence.NO_ANSWER)
    life.after(-3600).callback(Status.FAILED)
    assert life.order.due_at is not None
    assert life.now <= life.order.due_at <= life.now + 2 * S


def test_lookups_follow_the_schedule_and_the_last_repeats() -> None:
    life = Life()
    life.reply(Status.PENDING)
    waits = []
    for _ in range(8):
        assert life.order.due_at is not None
        waits.append((life.order.due_at - life.now) // S)
        life.now = life.order.due_at
        life.lookup(Status.PENDING)
    assert waits == [2, 5, 15, 30, 60, 60, 60, 60]


def test_an_operators_question_about_a_final_order_is_asked_until_it_is_answered() -> None:
    life = Life(final(Status.SUCCESS, lookups=9), now=T0 + 100 * S)
    life.callback(Status.REFUNDED)
    assert life.order.due_at == life.now
    life.lookup(Silence.NO_ANSWER)
    assert life.order.due_at == life.now + 5 * S
    answered = life.after(5).lookup(Status.REFUNDED).order
    assert (answered.status, answered.due_at) == (Status.REFUNDED, None)


# What was said before stays said


@pytest.mark.parametrize("status", [s for s in Status if s.is_final])
@pytest.mark.parametrize("word", [Status.PENDING, Status.PAID])
@pytest.mark.parametrize("source", Source)
def test_a_late_pending_never_opens_again(status: Status, word: Status, source: Source) -> None:
    order = final(status)
    change = apply(order, said(source, word, note="RefId : ML_9"), T0 + 100 * S, RULES)
    assert (change.order.status, change.order.final_at) == (status, order.final_at)
    assert change.order.note == NOTE
    assert not change.tell


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.PARTIAL_SUCCESS])
@pytest.mark.parametrize("source", Source)
def test_another_sn_is_an_alert_and_changes_nothing(status: Status, source: Source) -> None:
    order = final(status)
    other = "Sari - 9(1) . RefId: XX_9"
    change = apply(order, said(source, status, note=other), T0 + 100 * S, RULES)
    assert change.alert is not None
    assert other in change.alert
    assert (change.order.note, change.tell) == (NOTE, False)


@pytest.mark.parametrize("note", [NOTE, "", f" {NOTE} "])
def test_the_same_sn_or_none_is_no_alert(note: str) -> None:
    order = final(Status.SUCCESS)
    change = apply(order, said(Source.CALLBACK, Status.SUCCESS, note=note), T0 + 100 * S, RULES)
    assert change.alert is None


def test_another_reason_of_a_failure_is_no_alert() -> None:
    order = final(Status.FAILED)
    change = apply(order, said(Source.LOOKUP, Status.FAILED, note="x"), T0 + 100 * S, RULES)
    assert change.alert is None


def test_a_word_without_a_note_keeps_the_note_only_while_it_is_the_same_word() -> None:
    life = Life()
    life.reply(Status.PENDING, note="RefId : ML_1")
    life.lookup(Status.PENDING)
    assert life.order.note == "RefId : ML_1"
    life.lookup(Status.SUCCESS)
    assert life.order.note == ""


def test_a_correction_is_told_with_what_is_true_now() -> None:
    life = Life(final(Status.FAILED, note="EXPIRED - x"), now=T0 + 100 * S)
    assert not life.callback(Status.SUCCESS, note=NOTE).tell
    change = life.lookup(Status.SUCCESS, note=NOTE)
    assert (change.tell, life.order.status, life.order.note) == (True, Status.SUCCESS, NOTE)
    assert life.order.final_at == life.now
    assert change.alert is not None


# What goes with a word


def test_what_was_not_known_is_taken_over_once() -> None:
    life = Life()
    life.reply(Status.PENDING, said_dest="123456789|1234", user_id="123456789", server_id="1234")
    life.callback(
        Status.SUCCESS, invoice_number="INV1", product_price=0, callback_names="trx_id,status"
    )
    life.lookup(Status.SUCCESS, invoice_number="INV2", product_price=1511)
    order = life.order
    assert (order.invoice_number, order.product_price) == ("INV1", 0)
    assert order.said_dest == "123456789|1234"
    assert order.callback_names == "trx_id,status"


def test_both_parts_of_a_destination_are_taken_over_together() -> None:
    life = Life(sent(user_id="1234567891234", server_id=None))
    life.reply(Status.PENDING)
    parts = [(life.order.user_id, life.order.server_id)]
    life.lookup(Status.PENDING, user_id="123456789", server_id="1234")
    parts.append((life.order.user_id, life.order.server_id))
    life.lookup(Status.PENDING, user_id="1234567891234", server_id=None)
    parts.append((life.order.user_id, life.order.server_id))
    assert parts == [("1234567891234", None), ("123456789", "1234"), ("1234567891234", None)]


def test_an_order_is_the_same_purchase_by_product_and_glued_destination() -> None:
    order = new_order()
    assert order.is_same_purchase("S1_1187", "1234567891234")
    assert not order.is_same_purchase("S1_1188", "1234567891234")
    assert not order.is_same_purchase("S1_1187", "1234567891235")


def test_the_upstream_knows_an_order_by_reseller_and_trx_id() -> None:
    assert new_order().upstream_trx_id == "toko-A1"
