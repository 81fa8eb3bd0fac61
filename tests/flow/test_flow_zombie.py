"""A gateway that was stopped for long between the commit of a send and its first byte.

Its clock shows the time that it missed; whoever takes its send for dead meanwhile may send again.
"""

import pytest

from gateway.flow import worker
from tests.support import FakeUpstream, OpenHouse

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
        real = house.gateway._upstream._connector.connect

        async def connect(*asked: object) -> object:
            connection = await real(*asked)  # type: ignore[arg-type]
            passing(point)
            return connection

        monkeypatch.setattr(house.gateway._upstream._connector, "connect", connect)
    line = await house.order("A1")
    assert upstream.orders == []
    assert ", status FAILED. UPSTREAM_UNREACHABLE" in line
    shown = await house.shown("toko-A1")
    assert (shown["status"], shown["sends"], shown["sending"]) == ("FAILED", 0, False)
