"""Alerts, mended times and whose turn it is: what every backend does the same."""

from functools import partial

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import DeliveryRecord, Entry, Form, Record, Store
from tests.store.journals import T0, message, place, sold, tell

pytestmark = pytest.mark.timeout(30)

YEAR = 365 * 86_400_000


async def alarm(store: Store, order: Order, text: str) -> Record:
    alert = Entry(T0 + 7, "alert", text)
    told = Record(order=order, entries=(Entry(T0 + 7, "decided", "x"),), alert=alert)
    return await store.change_order(order.id, partial(lambda told, _: told, told))


async def test_an_alert_is_raised_once_and_stands_in_the_timeline_once(store: Store) -> None:
    placed = await place(store)
    written = [await alarm(store, placed, text) for text in ("one", "one", "two")]
    assert [record.alert is not None for record in written] == [True, False, True]
    alerts = await store.alerts()
    assert [(a.order, a.text, a.raised_at, a.acked_at) for a in alerts] == [
        (placed.upstream_trx_id, "two", T0 + 7, None),
        (placed.upstream_trx_id, "one", T0 + 7, None),
    ]
    steps = [entry.text for entry in await store.timeline(placed.id) if entry.kind == "alert"]
    assert steps == ["one", "two"]


async def test_an_alert_that_an_operator_took_note_of_is_not_raised_again(store: Store) -> None:
    placed = await place(store)
    await alarm(store, placed, "one")
    await alarm(store, placed, "two")
    two, one = await store.alerts()
    assert await store.ack_alerts([one.id], T0 + 9) == [one.id]
    assert await store.ack_alerts([one.id, 99], T0 + 10) == []
    assert await store.alerts() == [two]
    assert await store.alerts(with_acked=True) == [two, replace(one, acked_at=T0 + 9)]
    assert (await alarm(store, placed, "one")).alert is None
    assert await store.ack_alerts(None, T0 + 11) == [two.id]
    assert await store.alerts() == []
    assert len(await store.alerts(with_acked=True, limit=1)) == 1


async def test_an_alert_about_no_order_is_raised_once_until_it_is_noted(store: Store) -> None:
    for at in (T0, T0 + 1):
        seen = (await store.nodes.changes()).clock
        await store.move_times(5, Entry(at, "alert", "the clock was set"), seen)
    (alert,) = await store.alerts()
    assert (alert.order, alert.text) == (None, "the clock was set")
    await store.ack_alerts(None, T0 + 2)
    seen = (await store.nodes.changes()).clock
    await store.move_times(5, Entry(T0 + 3, "alert", "the clock was set"), seen)
    assert len(await store.alerts()) == 1


async def test_a_delivery_s_alert_is_written_with_it(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())

    def die(before: Delivery) -> DeliveryRecord:
        dead = replace(before, state=DeliveryState.DEAD, next_at=None)
        entry = Entry(T0 + 9, "not_told", "x")
        return DeliveryRecord(delivery=dead, entry=entry, alert=Entry(T0 + 9, "alert", "dead"))

    assert (await store.change_delivery(first, die)).alert is not None
    assert (await store.change_delivery(first, die)).alert is None
    (alert,) = await store.alerts()
    assert (alert.order, alert.text) == (placed.upstream_trx_id, "dead")


async def test_an_alert_that_is_no_longer_true_is_noted_with_what_ends_it(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())
    for text in ("delivery 1 is dead since x", "delivery 10 is dead since x"):
        await alarm(store, placed, text)

    def arrive(before: Delivery) -> DeliveryRecord:
        told = replace(before, state=DeliveryState.DELIVERED, next_at=None)
        entry = Entry(T0 + 9, "told", "x")
        return DeliveryRecord(delivery=told, entry=entry, settles="delivery 1 is dead")

    await store.change_delivery(first, arrive)
    noted = {a.text: a.acked_at for a in await store.alerts(with_acked=True)}
    assert noted == {"delivery 1 is dead since x": T0 + 9, "delivery 10 is dead since x": None}


