"""One simulated world: panels order, the upstream sells and errs, the process dies and comes back.

Everything is drawn from one seed, so that a world happens again whenever its seed is given. When
the load is over time goes on until nothing is open or to be told any more, and then `judge` holds
what everybody saw against the upstream's books.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from gateway.domain.errors import JournalUnavailable
from gateway.log import setup_logging
from gateway.sandbox.answers import STRANGER_PREFIX
from gateway.sandbox.core import Signed
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.ledger import Purchase
from gateway.sandbox.options import SandboxOptions
from tests.proof.asking import JSON_TYPE, Request
from tests.proof.judge import Bought, Case, Money, Run, Violation, judge
from tests.proof.sim_customers import KEYS, RESELLERS, Customers, Wish
from tests.proof.sim_gateway import (
    PANEL_IP,
    PUBLIC_URL,
    UPSTREAM_IP,
    Alarm,
    Process,
    Surroundings,
    ending_at,
    naming_by,
)
from tests.proof.sim_loop import VirtualLoop, now, outside, run
from tests.proof.sim_network import Network
from tests.proof.sim_panel import Panels
from tests.proof.sim_store import Disk
from tests.proof.sim_weather import SETTLE_S, Weather, weather_of
from tests.support.logs import LogLines, captured_log

EPOCH_S = 1_795_366_399
_MS_PER_S = 1000
_HOUR_S = 3600.0
_DOWN_S, _DOWN_OFTEN = (0.1, 1.0, 5.0, 60.0, 600.0), (30, 30, 30, 9, 1)
_LOOKS_S = 0.5 * _HOUR_S  # how often is looked whether all is quiet
_SETTLES_WITHIN_S = 7 * 24 * _HOUR_S  # deliveries take 76 hours, a watch a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a world.

    Attributes:
        violations: every promise that was not kept.
        troubles: what the gateway logged as an error of its own.
        hits: faults that really happened, by kind.
        asked: requests of resellers, by kind and dialect.
        statuses: the orders by their status in the end.
        crashes: ends of the process.
        days: virtual days that passed.
        digest: a hash over everything that was journaled, answered and told.
    """

    seed: int
    orders: int
    violations: Sequence[Violation]
    troubles: Sequence[str]
    hits: Counter[str]
    asked: Counter[str]
    statuses: Counter[str]
    crashes: int
    days: float
    digest: str


def simulate(seed: int, orders: int) -> Outcome:
    """Let a world happen."""

    async def happen() -> Outcome:
        return await World(seed, orders).happen()

    return run(happen)


