"""The process is killed at each point of an order's way, and the order still arrives, bought once.

Each journey: a gateway that kills itself (SIGKILL) at a point, an order, then an ordinary start.
The panel, the upstream's books and the journal must then agree, and the upstream must have been
asked to buy exactly once. The table says which points are on the way of which order; it is held
against what a gateway really passes, and against the points that the source names.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.journey.office import Office
from tests.journey.parties import DELAY_S, PanelProcess, Told, UpstreamProcess
from tests.journey.points import points_in_source
from tests.journey.processes import KILLED, Process, until, until_async

WHOLE_S = 40.0  # for a journey's end; on an idle machine it takes 3 s
AT_ONCE = 4  # journeys side by side in one test: a start is half a second of one core

# Look-ups that come by themselves, or only when a callback asks for one: the first gateway of a
# journey has the one that makes the order of its points certain, the second one the fast one.
FAST = {"recheck.schedule_s": "0.2,0.3,0.5"}
ON_DEMAND = {"recheck.schedule_s": "60"}

BEGIN = ("place.before_commit", "place.after_commit", "send.before", "send.after")
REPLY = ("reply.before_commit", "reply.after_commit")
CALLBACK = ("callback.before", "callback.before_commit", "callback.after_commit")
LOOKUP = ("lookup.before_commit", "lookup.after_commit")
DELIVERY = ("delivery.before", "delivery.after")


def times(count: int, *points: str) -> dict[str, int]:
    """Return how often each of these points is passed at least."""
    return dict.fromkeys(points, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An order's way.

    Attributes:
        name: of the way.
        dest: the destination that has the sandbox walk it.
        answer: the status in the answer to the panel.
        told: the statuses of its deliveries, in their order.
        points: what is on the way, and how often; a point that is not here is not passed.
        settings: of the gateway that is killed.
        refusals: deliveries that the panel answers with 500 first.
        again: points whose kills another way shows.
    """

    name: str
    dest: str
    answer: str
    told: tuple[str, ...]
    points: dict[str, int]
    settings: dict[str, str]
    refusals: int = 0
    again: tuple[str, ...] = ()

    @property
    def kills(self) -> list[tuple[str, int]]:
        return [
            (point, nth + 1)
            for point, count in self.points.items()
            if point not in self.again
            for nth in range(count)
        ]


WAYS = (
    Way(
        name="success",
        dest="123456001",
        answer="SUCCESS",
        told=("SUCCESS",),
        points=times(1, *BEGIN, *REPLY, *CALLBACK, *DELIVERY),
        settings=ON_DEMAND,
    ),
    Way(
        name="pending-success",
        dest="123456002",
        answer="PENDING",
        told=("SUCCESS",),
        points=times(1, *BEGIN, *REPLY, *CALLBACK, *DELIVERY),
        settings=ON_DEMAND,
    ),
    Way(
        name="pending-failed",
        dest="123456003",
        answer="PENDING",
        told=("FAILED",),
        points=times(1, *BEGIN, *REPLY, *CALLBACK, *LOOKUP, *DELIVERY),
        settings=ON_DEMAND,
    ),
    Way(
        name="success-refunded",
        dest="123456004",
        answer="SUCCESS",
        told=("SUCCESS", "REFUNDED"),
        points=times(1, *BEGIN, *REPLY, *LOOKUP) | times(2, *CALLBACK, *DELIVERY),
        settings=ON_DEMAND,
    ),
    Way(
        name="never-called-back",
        dest="123456011",
        answer="PENDING",
        told=("SUCCESS",),
        points=times(1, *BEGIN, *REPLY, *DELIVERY) | times(2, *LOOKUP),
        settings=FAST,
        again=BEGIN,  # as in "pending-success"
    ),
    Way(
        name="panel-down-at-first",
        dest="123456001",
        answer="SUCCESS",
        told=("SUCCESS",),
        points=times(1, *BEGIN, *REPLY, *CALLBACK) | times(3, *DELIVERY),
        settings=ON_DEMAND,
        refusals=2,
        again=(*BEGIN, *REPLY, *CALLBACK),  # as in "success"
    ),
)


