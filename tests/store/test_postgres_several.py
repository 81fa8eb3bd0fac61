"""Several processes on one journal: none undoes what another has written, or does it twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import Busy, DeliveryRecord, Entry, Record, Store
from gateway.store.open import open_store
from tests.store.journals import (
    T0,
    change_delivery,
    message,
    open_journal,
    order,
    place,
    record,
    sold,
    tell,
)
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def stores(postgres: PostgresServer, database: str) -> AsyncIterator[list[Store]]:
    """What three gateways have open."""
    url = postgres.url(database)
    opened = [await open_journal(url), await open_store(url), await open_store(url)]
    yield opened
    for store in opened:
        await store.close()


def looked_up(before: Order) -> Record:
    entry = Entry(T0, "looked_up", f"{before.lookups}")
    return Record(order=replace(before, lookups=before.lookups + 1), entries=(entry,))


async def test_one_of_equal_requests_is_new(stores: list[Store]) -> None:
    for n in range(10):
        asked = [store.place(record(order(f"T{n}"))) for store in stores for _ in range(4)]
        placed = await asyncio.gather(*asked)
        assert sum(is_new for _, is_new in placed) == 1
        assert len({found.id for found, _ in placed}) == 1


async def test_changes_of_one_order_follow_each_other(stores: list[Store]) -> None:
    placed = await place(stores[0])
    asked = [store.change_order(placed.id, looked_up) for store in stores for _ in range(20)]
    await asyncio.gather(*asked)
    assert (await stores[0].order(placed.id)).lookups == 60
    steps = [e.text for e in await stores[0].timeline(placed.id) if e.kind == "looked_up"]
    assert steps == [str(n) for n in range(60)]


async def test_what_is_remembered_is_not_decided_upon_when_it_is_old(stores: list[Store]) -> None:
    ours, theirs, _ = stores
    placed = await place(ours)
    await theirs.change_order(placed.id, looked_up)
    await ours.change_order(placed.id, looked_up)
    assert (await ours.order(placed.id)).lookups == 2

    def only_if_final(before: Order) -> Record:
        if before.is_open:
            raise ValueError(before.trx_id)
        return Record(order=before, entries=(Entry(T0, "x", "x"),))

    await theirs.change_order(placed.id, lambda before: Record(order=sold(before)))
    written = await ours.change_order(placed.id, only_if_final)
    assert written.order == await theirs.order(placed.id)


async def test_attempts_of_one_delivery_follow_each_other(stores: list[Store]) -> None:
    number = await tell(stores[0], await place(stores[0]), message())

    def attempt(before: Delivery) -> DeliveryRecord:
        told = replace(before, attempts=before.attempts + 1)
        return DeliveryRecord(delivery=told, entry=Entry(T0, "told", "x"))

    await asyncio.gather(*(s.change_delivery(number, attempt) for s in stores for _ in range(10)))
    told = await stores[0].delivery(number)
    assert told is not None
    assert told.attempts == 30


async def test_an_older_message_is_never_due_beside_a_newer(stores: list[Store]) -> None:
    """Whoever resends it, and whoever settles its order anew, at the same moment."""

    def ends(before: Delivery) -> Delivery:
        return replace(before, state=DeliveryState.DEAD, next_at=None)

    def corrected(before: Order) -> Record:
        return Record(order=before, message=message("SUCCESS"), tell_at=T0)

    for n in range(15):
        placed = await place(stores[0], f"A{n}")
        first = await tell(stores[0], placed, message("FAILED"))
        await change_delivery(stores[0], first, ends, Entry(T0, "not_told", "x"))
        settled = asyncio.create_task(stores[1].change_order(placed.id, corrected))
        await asyncio.sleep(n * 0.0004)
        await stores[2].resend_delivery(first, T0 + 9, Entry(T0, "resent", "x"))
        await settled
        due = await stores[0].due_deliveries(T0 + 9, 99, Busy())
        assert [d.message.status for d in due if d.order_id == placed.id] == ["SUCCESS"]