async def test_what_is_said_often_is_written_once(store: Store) -> None:
    placed = await place(store)
    steps = len(await store.timeline(placed.id))

    async def say(text: str, at: int, *, once: bool = True) -> None:
        entries = (Entry(at, "called_back", text), Entry(at, "decided", "to be looked up"))
        record = Record(order=placed, entries=entries, once=once)
        await store.change_order(placed.id, lambda _: record)

    for n in range(5):
        await say("a", T0 + n)
        await say("b", T0 + n)
    assert len(await store.timeline(placed.id)) == steps + 4
    await say("a", T0 + 9, once=False)
    assert len(await store.timeline(placed.id)) == steps + 6


async def test_who_is_waited_for_comes_before_who_is_watched(store: Store) -> None:
    failed = await place(
        store,
        "1",
        status=Status.FAILED,
        final_at=T0,
        due_at=T0 + 1,
        sending=False,
        send_ended_at=T0,
    )
    open_ = await place(store, "2", due_at=T0 + 5)
    doubted = await place(store, "3")
    asked = replace(sold(doubted), due_at=T0 + 3, ask_since=T0 + 3)
    await store.change_order(doubted.id, lambda _: Record(order=asked))

    async def due(limit: int, *skip: int) -> list[str]:
        return [o.trx_id for o in await store.due_orders(T0 + 9, limit, set(skip))]

    assert await due(9) == ["3", "2", "1"]
    assert await due(2) == ["3", "2"]
    assert await due(2, open_.id) == ["3", "1"]
    assert [o.trx_id for o in await store.due_orders(T0 + 9, 9, set(), watched=0)] == ["3", "2"]
    assert await due(9, failed.id, doubted.id) == ["2"]


async def test_what_is_still_to_come_moves_with_the_clock(store: Store) -> None:
    placed = await place(store, "1", due_at=T0 + 75_000)
    ended = await place(store, "2", sending=False, send_ended_at=T0 + 1_000, due_at=T0 + 2_000)
    over = await place(store, "3")
    await store.change_order(over.id, lambda before: Record(order=sold(before)))
    delivery = await tell(store, placed, message())
    await store.keep_callback("toko-9", Form.TEXT, "q", T0)

    alert = Entry(T0 - YEAR, "alert", "the clock was set")
    assert await store.move_times(-YEAR, alert, 0) == 3
    first, second = await store.order(placed.id), await store.order(ended.id)
    assert (first.due_at, first.first_sent_at) == (T0 + 75_000 - YEAR, T0 - YEAR)
    assert (second.due_at, second.send_ended_at) == (T0 + 2_000 - YEAR, T0 + 1_000 - YEAR)
    assert first.placed_at == placed.placed_at, "what happened stays what was written down"
    assert await store.order(over.id) == sold(over)
    told = await store.delivery(delivery)
    assert told is not None
    assert told.next_at == T0 - YEAR
    assert len(await store.waiting_callbacks(T0 - YEAR, 9)) == 1
    assert [a.text for a in await store.alerts()] == ["the clock was set"]
    assert await store.noted_time() == T0 - YEAR, "in the same transaction: never moved twice"


async def test_the_time_is_noted(store: Store) -> None:
    assert await store.noted_time() is None
    for now in (T0, T0 + 5, T0 - 7):
        await store.note_time(now, furthest=T0 + YEAR)
        assert await store.noted_time() == now


async def test_a_date_that_is_too_far_ahead_is_due_now(store: Store) -> None:
    near = await place(store, "1", due_at=T0 + 75_000)
    far = await place(store, "2", due_at=T0 + YEAR)
    watched = await place(store, "3")
    over = replace(sold(watched), due_at=T0 + YEAR)
    await store.change_order(watched.id, lambda _: Record(order=over))
    delivery = await tell(store, near, message(), T0 + YEAR)
    await store.note_time(T0, furthest=T0 + 80_000)
    assert (await store.order(near.id)).due_at == T0 + 75_000
    assert [(await store.order(o.id)).due_at for o in (far, watched)] == [T0, T0]
    told = await store.delivery(delivery)
    assert told is not None
    assert told.next_at == T0
