"""Resellers that order: when, what, in which dialect, how often, and with how much patience.

Who orders knows the order by its trx_id and asks again until there is an answer, mostly in the
same dialect, sometimes in another. Later the order is repeated, its status is asked for, or its
trx_id used for something else. What is ordered without a trx_id is ordered once, for it can not be
asked for again; whatever comes of it is told by its delivery.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from gateway.sandbox.outcomes import OUTCOMES
from tests.proof.asking import Ordered, Request, Reseller, order, status
from tests.proof.judge import Answer
from tests.proof.reading import ERROR, Dialect
from tests.proof.sim_loop import now, outside, stalled_s
from tests.proof.sim_panel import Panels
from tests.proof.sim_weather import Weather

# Upstream keys with what is on them, Rupiah. The second one is soon empty in a long run.
KEYS = {"upstream-key-1": 10**9, "upstream-key-2": 2_000_000}
# Resellers buy under one key, and all of them use the same trx_ids. Each form of deliveries is
# told to one of them at least; the first is told only of what names its own address.
_RESELLERS: dict[str, dict[str, Any]] = {
    "toko": {"upstream_key": "upstream-key-1"},
    "warung": {
        "upstream_key": "upstream-key-2",
        "profile": "otomax",
        "callback_url": "http://panel0.test:8000/own/warung",
        "shows_pin": True,
    },
    "kios": {
        "upstream_key": "upstream-key-1",
        "profile": "report",
        "callback_url": "http://panel1.test:8000/own/kios?id=7",
    },
    "grosir": {"upstream_key": "upstream-key-1", "callback_url": "http://slow.test/own/grosir"},
}
RESELLERS = {
    code: Reseller(code=code, key=f"key-of-{code}-{'k' * 20}", **more)
    for code, more in _RESELLERS.items()
}
_PRODUCTS = ("S1_1187", "S4_ML86", "X10")
_DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_ORDERED_IN = {"text": 5, "native": 3, "json": 4}  # how many orders of each
_UNNAMED = 0.25  # so many of the orders in JSON have no trx_id
_ELSEWHERE = 0.2  # so often is asked in another dialect than was ordered in
# Ends of destinations (`sandbox --help`), and how many orders of each; one third of the others.
_OFTEN = {"001": 8, "002": 16, "003": 8, "004": 6, "005": 4, "006": 3}
_NEVER_ENDS = "012"
REPLY_TIMEOUT_S = 15.0
_LONGEST_PAUSE_S = 60.0
_AWAY = 503

Ask = Callable[[Request], Awaitable[tuple[int, str] | None]]
"""Asks the gateway; HTTP code and body, or None where nobody answers."""


@dataclass(slots=True)
class Wish:
    """An order as its reseller remembers it.

    Attributes:
        trx_id: its trx_id; where it is unnamed only what the simulation calls it.
        forms: in which it may be told, after the dialects in which it was asked for.
    """

    reseller: Reseller
    trx_id: str
    product: str
    dest: str
    at: float
    dialect: Dialect = "text"
    unnamed: bool = False
    callback_url: str | None = None
    answers: list[Answer] = field(default_factory=list)
    forms: set[str] = field(default_factory=set)

    @property
    def taken(self) -> bool:
        """Whether its reseller knows that the order was taken, so that its trx_id is used."""
        read = [answer.read for answer in self.answers if answer.http != _AWAY]
        return any(each is not None and each.word != ERROR for each in read)

    @property
    def invoice(self) -> str | None:
        """The invoice_number, once an answer told it."""
        read = [answer.read for answer in self.answers]
        return next((each.number for each in read if each is not None and each.number), None)

    @property
    def name(self) -> str:
        return f"{self.reseller.code}-{self.trx_id}"


class Customers:
    """All resellers' ordering side.

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
        self.asked: Counter[str] = Counter()  # by what and in which dialect
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
        resellers = list(RESELLERS.values())
        for number, end in enumerate(chosen):
            wish = Wish(
                reseller=resellers[number % len(resellers)],
                # No trx_id is near another one, so that the sandbox's strangers stay strangers.
                trx_id=f"L{number // len(resellers):04}x",
                product=self._chance.choice(_PRODUCTS),
                dest=f"{self._chance.randrange(10**9):09}1{end}",
                at=self._chance.uniform(0, span_s),
                dialect=self._chance.choices(_DIALECTS, [_ORDERED_IN[d] for d in _DIALECTS])[0],
            )
            wish.unnamed = wish.dialect == "json" and self._chance.random() < _UNNAMED
            if wish.unnamed or self._chance.random() < 0.97:
                wish.callback_url = f"http://{self._panels.pick().name}/cb/{wish.name}"
            self.wishes.append(wish)

    async def come(self) -> None:
        """Order everything; returns when everybody is done."""
        await asyncio.gather(*(outside(self._customer(wish)) for wish in self.wishes))

    async def _customer(self, wish: Wish) -> None:
        await asyncio.sleep(wish.at)
        if wish.unnamed:
            await self._order(wish, "json", once=self._chance.random() < 0.5)
            await self._come_back(wish)
            return
        dialect, once = wish.dialect, self._chance.random() < 0.4
        pause_s = 0.5
        while True:
            at_once = 2 if self._chance.random() < 0.05 else 1
            dialects = [dialect, *[self._dialect(wish)] * (at_once - 1)]
            answers = await asyncio.gather(*(self._order(wish, d, once=once) for d in dialects))
            if any(answer is not None and answer.http != _AWAY for answer in answers):
                break
            dialect, once = self._dialect(wish), self._chance.random() < 0.1
            await asyncio.sleep(pause_s * self._chance.uniform(1, 2))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        await self._come_back(wish)

    def _dialect(self, wish: Wish) -> Dialect:
        """Choose in which dialect an order is asked about."""
        if self._chance.random() >= _ELSEWHERE:
            return wish.dialect
        return self._chance.choice(_DIALECTS)

    async def _come_back(self, wish: Wish) -> None:
        for _ in range(self._chance.choice((0, 0, 0, 1, 1, 2, 4))):
            await asyncio.sleep(self._chance.choice((0.0, 0.01, 1.0, 4.0, 50.0, 700.0)))
            draw, dialect = self._chance.random(), self._dialect(wish)
            if wish.unnamed:
                await self._status(wish, dialect)
            elif draw < 0.4 or (draw < 0.7 and not wish.taken):
                await self._order(wish, dialect, once=False)
            elif draw < 0.5:
                await self._order(wish, dialect, once=True)
            elif draw < 0.6:
                await self._order(wish, dialect, once=False, product="S0_OTHER")
            elif draw < 0.7:
                await self._order(wish, dialect, once=False, dest="77777777001")
            else:
                await self._status(wish, dialect)

    async def _order(
        self,
        wish: Wish,
        dialect: Dialect,
        *,
        once: bool,
        product: str | None = None,
        dest: str | None = None,
    ) -> Answer | None:
        """Order; something else than is wished for where a product or destination is given."""
        other = product is not None or dest is not None
        if not other:
            wish.forms.add(wish.reseller.form(dialect))
        ordered = Ordered(
            trx_id=None if wish.unnamed else wish.trx_id,
            product=product or wish.product,
            dest=dest or wish.dest,
            in_two=once,
            callback_url=wish.callback_url,
        )
        request = order(wish.reseller, ordered, dialect, once=once)
        elsewhere = f" of one in {wish.dialect}" if dialect != wish.dialect else ""
        self.asked[f"order in {dialect}{elsewhere}"] += 1
        if wish.unnamed:
            self.asked["order without a trx_id"] += 1
        return await self._hear(wish, request, dialect, other=other)

    async def _status(self, wish: Wish, dialect: Dialect) -> Answer | None:
        """Ask for the status: sometimes by the invoice_number, where one is known."""
        invoice = wish.invoice
        if wish.unnamed:
            if invoice is None:
                return None  # there is nothing that it could be asked for by
            dialect = "text" if dialect == "text" else "json"
        elif dialect == "native" or self._chance.random() < 0.5:
            invoice = None
        ordered = Ordered(trx_id=wish.trx_id, product=wish.product, dest=wish.dest)
        request = status(wish.reseller, ordered, dialect, invoice)
        self.asked[f"status in {dialect}"] += 1
        return await self._hear(wish, request, dialect, asked_id=invoice, status=True)

    async def _hear(
        self,
        wish: Wish,
        request: Request,
        dialect: Dialect,
        *,
        asked_id: str | None = None,
        status: bool = False,
        other: bool = False,
    ) -> Answer | None:
        """Ask, and write the answer down; who hangs up hears nothing."""
        asked_at = now()
        if self._chance.random() < self._weather.hang_up:
            self._hits["panel hung up"] += 1
            outside(self._unheard(request))
            return None
        said = await self._said(request)
        if said is None:
            return None
        answer = Answer(
            asked_at=asked_at,
            at=now(),
            line=said[1],
            http=said[0],
            dialect=dialect,
            status_request=status,
            asked_id=asked_id,
            other=other,
        )
        wish.answers.append(answer)
        return answer

    async def _unheard(self, request: Request) -> None:
        await self._said(request)

    async def _said(self, request: Request) -> tuple[int, str] | None:
        ends_at = now() - stalled_s() + REPLY_TIMEOUT_S
        said = await self._ask(request)
        if said is not None and now() - stalled_s() > ends_at:
            late_s = now() - stalled_s() - ends_at
            self.troubles.append(f"answered {late_s:.2f} s late: {request}")
        return said
