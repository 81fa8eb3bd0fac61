"""Kills that the crash matrix does not have: later passes of a point, and kills of recoveries.

The matrix kills at the first pass of every point, and starts again once. Here the order passes a
point a second or third time, the panel is down meanwhile, or every gateway that recovers is killed
in its turn.
"""

from dataclasses import dataclass, field

import pytest

from tests.journey.journeys import (
    DEAF,
    FAST,
    MANNERS,
    ON_DEMAND,
    WHOLE_S,
    Journey,
    Journeys,
    Manner,
    all_of,
)
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED, until

SEND = ("send.before", "send.after")
REPLY = ("reply.before_commit", "reply.after_commit")
CALLBACK = ("callback.before", "callback.before_commit", "callback.after_commit")
LOOKUP = ("lookup.before_commit", "lookup.after_commit")
DELIVERY = ("delivery.before", "delivery.after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Points that an order passes again.

    Attributes:
        name: of the way.
        dest: the destination that has the sandbox walk it.
        end: the order's last status.
        kills: each point with its passes.
        settings: of the gateway that is killed.
        refusals: deliveries that the panel answers with 500 first.
    """

    name: str
    dest: str
    end: str
    kills: dict[tuple[str, ...], tuple[int, ...]]
    settings: dict[str, str] = field(default_factory=lambda: FAST)
    refusals: int = 0

    @property
    def crossings(self) -> list[tuple[str, int]]:
        return [
            (point, nth)
            for points, passes in self.kills.items()
            for point in points
            for nth in passes
        ]


AGAIN = (
    Again(
        name="success-refunded",
        dest="123456004",
        end="REFUNDED",
        kills={(*CALLBACK, *DELIVERY): (2,)},
        settings=ON_DEMAND,
    ),
    Again(name="never-ends", dest="123456012", end="PENDING", kills={LOOKUP: (2, 3)}),
    Again(
        name="never-bought",
        dest="123456010",
        end="FAILED",
        kills={(*SEND, *REPLY): (2, 3), LOOKUP: (5,)},
    ),
    Again(
        name="panel-down-at-first",
        dest="123456001",
        end="SUCCESS",
        kills={DELIVERY: (1, 2, 3)},
        refusals=2,
    ),
)


@pytest.fixture
def journeys(members: Office, panel: PanelProcess, upstream: UpstreamProcess) -> Journeys:
    return Journeys(members, panel, upstream)


async def test_killed_at_later_passes(journeys: Journeys, panel: PanelProcess) -> None:
    async def killed(way: Again, point: str, nth: int, manner: Manner) -> None:
        journey = journeys.begin(f"{way.name}.{point}.{nth}", way.dest, way.end, manner)
        if way.refusals:
            await panel.refuse(journey.wanted.name, way.refusals)
        await journey.killed_at(point, nth, way.settings)
        await journey.recovers()

    crossings = [(way, point, nth) for way in AGAIN for point, nth in way.crossings]
    await all_of(
        killed(*crossing, MANNERS[number % len(MANNERS)])
        for number, crossing in enumerate(crossings)
    )


async def test_killed_again_at_every_step_of_its_recovery(journeys: Journeys) -> None:
    """Each of these gateways passes some point for the first time since its start, and dies."""
    ends = {"003": "FAILED", "007": "SUCCESS", "011": "SUCCESS"}
    manners = (Manner("otomax1", "native"), Manner("report1", "json"), Manner("asli1"))
    await all_of(
        _killed_everywhere(journeys.begin(f"again.{suffix}", f"123456{suffix}", end, manner))
        for (suffix, end), manner in zip(ends.items(), manners, strict=True)
    )


async def _killed_everywhere(journey: Journey) -> None:
    await journey.killed_at("send.after", 1, DEAF)
    for point in (*REPLY, *LOOKUP, *DELIVERY):
        await journey.killed_again_at(point, DEAF)
    await journey.recovers()


async def test_killed_before_each_of_its_sends_it_fails_and_nothing_was_bought(
    journeys: Journeys,
) -> None:
    journey = journeys.begin("never.sent", "123456001", "FAILED")
    await journey.killed_at("send.before", 1, FAST)
    for _ in range(2):  # contract T6: three sends, and each was journaled before it was made
        await journey.killed_again_at("send.before", FAST)
    gateway = await journey.office.serve()
    told = await until(journey.told, WHOLE_S, journey.describe)
    assert [t.status for t in told] == ["FAILED"]
    assert "status FAILED. EXPIRED - " in (await journey.wanted.status(journey.office) or "")
    assert journey.wanted.name not in await journey.upstream.ledger()
    kinds = [entry["kind"] for entry in (await journey.shown())["timeline"]]
    assert kinds.count("sending") == 3
    await journey.office.stop(gateway)
    assert gateway.code != KILLED
