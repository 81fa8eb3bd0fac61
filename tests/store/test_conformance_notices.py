"""Notices, conditions, the pulse and saldo: what every backend does the same."""

from functools import partial

import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Alert, Kind, What
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import (
    DeliveryRecord,
    Entry,
    LateDeliveries,
    LongOpen,
    Notice,
    NoticeOutcome,
    Record,
    Store,
)
from tests.store.journals import ACCOUNTS, T0, message, place, sold, tell

pytestmark = pytest.mark.timeout(30)

LEASE = 1000
FULL = Alarm(T0, Kind.DISK_LOW, "full", "")


async def claim(store: Store, now: int, limit: int = 9) -> list[Notice]:
    return await store.claim_notices(now, lease_ms=LEASE, limit=limit)


def done(notice: Notice, **changes: object) -> NoticeOutcome:
    outcome = NoticeOutcome(
        id=notice.id, attempts=notice.attempts, told=("a",), next_at=None, at=T0, result="ok"
    )
    return replace(outcome, **changes)


async def alarm(store: Store, order: Order, alert: Alarm) -> Record:
    told = Record(order=order, entries=(Entry(T0 + 7, "decided", "x"),), alert=alert)
    return await store.change_order(order.id, partial(lambda told, _: told, told))


async def test_whatever_raises_an_alert_puts_its_notice_into_the_outbox(store: Store) -> None:
    placed = await place(store)
    await alarm(store, placed, Alarm(T0, Kind.CONTRADICTION, "one"))
    await alarm(store, placed, Alarm(T0, Kind.CONTRADICTION, "one"))
    await store.raise_alert(FULL)
    await store.move_times(5, Alarm(T0, Kind.CLOCK_SET, "set"), 0)
    delivery = await tell(store, placed, message())

    def die(before: Delivery) -> DeliveryRecord:
        dead = replace(before, state=DeliveryState.DEAD, next_at=None)
        alert = Alarm(T0, Kind.DELIVERY_DEAD, "delivery 1 is dead since x")
        return DeliveryRecord(delivery=dead, entry=Entry(T0, "not_told", "x"), alert=alert)

    await store.change_delivery(delivery, die)
    notices = await claim(store, T0 + 5)
    assert [(n.what, n.alert.kind, n.alert.order) for n in notices] == [
        (What.RAISED, Kind.CONTRADICTION, placed.upstream_trx_id),
        (What.RAISED, Kind.DISK_LOW, None),
        (What.RAISED, Kind.CLOCK_SET, None),
        (What.RAISED, Kind.DELIVERY_DEAD, placed.upstream_trx_id),
    ]
    assert {(n.attempts, n.told) for n in notices} == {(1, ())}

    def settle(before: Delivery) -> DeliveryRecord:
        entry = Entry(T0 + 9, "told", "x")
        return DeliveryRecord(delivery=before, entry=entry, settles="delivery 1 is dead")

    await store.change_delivery(delivery, settle)
    (ended,) = await claim(store, T0 + 9)
    assert (ended.what, ended.alert.kind) == (What.ENDED, Kind.DELIVERY_DEAD)
    assert (ended.alert.ended_at, ended.alert.acked_at) == (T0 + 9, T0 + 9)


async def test_a_claim_keeps_others_away_until_its_lease_ends(store: Store) -> None:
    await store.raise_alert(FULL)
    assert await claim(store, T0 - 1) == []
    (first,) = await claim(store, T0)
    assert await claim(store, T0 + LEASE - 1) == []
    (second,) = await claim(store, T0 + LEASE)
    assert (first.id, first.attempts, second.attempts) == (second.id, 1, 2)
    await store.note_notices([done(first)])
    (third,) = await claim(store, T0 + 2 * LEASE)
    assert third.told == (), "who lost the claim writes nothing"
    await store.note_notices([done(third, told=("a", "b"), next_at=T0 + 9 * LEASE)])
    assert await claim(store, T0 + 9 * LEASE - 1) == []
    (fourth,) = await claim(store, T0 + 9 * LEASE)
    assert fourth.told == ("a", "b")
    await store.note_notices([done(fourth)])
    assert await claim(store, T0 + 99 * LEASE) == []


