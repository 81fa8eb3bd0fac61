"""Journeys: one order, in an office of its own, whose gateway is killed on the way.

What is the same for every such test may live here: killing at a point, starting again, and the
verdict. Which order is killed where is the tests' own.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.journey.court import Wanted, verdict
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, Told, UpstreamProcess
from tests.journey.processes import KILLED, Process, until_async
from tests.proof.judge import FINAL, Violation
from tests.proof.reading import Dialect

WHOLE_S = 90.0  # for a journey's end; on an idle machine it takes 2 s
AT_ONCE = 30  # journeys side by side: most of a journey is waiting

# Look-ups that come by themselves, or only when a callback asks for one: the first gateway of a
# journey has the one that makes its points certain, the second one the fast one.
FAST = {"recheck.schedule_s": "0.2,0.3,0.5", "recheck.settle_s": "0.5"}
ON_DEMAND = {**FAST, "recheck.schedule_s": "60"}
# The upstream's callbacks are refused until the next start, so that only look-ups tell.
DEAF = {**FAST, "upstream.callback_ips": "203.0.113.1"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How an order is placed: by whom, which is how it is told, and in which dialect."""

    reseller: str = "toko1"
    dialect: Dialect = "text"

    @property
    def other(self) -> Dialect:
        """Another dialect, in which it may be asked for as well."""
        if self.reseller == "toko1":
            return "text" if self.dialect == "json" else "json"
        others: dict[Dialect, Dialect] = {"text": "native", "native": "json", "json": "text"}
        return others[self.dialect]


# Every form of deliveries, in every dialect that has it.
MANNERS = (
    Manner("asli1", "text"),
    Manner("toko1", "json"),
    Manner("otomax1", "native"),
    Manner("report1", "text"),
    Manner("otomax1", "json"),
    Manner("asli1", "native"),
    Manner("otomax1", "text"),
    Manner("report1", "json"),
    Manner("report1", "native"),
)


@dataclass(slots=True)
class Journey:
    """One order in an office of its own, between the two counterparties.

    Attributes:
        manner: how it is placed.
        end: the order's last status, PENDING where it never ends.
        found: what the judge found of all journeys that began in one place.
    """

    office: Office
    panel: PanelProcess
    upstream: UpstreamProcess
    wanted: Wanted
    manner: Manner
    end: str
    found: list[Violation]

    async def order(self) -> str | None:
        return await self.wanted.order(self.office, self.panel)

    def told(self) -> list[Told]:
        return self.panel.told(self.wanted.name)

    async def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = await self.office.desk("order.show", name=self.wanted.name)
        return shown

    async def killed_at(self, point: str, nth: int, settings: dict[str, str]) -> None:
        """Start a gateway that is killed there, and order, until it is."""
        gateway = await self.office.serve_watched(point, nth, settings)
        await self.order()
        await self.dies_at(gateway, point)

    async def killed_again_at(self, point: str, settings: dict[str, str]) -> None:
        """Start a gateway that is killed there by what was left to it."""
        gateway = await self.office.serve_watched(point, 1, settings)
        await self.dies_at(gateway, point)

    async def dies_at(self, gateway: Process, point: str) -> None:
        assert await gateway.ended(WHOLE_S) == KILLED, self.describe()
        assert self.office.passed()[-1] == point

    async def recovers(self, *, asks_again: bool = False) -> None:
        """Start ordinarily, see the order through, and hold everybody against everybody."""
        gateway = await self.office.serve()
        if asks_again:  # nothing of the order was left, and its panel knows that it got no answer
            assert await self.order() is not None
        await self.arrives()
        await self.is_true()
        gateway.end()

    async def arrives(self) -> None:
        """Wait until the panel took the last status, or a look-up was made for what never ends."""

        async def look() -> bool:
            if self.end not in FINAL:
                return await self._looked_up()
            if not any(t.status == self.end and t.answered == 200 for t in self.told()):
                return False
            order = await self.shown()
            states = {delivery["state"] for delivery in order["deliveries"]}
            return order["status"] == self.end and "due" not in states

        await until_async(look, WHOLE_S, self.describe)

    async def _looked_up(self) -> bool:
        order = await self.shown()
        return order["named"] and order["looked_up_at"] is not None

    async def is_true(self) -> None:
        """Ask again, in another dialect, too; then panel, books and journal must agree."""
        for dialect in (self.wanted.dialect, self.manner.other):
            await self.wanted.order(self.office, self.panel, dialect)
            await self.wanted.status(self.office, dialect)
        self.wanted.dialects = {self.wanted.dialect}  # it was there already, and is told so
        run, violations = await verdict([self.wanted], self.office, self.panel, self.upstream)
        self.found += violations
        assert violations == [], f"{violations}\n{self.describe()}"
        (case,) = run.cases
        assert case.truth == self.end
        if case.bought:
            assert case.request_count == 1, self.describe()
        last = self.wanted.answers[-1].read
        assert last is not None, self.describe()
        assert last.word == self.end, self.describe()
        errors = [e for e in self.office.logs() if e["level"] in ("error", "critical")]
        assert errors == [], self.describe()

    def describe(self) -> str:
        logs = "\n".join(map(str, self.office.logs()))
        answers = [answer.line for answer in self.wanted.answers]
        told = [t.line for t in self.told()]
        return f"{self.wanted}: {answers}\ntold {told}\npassed {self.office.passed()}\n{logs}"


class Journeys:
    """Makes journeys, each in a copy of one folder, and walks them side by side."""

    def __init__(self, office: Office, panel: PanelProcess, upstream: UpstreamProcess) -> None:
        self._office, self._panel, self._upstream = office, panel, upstream
        self.found: list[Violation] = []

    def begin(self, trx_id: str, dest: str, end: str, manner: Manner = Manner()) -> Journey:
        folder = self._office.folder.with_name(trx_id)
        office = self._office.copy(folder, **{"upstream.base_url": self._upstream.url, **FAST})
        wanted = Wanted(manner.reseller, trx_id, dest, manner.dialect)
        return Journey(office, self._panel, self._upstream, wanted, manner, end, self.found)


async def all_of(walks: Iterable[Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Walk to their ends, some at a time, and tell every one that failed."""
    room = asyncio.Semaphore(at_once)

    async def one(walk: Awaitable[None]) -> None:
        async with room:
            await walk

    ended = await asyncio.gather(*map(one, walks), return_exceptions=True)
    failures = [end for end in ended if end is not None]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(ended)} journeys failed", failures)