@dataclass(slots=True)
class Journey:
    """One order in an office of its own, between the two counterparties."""

    office: Office
    panel: PanelProcess
    upstream: UpstreamProcess
    way: Way
    trx_id: str

    @property
    def order_name(self) -> str:
        return f"toko1-{self.trx_id}"

    @property
    def callback_url(self) -> str:
        return f"{self.panel.url}/{self.trx_id}"

    async def order(self) -> str | None:
        return await self.office.order(self.trx_id, self.way.dest, self.callback_url)

    def told(self) -> list[Told]:
        return self.panel.told(self.trx_id)

    async def arrives(self) -> dict[str, Any]:
        """Wait until the panel took the last status and the journal knows; returns the order."""

        async def look() -> dict[str, Any] | None:
            if not any(t.status == self.way.told[-1] and t.answered == 200 for t in self.told()):
                return None
            order: dict[str, Any] = await self.office.desk("order.show", name=self.order_name)
            waiting = [d for d in order["deliveries"] if d["state"] == "due"]
            return None if waiting or order["due_at"] is not None else order

        return await until_async(look, WHOLE_S, self.describe)

    def describe(self) -> str:
        logs = "\n".join(map(str, self.office.logs()))
        return f"{self.trx_id}: told {self.told()}\npassed {self.office.passed()}\n{logs}"

    async def is_true(self, order: dict[str, Any]) -> None:
        """Assert that panel, books and journal agree, and that it was bought by one request."""
        books = (await self.upstream.ledger())[self.order_name]
        (purchase,) = books["purchases"]
        assert books["requests"] == 1, self.describe()
        assert order["status"] == self.way.told[-1] == purchase["history"][-1]
        # An order's reply does not name its invoice; callbacks and look-ups do.
        assert order["invoice_number"] in (purchase["invoice_number"], None)
        self.panel_heard_the_truth(purchase["invoice_number"])
        assert [d["state"] for d in order["deliveries"] if d["status"] == order["status"]] == [
            "delivered"
        ]
        assert [e for e in self.office.logs() if e["level"] in ("error", "critical")] == []

    def panel_heard_the_truth(self, invoice_number: str) -> None:
        told = self.told()
        heard = [status for status, _ in groupby(t.status for t in told)]
        # What was overtaken by a newer status need not be told, and nothing goes backwards.
        assert heard in (list(self.way.told), list(self.way.told[-1:])), self.describe()
        for status in heard:
            assert len({t.line for t in told if t.status == status}) == 1, "a repeat is the same"
        for values in (t.values for t in told):
            assert values["trx_id"] == self.trx_id
            assert values["invoice_number"] in (invoice_number, "")

    async def is_over_for_the_panel(self) -> None:
        """Ask again, as panels do: the same trx_id tells its status and buys nothing."""
        final = f", status {self.way.told[-1]}. "
        assert final in (await self.order() or "")
        assert final in (await self.office.status(self.trx_id) or "")
        assert await self.upstream.requests(self.order_name) == 1


