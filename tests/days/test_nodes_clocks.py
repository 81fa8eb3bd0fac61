"""Three gateways whose clocks are hours apart and are set while they work: one clock holds.

    CLOCKS=60 SEED=7 pytest -n 0 -s tests/days/test_nodes_clocks.py

Each gateway's machine begins with another time, and is set again and again, by seconds, an hour, a
day, either way; some gateways are killed in between, so
that what one has begun another goes on with. Load, upstream and judge are those of
`test_load_kill`: what is settled for seconds, claimed and told must not shrink or grow with
anybody's clock.
"""

import asyncio
import os
import random
from datetime import datetime, timedelta

import pytest

from tests.journey.cluster import Cluster, Node
from tests.journey.conftest import RecordProperty
from tests.journey.load import SEED, Load, refuse_some, settled, tell, wanted_orders
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.proof.judge import count

CLOCKS = int(os.environ.get("CLOCKS", "60" if os.environ.get("PROOF") else "3"))
HOUR_S = 3600.0
AHEAD_S = (0.0, HOUR_S, -HOUR_S)  # at the start, one for each
SET_TO_S = (0.0, 2.0, -2.0, 30.0, -30.0, HOUR_S, -HOUR_S, 24 * HOUR_S, -24 * HOUR_S)
EVERY_S = (0.2, 1.5)
KILLED = 0.2  # so often a gateway is killed in between and started with the new time
SETTLED_S = 120.0


async def _set(load: Load, cluster: Cluster) -> int:
    """Set clocks under load; returns how many gateways were killed meanwhile."""
    for node, ahead_s in zip(cluster.nodes, AHEAD_S, strict=True):
        node.set_clock(ahead_s)
    await asyncio.gather(*(node.begun() for node in cluster.nodes))
    assert _started(cluster.nodes[1]) - _started(cluster.nodes[2]) > timedelta(hours=1.9)
    kills = 0
    for _ in range(CLOCKS):
        load.give()
        await asyncio.sleep(load.chance.uniform(*EVERY_S))
        node = cluster.any()
        is_killed = load.chance.random() < KILLED
        if is_killed:
            _end(node)
            kills += 1
        node.set_clock(load.chance.choice(SET_TO_S))
        if is_killed:
            await node.begun()
    load.give()
    return kills


def _started(node: Node) -> datetime:
    """Return when a gateway started, by its own machine's clock, which its log is written by."""
    return datetime.fromisoformat(node.logs()[0]["timestamp"])


def _end(node: Node) -> None:
    assert node.runs is not None
    node.runs.end()


@pytest.mark.timeout(400 + 6 * CLOCKS)
async def test_clocks_hours_apart_are_set_under_load(
    cluster: Cluster,
    panel: PanelProcess,
    spoiled_upstream: UpstreamProcess,
    record_property: RecordProperty,
) -> None:
    chance = random.Random(SEED)
    orders = wanted_orders(chance, CLOCKS + 1, "C")
    await refuse_some(orders, panel, chance)
    load = Load(cluster.any, panel, chance, orders)
    kills = 0

    async def trouble() -> None:
        nonlocal kills
        kills = await _set(load, cluster)

    await load.run(trouble())
    run, violations = await settled(orders, cluster.any, panel, spoiled_upstream, SETTLED_S)
    done = {"clocks set": CLOCKS, "kills": kills, "orders": len(run.cases)}
    for name, value in (done | count(violations)).items():
        record_property(name, value)
    assert violations == [], tell(violations)
    assert cluster.errors() == [], f"CLOCKS={CLOCKS} SEED={SEED}: {cluster.errors()}"