async def test_the_longest_due_are_claimed_first(store: Store) -> None:
    for n in (3, 1, 2):
        await store.raise_alert(Alarm(T0 + n, Kind.SALDO_LOW, f"{n}", f"key{n}"))
    assert {n.alert.about for n in await claim(store, T0 + 5, limit=2)} == {"key1", "key2"}
    assert [n.alert.about for n in await claim(store, T0 + 5, limit=2)] == ["key3"]


async def test_a_condition_stands_until_it_ends_whoever_took_note(store: Store) -> None:
    assert await store.raise_alert(FULL)
    assert not await store.raise_alert(replace(FULL, at=T0 + 1, text="fuller"))
    assert await store.raise_alert(replace(FULL, about="other"))
    assert await store.ack_alerts([10**30, 7000], T0 + 2) == []
    await store.ack_alerts(None, T0 + 2)
    assert await store.alerts() == []
    assert not await store.raise_alert(replace(FULL, at=T0 + 3, text="fuller"))
    assert sorted(await store.standing_alerts()) == [(Kind.DISK_LOW, ""), (Kind.DISK_LOW, "other")]
    assert await store.end_alert(Kind.DISK_LOW, "", T0 + 4) == 1
    assert await store.end_alert(Kind.DISK_LOW, "", T0 + 5) == 0
    assert await store.standing_alerts() == [(Kind.DISK_LOW, "other")]
    assert await store.raise_alert(replace(FULL, at=T0 + 6))
    again, _, first = await store.alerts(with_acked=True)
    assert again == Alert(
        id=again.id, kind=Kind.DISK_LOW, order=None, text="full", raised_at=T0 + 6, about=""
    )
    assert (first.acked_at, first.ended_at) == (T0 + 2, T0 + 4)


async def test_what_happened_once_does_not_stand(store: Store) -> None:
    await store.raise_alert(Alarm(T0, Kind.CLOCK_SET, "set"))
    assert await store.standing_alerts() == []


async def test_reminders_are_of_what_is_open_and_so_many_at_most(store: Store) -> None:
    await store.raise_alert(FULL)
    await store.raise_alert(Alarm(T0, Kind.SALDO_LOW, "x", "key1"))
    await claim(store, T0)
    assert await store.remind(T0 + 99, every_ms=100, at_most=2) == 0
    low, full = await store.alerts()
    await store.ack_alerts([low.id], T0)
    assert await store.remind(T0 + 100, every_ms=100, at_most=2) == 1
    assert await store.remind(T0 + 199, every_ms=100, at_most=2) == 0
    assert await store.remind(T0 + 200, every_ms=100, at_most=2) == 1
    assert await store.remind(T0 + 900, every_ms=100, at_most=2) == 0
    reminders = await claim(store, T0 + 900)
    assert [(n.what, n.alert.id) for n in reminders] == [(What.REMINDER, full.id)] * 2


async def test_dates_of_notices_move_with_the_clock(store: Store) -> None:
    await store.raise_alert(FULL)
    year = 365 * 86_400_000
    await store.move_times(-year, Alarm(T0 - year, Kind.CLOCK_SET, "set"), 0)
    notices = await claim(store, T0 - year)
    assert [n.made_at for n in notices] == [T0 - year] * 2
    assert await store.remind(T0 - year + 100, every_ms=100, at_most=1) == 2
    await store.note_time(T0 - 2 * year, furthest=T0 - 2 * year + 5)
    assert len(await claim(store, T0 - 2 * year)) == 4, "nothing waits for a year"


