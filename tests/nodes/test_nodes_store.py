"""The nodes of a PostgreSQL journal by themselves: leases, claims, and whose sends are whose."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.domain.order import Order
from gateway.store import Claimed, Store, postgres_nodes
from gateway.store.open import open_store
from tests.store.journals import open_journal, place

HOUR_MS = 3_600_000
LEASE_S = 0.3


@pytest.fixture
async def two(journal: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two nodes of one journal."""
    opened = await open_journal(journal), await open_store(journal)
    for store in opened:
        await store.nodes.join(LEASE_S)
    yield opened
    for store in opened:
        await store.close()


async def send(store: Store, name: str) -> Order:
    """Begin a send that may take an hour."""
    return await place(store, name, due_at=await store.nodes.time() + HOUR_MS)


async def is_due(store: Store, order: Order) -> bool:
    due_at = (await store.order(order.id)).due_at
    return due_at is not None and due_at <= await store.nodes.time()


async def test_a_goodbye_makes_due_what_was_being_sent_there_and_nothing_else(
    two: tuple[Store, Store],
) -> None:
    one, other = two
    mine, theirs = await send(one, "A1"), await send(other, "A2")
    await one.nodes.leave()
    assert await is_due(other, mine)
    assert not await is_due(other, theirs)


async def test_a_node_that_beats_is_left_alone_and_one_that_does_not_is_taken_over(
    two: tuple[Store, Store],
) -> None:
    one, other = two
    order = await send(one, "A1")
    for _ in range(5):
        assert (await one.nodes.beat(0)).held
        assert (await other.nodes.beat(0)).taken_over == 0
        await asyncio.sleep(LEASE_S / 2)
    await asyncio.sleep(LEASE_S)
    assert (await other.nodes.beat(0)).taken_over == 1
    assert await is_due(other, order)
    assert not (await one.nodes.beat(0)).held
    await one.nodes.join(LEASE_S)
    assert (await one.nodes.beat(0)).held


async def test_much_is_taken_over_part_by_part_and_its_order_is_forgotten_last(
    two: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No beat takes longer for what a node leaves behind, and who comes late finds the rest."""
    monkeypatch.setattr(
        postgres_nodes,
        "_MAKE_ITS_DUE",
        postgres_nodes._MAKE_ITS_DUE.replace(f"LIMIT {postgres_nodes._TAKEN_AT_ONCE}", "LIMIT 2"),
    )
    one, other = two
    orders = [await send(one, f"A{n}") for n in range(5)]
    mine = await send(other, "B1")
    await asyncio.sleep(LEASE_S)
    await other.nodes.beat(0)
    await asyncio.sleep(LEASE_S)
    assert (await other.nodes.beat(0)).taken_over == 2
    assert not (await one.nodes.beat(0)).held, "it is gone from the first part on"
    assert (await other.nodes.beat(0)).taken_over == 2
    assert (await other.nodes.beat(0)).taken_over == 1
    assert (await other.nodes.beat(0)).taken_over == 0
    assert [await is_due(other, order) for order in orders] == [True] * 5
    assert not await is_due(other, mine)


async def test_what_is_claimed_is_handed_out_to_nobody_else(two: tuple[Store, Store]) -> None:
    one, other = two
    now = await one.nodes.time()
    orders = [await place(one, f"A{n}", due_at=now - 1) for n in range(6)]
    ids = [order.id for order in orders]
    claimed = await asyncio.gather(
        *(store.nodes.claim(Claimed.LOOK, ids, now, 60) for store in two)
    )
    assert sorted([*claimed[0], *claimed[1]]) == ids
    fences = [*claimed[0].values(), *claimed[1].values()]
    assert len(set(fences)) == len(ids)
    for store, mine in zip(two, claimed, strict=True):
        found = await store.due_orders(now + 1, 99, set())
        assert [order.id for order in found] == sorted(mine)
    await one.nodes.release(Claimed.LOOK, ids)
    found = await other.due_orders(now + 1, 99, set())
    assert [order.id for order in found] == ids
    later = await place(one, "B1", due_at=now + HOUR_MS)
    assert await one.nodes.claim(Claimed.LOOK, [later.id], now, 60) == {}, "it is not due"


async def test_what_is_told_is_heard_at_every_node(two: tuple[Store, Store]) -> None:
    one, other = two
    heard: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    other.nodes.listen(lambda what, which: heard.put_nowait((what, which)))
    await one.nodes.beat(0)  # it has seen that there is another

    async def hears() -> tuple[str, int]:
        while True:  # it may not listen yet
            one.nodes.tell("order", 7)
            try:
                return await asyncio.wait_for(heard.get(), 0.2)
            except TimeoutError:
                continue

    assert await asyncio.wait_for(hears(), 5) == ("order", 7)
