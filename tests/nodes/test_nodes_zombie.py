"""A gateway that was stopped, and wakes after another took over: it can do nothing any more.

In this process nobody can be stopped, so a gateway that is stopped is one that gives no sign of
life, and whose next step waits for the test.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Evidence, Source, Status
from gateway.store import Busy, Claimed, ClaimLost, DeliveryRecord, Entry
from tests.nodes.conftest import LEASE_S, OpenNode
from tests.support import FakeUpstream, House, Panel, eventually
from tests.support.upstream import after, in_turn, says

ORDERED = "R#{trx_id} {product_code}.{user_id}, status PENDING. RefId : ML_2 . Sisa saldo 5"
REFUSED = "R#{trx_id} {product_code}.{user_id}, status FAILED. PRODUCT_INACTIVE . Sisa saldo 5"
TAKEN_OVER_WITHIN_S = LEASE_S + 3


async def stop(house: House) -> None:
    """Let a gateway give no sign of life, and see to nothing."""
    for worker in house.gateway._workers:
        worker.cancel()
    await asyncio.gather(*house.gateway._workers, return_exceptions=True)


async def sends_again(upstream: FakeUpstream, count: int) -> None:
    await eventually(lambda: len(upstream.orders) >= count, TAKEN_OVER_WITHIN_S + 4)


class Stopped:
    """The step before the first byte waits here: the connection is made."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.wakes = asyncio.Event()
        exchanges = house.gateway._upstream._exchanges
        monkeypatch.setattr(exchanges, "_take", lambda _: None)  # none that was kept
        connector = exchanges._connector
        self._connect: Callable[..., object] = connector.connect
        monkeypatch.setattr(connector, "connect", self.connect)

    async def connect(self, *asked: object) -> object:
        connection = await self._connect(*asked)  # type: ignore[misc]
        self.reached.set()
        await self.wakes.wait()
        return connection


