"""The database is cut off, hangs, and is killed under three gateways: every promise is held.

    CUTS=200 SEED=7 pytest -n 0 -s tests/days/test_nodes_cuts.py

Between each gateway and PostgreSQL is a line that breaks: at a write or a COMMIT, before the
server got it, after, or so that it arrives when the gateway has begun to try again; at any byte;
or carries nothing for longer than anybody waits, or so slowly that the pool runs dry. The server
itself refuses writes as after a deadlock or a serialization failure, and is killed and started
again. Load, upstream and judge are those of `test_load_kill`. Meanwhile a panel may hear 503, and
never a FAILED that was none; afterwards everything goes on by itself.

A killed server keeps what the operating system has of its files, so nothing here shows what is
left after a power cut: that is PostgreSQL's own promise, with `fsync` on.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from tests.journey.cluster import NODES, Cluster, Original, cluster_of
from tests.journey.conftest import RecordProperty
from tests.journey.load import SEED, SETTINGS, Load, refuse_some, settled, tell, wanted_orders
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import until
from tests.journey.rough_line import RoughLine, rough_line
from tests.proof.judge import count
from tests.support.cutter import Cut, is_commit, is_execute
from tests.support.postgres import PostgresServer

CUTS = int(os.environ.get("CUTS", "200" if os.environ.get("PROOF") else "5"))
EVERY_S = (0.05, 0.6)  # from one trouble to the next
DARK_S = (0.5, 7.0)  # at the longest longer than anybody waits for an answer
DRY_S = 1.5  # for each message: a pool of four serves nobody for longer than they wait
AWAY_S = (0.2, 4.0)
SETTLED_S = 120.0
_ENDED_S = 60.0  # a moment on an idle machine
_NOTHING_S = 1.0  # so long is waited for a message of the chosen kind
_FIRST_S = 1.0  # of the load, undisturbed
_BYTES = 4000  # a statement with its answer has some hundred

# One write in a hundred is refused, as PostgreSQL refuses one of two that wait for each other, or
# one that it can not put in a row with others. What a sequence counts is not rolled back.
_REFUSING = """
CREATE SEQUENCE refusals;
CREATE FUNCTION proof_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF random() < 0.01 THEN
        PERFORM nextval('refusals');
        RAISE EXCEPTION 'refused'
            USING ERRCODE = CASE WHEN random() < 0.5 THEN '40P01' ELSE '40001' END;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER proof_refuses BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION proof_refuses();
CREATE TRIGGER proof_refuses BEFORE INSERT OR UPDATE ON deliveries
    FOR EACH ROW EXECUTE FUNCTION proof_refuses();
