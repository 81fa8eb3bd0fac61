"""A gateway that is stopped (SIGSTOP) and wakes when every time-out of its own has passed.

A laptop that sleeps, a virtual machine that is moved, a debugger: the process does not notice, its
clock goes on. Ten minutes are cut short: the time-outs are a fraction of the stop. It must not buy
twice, must not say FAILED of what was bought, and must not need a new start.
"""

import asyncio
import signal
from http import HTTPStatus

import pytest

from tests.journey.court import Wanted, all_true
from tests.journey.journeys import DEAF, FAST, WHOLE_S, Journeys, all_of
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.points import points_in_source
from tests.journey.processes import until, until_async

STOPPED_S = 2.5
SHORTER = {
    "server.reply_timeout_s": "1",
    "upstream.timeout_s": "1",
    "upstream.unreachable_s": "1",
    "delivery.timeout_s": "1",
}
BOUGHT = "123456009"  # answered HTTP 500, then success
NOT_BOUGHT = "123456010"  # closed without an answer


@pytest.fixture
def journeys(office: Office, panel: PanelProcess, quick_upstream: UpstreamProcess) -> Journeys:
    office.settings |= SHORTER
    return Journeys(office, panel, quick_upstream)


async def test_stopped_at_every_point_it_goes_on_when_it_wakes(journeys: Journeys) -> None:
    points = points_in_source()
    silent = {point for point in points if point.startswith("callback")}  # nothing was bought
    await all_of(
        [
            *(_stopped(journeys, BOUGHT, "SUCCESS", point) for point in sorted(points)),
            *(
                _stopped(journeys, NOT_BOUGHT, "FAILED", point)
                for point in sorted(points - silent)
            ),
        ]
    )


async def _stopped(journeys: Journeys, dest: str, end: str, point: str) -> None:
    journey = journeys.begin(f"stopped.{dest[-3:]}.{point}", dest, end)
    settings = DEAF if point.startswith("lookup") and end == "SUCCESS" else FAST
    gateway = await journey.office.serve_watched(point, 1, settings, signal.SIGSTOP)
    answer = asyncio.create_task(journey.order())
    await until(lambda: gateway.state == "T", WHOLE_S, journey.describe)
    assert journey.office.passed()[-1] == point
    await asyncio.sleep(STOPPED_S)
    gateway.signal(signal.SIGCONT)
    await answer
    (said,) = journey.wanted.answers
    in_time = said.http == HTTPStatus.OK
    assert in_time or point == "place.before_commit", said  # nothing was decided in time
    await journey.arrives()
    await journey.is_true()
    gateway.end()


async def test_stopped_with_many_sends_under_way(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    """Replies and callbacks come while nobody reads them; then all at once, and too late."""
    office.settings |= {**SHORTER, **FAST}
    suffixes = [f"{number:03}" for number in range(1, 12)]
    orders = [
        Wanted("toko1", f"many.{suffix}.{copy}", f"7{copy}{suffix}")
        for suffix in suffixes
        for copy in range(4)
    ]
    gateway = await office.serve()
    placing = [asyncio.create_task(wanted.order(office, panel)) for wanted in orders]
    slow = [wanted.name for wanted in orders if wanted.dest.endswith("006")]

    async def sent() -> bool:
        return slow[-1] in await upstream.ledger()

    await until_async(sent, WHOLE_S, gateway.last_words)  # and these are not answered yet
    gateway.signal(signal.SIGSTOP)
    await until(lambda: gateway.state == "T", WHOLE_S)
    await asyncio.sleep(STOPPED_S)
    gateway.signal(signal.SIGCONT)
    assert all(await asyncio.gather(*placing)), gateway.last_words()
    await until_async(lambda: all_true(orders, office, panel, upstream), WHOLE_S)
    assert gateway.code is None
    await office.stop(gateway)
