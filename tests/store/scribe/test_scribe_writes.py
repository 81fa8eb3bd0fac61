"""Under load a process writes the journal: the same rows, by one writer at a time."""

import asyncio
import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import DeliveryRecord, Entry, Record
from gateway.store.group_commit import Thread, Work
from gateway.store.sqlite import SqliteStore
from tests.store.journals import T0, order, record
from tests.store.scribe.scribes import (
    LOT,
    MANY,
    due,
    dump,
    note_all,
    opened,
    place_many,
    sold,
    told,
    with_scribe,
    written_by,
)
from tests.support import eventually


class Spy(Thread):
    """Counts what a thread does."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self.turns = 0

    async def run(self, work: Work[Any]) -> Any:
        self.turns += 1
        return await self._thread.run(work)


async def test_what_it_writes_is_what_the_thread_writes(tmp_path: Path) -> None:
    dumps = []
    for name in ("thread", "scribe"):
        async with opened(tmp_path / name) as store:
            if name == "scribe":
                await with_scribe(store)
            else:
                store._writer._scribe = None
                await place_many(store, "first")
                await place_many(store, "second")
            spy = store._writer._thread = Spy(store._writing_thread)
            placed = await place_many(store, "third", 100)
            records = await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
            noted = await note_all(store, await due(store))
            assert all(one.order.note == "SN" and not one.order.is_open for one in records)
            assert len(noted) == 100
            # once, to know which orders have alerts
            assert (spy.turns <= 1) == (name == "scribe")
        dumps.append(dump(store.path))
    assert dumps[0] == dumps[1]
    assert len(dumps[0]["deliveries"]) == 100


async def test_a_few_orders_need_no_process(store: SqliteStore) -> None:
    for n in range(3):
        await place_many(store, f"few{n}", MANY - 1)
    assert store._scribe is not None
    assert store._scribe.pid is None
    assert not store._scribe.is_ready


async def test_what_it_can_not_do_is_done_all_the_same(store: SqliteStore) -> None:
    await with_scribe(store)
    again = await asyncio.gather(
        *(store.place(record(order(f"second-{n}"))) for n in range(LOT)),
        *(store.place(record(order(f"new-{n}"))) for n in range(LOT)),
    )
    assert [is_new for _, is_new in again] == [False] * LOT + [True] * LOT
    assert len({one.id for one, _ in again}) == 2 * LOT
    placed = [one for one, _ in again]
    store._known.forget()
    changed = await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    assert all(one.order.note == "SN" for one in changed)
    with pytest.raises(KeyError):
        await asyncio.gather(*(store.change_order(o.id, _breaks) for o in placed))
    alerted = await asyncio.gather(*(store.change_order(o.id, _alarms) for o in placed))
    assert all(one.alert is not None for one in alerted)
    assert len(dump(store.path)["alerts"]) == 2 * LOT
    await place_many(store, "after")
    await place_many(store, "after that")
    assert written_by(store) == "scribe", "it goes on where it can"


def _breaks(_: Order) -> Record:
    raise KeyError


def _alarms(before: Order) -> Record:
    return Record(order=before, alert=Alarm(T0, Kind.CONTRADICTION, "look"))


@pytest.mark.parametrize("impossible", ["\ud800", 2**70, object()], ids=["text", "int", "object"])
async def test_what_no_journal_can_hold_fails_alone(store: SqliteStore, impossible: Any) -> None:
    scribe = await with_scribe(store)
    pid = scribe.pid
    bad = replace(order("bad"), note=impossible)
    failed, *good = await asyncio.gather(
        store.place(record(bad)),
        *(store.place(record(order(f"good-{n}"))) for n in range(LOT)),
        return_exceptions=True,
    )
    assert isinstance(failed, Exception)
    assert not any(isinstance(one, BaseException) for one in good)
    assert "bad" not in {row[2] for row in dump(store.path)["orders"]}
    await place_many(store, "after")
    assert (written_by(store), scribe.pid) == ("scribe", pid)


async def test_who_holds_the_journals_lock_is_waited_for(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        under_way = asyncio.ensure_future(place_many(store, "third"))
        await asyncio.sleep(1)
        assert not under_way.done()
        other.execute("ROLLBACK")
        assert len(await under_way) == LOT
    await place_many(store, "fourth")
    assert written_by(store) == "scribe"
    assert scribe.is_ready


async def test_one_of_many_that_decides_twice_sees_what_it_decided(store: SqliteStore) -> None:
    await with_scribe(store)
    (placed, *_) = await place_many(store, "x")

    def longer(before: Order) -> Record:
        return Record(order=replace(before, note=before.note + "x"))

    await asyncio.gather(*(store.change_order(placed.id, longer) for _ in range(10)))
    assert written_by(store) == "scribe"
    assert (await store._all_orders("id = ?", (placed.id,)))[0].note == "x" * 10


async def test_a_delivery_that_is_another_by_now_is_decided_upon_as_it_is(
    store: SqliteStore,
) -> None:
    await with_scribe(store)
    placed = await place_many(store, "x")
    await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    seen = await due(store)
    await store.resend_delivery(seen[0].id, T0 + 9, Entry(T0, "resent", "x"))
    await note_all(store, seen[1:])  # after this it is known that no order has an alert
    decided: list[int | None] = []

    def decide(before: Delivery) -> DeliveryRecord:
        decided.append(before.next_at)
        return told(before)

    await store.change_delivery(seen[0].id, decide, seen=seen[0])
    assert decided[-1] == T0 + 9
    first = await store.delivery(seen[0].id)
    assert first is not None
    assert first.state is DeliveryState.DELIVERED


async def test_an_alert_that_is_not_true_any_more_is_ended(store: SqliteStore) -> None:
    await with_scribe(store)
    placed = await place_many(store, "x")
    await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    first, *rest = await due(store)
    alarm = Alarm(T0, Kind.DELIVERY_DEAD, "delivery is dead")

    def refused(before: Delivery) -> DeliveryRecord:
        return DeliveryRecord(delivery=before, entry=Entry(T0, "not_told", "x"), alert=alarm)

    await note_all(store, rest)  # from here on it is known that no order has an alert
    await store.change_delivery(first.id, refused, seen=first)
    await store.change_delivery(first.id, told, seen=first)
    sql = "SELECT ended_at, acked_at FROM alerts"
    assert await store._read(lambda c: c.execute(sql).fetchall()) == [(T0 + 5, T0 + 5)]


async def test_the_thread_waits_for_its_turn(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    assert scribe.pid is not None
    os.kill(scribe.pid, signal.SIGSTOP)
    try:
        under_way = asyncio.ensure_future(place_many(store, "third"))
        await asyncio.sleep(0.05)
        emptying = asyncio.ensure_future(store.empty_log())
        await asyncio.sleep(0.2)
        assert not emptying.done()
    finally:
        os.kill(scribe.pid, signal.SIGCONT)
    await under_way
    assert await emptying


async def test_it_brings_nothing_of_the_log_into_the_journal_where_another_does(
    store: SqliteStore,
) -> None:
    await store.leave_log()
    await with_scribe(store)
    size = store.path.stat().st_size
    for n in range(8):
        await place_many(store, f"x{n}", 256, note="x" * 4096)
    assert written_by(store) == "scribe"
    assert store.path.stat().st_size == size
    assert store.size().log > 1000 * 4096


async def test_what_the_thread_does_keeps_its_turn_though_nobody_waits(store: SqliteStore) -> None:
    await with_scribe(store)
    goes_on, began = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        began.set()
        goes_on.wait(10)

    asking = asyncio.ensure_future(store._writer.alone(work))
    await eventually(began.is_set)
    asking.cancel()
    under_way = asyncio.ensure_future(place_many(store, "third"))
    finishing = asyncio.ensure_future(store._writer.finish())
    await asyncio.sleep(0.2)
    assert not under_way.done()
    assert not finishing.done()
    goes_on.set()
    assert len(await under_way) == LOT
    await finishing
    assert asking.cancelled()
