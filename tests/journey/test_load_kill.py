"""`kill -9` at random moments under load and network faults: every promise is then held.

    KILLS=200 SEED=7 pytest -n 0 -s tests/journey/test_load_kill.py

A gateway is started and killed KILLS times, at random moments of its life and of its start, while
three resellers, who use the same trx_ids, order ten times a life, in every dialect, and ask again
in the same one or another; who gave no trx_id never asks again. The upstream's outcomes are mixed,
its replies, look-ups and callbacks are spoiled (`gateway.sandbox.faults`), and some panels refuse
what they are told at first. The judge uses nothing of what the gateway says about
itself but its journal, and that must agree with everybody else's.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import pytest

from gateway.sandbox import OUTCOMES, Status
from gateway.sandbox.outcomes import outcome_of
from tests.journey.conftest import PROFILES, RecordProperty
from tests.journey.court import Wanted, verdict
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED, Processes, until_async
from tests.proof.judge import Case, Run, Violation, count
from tests.proof.reading import Dialect

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "20240607"))
ORDERS_A_LIFE = 10
PANELS = 12  # orders at the same time
LIFE_S = (0.05, 0.8)  # from its fork; on an idle machine a gateway listens after 0.15 s
TWICE = 0.1  # so often a panel sends one request twice at the same time
ELSEWHERE = 0.15  # so often one asks again in another dialect
UNNAMED = 0.25  # so many of the orders in JSON have no trx_id
SETTLED_S = 60.0

DELAY_S = 0.5
FAULT_RATE = 0.04  # of each of the sandbox's faults: most orders meet one
SETTINGS = {
    "server.reply_timeout_s": "4",
    "upstream.timeout_s": "2",
    "recheck.schedule_s": "0.2,0.3,0.5",
    "recheck.settle_s": "1.5",
}
# What the contract makes of the sandbox's times: a reply that is held is held for longer than its
# reader waits, and a purchase is found, and a second one refused, before `settle_s` is over.
UPSTREAM = {"delay_s": DELAY_S, "slow_s": 1.0, "hold_s": 3.0, "late_s": 0.7, "race_s": 0.7}

OFTEN = {"001": 4, "002": 6, "003": 4, "004": 3, "007": 3, "011": 3}  # the others once


@dataclass
class Load:
    """The panels, the gateway that they order at, and who kills it."""

    office: Office
    panel: PanelProcess
    chance: random.Random
    orders: list[Wanted]

    def __post_init__(self) -> None:
        self._queue: asyncio.Queue[Wanted | None] = asyncio.Queue()
        self._unanswered = len(self.orders)

    async def run(self) -> None:
        await asyncio.gather(self._kill(), *(self._panel() for _ in range(PANELS)))

    async def _panel(self) -> None:
        while (wanted := await self._queue.get()) is not None:
            await asyncio.sleep(self.chance.uniform(0, LIFE_S[1]))
            times = 2 if self.chance.random() < TWICE and not wanted.unnamed else 1
            await asyncio.gather(*(self._place(wanted) for _ in range(times)))
            self._unanswered -= 1

    async def _place(self, wanted: Wanted) -> None:
        """Order, and ask again until an answer comes: that is how panels see a restart."""

        async def ask() -> str | None:
            return await wanted.order(self.office, self.panel, self._dialect(wanted))

        if wanted.unnamed:  # who asks again buys again
            await wanted.order(self.office, self.panel)
        else:
            await until_async(ask, SETTLED_S, lambda: f"{wanted} was never answered")

    def _dialect(self, wanted: Wanted) -> Dialect:
        return wanted.dialect if self.chance.random() >= ELSEWHERE else any_of(self.chance)

    async def _kill(self) -> None:
        """Start and kill the gateway, with new orders for each life; the last one lives."""
        rest = iter(self.orders)
        for number in range(KILLS):
            self._give(rest)
            gateway = self.office.begin_serving()
            await asyncio.sleep(self.chance.uniform(*LIFE_S))
            gateway.end()
            assert gateway.code == KILLED, gateway.last_words()
            assert self._unanswered > 0, f"kill {number + 1} was under no load"
        self._give(rest)
        await self.office.serve()
        for _ in range(PANELS):
            self._queue.put_nowait(None)

    def _give(self, rest: Iterator[Wanted]) -> None:
        for _, wanted in zip(range(ORDERS_A_LIFE), rest, strict=False):
            self._queue.put_nowait(wanted)


def any_of(chance: random.Random) -> Dialect:
    return chance.choice(get_args(Dialect))


def wanted_orders(chance: random.Random) -> list[Wanted]:
    """Return the orders of all resellers, who use the same trx_ids; no two are for one player."""
    suffixes = [outcome.suffix for outcome in OUTCOMES]
    weights = [OFTEN.get(suffix, 1) for suffix in suffixes]
    ends = chance.choices(suffixes, weights, k=(KILLS + 1) * ORDERS_A_LIFE)
    resellers, players = list(PROFILES), chance.sample(range(10**6), len(ends))
    orders = [
        Wanted(
            reseller=resellers[number % len(resellers)],
            trx_id=f"L{number // len(resellers)}",
            dest=f"{player:06}{end}",
            dialect=any_of(chance),
        )
        for number, (player, end) in enumerate(zip(players, ends, strict=True))
    ]
    for wanted in orders:
        wanted.unnamed = wanted.dialect == "json" and chance.random() < UNNAMED
    return orders


@pytest.fixture
async def spoiled_upstream(processes: Processes, members: Office) -> UpstreamProcess:
    """A sandbox of this test alone, with faults."""
    faults = {"all": FAULT_RATE}
    upstream = UpstreamProcess(processes, members.folder, **UPSTREAM, faults=faults, seed=SEED)
    await upstream.ready()
    return upstream


@pytest.mark.timeout(120 + 3 * KILLS)
async def test_killed_at_random_moments_under_load(
    members: Office,
    panel: PanelProcess,
    spoiled_upstream: UpstreamProcess,
    record_property: RecordProperty,
) -> None:
    chance, office = random.Random(SEED), members
    office.settings |= SETTINGS | {"upstream.base_url": spoiled_upstream.url}
    orders = wanted_orders(chance)
    for wanted in chance.sample(orders, len(orders) // 5):
        await panel.refuse(wanted.name, chance.randint(1, 3))
    await Load(office, panel, chance, orders).run()
    run, violations = await settled(orders, office, panel, spoiled_upstream)
    for name, value in {"kills": KILLS, "orders": len(run.cases), **count(violations)}.items():
        record_property(name, value)
    assert violations == [], tell(violations)
    errors = [event for event in office.logs() if event["level"] in ("error", "critical")]
    assert errors == [], f"KILLS={KILLS} SEED={SEED}"


async def settled(
    orders: list[Wanted], office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> tuple[Run, list[Violation]]:
    """Wait until everything has ended, let every panel ask again, and judge."""

    async def look() -> bool:
        run, violations = await verdict(orders, office, panel, upstream)
        return not violations and all(map(_has_ended, run.cases))

    try:
        await until_async(look, SETTLED_S)
    except AssertionError:
        return await verdict(orders, office, panel, upstream)
    await asyncio.sleep(2 * DELAY_S)  # the last callbacks, those that come late included
    chance = random.Random(SEED)
    for wanted in orders:
        dialects = set(wanted.dialects)
        if not wanted.unnamed:
            await wanted.order(office, panel, any_of(chance))
        await wanted.status(office, any_of(chance))
        wanted.dialects = dialects  # it was there already, and is told in one of these
    return await verdict(orders, office, panel, upstream)


def _has_ended(case: Case) -> bool:
    """Whether the upstream has said its last word, and gave the money back that belongs to it."""
    last = outcome_of(case.dest).statuses[-1:]
    refunds = last == (Status.REFUNDED,)
    return all(
        bought.returned_rp > 0 if refunds else (bought.status,) == last for bought in case.bought
    )


def tell(violations: list[Violation]) -> str:
    lines = "\n".join(map(str, violations))
    return f"KILLS={KILLS} SEED={SEED}: {len(violations)} violations\n{lines}"