async def test_the_pulse(store: Store) -> None:
    empty = await store.pulse()
    assert (empty.alerts, empty.deliveries_due, empty.deliveries_dead) == ({}, 0, 0)
    assert (empty.oldest_due_at, empty.first_order_at) == (None, None)
    for n in (1, 2, 3):
        placed = await place(store, f"A{n}", placed_at=T0 + n)
        await tell(store, placed, message(), at=T0 + 10 * n)
    (newest, *_, oldest) = await store.deliveries()

    def die(before: Delivery) -> DeliveryRecord:
        dead = replace(before, state=DeliveryState.DEAD, next_at=None)
        return DeliveryRecord(delivery=dead, entry=Entry(T0, "not_told", "x"))

    await store.change_delivery(oldest.id, die)
    await store.raise_alert(FULL)
    await store.raise_alert(Alarm(T0, Kind.SALDO_LOW, "x", "key1"))
    await store.end_alert(Kind.SALDO_LOW, "key1", T0)
    pulse = await store.pulse()
    assert pulse.alerts == {"disk_low": 1}
    assert (pulse.deliveries_due, pulse.deliveries_dead) == (2, 1)
    assert (pulse.oldest_due_at, pulse.first_order_at) == (T0 + 20, T0 + 1)
    assert newest.created_at == T0 + 30


async def test_what_is_open_for_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.sqlite_notices._PART", 2)
    assert await store.long_open(T0) == LongOpen()
    for n, placed_at in enumerate((30, 10, 50, 20, 40)):
        await place(store, f"A{n}", placed_at=T0 + placed_at, due_at=T0 + n // 2)
    done_one = await place(store, "A9", placed_at=T0 + 1)
    await store.change_order(done_one.id, lambda before: Record(order=sold(before)))
    found = await store.long_open(T0 + 30)
    assert found == LongOpen(count=2, oldest="toko-A1", placed_at=T0 + 10)


async def test_what_waits_for_whom(store: Store) -> None:
    for code, trx_id, at in (("toko", "A1", 5), ("toko", "A2", 7), ("warung", "A1", 3)):
        placed = await place(store, trx_id, reseller=code)
        await tell(store, placed, message(), at=T0 + at)
    assert await store.late_deliveries(T0 + 3, 9) == []
    late = [
        LateDeliveries(reseller="warung", count=1, since=T0 + 3),
        LateDeliveries(reseller="toko", count=2, since=T0 + 5),
    ]
    assert await store.late_deliveries(T0 + 6, 9) == late
    assert await store.late_deliveries(T0 + 6, 1) == late[:1]


async def test_saldo_has_a_history(store: Store) -> None:
    first, second = ACCOUNTS
    for n in range(4):
        await store.add_saldi(T0 + n * 10, {first: 100 - n, second: 7 + n})
    await store.add_saldi(T0, {first: 5})
    history = await store.saldo_history(first, T0 + 15)
    assert history == [(T0 + 10, 99), (T0 + 20, 98), (T0 + 30, 97)], "what it was then, and since"
    assert await store.saldo_history("nobody", 0) == []
    assert await store.prune(T0 + 20) == 4
    assert [seen.at for seen in await store.saldo_history(second, 0)] == [T0 + 20, T0 + 30]


async def test_a_saldo_that_another_gateway_has_written_is_not_written_twice(store: Store) -> None:
    first, second = ACCOUNTS
    await store.add_saldi(T0, {first: 100, second: 7})
    await store.add_saldi(T0 + 1, {first: 100, second: 8})
    assert await store.saldo_history(first, 0) == [(T0, 100)]
    assert await store.saldo_history(second, 0) == [(T0, 7), (T0 + 1, 8)]


async def test_notices_that_are_done_are_forgotten_in_the_end(store: Store) -> None:
    await store.raise_alert(FULL)
    await store.raise_alert(replace(FULL, about="other"))
    one, _ = await claim(store, T0)
    await store.note_notices([done(one, at=T0 + 5)])
    assert await store.prune(T0 + 5) == 0
    assert await store.prune(T0 + 6) == 1
    assert len(await claim(store, T0 + LEASE)) == 1, "what is due is kept"


async def test_the_disk_has_room(store: Store) -> None:
    free = store.disk_free()
    assert free is None or free > 0
