"""The same trx_id at three gateways at once is one purchase and three equal answers (T2, T11)."""

import asyncio

import pytest

from gateway.sandbox import Sandbox
from tests.nodes.conftest import OpenNode
from tests.support import FakeUpstream, House, eventually
from tests.support.upstream import after, invoice, says

SUCCESS = (
    "R#{trx_id} ML_1 {product_code}.{user_id}, status SUCCESS. Budi - 9() . RefId: ML_1 ."
    " Sisa saldo 777"
)


async def three(open_node: OpenNode, url: str) -> list[House]:
    return [await open_node(url) for _ in range(3)]


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_three_at_once_are_one_purchase_and_equal_answers(
    open_node: OpenNode, upstream: FakeUpstream, version: int
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, upstream.order)
    houses = await three(open_node, upstream.url)
    asked = [
        asyncio.create_task(house.order(f"A{n}", version=version))
        for n in range(5)
        for house in houses
    ]
    await asyncio.sleep(0.3)
    gate.set()
    lines = await asyncio.gather(*asked)
    assert sorted(order.trx_id for order in upstream.orders) == [f"toko-A{n}" for n in range(5)]
    for n in range(5):
        said = lines[3 * n : 3 * n + 3]
        assert len(set(said)) == 1, said
        assert f"R#A{n} S1_1187.123456789, status PENDING. RefId : ML_1 . Sisa" in said[0]


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_who_comes_while_another_gateway_sends_it_hears_the_same(
    open_node: OpenNode, upstream: FakeUpstream, version: int
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, upstream.order)
    one, two, _ = await three(open_node, upstream.url)
    first = asyncio.create_task(one.order("A1", version=version))
    await eventually(lambda: upstream.orders)
    second = asyncio.create_task(two.order("A1", version=version))
    await asyncio.sleep(0.3)
    gate.set()
    said = await first
    assert await second == said
    assert ", status PENDING. RefId : ML_1" in said
    assert len(upstream.orders) == 1


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_who_comes_after_the_first_answer_is_told_as_by_one_gateway(
    open_node: OpenNode, upstream: FakeUpstream, version: int
) -> None:
    upstream.order = says(SUCCESS)
    one, two, _ = await three(open_node, upstream.url)
    assert ", status SUCCESS. Budi" in await one.order("A1", version=version)
    said = await two.order("A1", version=version)
    if version == 3:
        assert ", status SUCCESS. Budi" in said
    else:
        assert ", status ERROR. DUPLICATE_TRX_ID" in said
    assert ", status ERROR. DUPLICATE_TRX_ID" in await two.order("A1", "999", version=version)
    assert len(upstream.orders) == 1


async def test_a_crowd_at_three_gateways_buys_each_once(
    open_node: OpenNode, sandbox: Sandbox
) -> None:
    storage = {"lease_s": 60}
    houses = [
        await open_node(
            sandbox.url, upstream={"timeout_s": 10, "unreachable_s": 5}, storage=storage
        )
        for _ in range(3)
    ]
    names = [f"A{n}" for n in range(20)]
    lines = await asyncio.gather(*(house.order(name) for name in names for house in houses))
    for at, name in enumerate(names):
        said = set(lines[3 * at : 3 * at + 3])
        # Who hears it later may hear what was called back meanwhile, but nothing else.
        assert all(
            ", status PENDING. " in line or ", status SUCCESS. " in line for line in said
        ), said
        assert len({line.rpartition(": ML_")[2].partition(" ")[0] for line in said}) == 1, (
            name,
            said,
        )
    for name in names:
        assert (await houses[0].shown(f"toko-{name}"))["sends"] == 1


async def test_what_is_called_back_at_another_gateway_is_known_when_the_reply_is_told(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    """The send is under way at one, the callback comes to another: PENDING is no longer true."""
    gate = asyncio.Event()
    upstream.order = after(gate, upstream.order)
    one, two, _ = await three(open_node, upstream.url)
    asked = asyncio.create_task(one.order("A1"))
    await eventually(lambda: upstream.orders)
    assert await two.call_back("SUCCESS", "toko-A1") == 200
    gate.set()
    assert ", status SUCCESS. Budi" in await asked


async def test_equal_questions_at_three_gateways_are_one_look_up(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    houses = await three(open_node, upstream.url)
    for house in houses:  # nobody but panels asks
        await silence(house)
    await houses[0].order("A1")
    upstream.look_up = invoice("SUCCESS", "Budi . RefId: ML_1")
    asked = len(upstream.asked)
    lines = await asyncio.gather(*(house.status("A1") for house in houses))
    assert all(", status SUCCESS. Budi" in line for line in lines)
    assert len(upstream.asked) - asked == 1


async def silence(house: House) -> None:
    """Let a gateway look nothing up by itself."""
    recheck = house.gateway._workers[2]
    recheck.cancel()
    await asyncio.gather(recheck, return_exceptions=True)


@pytest.mark.parametrize("version", [1, 2])
async def test_three_at_once_in_json_are_one_purchase_and_equal_answers(
    open_node: OpenNode, upstream: FakeUpstream, version: int
) -> None:
    gate = asyncio.Event()
    upstream.json_order = after(gate, upstream.json_order)
    houses = await three(open_node, upstream.url)
    asked = [asyncio.create_task(house.order_json("A1", version=version)) for house in houses]
    await asyncio.sleep(0.3)
    gate.set()
    answers = await asyncio.gather(*asked)
    assert len(upstream.json_orders) == 1
    assert len({answer.text for answer in answers}) == 1, [answer.text for answer in answers]
    assert {answer.status for answer in answers} <= {200, 201}


async def test_three_at_once_as_an_otomax_server_are_one_purchase_and_equal_answers(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, upstream.order)
    houses = await three(open_node, upstream.url)
    secrets = {"pin": "1144", "password": "abcd"}
    await houses[0].gateway.desk.do("reseller.set", {"code": "toko", "allow_pin": True, **secrets})
    await asyncio.sleep(1)
    target = "/trx?memberID=TOKO&product=S1&dest=123&refID=A1&pin=1144&password=abcd"
    asked = [asyncio.create_task(house.get(target)) for house in houses]
    await asyncio.sleep(0.3)
    gate.set()
    answers = await asyncio.gather(*asked)
    assert len(upstream.orders) == 1
    assert len({answer.text for answer in answers}) == 1, [answer.text for answer in answers]
    assert "akan diproses" in answers[0].text
