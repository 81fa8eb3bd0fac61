"""The answer to a write is lost: it is written once all the same, and its caller knows.

The connection is cut at the statement or the COMMIT, before it reached the server, after, or so
that it arrives when the next try is done already.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import Busy, DeliveryRecord, Entry, Record, Store
from gateway.store.open import open_store
from tests.store.journals import T0, message, open_journal, order, place, record, sold, tell
from tests.support.cutter import Cut, Cutter, cutting, is_commit, is_execute, the_second
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.timeout(30), pytest.mark.parametrize("when", Cut)]


@pytest.fixture
async def cutter(postgres: PostgresServer) -> AsyncIterator[Cutter]:
    async with cutting(postgres.socket) as proxy:
        yield proxy


@pytest.fixture
async def store(cutter: Cutter, database: str) -> AsyncIterator[Store]:
    opened = await open_journal(cutter.url(database))
    yield opened
    await opened.close()


@pytest.fixture
async def other(postgres: PostgresServer, database: str, store: Store) -> AsyncIterator[Store]:
    """Another gateway's, which nothing is cut for."""
    opened = await open_store(postgres.url(database))
    yield opened
    await opened.close()


async def settled(cutter: Cutter) -> None:
    """Wait until what was cut has arrived, where it does."""
    await cutter.cut.wait()
    await asyncio.sleep(0.05)


async def test_an_order_is_placed_once_and_known_to_be_new(
    store: Store, other: Store, cutter: Cutter, when: Cut
) -> None:
    await place(store, "A0")  # the statement is prepared
    cutter.arm(is_execute, when)
    placed, is_new = await store.place(record(order(), message=message(), tell_at=T0))
    await settled(cutter)
    assert is_new
    assert await other.order_by_trx_id("toko", "A1") == placed
    assert await other.count_open() == 2
    assert [e.kind for e in await other.timeline(placed.id)] == ["asked", "sending"]
    assert len(await other.deliveries()) == 1


async def test_another_s_order_of_the_same_moment_is_never_taken_for_ours(
    store: Store, other: Store, cutter: Cutter, when: Cut
) -> None:
    await place(store, "A0")
    cutter.open.clear()
    cutter.arm(is_execute, when)
    ours = asyncio.create_task(store.place(record(order())))
    await cutter.cut.wait()
    theirs, theirs_is_new = await other.place(record(order()))
    cutter.open.set()
    placed, is_new = await ours
    assert placed == theirs
    assert is_new is not theirs_is_new
    assert [e.kind for e in await other.timeline(placed.id)] == ["asked", "sending"]


def looked_up(before: Order) -> Record:
    entry = Entry(T0, "looked_up", "x")
    return Record(order=replace(before, lookups=before.lookups + 1), entries=(entry,))


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_order_is_changed_once(
    store: Store, other: Store, cutter: Cutter, when: Cut, *, is_known: bool
) -> None:
    await place(store, "A0")  # asyncpg has asked what it asks once about lists
    placed = await place(store if is_known else other)
    await (store if is_known else other).change_order(placed.id, looked_up)
    cutter.arm(is_execute if is_known else the_second(is_execute), when)
    written = await store.change_order(placed.id, looked_up)
    await settled(cutter)
    now = await other.order(placed.id)
    assert written.order == now
    assert now.lookups == 2
    kinds = [e.kind for e in await other.timeline(placed.id)]
    assert kinds == ["asked", "sending", "looked_up", "looked_up"]


async def test_a_settlement_tells_once(
    store: Store, other: Store, cutter: Cutter, when: Cut
) -> None:
    placed = await place(store)

    def settle(before: Order) -> Record:
        alert = Entry(T0, "alert", "look")
        return Record(order=sold(before), message=message(), tell_at=T0, alert=alert, saldo=7)

    cutter.arm(is_execute, when)
    written = await store.change_order(placed.id, settle)
    await settled(cutter)
    assert written.order == await other.order(placed.id) == sold(placed)
    assert len(await other.deliveries()) == 1
    assert [alert.text for alert in await other.alerts()] == ["look"]
    assert [e.kind for e in await other.timeline(placed.id)] == ["asked", "sending", "alert"]


@pytest.mark.parametrize("changes", [1, 2])
async def test_what_others_change_meanwhile_is_not_undone(
    store: Store, other: Store, cutter: Cutter, when: Cut, changes: int
) -> None:
    placed = await place(store)
    cutter.open.clear()
    cutter.arm(is_execute, when)
    ours = asyncio.create_task(store.change_order(placed.id, looked_up))
    await cutter.cut.wait()
    if when is Cut.AFTER:
        await asyncio.sleep(0.1)
    for _ in range(changes):
        await other.change_order(placed.id, looked_up)
    cutter.open.set()
    # Ours is done or not known to be done, and never done twice; theirs are.
    try:
        await ours
        done = {changes + 1}
    except JournalUnavailable:
        done = {changes, changes + 1}
    now = await other.order(placed.id)
    assert now.lookups in done
    assert len(await other.timeline(placed.id)) == 2 + now.lookups


async def test_an_attempt_is_counted_once(
    store: Store, other: Store, cutter: Cutter, when: Cut
) -> None:
    placed = await place(store)
    number = await tell(store, placed, message())

    def attempt(before: Delivery) -> DeliveryRecord:
        told = replace(before, attempts=before.attempts + 1, next_at=T0 + 5)
        return DeliveryRecord(delivery=told, entry=Entry(T0, "told", f"{told.attempts}"))

    await store.change_delivery(number, attempt)
    cutter.arm(the_second(is_execute), when)  # the first reads
    written = await store.change_delivery(number, attempt)
    await settled(cutter)
    now = await other.delivery(number)
    assert now == written.delivery
    assert now.attempts == 2
    steps = [e.text for e in await other.timeline(placed.id) if e.kind == "told"]
    assert steps == ["1", "2"]


async def test_a_transaction_is_done_once(
    store: Store, other: Store, cutter: Cutter, when: Cut
) -> None:
    placed = await place(store, due_at=T0 + 1000)
    number = await tell(store, placed, message("FAILED"))
    cutter.arm(is_commit, when)
    moved = await store.move_times(5, Entry(T0, "alert", "the clock was set"))
    await settled(cutter)
    assert moved == 2
    assert (await other.order(placed.id)).due_at == T0 + 1005
    cutter.arm(is_commit, when)
    resent = await store.resend_delivery(number, T0 + 9, Entry(T0, "resent", "x"))
    await settled(cutter)
    assert resent is not None
    assert resent == await other.delivery(number)
    assert resent.state is DeliveryState.DUE
    assert [e.kind for e in await other.timeline(placed.id)].count("resent") == 1
    assert len(await other.due_deliveries(T0 + 9, 9, Busy())) == 1
