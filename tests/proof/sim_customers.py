"""Panels that order: when, what, by which route, how often, and with how much patience.

A panel knows its order by its trx_id and asks again until it has an answer. Later it repeats, asks
for the status, or uses the trx_id for something else.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway.sandbox.outcomes import OUTCOMES
from tests.proof.judge import Answer
from tests.proof.sim_loop import now, outside, stalled_s
from tests.proof.sim_panel import Panels
from tests.proof.sim_weather import Weather

# Upstream keys with what is on them, Rupiah. The second one is soon empty in a long run.
KEYS = {"upstream-key-1": 10**9, "upstream-key-2": 2_000_000}
# Two resellers buy under one key, and all of them use the same trx_ids.
RESELLERS = {"toko": "upstream-key-1", "warung": "upstream-key-2", "kios": "upstream-key-1"}
_PRODUCTS = ("S1_1187", "S4_ML86", "X10")
# Ends of destinations (`sandbox --help`), and how many orders of each; one third of the others.
_OFTEN = {"001": 8, "002": 16, "003": 8, "004": 6, "005": 4, "006": 3}
_NEVER_ENDS = "012"
REPLY_TIMEOUT_S = 15.0
_LONGEST_PAUSE_S = 60.0

Ask = Callable[[str], Awaitable[tuple[int, str] | None]]
"""Asks the gateway for a target; HTTP code and body, or None where nobody answers."""


@dataclass(slots=True)
class Wish:
    """An order as its panel remembers it."""

    reseller: str
    trx_id: str
    product: str
    dest: str
    at: float
    callback_url: str | None = None
    answers: list[Answer] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        """Whether the panel knows that the order was taken, so that its trx_id is used."""
        return any(
            answer.http == 200 and ", status ERROR." not in answer.line for answer in self.answers
        )

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"


class Customers:
    """All panels' ordering side.

    Args:
        chance: of the customers alone.
        weather: how bad it is.
        panels: where deliveries go.
        hits: counts what went wrong, by kind.
        ask: reaches the gateway.
    """

    def __init__(
        self,
        chance: random.Random,
        weather: Weather,
        panels: Panels,
        hits: Counter[str],
        ask: Ask,
    ) -> None:
        self.wishes: list[Wish] = []
        self.troubles: list[str] = []
        self._chance = chance
        self._weather = weather
        self._panels = panels
        self._hits = hits
        self._ask = ask

    def wish(self, orders: int, span_s: float) -> None:
        """Make up so many orders for so many seconds."""
        ends = {outcome.suffix: _OFTEN.get(outcome.suffix, 1 / 3) for outcome in OUTCOMES}
        del ends[_NEVER_ENDS]
        chosen = self._chance.choices(list(ends), weights=list(ends.values()), k=orders)
        if self._chance.random() < 0.25:
            chosen[orders // 2] = _NEVER_ENDS  # it is looked up until the world ends: one will do
        resellers = list(RESELLERS)
        for number, end in enumerate(chosen):
            wish = Wish(
                reseller=resellers[number % len(resellers)],
                # No trx_id is near another one, so that the sandbox's strangers stay strangers.
                trx_id=f"L{number // len(resellers):04}x",
                product=self._chance.choice(_PRODUCTS),
                dest=f"{self._chance.randrange(10**9):09}1{end}",
                at=self._chance.uniform(0, span_s),
            )
            if self._chance.random() < 0.97:
                wish.callback_url = f"http://{self._panels.pick().name}/cb/{wish.name}"
            self.wishes.append(wish)

    async def come(self) -> None:
        """Order everything; returns when every panel is done."""
        await asyncio.gather(*(outside(self._customer(wish)) for wish in self.wishes))

    async def _customer(self, wish: Wish) -> None:
        await asyncio.sleep(wish.at)
        version = self._chance.choice((1, 2, 3, 3, 3))
        pause_s = 0.5
        while True:
            at_once = 2 if self._chance.random() < 0.05 else 1
            targets = [self._order(wish, version) for _ in range(at_once)]
            answers = await asyncio.gather(*(self._hear(wish, target) for target in targets))
            if any(answer is not None and answer.http == 200 for answer in answers):
                break
            version = 3 if self._chance.random() < 0.9 else 1
            await asyncio.sleep(pause_s * self._chance.uniform(1, 2))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        await self._come_back(wish)

    async def _come_back(self, wish: Wish) -> None:
        for _ in range(self._chance.choice((0, 0, 0, 1, 1, 2, 4))):
            await asyncio.sleep(self._chance.choice((0.0, 0.01, 1.0, 4.0, 50.0, 700.0)))
            draw = self._chance.random()
            if draw < 0.4 or (draw < 0.7 and not wish.taken):
                await self._hear(wish, self._order(wish, 3))
            elif draw < 0.5:
                await self._hear(wish, self._order(wish, 1))
            elif draw < 0.6:
                await self._hear(wish, self._order(wish, 3, product="S0_OTHER"), other=True)
            elif draw < 0.7:
                await self._hear(wish, self._order(wish, 3, dest="77777777001"), other=True)
            else:
                target = f"/v1/otomax/status/{wish.trx_id}?apikey={key_of(wish.reseller)}"
                await self._hear(wish, target, status=True)

    def _order(
        self, wish: Wish, version: int, *, product: str | None = None, dest: str | None = None
    ) -> str:
        dest = dest or wish.dest
        fields = {
            "apikey": key_of(wish.reseller),
            "product_code": product or wish.product,
            "user_id": dest[:-4] if version == 1 else dest,
            "server_id": dest[-4:] if version == 1 else None,
            "trx_id": wish.trx_id,
            "callback_url": wish.callback_url,
        }
        query = "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)
        return f"/v{version}/otomax/order?{query}"

    async def _hear(
        self, wish: Wish, target: str, *, status: bool = False, other: bool = False
    ) -> Answer | None:
        """Ask, and write the answer down; a panel that hangs up hears nothing."""
        asked_at = now()
        if self._chance.random() < self._weather.hang_up:
            self._hits["panel hung up"] += 1
            outside(self._unheard(target))
            return None
        said = await self._said(target)
        if said is None:
            return None
        answer = Answer(
            asked_at=asked_at,
            at=now(),
            line=said[1],
            http=said[0],
            status_request=status,
            other=other,
        )
        wish.answers.append(answer)
        return answer

    async def _unheard(self, target: str) -> None:
        await self._said(target)

    async def _said(self, target: str) -> tuple[int, str] | None:
        ends_at = now() - stalled_s() + REPLY_TIMEOUT_S
        said = await self._ask(target)
        if said is not None and now() - stalled_s() > ends_at:
            self.troubles.append(f"answered {now() - stalled_s() - ends_at:.2f} s late: {target}")
        if said is not None and said[0] not in (200, 503):
            self.troubles.append(f"HTTP {said[0]} to {target}: {said[1]}")
        return said


def key_of(reseller: str) -> str:
    """Return a reseller's key."""
    return f"key-of-{reseller}-{'k' * 20}"
