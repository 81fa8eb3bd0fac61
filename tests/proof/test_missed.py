"""What no other test noticed until a bug was planted there (see `planted_bugs`)."""

import asyncio

from tests.support import FakeUpstream, House, after, eventually, refuses, says, stays

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
