"""Requests at the same time: one purchase, one answer, whoever hangs up (T2, T10, T11)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.support import (
    MANY_AT_ONCE,
    FakeUpstream,
    House,
    OpenHouse,
    after,
    drops,
    eventually,
    says,
)

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_fifty_equal_requests_share_one_purchase_and_one_answer(
    house: House, upstream: FakeUpstream, version: int
) -> None:
    upstream.order = says(SUCCESS)
    answers = await asyncio.gather(*(house.order(version=version) for _ in range(50)))
    assert set(answers) == {"R#T1 S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5"}
    assert len(upstream.asked) == 1
    assert len(await house.orders()) == 1


async def test_fifty_equal_requests_share_an_uncertain_answer(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck={"schedule_s": [60]})
    upstream.order = drops
    answers = await asyncio.gather(*(house.order() for _ in range(50)))
    assert set(answers) == {"R#T1 S1_1187.123456789, status PENDING. Sedang diproses"}
    assert len(upstream.orders) == 1


@pytest.mark.parametrize("other", [{"product_code": "S4_ML86"}, {"dest": "999"}])
async def test_of_two_purchases_with_one_trx_id_at_once_one_is_made(
    house: House, upstream: FakeUpstream, other: dict[str, Any]
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says("R#{trx_id} {product_code}.{user_id}, status SUCCESS. a"))
    requests = [
        asyncio.create_task(house.get(house.order_target(**fields)))
        for _ in range(10)
        for fields in (dict[str, Any](), other)
    ]
    await eventually(lambda: sum(request.done() for request in requests) == 10)
    gate.set()
    answers = Counter([(await request).text for request in requests])
    ((_, one), (_, two)) = answers.most_common()
    assert (one, two) == (10, 10)
    assert len(upstream.orders) == 1
    assert len(await house.orders()) == 1
    bought = upstream.orders[0].query
    target = f"R#T1 {bought['product_code']}.{bought['user_id']}"
    assert answers[f"{target}, status SUCCESS. a"] == 10
    (refused,) = answers.keys() - {f"{target}, status SUCCESS. a"}
    assert ", status ERROR. DUPLICATE_TRX_ID - " in refused


async def test_two_resellers_at_once_buy_twice_with_one_trx_id(
    house: House, upstream: FakeUpstream
) -> None:
    await house.add("kios")
    upstream.order = says(SUCCESS)
    await asyncio.gather(
        *(house.order(reseller=code) for _ in range(10) for code in ("toko", "kios"))
    )
    assert sorted(asked.trx_id for asked in upstream.orders) == ["kios-T1", "toko-T1"]


async def test_a_reseller_whose_code_begins_another_ones_is_somebody_else(
    house: House, upstream: FakeUpstream
) -> None:
    await house.add("tok")
    await house.order("o-T1", reseller="tok")
    await house.order("T1")
    assert sorted(asked.trx_id for asked in upstream.orders) == ["tok-o-T1", "toko-T1"]


async def hang_up_after(house: House, seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(f"GET {house.order_target()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()
    del reader


@pytest.mark.parametrize("seconds", [0, 0.005, 0.1])
async def test_a_panel_that_hangs_up_changes_nothing(
    house: House, upstream: FakeUpstream, seconds: float
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    await hang_up_after(house, seconds)
    if seconds == 0 and not await house.orders():
        await asyncio.sleep(0.1)  # it may have gone before it was read; then nothing came at all
        if not await house.orders():
            return
    await eventually(lambda: upstream.orders)
    await asyncio.sleep(0.05)
    gate.set()
    shown = await house.becomes("SUCCESS")
    assert shown["sends"] == 1
    assert await house.order() == "R#T1 S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5"
    assert len(upstream.orders) == 1


async def test_who_hangs_up_takes_nothing_from_who_waits(
    house: House, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    waiting = [asyncio.create_task(house.order()) for _ in range(5)]
    await asyncio.gather(*(hang_up_after(house, 0.05) for _ in range(5)))
    gate.set()
    assert set(await asyncio.gather(*waiting)) == {
        "R#T1 S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5"
    }
    assert len(upstream.orders) == 1


async def test_a_hundred_different_orders_at_once_are_a_hundred_purchases(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream=MANY_AT_ONCE, server={"reply_timeout_s": 10})
    upstream.order = says(SUCCESS)
    answers = await asyncio.gather(*(house.order(str(n), str(1000 + n)) for n in range(100)))
    assert answers == [
        f"R#{n} S1_1187.{1000 + n}, status SUCCESS. Budi . Sisa saldo 5" for n in range(100)
    ]
    assert len({asked.trx_id for asked in upstream.orders}) == len(upstream.orders) == 100
