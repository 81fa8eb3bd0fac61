"""`kill -9` of any of three gateways on one PostgreSQL, under load and network faults.

    KILLS=200 SEED=7 pytest -n 0 -s tests/days/test_nodes_kill.py

Each gateway lives for a random time and is killed, or is stopped for longer than its lease lasts
and wakes to find that others took over. Panels repeat a trx_id at any of them, twice at the same
time at two of them, and the upstream's callbacks arrive at any. The rest is as in
`test_load_kill`, and so is the judge.
"""

import asyncio
import os
import random
import signal
from itertools import count as numbers

import pytest

from tests.journey.cluster import LEASE_S, Cluster, Node
from tests.journey.conftest import RecordProperty
from tests.journey.load import SEED, Load, refuse_some, settled, tell, wanted_orders
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED
from tests.proof.judge import count

KILLS = int(os.environ.get("KILLS", "5"))
LIFE_S = (0.05, 2.0)  # from its fork; three of them are killed side by side
STOPPED = 8  # each such life has a stop in it
STOP_S = LEASE_S + 1
SETTLED_S = 120.0  # what is claimed and not done waits for a claim's end


class Killer:
    """Kills gateways and wakes those that were stopped.

    Attributes:
        kills: so many gateways were killed.
        stops: so many were stopped for longer than their lease.
    """

    def __init__(self, load: Load, cluster: Cluster) -> None:
        self._load, self._cluster = load, cluster
        self._numbers = numbers()
        self.kills = self.stops = 0

    async def run(self) -> None:
        """Kill them side by side, as often as is wanted; then all of them live."""
        await asyncio.gather(*map(self._lives, self._cluster.nodes))
        self._load.give()
        await asyncio.gather(*(node.begun() for node in self._cluster.nodes))

    async def _lives(self, node: Node) -> None:
        while (number := next(self._numbers)) < KILLS:
            self._load.give()
            gateway = node.begin()
            if number % STOPPED == STOPPED // 2:
                await gateway.said('"gateway.started"')
                await self._life()
                gateway.signal(signal.SIGSTOP)
                await asyncio.sleep(STOP_S)
                gateway.signal(signal.SIGCONT)
                self.stops += 1
            await self._life()
            gateway.end()
            assert gateway.code == KILLED, gateway.last_words()
            self.kills += 1
            assert self._load.unanswered > 0, f"kill {self.kills} was under no load"

    async def _life(self) -> None:
        await asyncio.sleep(self._load.chance.uniform(*LIFE_S))


@pytest.mark.timeout(300 + 5 * KILLS)
async def test_three_gateways_killed_and_stopped_under_load(
    cluster: Cluster,
    panel: PanelProcess,
    spoiled_upstream: UpstreamProcess,
    record_property: RecordProperty,
) -> None:
    chance = random.Random(SEED)
    orders = wanted_orders(chance, KILLS + 1, "N")
    await refuse_some(orders, panel, chance)
    load = Load(cluster.any, panel, chance, orders)
    killer = Killer(load, cluster)
    await load.run(killer.run())
    run, violations = await settled(orders, cluster.any, panel, spoiled_upstream, SETTLED_S)
    done = {"kills": killer.kills, "stops": killer.stops, "orders": len(run.cases)}
    for name, value in (done | count(violations)).items():
        record_property(name, value)
    assert violations == [], tell(violations)
    assert cluster.errors() == [], f"KILLS={KILLS} SEED={SEED}: {cluster.errors()}"