class World:
    """Everything that happens under one seed. To be made inside a virtual loop."""

    def __init__(self, seed: int, orders: int) -> None:
        self.seed = seed
        self.hits: Counter[str] = Counter()
        self.crashes = 0
        self._chance = random.Random(f"{seed} world")
        self.weather: Weather = weather_of(self._chance)
        self._wall_offset_ms = 0
        options = SandboxOptions(
            delay_s=self._chance.choice((0.5, 3.0, 45.0)),
            accounts=KEYS,
            faults=_CountedFaults(self.weather.upstream, seed, self.hits),
            late_s=self._chance.choice((5.0, 30.0)),
            callbacks=self._chance.choice(("auto", "auto", "auto", "text", "json", "both")),
            webhook=self._chance.choice((None, None, None, f"{PUBLIC_URL}/callback")),
            clock=lambda: EPOCH_S + now(),
        )
        self._disk = Disk(random.Random(f"{seed} disk"), self.weather.disk, self.hits)
        self._network = Network(
            random.Random(f"{seed} network"), self.weather, options, self.hits, self._call_back
        )
        self._panels = Panels(random.Random(f"{seed} panels"), self.weather, self.hits)
        self._alarm = Alarm(self._disk)
        self._around = Surroundings(
            disk=self._disk,
            network=self._network,
            panels=self._panels,
            weather=self.weather,
            wall_ms=self._wall_ms,
            running_ms=_running_ms,
            alarm=self._alarm,
        )
        self._process: Process | None = None
        self._ended = asyncio.Event()
        self._troubles: list[str] = []
        self._span_s = orders * self._chance.choice((0.2, 1.0, 4.0))
        self._customers = Customers(
            random.Random(f"{seed} customers"), self.weather, self._panels, self.hits, self._ask
        )
        self._customers.wish(orders, self._span_s)

    def _wall_ms(self) -> int:
        return EPOCH_S * _MS_PER_S + _running_ms() + self._wall_offset_ms

    async def happen(self) -> Outcome:
        """Run the load, let everything settle, and judge."""
        with (
            _errors_logged() as log,
            self._alarm.listening(),
            ending_at(self._ends_at),
            naming_by(random.Random(f"{self.seed} names")),
        ):
            await self._open()
            keeper, nemesis = outside(self._keep_alive()), outside(self._misfortunes())
            await self._customers.come()
            nemesis.cancel()
            await self._settle()
            keeper.cancel()
            outcome = self._judged(self._unexpected(log))
            await self._running().life.end()
        return outcome

    # -- the process, its ends and its beginnings

    def _running(self) -> Process:
        assert self._process is not None
        return self._process

    async def _open(self) -> None:
        """The first start, with the resellers that there are; the disk is well meanwhile."""
        self._disk.well = True
        await self._start()
        desk, life = self._running().gateway.desk, self._running().life
        for reseller in RESELLERS.values():
            adding = desk.resellers.add(
                reseller.code,
                key=reseller.key,
                upstream_key=reseller.upstream_key,
                delivery=reseller.profile,
                callback_url=reseller.callback_url,
                pin=reseller.pin,
                password=reseller.password,
                allow_pin=reseller.shows_pin,
            )
            await life.begin(adding)
        self._disk.well = False

    async def _start(self) -> None:
        process = Process(self._around)
        try:
            await process.start()
        except JournalUnavailable:
            await process.life.end()
            raise
        self._process = process

    async def _keep_alive(self) -> None:
        """Start the process again whenever it ended, as a service manager does."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            process, self._process = self._process, None
            if process is not None:
                self.crashes += 1
                await process.life.end()
            await asyncio.sleep(self._chance.choices(_DOWN_S, weights=_DOWN_OFTEN)[0])
            try:
                await self._start()
            except JournalUnavailable:
                self._ended.set()

    def _ends_at(self, point: str) -> bool:
        """Whether the process ends at this point of an order's way."""
        ends = not self._disk.well and self._chance.random() < self.weather.named_crash
        if ends:
            self.hits[f"crash at {point}"] += 1
            self._ended.set()
        return ends

    async def _misfortunes(self) -> None:
        """What happens to the whole house, at instants of the load."""
        number = max(2, round(self.weather.crashes * len(self._customers.wishes) / 100))
        instants = sorted(self._chance.uniform(0, self._span_s * 1.5) for _ in range(number * 2))
        for instant in instants:
            await asyncio.sleep(max(0.0, instant - now()))
            what = self._chance.choice(
                (self._crash, self._crash, self._crash, self._cut_off, self._lose_disk, self._term)
            )
            await what()
            if self._chance.random() < 0.05:
                self._stall()
            if self._chance.random() < 0.2:
                self._set_clock()

    async def _crash(self) -> None:
        self.hits["crash"] += 1
        self._ended.set()

    async def _cut_off(self) -> None:
        self.hits["upstream cut off"] += 1
        self._network.down_until = now() + self._chance.choice((1.0, 8.0, 60.0))

    async def _lose_disk(self) -> None:
        self.hits["disk away"] += 1
        self._disk.away_until = now() + self._chance.choice((0.1, 3.0, 90.0))

    async def _term(self) -> None:
        if self._process is not None:
            self.hits["stopped in order"] += 1
            await self._process.stop()
            self._ended.set()

    def _stall(self) -> None:
        """The machine sleeps; all that was due meanwhile happens when it wakes."""
        self.hits["stalled"] += 1
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stall(self._chance.choice((5.0, 61.0, 600.0)))

    def _set_clock(self) -> None:
        """Somebody sets the machine's clock; the gateway sees it within its second."""
        self.hits["clock set"] += 1
        by_s = self._chance.choice((2.0, 50.0, _HOUR_S, 365 * 24 * _HOUR_S))
        self._wall_offset_ms += round(self._chance.choice((-1, 1)) * by_s * _MS_PER_S)
        self._alarm.clock_was_set(self._chance.random())

    # -- who calls the gateway

    async def _ask(self, request: Request) -> tuple[int, str] | None:
        process = self._process
        if process is None or process.life.over:
            return None
        return await process.serve(request, PANEL_IP)

    async def _call_back(self, target: str, signed: Signed | None) -> int | None:
        process = self._process
        if process is None or process.life.over:
            return None
        request = Request("GET", target)
        if signed is not None:
            headers = {"Content-Type": JSON_TYPE, "x-signature": signed.signature}
            request = Request("POST", target, headers, signed.body)
        answer = await process.serve(request, UPSTREAM_IP)
        strange = signed is not None and STRANGER_PREFIX.encode() in signed.body
        if answer is not None and answer[0] not in (200, 503) and not strange:
            self._troubles.append(f"HTTP {answer[0]} to a callback: {answer[1]}")
        return None if answer is None else answer[0]

    # -- the end

    async def _settle(self) -> None:
        """Let time go on until nothing is left to do; the disk and the process are well now."""
        self._disk.well = True
        self._alarm.time_noted_every_s = _SETTLES_WITHIN_S
        ends_at = now() + _SETTLES_WITHIN_S
        while now() < ends_at:
            await asyncio.sleep(_LOOKS_S)
            if self._process is not None and self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        names = self._disk.connection.execute(
            "SELECT reseller || '-' || trx_id, final_at FROM orders WHERE due_at IS NOT NULL"
        ).fetchall()
        (due,) = self._disk.connection.execute(
            "SELECT (SELECT count(*) FROM deliveries WHERE next_at IS NOT NULL)"
            " + (SELECT count(*) FROM waiting_callbacks JOIN orders"
            " ON upstream_trx_id = reseller || '-' || trx_id)"
        ).fetchone()
        return not due and all(
            final_at is None and self._truth(name) == "PENDING" for name, final_at in names
        )

    def _truth(self, name: str) -> str:
        bought = self._network.ledger.purchases_of(name)
        return bought[0].status.value if bought else "FAILED"

    def _judged(self, troubles: Sequence[str]) -> Outcome:
        cases = self._cases()
        names = {name for wish in self._customers.wishes for name in self._names(wish)}
        names |= {case.name for case in cases}
        ledger = self._network.ledger
        bought = {each.trx_id or each.invoice_number for each in ledger.purchases}
        money = [
            Money(
                account=account.name,
                opening_rp=account.opening_rp,
                balance_rp=account.balance_rp,
                bought=[self._bought(each) for each in account.by_invoice.values()],
            )
            for account in ledger.accounts()
        ]
        strays = sorted((bought | self._panels.heard.keys()) - names)
        journaled = [case.journal["status"] for case in cases if case.journal is not None]
        return Outcome(
            seed=self.seed,
            orders=len(cases),
            violations=judge(Run(cases=cases, money=money, strays=strays, settle=SETTLE_S)),
            troubles=[*troubles, *self._customers.troubles, *self._troubles],
            hits=self.hits,
            asked=self._customers.asked,
            statuses=Counter(journaled),
            crashes=self.crashes,
            days=now() / (24 * _HOUR_S),
            digest=self._digest(cases),
        )

    def _unexpected(self, log: LogLines) -> list[str]:
        """What was logged as an error; that a stranger's callback is given up is none of ours."""
        ours = {name for wish in self._customers.wishes for name in self._names(wish)}
        return [
            str(event)
            for event in log.errors()
            if event["event"] != "callback.given_up" or event["upstream_trx_id"] in ours
        ]

    def _names(self, wish: Wish) -> list[str]:
        """Return under which names the gateway asked the upstream for it; one is right.

        What has no trx_id is known by its destination, of which there is no other.
        """
        asked = self._network.names[wish.product, wish.dest]
        return list(asked) if wish.unnamed else [wish.name]

    def _cases(self) -> list[Case]:
        journal, deliveries = self._disk.orders(), self._disk.deliveries()
        unnamed = {
            (order["product_code"], order["dest"]): name
            for name, order in journal.items()
            if order["unnamed"]
        }
        network = self._network
        cases = []
        for wish in self._customers.wishes:
            names = self._names(wish)
            kept_as = unnamed.get((wish.product, wish.dest)) if wish.unnamed else wish.name
            bought = [each for name in names for each in network.ledger.purchases_of(name)]
            case = Case(
                reseller=wish.reseller.code,
                trx_id=wish.trx_id,
                product_code=wish.product,
                dest=wish.dest,
                answers=wish.answers,
                heard=self._panels.heard.get(wish.name, []),
                journal=journal.get(kept_as or ""),
                deliveries=deliveries.get(kept_as or "", []),
                requests=[sent for name in names for sent in network.sent(name)],
                bought=[self._bought(each) for each in bought],
                unnamed=wish.unnamed,
                forms=frozenset(wish.forms),
                key=wish.reseller.key,
            )
            cases.append(case)
        return cases

    def _bought(self, purchase: Purchase) -> Bought:
        told = (purchase.invoice_number, purchase.status.value)
        return Bought(
            invoice_number=purchase.invoice_number,
            product_code=purchase.product_code,
            dest=purchase.user_id + purchase.server_id,
            price_rp=purchase.price_rp,
            returned_rp=purchase.returned_rp,
            history=[(at, status.value) for at, status in purchase.history],
            announced=told in self._network.announced,
        )

    def _digest(self, cases: Sequence[Case]) -> str:
        digest = sha256(self._disk.digest().encode())
        for case in cases:
            digest.update(repr((case.answers, case.heard, case.requests)).encode())
        return digest.hexdigest()


def _running_ms() -> int:
    return round(now() * _MS_PER_S)


class _CountedFaults(Faults):
    """The sandbox's faults; counts what hits."""

    def __init__(self, rates: Mapping[str, float], seed: int, hits: Counter[str]) -> None:
        super().__init__(rates, seed)
        self._counted: Counter[str]
        object.__setattr__(self, "_counted", hits)

    def hits(self, fault: Fault, trx_id: str | None, number: int = 1) -> bool:
        hit = super().hits(fault, trx_id, number)
        if hit and fault is not Fault.DOUBLE_BUY:
            self._counted[fault.label] += 1
        return hit


@contextlib.contextmanager
def _errors_logged() -> Iterator[LogLines]:
    """Catch what the gateway logs as errors, and nothing else: thousands of orders log much."""
    with captured_log() as log:
        setup_logging(format="json", level="error", stream=log._stream)
        yield log