"""


@dataclass
class Troubles:
    """What goes wrong between gateways and their database, one after the other.

    Attributes:
        done: how often what was done.
    """

    load: Load
    lines: list[RoughLine]
    postgres: PostgresServer
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    async def run(self, cluster: Cluster) -> None:
        """Start the gateways, and have them in trouble; in the end the line is good."""
        await asyncio.gather(*(node.begun() for node in cluster.nodes))
        self.load.give()
        await asyncio.sleep(_FIRST_S)
        kinds: list[Callable[[RoughLine], Awaitable[None]]] = [
            *(4 * [self._cut_at_a_message]),
            *(3 * [self._tear]),
            *(2 * [self._darken]),
            *(1 * [self._cut_all, self._run_dry, self._refuse, self._kill]),
        ]
        for number in range(CUTS):
            if number % len(kinds) == 0:
                self.chance.shuffle(kinds)
            if number % 2 == 0:
                self.load.give()
            await kinds[number % len(kinds)](self.chance.choice(self.lines))
            await asyncio.sleep(self.chance.uniform(*EVERY_S))

    async def _cut_at_a_message(self, line: RoughLine) -> None:
        when = self.chance.choice(list(Cut))
        chosen = self.chance.choice([is_execute, is_execute, is_commit])
        line.cutter.arm(chosen, when)
        try:
            await asyncio.wait_for(line.cutter.cut.wait(), _NOTHING_S)
        except TimeoutError:
            return  # it comes at the next such message, or gives way to another choice
        self.done[f"cut {when.name.lower()} the server got a write"] += 1

    async def _tear(self, line: RoughLine) -> None:
        line.tear_after(self.chance.randrange(_BYTES))
        self.done["torn at a byte"] += 1

    async def _cut_all(self, line: RoughLine) -> None:
        line.cutter.cut_all()
        self.done["all connections cut"] += 1

    async def _darken(self, line: RoughLine) -> None:
        line.lit.clear()
        await asyncio.sleep(self.chance.uniform(*DARK_S))
        line.lit.set()
        self.done["black holes"] += 1

    async def _run_dry(self, line: RoughLine) -> None:
        line.slow_s = DRY_S
        await asyncio.sleep(5 * DRY_S)
        line.slow_s = 0
        self.done["pools run dry"] += 1

    async def _refuse(self, line: RoughLine) -> None:
        line.cutter.refuse = True
        line.cutter.cut_all()
        await asyncio.sleep(self.chance.uniform(*AWAY_S))
        line.cutter.refuse = False
        self.done["refused"] += 1

    async def _kill(self, _: RoughLine) -> None:
        how = self.chance.choice(["SIGKILL", "SIGQUIT"])
        theirs = _processes_of(self.postgres)
        await asyncio.to_thread(self.postgres.tell, how)
        # They end when they see that it is gone, and only then it can start again.
        await until(lambda: not any(map(_is_there, theirs)), _ENDED_S)
        await asyncio.sleep(self.chance.uniform(*AWAY_S))
        await asyncio.to_thread(self.postgres.tell, "start")
        self.done["database killed and started"] += 1


def _processes_of(postgres: PostgresServer) -> list[int]:
    """Return the server's processes but the first one."""
    first = (postgres.socket.parent / "data/postmaster.pid").read_text("ascii").split()[0]
    return [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
async def own_server() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of this test alone, which is killed."""
    server = PostgresServer()
    yield server
    await asyncio.to_thread(server.close)


async def _refused(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        counted: int = await connection.fetchval("SELECT last_value FROM refusals")
    finally:
        await connection.close()
    return counted


@pytest.mark.timeout(400 + 6 * CUTS)
async def test_the_database_is_cut_off_and_killed_under_load(
    members_shared_by: Callable[[PostgresServer], Awaitable[Original]],
    own_server: PostgresServer,
    panel: PanelProcess,
    spoiled_upstream: UpstreamProcess,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    chance = random.Random(SEED)
    original = await members_shared_by(own_server)
    orders = wanted_orders(chance, CUTS // 2 + 1, "X")
    await refuse_some(orders, panel, chance)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(original.copied("cuts"))
        await own_server.execute(_REFUSING, database)
        lines = [
            await stack.enter_async_context(rough_line(own_server.socket)) for _ in range(NODES)
        ]
        given = SETTINGS | {"upstream.base_url": spoiled_upstream.url}
        nodes = [
            original.node(
                tmp_path / f"node{number}",
                database,
                **given,
                **{"storage.url": line.url(database)},
            )
            for number, line in enumerate(lines)
        ]
        cluster = await stack.enter_async_context(cluster_of(nodes, chance))
        load = Load(cluster.any, panel, chance, orders)
        troubles = Troubles(load, lines, own_server, chance)
        await load.run(troubles.run(cluster))
        run, violations = await settled(orders, cluster.any, panel, spoiled_upstream, SETTLED_S)
        refused = await _refused(own_server.url(database))
        done = {"cuts": sum(troubles.done.values()), **troubles.done, "writes refused": refused}
        done["orders"] = len(run.cases)
        for name, value in (done | count(violations)).items():
            record_property(name, value)
        assert violations == [], tell(violations)
        assert cluster.errors() == [], f"CUTS={CUTS} SEED={SEED}: {cluster.errors()}"
        assert all(node.runs is not None and node.runs.code is None for node in nodes)
