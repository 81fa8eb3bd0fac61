"""What one gateway changes, all know: keys, resellers, time; and what is not known is not said."""

import asyncio
from typing import Any

import pytest

from gateway.domain.errors import JournalUnavailable
from gateway.flow.resellers import Resellers
from gateway.store import Beat, Outrun
from tests.nodes.conftest import OpenNode
from tests.support import FakeUpstream, House, eventually
from tests.support.postgres import PostgresServer
from tests.support.upstream import invoice

HOUR_S = 3600


async def deafen(house: House) -> None:
    """Cut what a gateway hears of the others."""
    news = house.gateway.store.nodes._news  # type: ignore[attr-defined]
    news._listening.cancel()
    await asyncio.wait({news._listening})


@pytest.mark.parametrize("deaf", [False, True], ids=["told", "untold"])
async def test_a_revoked_key_is_taken_nowhere_after_a_second(
    open_node: OpenNode, upstream: FakeUpstream, *, deaf: bool
) -> None:
    houses = [await open_node(upstream.url) for _ in range(3)]
    old = houses[0].keys["toko"]
    if deaf:
        for house in houses:
            await deafen(house)
    await houses[0].gateway.desk.do("reseller.rotate_key", {"code": "toko"})
    await asyncio.sleep(1)
    for house in houses:
        answer = await house.get(house.order_target("A1", apikey=old))
        assert ", status ERROR. API_KEY_NOT_FOUND" in answer.text
    assert upstream.orders == []


