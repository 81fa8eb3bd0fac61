"""Panels that order under load, and the end at which everybody's promises are held.

What is the same wherever gateways are killed, cut off or set back under load may live here: who
orders what, how they ask again, and the verdict. What is done to the gateways is the tests' own.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import get_args

from gateway.sandbox import OUTCOMES, Status
from gateway.sandbox.outcomes import outcome_of
from tests.journey.court import Wanted, verdict
from tests.journey.office import PROFILES, Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import until_async
from tests.proof.judge import Case, Run, Violation
from tests.proof.reading import Dialect

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "20240607"))
ORDERS_A_LIFE = 10
PANELS = 12  # orders at the same time
PAUSE_S = 0.8  # of a panel between two orders, at most
TWICE = 0.1  # so often a panel sends one request twice at the same time
ELSEWHERE = 0.15  # so often one asks again in another dialect
UNNAMED = 0.25  # so many of the orders in JSON have no trx_id
SETTLED_S = 60.0
ANSWERED_S = 180.0  # a gateway, or its database, may be away for much of it

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

Where = Callable[[], Office]
"""Gives the gateway that is asked next."""


@dataclass
class Load:
    """The panels, and where they order.

    Attributes:
        unanswered: so many orders have no answer yet.
    """

    where: Where
    panel: PanelProcess
    chance: random.Random
    orders: list[Wanted]

    def __post_init__(self) -> None:
        self._queue: asyncio.Queue[Wanted | None] = asyncio.Queue()
        self._rest = iter(self.orders)
        self.unanswered = len(self.orders)

    async def run(self, trouble: Awaitable[None]) -> None:
        """Order what is given while the trouble lasts, and to the last answer after it."""
        await asyncio.gather(self._last(trouble), *(self._panel() for _ in range(PANELS)))

    async def _last(self, trouble: Awaitable[None]) -> None:
        await trouble
        for _ in range(PANELS):
            self._queue.put_nowait(None)

    async def _panel(self) -> None:
        while (wanted := await self._queue.get()) is not None:
            await asyncio.sleep(self.chance.uniform(0, PAUSE_S))
            times = 2 if self.chance.random() < TWICE and not wanted.unnamed else 1
            await asyncio.gather(*(self._place(wanted) for _ in range(times)))
            self.unanswered -= 1

    async def _place(self, wanted: Wanted) -> None:
        """Order, and ask again until an answer comes: that is how panels see a restart."""

        async def ask() -> str | None:
            return await wanted.order(self.where(), self.panel, self._dialect(wanted))

        if wanted.unnamed:  # who asks again buys again
            await wanted.order(self.where(), self.panel)
        else:
            await until_async(ask, ANSWERED_S, lambda: f"{wanted} was never answered")

    def _dialect(self, wanted: Wanted) -> Dialect:
        return wanted.dialect if self.chance.random() >= ELSEWHERE else any_of(self.chance)

    def give(self) -> None:
        """Have the panels place the orders of one more life."""
        for _, wanted in zip(range(ORDERS_A_LIFE), self._rest, strict=False):
            self._queue.put_nowait(wanted)


def any_of(chance: random.Random) -> Dialect:
    """Return a dialect."""
    return chance.choice(get_args(Dialect))


def wanted_orders(chance: random.Random, lives: int, begin: str = "L") -> list[Wanted]:
    """Return the orders of all resellers, who use the same trx_ids; no two are for one player.

    Args:
        chance: chooses.
        lives: how many parts of `ORDERS_A_LIFE` there are.
        begin: how the trx_ids begin: the counterparties outlive a test.
    """
    suffixes = [outcome.suffix for outcome in OUTCOMES]
    weights = [OFTEN.get(suffix, 1) for suffix in suffixes]
    ends = chance.choices(suffixes, weights, k=lives * ORDERS_A_LIFE)
    resellers, players = list(PROFILES), chance.sample(range(10**6), len(ends))
    orders = [
        Wanted(
            reseller=resellers[number % len(resellers)],
            trx_id=f"{begin}{number // len(resellers)}",
            dest=f"{player:06}{end}",
            dialect=any_of(chance),
        )
        for number, (player, end) in enumerate(zip(players, ends, strict=True))
    ]
    for wanted in orders:
        wanted.unnamed = wanted.dialect == "json" and chance.random() < UNNAMED
    return orders


async def refuse_some(orders: list[Wanted], panel: PanelProcess, chance: random.Random) -> None:
    """Have some panels refuse at first what they are told."""
    for wanted in chance.sample(orders, len(orders) // 5):
        await panel.refuse(wanted.name, chance.randint(1, 3))


async def settled(
    orders: list[Wanted],
    where: Where,
    panel: PanelProcess,
    upstream: UpstreamProcess,
    within_s: float = SETTLED_S,
) -> tuple[Run, list[Violation]]:
    """Wait until everything has ended, let every panel ask again, and judge."""

    async def look() -> bool:
        run, violations = await verdict(orders, where(), panel, upstream)
        return not violations and all(map(_has_ended, run.cases))

    try:
        await until_async(look, within_s)
    except AssertionError:
        return await verdict(orders, where(), panel, upstream)
    await asyncio.sleep(2 * DELAY_S)  # the last callbacks, those that come late included
    chance = random.Random(SEED)
    for wanted in orders:
        dialects = set(wanted.dialects)
        if not wanted.unnamed:
            await wanted.order(where(), panel, any_of(chance))
        await wanted.status(where(), any_of(chance))
        wanted.dialects = dialects  # it was there already, and is told in one of these
    return await verdict(orders, where(), panel, upstream)


def _has_ended(case: Case) -> bool:
    """Whether the upstream has said its last word, and gave the money back that belongs to it."""
    last = outcome_of(case.dest).statuses[-1:]
    refunds = last == (Status.REFUNDED,)
    return all(
        bought.returned_rp > 0 if refunds else (bought.status,) == last for bought in case.bought
    )


def tell(violations: list[Violation]) -> str:
    """Return what was found, with what replays it."""
    lines = "\n".join(map(str, violations))
    return f"KILLS={KILLS} SEED={SEED}: {len(violations)} violations\n{lines}"
