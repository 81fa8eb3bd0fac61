"""The crash matrix: every point of an order's way with every outcome of the sandbox.

At each crossing a gateway really dies (SIGKILL) the first time that its order passes that point,
and an ordinary start follows. Then panel, books and journal must agree: bought at most once, by
one request; nothing lost; FAILED only where nothing is bought or the upstream says so; never
backwards. `WAYS` says which points are on the way of which outcome: a kill that is expected and
does not come is a failure, and so is a point that is passed and not expected.
"""

import os
from itertools import count as numbers

import pytest

from gateway.sandbox import OUTCOMES, Outcome
from tests.journey.conftest import RecordProperty
from tests.journey.journeys import (
    DEAF,
    FAST,
    MANNERS,
    ON_DEMAND,
    Journey,
    Journeys,
    Manner,
    all_of,
)
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.points import points_in_source
from tests.proof.judge import count

BEGIN = ("place.before_commit", "place.after_commit", "send.before", "send.after")
REPLY = ("reply.before_commit", "reply.after_commit")
CALLBACK = ("callback.before", "callback.before_commit", "callback.after_commit")
LOOKUP = ("lookup.before_commit", "lookup.after_commit")
DELIVERY = ("delivery.before", "delivery.after")

DECIDED = (*BEGIN, *REPLY, *DELIVERY)  # the reply is the last word
DOUBTED = (*BEGIN, *REPLY, *LOOKUP, *DELIVERY)  # only look-ups tell
EVERYTHING = (*BEGIN, *REPLY, *CALLBACK, *LOOKUP, *DELIVERY)

WAYS: dict[str, tuple[str, ...]] = {
    "001": (*DECIDED, *CALLBACK),
    **dict.fromkeys(("002", "003", "004", "005", "006", "007", "008", "009"), EVERYTHING),
    "010": DOUBTED,
    "011": DOUBTED,
    "012": (*BEGIN, *REPLY, *LOOKUP),
    **dict.fromkeys(("101", "102", "103", "105", "106", "108", "109", "110", "111"), DECIDED),
    **dict.fromkeys(("104", "107", "112"), DOUBTED),
}
REFUND = "004"  # a success is not looked up before it is called back that it is over

GROUPS = 4  # so that the matrix can be walked by more than one worker
# Each crossing is walked in so many manners, which follow each other in turn: in the long form in
# each dialect, in the quick one in the next of them.
TURNS = 3 if os.environ.get("PROOF") else 1


@pytest.fixture
def journeys(members: Office, panel: PanelProcess, quick_upstream: UpstreamProcess) -> Journeys:
    return Journeys(members, panel, quick_upstream)


def end_of(outcome: Outcome) -> str:
    return outcome.statuses[-1].value if outcome.statuses else "FAILED"


def settings_of(suffix: str, point: str) -> dict[str, str]:
    """Return what makes it certain that the point is passed."""
    if point in LOOKUP:
        return ON_DEMAND if suffix == REFUND else DEAF
    return FAST


def begin(journeys: Journeys, outcome: Outcome, what: str, manner: Manner) -> Journey:
    suffix = outcome.suffix
    trx_id = f"matrix.{suffix}.{what}.{manner.dialect}"
    return journeys.begin(trx_id, f"123456{suffix}", end_of(outcome), manner)


async def killed(journeys: Journeys, outcome: Outcome, point: str, manner: Manner) -> None:
    journey = begin(journeys, outcome, point, manner)
    await journey.killed_at(point, 1, settings_of(outcome.suffix, point))
    await journey.recovers(asks_again=point == "place.before_commit")


async def undisturbed(journeys: Journeys, outcome: Outcome, manner: Manner) -> None:
    """Walk a way to its end; what is passed there is what the table says, or less."""
    journey = begin(journeys, outcome, "undisturbed", manner)
    gateway = await journey.office.serve_watched("", 0)
    await journey.order()
    await journey.arrives()
    # Who asks in JSON for what was never heard in JSON has it looked up, so that is not counted.
    unknown = set(journey.office.passed()) - set(WAYS[outcome.suffix])
    assert unknown == set(), outcome
    await journey.is_true()
    await journey.office.stop(gateway)


def test_the_matrix_is_whole() -> None:
    assert points_in_source() == {point for way in WAYS.values() for point in way}
    assert WAYS.keys() == {outcome.suffix for outcome in OUTCOMES}


@pytest.mark.parametrize("group", range(GROUPS))
async def test_killed_at_every_point_of_every_outcome(
    journeys: Journeys, group: int, record_property: RecordProperty
) -> None:
    outcomes, turn = OUTCOMES[group::GROUPS], numbers(group)
    crossings = [
        (one, point, MANNERS[next(turn) % len(MANNERS)])
        for one in outcomes
        for point in WAYS[one.suffix]
        for _ in range(TURNS)
    ]
    record_property("kills", len(crossings))
    walks = [
        *(undisturbed(journeys, one, MANNERS[next(turn) % len(MANNERS)]) for one in outcomes),
        *(killed(journeys, *crossing) for crossing in crossings),
    ]
    record_property("orders", len(walks))
    try:
        await all_of(walks)
    finally:
        for name, value in count(journeys.found).items():
            record_property(name, value)