class Journeys:
    """Makes journeys, each in a copy of one folder."""

    def __init__(self, office: Office, panel: PanelProcess, upstream: UpstreamProcess) -> None:
        self._office, self._panel, self._upstream = office, panel, upstream
        self._room = asyncio.Semaphore(AT_ONCE)

    async def begin(self, way: Way, trx_id: str) -> Journey:
        office = self._office.copy(self._folder(trx_id))
        if way.refusals:
            await self._panel.refuse(trx_id, way.refusals)
        return Journey(office, self._panel, self._upstream, way, trx_id)

    def _folder(self, name: str) -> Path:
        return self._office.folder.with_name(name)

    async def killed(self, way: Way, point: str, nth: int) -> None:
        """Walk a way with a kill in it, then look at what came of it."""
        async with self._room:
            journey = await self.begin(way, f"{way.name}.{point}.{nth}")
            gateway = await journey.office.serve_watched(point, nth, **way.settings)
            answer = await journey.order()
            assert answer is None or f", status {way.answer}. " in answer
            assert await gateway.ended(WHOLE_S) == KILLED
            assert journey.office.passed()[-1] == point
            await self.recovers(journey, asks_again=point == "place.before_commit")

    async def recovers(self, journey: Journey, *, asks_again: bool = False) -> None:
        """Start ordinarily and see the order through."""
        gateway = await journey.office.serve()
        if asks_again:  # nothing of the order was left, and its panel knows that it got no answer
            assert f", status {journey.way.answer}. " in (await journey.order() or "")
        await journey.is_true(await journey.arrives())
        await journey.is_over_for_the_panel()
        await journey.office.stop(gateway)

    async def watched(self, way: Way) -> list[str]:
        """Walk a way that nothing disturbs and return the points that were passed."""
        async with self._room:
            journey = await self.begin(way, f"{way.name}.undisturbed")
            gateway = await journey.office.serve_watched("", 0, **way.settings)
            assert f", status {way.answer}. " in (await journey.order() or "")
            await journey.is_true(await journey.arrives())
            await asyncio.sleep(DELAY_S / 5)  # the callback of an order that is final at once
            await journey.office.stop(gateway)
            return journey.office.passed()


@pytest.fixture
def journeys(office: Office, panel: PanelProcess, upstream: UpstreamProcess) -> Journeys:
    return Journeys(office, panel, upstream)


async def all_of(journeys: Iterable[Awaitable[None]]) -> None:
    """Walk these journeys side by side to their ends, and tell every one that failed."""
    ended = await asyncio.gather(*journeys, return_exceptions=True)
    failures = [end for end in ended if end is not None]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(ended)} journeys failed", failures)


def test_every_point_of_the_source_is_on_some_way() -> None:
    assert points_in_source() == {point for way in WAYS for point in way.points}


async def test_the_table_says_what_is_passed(journeys: Journeys) -> None:
    passed = await asyncio.gather(*(journeys.watched(way) for way in WAYS))
    for way, points in zip(WAYS, passed, strict=True):
        assert set(points) == way.points.keys(), way.name
        for point, count in way.points.items():
            assert points.count(point) >= count, (way.name, point)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_killed_at_every_point(journeys: Journeys, way: Way) -> None:
    await all_of(journeys.killed(way, point, nth) for point, nth in way.kills)


async def test_killed_again_at_every_step_of_its_recovery(journeys: Journeys) -> None:
    way = next(way for way in WAYS if way.name == "never-called-back")
    journey = await journeys.begin(way, "killed.again")
    gateway = await journey.office.serve_watched("send.after", 1, **FAST)
    assert await journey.order() is None
    assert await gateway.ended(WHOLE_S) == KILLED
    for point in (*REPLY, *LOOKUP, *DELIVERY):
        await _killed_at(journey, point)
    await journeys.recovers(journey)


async def _killed_at(journey: Journey, point: str) -> Process:
    gateway = await journey.office.serve_watched(point, 1, **FAST)
    assert await gateway.ended(WHOLE_S) == KILLED
    return gateway


async def test_killed_before_each_of_its_sends_it_fails_and_nothing_was_bought(
    journeys: Journeys,
) -> None:
    way = next(way for way in WAYS if way.name == "success")
    journey = await journeys.begin(way, "never.sent")
    office = journey.office
    gateway = await office.serve_watched("send.before", 1, **FAST)
    assert await journey.order() is None
    assert await gateway.ended(WHOLE_S) == KILLED
    for _ in range(2):  # contract T6: three sends, and each was journaled before it was made
        await _killed_at(journey, "send.before")
    gateway = await office.serve()
    told = await until(journey.told, WHOLE_S, journey.describe)
    assert [t.status for t in told] == ["FAILED"]
    assert "status FAILED. EXPIRED - " in (await office.status(journey.trx_id) or "")
    assert journey.order_name not in await journey.upstream.ledger()
    assert [e["kind"] for e in (await _shown(journey))["timeline"]].count("sending") == 3
    await office.stop(gateway)


async def _shown(journey: Journey) -> dict[str, Any]:
    shown: dict[str, Any] = await journey.office.desk("order.show", name=journey.order_name)
    return shown