async def test_a_send_that_was_taken_over_before_its_first_byte_never_leaves(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.order = says(ORDERED)
    zombie, other = await open_node(upstream.url), await open_node(upstream.url)
    stopped = Stopped(zombie, monkeypatch)
    asked = asyncio.create_task(zombie.order("A1"))
    await stopped.reached.wait()
    await stop(zombie)
    await sends_again(upstream, 1)
    await other.becomes("PENDING", "toko-A1")
    stopped.wakes.set()
    assert ", status PENDING. " in await asked
    await asyncio.sleep(0.3)
    assert len(upstream.orders) == 1
    shown = await other.shown("toko-A1")
    assert (shown["status"], shown["sends"], shown["sending"]) == ("PENDING", 2, False)


async def test_a_send_that_waited_for_its_turn_does_not_outlive_the_lease(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its date is half an hour away. Who comes back as another holds nothing of what he began."""
    first = asyncio.Event()
    upstream.order = in_turn(after(first, says(ORDERED)), says(ORDERED))
    zombie = await open_node(upstream.url, upstream={"max_in_flight": 1})
    other = await open_node(upstream.url)
    asked = [asyncio.create_task(zombie.order("A1"))]
    await eventually(lambda: len(upstream.orders) == 1)
    stopped = Stopped(zombie, monkeypatch)
    asked.append(asyncio.create_task(zombie.order("A2")))
    await eventually(lambda: len(zombie.gateway.submission.turns) == 1)
    first.set()
    await stopped.reached.wait()
    await stop(zombie)
    await sends_again(upstream, 2)
    await other.becomes("PENDING", "toko-A2")
    await zombie.gateway.membership.step()
    assert zombie.gateway.membership.holds()
    stopped.wakes.set()
    await eventually(lambda: zombie.gateway.submission.in_flight == set())
    assert [asked.query["trx_id"] for asked in upstream.orders] == ["toko-A1", "toko-A2"]
    await asyncio.gather(*asked)


async def test_a_reply_to_a_send_that_was_taken_over_is_no_proof(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between the reply and its commit: it says FAILED, and another send is under way."""
    second = asyncio.Event()
    upstream.order = in_turn(says(REFUSED), after(second, says(ORDERED)))
    zombie, other = await open_node(upstream.url), await open_node(upstream.url)
    wakes = asyncio.Event()
    settle = zombie.gateway.settlement.settle

    async def settle_later(*given: object, **more: object) -> object:
        await wakes.wait()
        return await settle(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(zombie.gateway.settlement, "settle", settle_later)
    asked = asyncio.create_task(zombie.order("A1"))
    await sends_again(upstream, 1)
    await stop(zombie)
    await sends_again(upstream, 2)
    wakes.set()
    await eventually(lambda: zombie.gateway.submission.in_flight == set())
    shown = await other.shown("toko-A1")
    assert (shown["status"], shown["sends"], shown["sending"]) == ("PENDING", 2, True)
    second.set()
    assert ", status FAILED" not in await asked
    await eventually(lambda: other.gateway.submission.in_flight == set())
    assert (await other.shown("toko-A1"))["note"] == "RefId : ML_2"


async def test_an_attempt_that_was_taken_over_neither_arrives_nor_counts(
    open_node: OpenNode,
    upstream: FakeUpstream,
    panel: Panel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An older status must not arrive after a newer one, which another gateway has told."""
    delivery = {"timeout_s": 0.3, "allow_private": True, "schedule_s": [0] + [0.1] * 60}
    zombie = await open_node(upstream.url, delivery=delivery)
    other = await open_node(upstream.url, delivery=delivery)
    monkeypatch.setattr(zombie.gateway.relay, "_claim_s", 1.0)
    await stop(other)
    reached, wakes = asyncio.Event(), asyncio.Event()
    deliver = zombie.gateway.relay._client.deliver

    async def deliver_later(*given: object, **more: object) -> object:
        reached.set()
        await wakes.wait()
        return await deliver(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(zombie.gateway.relay._client, "deliver", deliver_later)
    await zombie.order("A1", callback_url=f"{panel.url}/cb")
    await zombie.call_back("SUCCESS", "toko-A1")
    await reached.wait()
    await stop(zombie)
    assert panel.statuses == []
    await asyncio.sleep(1.1)
    order = await other.gateway.desk.orders.find("toko-A1")
    refunded = Evidence(source=Source.LOOKUP, verdict=Status.REFUNDED, asked_at=order.placed_at)
    await other.gateway.settlement.settle(order.id, refunded, "refunded")
    await other.gateway.relay.step()
    await eventually(lambda: panel.statuses)
    wakes.set()
    await asyncio.sleep(0.4)
    assert panel.statuses == ["REFUNDED"]
    states = [each["state"] for each in await other.deliveries()]
    assert states == ["delivered", "superseded"]


async def test_a_gateway_that_is_not_heard_sends_nothing(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    upstream.order = says(ORDERED)
    house = await open_node(upstream.url)
    assert house.gateway.membership.holds()
    await stop(house)
    house.clock.skip(LEASE_S)
    assert not house.gateway.membership.holds()
    answer = await house.get(house.order_target("A1"))
    assert answer.status == 503
    assert upstream.orders == []
    assert await house.orders() == []


async def test_a_gateway_that_lost_its_lease_comes_back_as_another(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    house, other = await open_node(upstream.url), await open_node(upstream.url)
    before = house.gateway.store.nodes.id  # type: ignore[attr-defined]
    await stop(house)
    await eventually(lambda: other.gateway.membership.count == 1, TAKEN_OVER_WITHIN_S)
    await house.gateway.membership.step()
    assert house.gateway.store.nodes.id > before  # type: ignore[attr-defined]
    assert house.gateway.membership.holds()


async def test_who_says_goodbye_is_followed_at_once(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    """Its sends are looked up by others long before its lease would be over."""
    never = asyncio.Event()
    upstream.order = after(never, says(ORDERED))
    given: dict[str, Any] = {"server": {"reply_timeout_s": 0.5}, "storage": {"lease_s": 600}}
    one, leaves = await open_node(upstream.url, **given), await open_node(upstream.url, **given)
    order = asyncio.create_task(leaves.get(leaves.order_target("A1")))
    await eventually(lambda: upstream.orders)
    await order
    found = await one.gateway.desk.orders.find("toko-A1")
    assert found.sending
    await leaves.gateway.submission.finish(0)
    assert (await one.gateway.desk.orders.find("toko-A1")).sending
    await leaves.gateway.store.nodes.leave()
    after_it = await one.gateway.desk.orders.find("toko-A1")
    assert after_it.begun > 1 or not after_it.sending or (after_it.due_at or 0) <= one.clock()
    never.set()


async def test_an_attempt_under_a_lost_claim_is_not_written(
    open_node: OpenNode, upstream: FakeUpstream, panel: Panel
) -> None:
    """It arrived, and took too long; what another made of it meanwhile stands."""
    one, two = await open_node(upstream.url), await open_node(upstream.url)
    await stop(one)
    await stop(two)
    await one.order("A1", callback_url=f"{panel.url}/cb")
    await one.call_back("SUCCESS", "toko-A1")
    (due,) = await one.gateway.store.due_deliveries(one.clock() + 1, 9, Busy())
    mine = await one.gateway.store.nodes.claim(Claimed.DELIVERY, [due.id], one.clock() + 1, 1)
    assert await two.gateway.store.nodes.claim(Claimed.DELIVERY, [due.id], two.clock(), 9) == {}
    await asyncio.sleep(1.1)
    theirs = await two.gateway.store.nodes.claim(Claimed.DELIVERY, [due.id], two.clock() + 1, 9)
    assert theirs[due.id] > mine[due.id]

    def decide(delivery: Delivery) -> DeliveryRecord:
        after = replace(delivery, state=DeliveryState.DEAD, next_at=None)
        return DeliveryRecord(delivery=after, entry=Entry(1, "told", "late"))

    with pytest.raises(ClaimLost):
        await one.gateway.store.change_delivery(due.id, decide, claim=mine[due.id])
    assert [each["state"] for each in await two.deliveries()] == ["due"]
    await two.gateway.store.change_delivery(due.id, decide, claim=theirs[due.id])
    assert [each["state"] for each in await two.deliveries()] == ["dead"]
    kinds = await two.kinds("toko-A1")
    assert kinds.count("told") == 1
