"""What no other test noticed until a bug was planted there (see `planted_bugs`)."""

import asyncio

from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    after,
    eventually,
    invoice,
    refuses,
    says,
    stays,
)

SUCCESS = "R#{trx_id} {product_code}.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


async def test_a_send_that_is_under_way_is_not_taken_for_dead_when_its_lease_is_over(
    house: House, upstream: FakeUpstream
) -> None:
    """The clock may jump, and the upstream may take its time: who sends knows better than both."""
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    upstream.look_up = refuses("INVOICE_NOT_FOUND")
    waiting = asyncio.create_task(house.order())
    await eventually(lambda: len(upstream.orders) == 1)
    house.skip(1200)  # longer than any lease, shorter than expire_s
    await asyncio.sleep(0.7)  # the worker looks for what is due every half second
    shown = await house.shown()
    assert (shown["sending"], shown["sends"]) == (True, 1)
    await stays(lambda: len(upstream.orders), 1, 0.3)
    gate.set()
    assert ", status SUCCESS. Budi" in await waiting
    assert len(upstream.orders) == 1


async def test_a_send_that_waits_for_its_turn_never_leaves_once_its_order_is_known_to_be_bought(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """A further send may wait behind others while a callback tells that an earlier one arrived."""
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    upstream.look_up = invoice("SUCCESS", "Budi")
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: len(upstream.orders) == 1)
    second = asyncio.create_task(house.order("A2"))
    await eventually(lambda: house.gateway.settlement.open_orders == 2)
    assert await house.call_back("SUCCESS", "toko-A2", sn="Budi") == 200
    gate.set()
    for answer in await asyncio.gather(first, second):
        assert ", status SUCCESS. Budi" in answer
    assert len(upstream.orders) == 1, "nothing left for the second one"
