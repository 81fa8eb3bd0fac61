"""What gateways that share a journal see, pause and tell: each does it, and it is done once."""

import asyncio
from typing import Any

import pytest

from gateway.domain.alert import Alarm, Kind
from tests.nodes.conftest import OpenNode
from tests.support import FakeUpstream, House, Panel, eventually, says
from tests.support.telegram import CHAT, TOKEN, fake_telegram

pytestmark = pytest.mark.timeout(60)

SOLD = "R#{trx_id} {product_code}.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


def unreachable(house: House, *, since_s: float | None) -> None:
    """Have a gateway see its own calls fail for so long, or succeed."""
    heard = house.gateway.watch._heard
    heard.failures = 0 if since_s is None else 9
    now = asyncio.get_running_loop().time()
    heard.failing_since = None if since_s is None else now - since_s
    heard.answered_at = now


async def standing(house: House) -> list[Any]:
    return await house.gateway.store.standing_alerts()


async def test_who_is_well_does_not_end_what_another_gateway_sees(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    sick, well = [await open_node(upstream.url) for _ in range(2)]
    unreachable(sick, since_s=3600)
    unreachable(well, since_s=None)
    for _ in range(3):
        await sick.gateway.watch.step()
        await well.gateway.watch.step()
    assert await standing(well) == [(Kind.UPSTREAM_UNREACHABLE, "")]
    assert len(await well.gateway.store.alerts(with_acked=True)) == 1
    unreachable(sick, since_s=None)
    await sick.gateway.watch.step()
    assert await standing(well) == []


async def test_what_a_gateway_saw_that_is_gone_another_ends(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    sick, well = [await open_node(upstream.url) for _ in range(2)]
    unreachable(sick, since_s=3600)
    await sick.gateway.watch.step()
    await sick.stop()
    unreachable(well, since_s=None)
    await well.gateway.watch.step()
    assert await standing(well) == []


async def test_a_host_that_is_paused_at_one_gateway_is_told_by_none(
    open_node: OpenNode, upstream: FakeUpstream, panel: Panel
) -> None:
    one, two = [await open_node(upstream.url) for _ in range(2)]
    upstream.order = says(SOLD)
    await two.order("A0", callback_url=f"{panel.url}/cb")
    await eventually(lambda: panel.targets)  # both have looked who is paused
    (told,) = await one.deliveries()
    await one.gateway.desk.do("delivery.pause", {"host": told["host"]})
    await asyncio.sleep(0.3)
    for n in range(3):
        await two.order(f"A{n + 1}", callback_url=f"{panel.url}/cb")
    await asyncio.sleep(1)
    assert len(panel.targets) == 1
    await two.gateway.desk.do("delivery.resume", {"host": told["host"]})
    await eventually(lambda: len(panel.targets) == 4)


async def test_the_operator_is_told_once_of_what_all_saw(
    open_node: OpenNode, upstream: FakeUpstream
) -> None:
    async with fake_telegram() as telegram:
        alert = {
            "telegram_chat": CHAT,
            "telegram_token": TOKEN,
            "telegram_url": telegram.url,
        }
        houses = [await open_node(upstream.url, alert=alert) for _ in range(3)]
        for house in houses:
            house.gateway.notifier.pause_s = 0.0
        for n in range(4):
            alarm = Alarm(houses[0].clock(), Kind.DISK_LOW, f"full {n}.", f"{n}")
            await asyncio.gather(*(house.gateway.store.raise_alert(alarm) for house in houses))
            for house in houses:
                house.gateway.notifier.bell.ring()
        await eventually(lambda: all(f"full {n}." in "".join(telegram.texts) for n in range(4)))
        await asyncio.sleep(0.5)
        assert ["".join(telegram.texts).count(f"full {n}.") for n in range(4)] == [1] * 4
