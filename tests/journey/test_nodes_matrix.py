"""The crash matrix on PostgreSQL: every point of an order's way, with another gateway and without.

Two gateways share a journal, and the first of them that passes a point with the order dies there.
The other one sees the order to its end; or, where there is none, the one that died is started
again. Panel, books and journal must agree as in `test_crash_matrix`, whose table this walks: the
whole of it with PROOF=1, else each point once in either way.
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count as numbers
from pathlib import Path

import pytest

from gateway.sandbox import OUTCOMES, Outcome
from tests.journey.cluster import Cluster, Node, Original, cluster_of
from tests.journey.conftest import RecordProperty
from tests.journey.court import Wanted
from tests.journey.journeys import FAST, MANNERS, WHOLE_S, Journey, Manner, all_of
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED, Process, until
from tests.journey.test_crash_matrix import WAYS, end_of, settings_of
from tests.proof.judge import Violation, count

LONG = bool(os.environ.get("PROOF"))
AT_ONCE = 8  # journeys side by side, each with two gateways and a journal
GROUPS = 4  # so that the matrix can be walked by more than one worker
# As it is by default: nobody waits for its end, for a process on this machine is seen to be dead.
LONG_LEASE = {"storage.lease_s": "150"}
# An outcome whose way has every point.
QUICK = "002"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a gateway dies with which order, and whether another one lives."""

    outcome: Outcome
    point: str
    alone: bool
    manner: Manner

    @property
    def trx_id(self) -> str:
        alone = "alone" if self.alone else "beside"
        return f"nodes.{self.outcome.suffix}.{self.point}.{alone}.{self.manner.dialect}"


def crossings() -> list[Crossing]:
    """Return all of them, in the order in which they are walked."""
    turn = numbers()
    chosen = OUTCOMES if LONG else [one for one in OUTCOMES if one.suffix == QUICK]
    points = [(one, point) for one in chosen for point in WAYS[one.suffix]]
    return [
        Crossing(one, point, alone, MANNERS[next(turn) % len(MANNERS)])
        for one, point in points
        for alone in (False, True)
    ]


@dataclass
class Walk:
    """What every crossing needs."""

    original: Original
    panel: PanelProcess
    upstream: UpstreamProcess
    folder: Path
    found: list[Violation]

    async def walk(self, crossing: Crossing) -> None:
        """Have a gateway die there, and hold everybody against everybody."""
        number = crossing.trx_id.replace(".", "_").lower()
        folder = self.folder / crossing.trx_id
        folder.mkdir()
        async with self.original.copied(number) as database:
            nodes = [self._node(folder / name, database) for name in "ab"]
            async with cluster_of(nodes, random.Random(crossing.trx_id)) as cluster:
                await self._die(crossing, cluster, folder)

    def _node(self, folder: Path, database: str) -> Node:
        mine = {"upstream.base_url": self.upstream.url, "storage.pool": "3", **LONG_LEASE}
        return self.original.node(folder, database, **mine, **FAST)

    async def _die(self, crossing: Crossing, cluster: Cluster, folder: Path) -> None:
        first, second = cluster.nodes
        outcome, manner = crossing.outcome, crossing.manner
        wanted = Wanted(
            manner.reseller, crossing.trx_id, f"123456{outcome.suffix}", manner.dialect
        )
        journey = Journey(
            first, self.panel, self.upstream, wanted, manner, end_of(outcome), self.found
        )
        settings = settings_of(outcome.suffix, crossing.point)
        nodes = [first] if crossing.alone else [first, second]
        for node in nodes:
            await node.begun_watched(crossing.point, settings, folder / "token")
        await journey.order()
        dead = await _who_died(nodes, journey)
        journey.office = first if crossing.alone else nodes[1 - nodes.index(dead)]
        if crossing.alone:
            await first.begun()
        if crossing.point == "place.before_commit":  # nothing of the order was left
            assert await journey.order() is not None
        await journey.arrives()
        await journey.is_true()
        assert cluster.errors() == [], journey.describe()


async def _who_died(nodes: Sequence[Node], journey: Journey) -> Node:
    def dead() -> Node | None:
        return next((node for node in nodes if _code(node.runs) is not None), None)

    found = await until(dead, WHOLE_S, journey.describe)
    assert _code(found.runs) == KILLED, journey.describe()
    return found


def _code(process: Process | None) -> int | None:
    assert process is not None
    return process.code


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", range(GROUPS))
async def test_killed_at_every_point_with_another_gateway_and_without(
    original: Original,
    panel: PanelProcess,
    quick_upstream: UpstreamProcess,
    tmp_path: Path,
    group: int,
    record_property: RecordProperty,
) -> None:
    mine = crossings()[group::GROUPS]
    walk = Walk(original, panel, quick_upstream, tmp_path, [])
    try:
        await all_of([walk.walk(each) for each in mine], at_once=AT_ONCE)
    finally:
        done = {
            "kills": len(mine),
            "of these with no other gateway": sum(each.alone for each in mine),
            "orders": len(mine),
        }
        for name, value in (done | count(walk.found)).items():
            record_property(name, value)
