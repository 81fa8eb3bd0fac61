"""A gateway that was stopped for long between the commit of a send and its first byte.

Its clock shows the time that it missed; whoever takes its send for dead meanwhile may send again.
"""

import asyncio

import pytest

from gateway.domain.backoff import MS_PER_S
from gateway.flow import worker
from tests.support import FakeUpstream, OpenHouse
from tests.support.upstream import after, says

STOPPED_S = 600


@pytest.mark.parametrize("point", ["place.after_commit", "send.before", "connected"])
async def test_a_send_whose_time_is_over_does_not_leave(
    open_house: OpenHouse,
    upstream: FakeUpstream,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    house = await open_house(upstream.url, recheck={"schedule_s": [3600]})

    def passing(passed: str) -> None:
        if passed == point:
            monkeypatch.setattr(worker, "passing", lambda _: None)
            house.clock.skip(STOPPED_S)

    monkeypatch.setattr(worker, "passing", passing)
    if point == "connected":  # the last thing that is done before the first byte
        real = house.gateway._upstream._exchanges._connector.connect

        async def connect(*asked: object) -> object:
            connection = await real(*asked)  # type: ignore[arg-type]
            passing(point)
            return connection

        monkeypatch.setattr(house.gateway._upstream._exchanges._connector, "connect", connect)
    line = await house.order("A1")
    assert upstream.orders == []
    assert ", status FAILED. UPSTREAM_UNREACHABLE" in line
    shown = await house.shown("toko-A1")
    assert (shown["status"], shown["sends"], shown["sending"]) == ("FAILED", 0, False)


async def test_a_shorter_call_that_needs_a_new_start_takes_no_send_for_dead_before(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """The call that is under way lasts as long as the client was told at the start."""
    never = asyncio.Event()
    upstream.order = after(never, says("R#{trx_id} PENDING"))
    house = await open_house(
        upstream.url, server={"reply_timeout_s": 0.5}, upstream={"timeout_s": 60}
    )
    settings = house.gateway.settings
    shorter = settings.upstream.model_copy(update={"timeout_s": 1, "unreachable_s": 1})
    house.gateway.reload(settings.model_copy(update={"upstream": shorter}))
    (reloaded,) = house.log.events("config.reloaded")
    assert reloaded["needs_restart"] == ["upstream.timeout_s", "upstream.unreachable_s"]
    assert ", status PENDING" in await house.order("A1")
    order = await house.gateway.desk.orders.find("toko-A1")
    assert order.sending
    assert (order.due_at or 0) - order.placed_at > 60 * MS_PER_S
    never.set()
