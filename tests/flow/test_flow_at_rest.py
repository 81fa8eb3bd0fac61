"""A process that is going down, or that does a single command, begins no send."""

import asyncio
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config import Settings
from gateway.domain.errors import NotDone
from gateway.flow import recheck
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    after,
    drops,
    eventually,
    invoice,
    refuses,
)

HASTY = {"schedule_s": [60], "settle_s": 0}


async def uncertain(house: House, upstream: FakeUpstream) -> None:
    """An order whose reply is lost; the upstream does not know it."""
    upstream.order = drops
    assert ", status PENDING. " in await house.order()


@pytest.fixture
async def left_behind(open_house: OpenHouse, upstream: FakeUpstream) -> Settings:
    """The settings of a gateway that has ended with an uncertain order."""
    house = await open_house(upstream.url, recheck=HASTY)
    await uncertain(house, upstream)
    await house.stop()
    return house.gateway.settings


async def test_a_recheck_without_a_gateway_sends_nothing(
    left_behind: Settings, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "LOOK_UP_GAP_MS", 20)  # else each would wait for two seconds
    shown: dict[str, Any] = {}
    for _ in range(4):
        async with Gateway.at_rest(left_behind) as gateway:
            shown = await gateway.desk.do("order.recheck", {"name": "toko-T1"})
            assert shown["status"] == "PENDING"
            assert "INVOICE_NOT_FOUND" in shown["said"]
    assert len(upstream.orders) == 1
    assert shown["timeline"][-1]["text"] == "lookup: not found; the next start sends it again"


async def test_a_recheck_without_a_gateway_applies_what_it_hears(
    left_behind: Settings, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("SUCCESS", "Budi")
    async with Gateway.at_rest(left_behind) as gateway:
        assert (await gateway.desk.orders.recheck("toko-T1"))["status"] == "SUCCESS"


async def test_what_a_dead_process_was_sending_can_be_decided_after_a_recheck(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    never = asyncio.Event()
    upstream.order = after(never, drops)
    house = await open_house(
        upstream.url, recheck=HASTY, server={"reply_timeout_s": 0.3}, upstream={"timeout_s": 60}
    )
    assert ", status PENDING. " in await house.order()
    await house.stop()
    async with Gateway.at_rest(house.gateway.settings) as gateway:
        with pytest.raises(NotDone, match="is being sent at this moment"):
            await gateway.desk.orders.settle("toko-T1", "FAILED", "x")
        await gateway.desk.orders.recheck("toko-T1")
        shown = await gateway.desk.orders.settle("toko-T1", "FAILED", "the customer left")
    assert shown["status"] == "FAILED"
    assert len(upstream.orders) == 1


async def test_a_look_up_that_ends_while_the_gateway_goes_down_sends_nothing(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=HASTY)
    await uncertain(house, upstream)
    answers = asyncio.Event()
    upstream.look_up = after(answers, refuses("INVOICE_NOT_FOUND"))
    house.skip(61)
    await eventually(lambda: len(upstream.look_ups) == 1)
    stopping = asyncio.create_task(house.stop())
    await eventually(lambda: house.gateway.gate.draining)
    answers.set()
    await stopping
    assert len(upstream.orders) == 1
    second = await open_house(upstream.url, recheck=HASTY)
    assert (await second.shown())["sends"] == 1
    second.skip(122)  # its clock is a minute behind
    await eventually(lambda: len(upstream.orders) == 2)


async def test_a_further_send_does_not_leave_after_its_time(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url,
        recheck={"schedule_s": [600], "settle_s": 0, "expire_s": 700},
        upstream={"unreachable_s": 30},
    )
    await uncertain(house, upstream)
    upstream.order = drops
    order = await house.gateway.desk.orders.find("toko-T1")
    assert 699 <= house.gateway.settlement.time_left_s(order) <= 700
    house.skip(650)
    assert 45 <= house.gateway.settlement.time_left_s(order) <= 50


async def test_a_gateway_that_can_not_be_built_leaves_its_journal_closed(
    left_behind: Settings,
) -> None:
    """Its threads would keep the process from ending, and its lock every other one out."""
    server = left_behind.server.model_copy(update={"public_url": ""})
    broken = left_behind.model_copy(update={"server": server})
    with pytest.raises(ValueError, match="int"):
        await Gateway.open(broken)
    with pytest.raises(ValueError, match="int"):
        async with Gateway.at_rest(broken):
            pytest.fail("built")
    async with Gateway.at_rest(left_behind):
        pass