async def test_changes_of_a_reseller_at_two_desks_are_both_kept(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    houses = [await open_node(upstream.url) for _ in range(3)]
    changes: list[dict[str, Any]] = [
        {"name": "Toko Satu"},
        {"max_price": 5000},
        {"allow_ips": ["10.0.0.0/8"]},
    ]
    await asyncio.gather(
        *(
            house.gateway.desk.do("reseller.set", {"code": "toko", **change})
            for house, change in zip(houses, changes, strict=True)
        )
    )
    shown = await houses[0].gateway.desk.do("reseller.show", {"code": "toko"})
    assert (shown["name"], shown["max_price"]) == ("Toko Satu", 5000)
    assert shown["allow_ips"] == ["10.0.0.0/8"]


async def test_clocks_an_hour_apart_are_one_clock(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    ahead = await open_node(upstream.url, clock_set_by=HOUR_S)
    behind = await open_node(upstream.url, clock_set_by=-HOUR_S)
    assert abs(ahead.clock() - behind.clock()) < 100
    assert await behind.alerts() == []
    upstream.look_up = invoice("SUCCESS", "Budi . RefId: ML_1")
    await ahead.order("A1")
    await behind.becomes("SUCCESS", "toko-A1")  # looked up when it is due, and not in an hour
    assert abs((await behind.gateway.desk.orders.find("toko-A1")).placed_at - behind.clock()) < 5e3


async def test_when_the_journals_clock_is_set_dates_are_moved_once(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = [await open_node(upstream.url, recheck={"schedule_s": [900]}) for _ in range(3)]
    await houses[0].order("A1")
    before = await houses[0].gateway.desk.orders.find("toko-A1")
    for house in houses:
        nodes = house.gateway.store.nodes
        real = nodes.time

        async def later(real: object = real) -> int:
            return await real() + HOUR_S * 1000  # type: ignore[operator, no-any-return]

        monkeypatch.setattr(nodes, "time", later)
    await asyncio.gather(*(house.gateway.timekeeper.step() for house in houses))
    moved = await houses[0].gateway.desk.orders.find("toko-A1")
    assert before.due_at is not None
    assert moved.due_at is not None
    assert abs(moved.due_at - before.due_at - HOUR_S * 1000) < 2000
    assert len(await houses[1].alerts()) == 1


async def test_that_there_is_no_order_is_not_said_while_another_gateway_takes_it_in(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await open_node(upstream.url), await open_node(upstream.url)
    await two.gateway.membership.step()
    goes_on = asyncio.Event()
    place = one.gateway.store.place

    async def place_later(record: object) -> object:
        await goes_on.wait()
        return await place(record)  # type: ignore[arg-type]

    monkeypatch.setattr(one.gateway.store, "place", place_later)
    asked = asyncio.create_task(one.order("A1"))
    await eventually(lambda: one.gateway.intake._flights)
    status = asyncio.create_task(two.status("A1"))
    await asyncio.sleep(0.8)
    assert not status.done()
    goes_on.set()
    assert ", status PENDING" in await asked
    assert "INVOICE_NOT_FOUND" not in await status
    assert "INVOICE_NOT_FOUND" in await two.status("A2")


async def test_while_the_database_is_away_nothing_is_sold_and_it_comes_back_by_itself(
    open_node: OpenNode, upstream: FakeUpstream, postgres: PostgresServer
) -> None:
    houses = [await open_node(upstream.url) for _ in range(2)]
    await asyncio.to_thread(postgres.tell, "SIGINT")
    try:
        answers = await asyncio.gather(
            *(house.get(house.order_target("A1")) for house in houses),
            *(house.get("/readyz") for house in houses),
        )
        assert [answer.status for answer in answers] == [503] * 4
        assert all("FAILED" not in answer.text for answer in answers)
    finally:
        await asyncio.to_thread(postgres.tell, "start")

    async def sold() -> bool:
        answers = [await house.get(house.order_target("A2")) for house in houses]
        return all(", status PENDING" in answer.text for answer in answers)

    await eventually(sold, 12)
    assert len(upstream.orders) <= 2  # A1, where it came in before the end, and A2


async def test_a_command_beside_gateways_overwrites_nothing(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    """A change is decided upon what was read; where somebody was quicker nothing is written."""
    house, other = await open_node(upstream.url), await open_node(upstream.url)
    resellers: Resellers = house.gateway.desk.resellers
    await resellers.begin()
    await other.gateway.desk.do("reseller.set", {"code": "toko", "suspended": True})
    with pytest.raises(Outrun):
        await resellers.change("toko", name="late")
    shown = await other.gateway.desk.do("reseller.show", {"code": "toko"})
    assert (shown["name"], shown["suspended"]) == ("", True)


async def test_a_saldo_that_one_gateway_has_seen_is_told_by_all(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    one, two = await open_node(upstream.url), await open_node(upstream.url)
    await one.order("A1")
    upstream.look_up = invoice("SUCCESS", "Budi . RefId: ML_1")
    await one.becomes("SUCCESS", "toko-A1")

    async def told() -> bool:
        return "Sisa saldo 12345" in await two.status("A1")

    await eventually(told, 4)


async def test_a_key_file_that_was_rotated_at_one_gateway_is_read_again_by_the_others(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    one, two = await open_node(upstream.url), await open_node(upstream.url)
    await one.gateway.desk.do("secrets.rotate", {})
    await one.add("warung")
    two.keys["warung"] = one.keys["warung"]
    await asyncio.sleep(1)
    answer = await two.get(two.order_target("A1", reseller="warung"))
    assert ", status PENDING" in answer.text


async def test_a_gateway_that_the_others_do_not_hear_is_not_ready(
    open_node: OpenNode, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no order then; a load balancer is to know that before an order is refused."""
    house = await open_node(upstream.url)
    assert (await house.get("/readyz")).status == 200

    async def unheard(_: int) -> Beat:
        raise JournalUnavailable("cut off")

    monkeypatch.setattr(house.gateway.store.nodes, "beat", unheard)

    async def is_told() -> bool:
        answer = await house.get("/readyz")
        return answer.status == 503 and "do not hear" in answer.text

    await eventually(is_told, 12)
    assert (await house.get(house.order_target("A1"))).status == 503
