"""The system's clock is set, by an hour or a year, ahead or back: no promise shrinks or stalls."""

import pytest

from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    drops,
    eventually,
    invoice,
    refuses,
)
from tests.support.panel import answers

HOUR, YEAR = 3600.0, 365 * 86400.0
JUMPS = [HOUR, -HOUR, YEAR, -YEAR]
SLOW_EXPIRE_S = 1800
SLOW = {"schedule_s": [0.1, 0.1, 0.1, 5], "settle_s": 40, "expire_s": SLOW_EXPIRE_S}


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    return await open_house(upstream.url, reseller={"callback_url": panel.url}, recheck=SLOW)


async def looked_up_again(house: House, upstream: FakeUpstream) -> None:
    """The next look-up on the schedule, and what comes of it: it may be the last one."""
    before = len(upstream.look_ups)
    house.skip(5.1)
    await eventually(lambda: len(upstream.look_ups) > before)
    await eventually(lambda: not house.gateway.recheck._asking)


async def uncertain(house: House, upstream: FakeUpstream) -> None:
    """An order whose reply is lost, and that was not bought."""
    upstream.order = drops
    assert ", status PENDING. " in await house.order()
    await eventually(lambda: len(upstream.look_ups) >= 2)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_second_send_waits_its_whole_time(
    house: House, upstream: FakeUpstream, jump: float
) -> None:
    await uncertain(house, upstream)
    await house.set_clock_ahead(jump)
    before = len(upstream.look_ups)
    house.skip(35)
    await eventually(lambda: len(upstream.look_ups) > before)
    assert len(upstream.orders) == 1
    house.skip(6)
    await eventually(lambda: len(upstream.orders) == 2)


@pytest.mark.parametrize("jump", [600, *JUMPS])
async def test_a_second_send_waits_its_whole_time_after_a_start_with_another_clock(
    open_house: OpenHouse, upstream: FakeUpstream, jump: float
) -> None:
    first = await open_house(upstream.url, recheck=SLOW)
    await uncertain(first, upstream)
    await first.stop()
    second = await open_house(upstream.url, recheck=SLOW, clock_set_by=jump)
    before = len(upstream.look_ups)
    second.skip(35)
    await eventually(lambda: len(upstream.look_ups) > before)
    assert len(upstream.orders) == 1
    second.skip(6)
    if jump < SLOW_EXPIRE_S:
        await eventually(lambda: len(upstream.orders) == 2)
        return
    while (await second.shown())["status"] == "PENDING":  # by today's clock its time is over
        assert len(upstream.look_ups) < before + 9
        await looked_up_again(second, upstream)
    await second.becomes("FAILED")
    assert len(upstream.orders) == 1


@pytest.mark.parametrize("jump", [YEAR, -HOUR])
async def test_nothing_expires_because_the_clock_was_set(
    house: House, upstream: FakeUpstream, jump: float
) -> None:
    await uncertain(house, upstream)
    await house.set_clock_ahead(jump)
    for _ in range(6):
        await looked_up_again(house, upstream)
    assert (await house.shown())["status"] == "PENDING"
    upstream.look_up = invoice("SUCCESS", "Budi")
    house.skip(5.1)
    await house.becomes("SUCCESS")


@pytest.mark.parametrize("jump", [HOUR, -YEAR])
async def test_what_is_planned_comes_when_it_was_planned(
    house: House, upstream: FakeUpstream, panel: Panel, jump: float
) -> None:
    panel.reply = answers(500)
    upstream.order = refuses("PRODUCT_INACTIVE")
    await house.order()
    await eventually(lambda: len(panel.told) == 6)  # the whole schedule of these tests
    panel.reply = answers(200)
    (dead,) = await eventually(lambda: house.deliveries("dead"))
    await house.set_clock_ahead(jump)
    await house.gateway.desk.delivery_resend(dead["id"])
    await eventually(lambda: len(panel.told) == 7)
    asked = len(upstream.look_ups)
    house.skip(61)  # what failed is looked up after a minute, by any clock
    await eventually(lambda: len(upstream.look_ups) == asked + 1)


@pytest.mark.parametrize("jump", [-YEAR])
async def test_a_start_before_its_time_forgets_nothing(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, jump: float
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    panel.reply = answers(500)
    schedule = {"schedule_s": [0, 2, 2, 2]}
    recheck = {"schedule_s": [2]}
    first = await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck=recheck, delivery=schedule
    )
    await first.order()
    await first.order("T2", "")  # never sent, and told at once
    await eventually(lambda: len(panel.told) == 1)
    await first.stop()

    upstream.look_up = invoice("SUCCESS", "Budi")
    panel.reply = answers(200)
    second = await open_house(upstream.url, clock_set_by=jump, recheck=recheck, delivery=schedule)
    await second.becomes("SUCCESS")
    await eventually(lambda: sorted(panel.statuses) == ["FAILED", "FAILED", "SUCCESS"])
    assert any(" set back by " in alert for alert in await second.alerts())


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_operator_is_told_once(house: House, jump: float) -> None:
    await house.set_clock_ahead(jump)
    await house.set_clock_ahead(0)
    direction = "ahead" if jump > 0 else "back"
    assert await house.alerts() == [
        f"the clock was set {direction} by {abs(jump):.1f} s; dates moved with it"
    ]


async def test_a_correction_in_ordinary_service_moves_nothing(house: House) -> None:
    await house.set_clock_ahead(0.2)
    assert await house.alerts() == []


async def test_dates_are_moved_once_the_journal_can_be_written(
    house: House, upstream: FakeUpstream
) -> None:
    await uncertain(house, upstream)
    await house.break_journal()
    before = house.clock()
    house.clock.set_ahead(-YEAR)
    house.gateway.timekeeper.bell.ring()
    await eventually(lambda: "journal.failed" in house.log.text)
    assert house.clock() >= before, "until dates can be moved time goes on as it did"
    await house.break_journal(broken=False)
    await eventually(lambda: "clock.set" in house.log.text)
    house.skip(45)
    await eventually(lambda: len(upstream.orders) == 2)
