"""A send that waits for its turn is looked at once more before it leaves (T6)."""

import asyncio

from gateway.domain.order import Evidence, Silence, Source
from tests.support import FakeUpstream, OpenHouse, after, eventually, says

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


async def test_a_send_whose_turn_comes_too_late_never_leaves(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    house = await open_house(
        upstream.url, upstream={"max_in_flight": 1}, recheck={"expire_s": 0.5}
    )
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: upstream.orders)
    second = asyncio.create_task(house.order("A2"))
    await asyncio.sleep(0.8)
    gate.set()
    assert ", status SUCCESS. Budi" in await first
    assert ", status FAILED. UPSTREAM_UNREACHABLE - " in await second
    assert len(upstream.orders) == 1, "nothing left for the second one"
    assert (await house.shown("toko-A2"))["sends"] == 0


async def test_a_send_whose_turn_comes_in_time_leaves_once(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    asked = [asyncio.create_task(house.order(f"A{n}")) for n in range(3)]
    await asyncio.sleep(0.3)
    assert len(upstream.orders) == 1
    gate.set()
    for answer in await asyncio.gather(*asked):
        assert ", status SUCCESS. Budi" in answer
    assert len(upstream.orders) == 3


async def test_a_send_that_was_taken_for_dead_while_it_waited_does_not_leave(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """As after a stop that was longer than a send may take: the workers wake before it does."""
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    house = await open_house(
        upstream.url, upstream={"max_in_flight": 1}, recheck={"schedule_s": [600]}
    )
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: upstream.orders)
    second = asyncio.create_task(house.order("A2"))
    await eventually(lambda: house.gateway.settlement.open_orders == 2)
    order = await house.gateway.desk.orders.find("toko-A2")
    dead = Evidence(
        source=Source.REPLY, verdict=Silence.NO_ANSWER, send=1, reason="taken for dead"
    )
    await house.gateway.settlement.settle(order.id, dead, "taken for dead")
    gate.set()
    assert ", status SUCCESS. Budi" in await first
    assert ", status PENDING. " in await second
    assert [asked.trx_id for asked in upstream.orders] == ["toko-A1"]
    shown = await house.shown("toko-A2")
    assert (shown["status"], shown["sends"], shown["sending"]) == ("PENDING", 1, False)
