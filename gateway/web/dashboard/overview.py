"""*Ringkasan*: the operator's three questions at one look.

What is stuck, who was told, and is there enough saldo.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.domain.alert import KINDS
from gateway.domain.backoff import MS_PER_S
from gateway.domain.delivery import DeliveryState
from gateway.flow.ledger import HOUR_MS, LOST, OPEN, SOLD, Totals, together
from gateway.web.dashboard.chart import Chart, Slot, lasting, volume
from gateway.web.dashboard.saldo import saldi
from gateway.web.dashboard.visit import Route, Tools, Visit

_DAY_MS: Final = 86_400 * MS_PER_S
_DAYS: Final = 7
_OLDEST: Final = 8
_ALERTS: Final = 8
_COUNT_TO: Final = 10_000  # deliveries; beyond it `more than` says enough
_COUNT_S: Final = 0.15  # the first look counts a week; the next ones find it counted
_NAMES: Final = {"sold": SOLD, "open": OPEN, "lost": LOST}


class Overview:
    """`/`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [Route("GET", "/", self.show)]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show it."""
        store, now, shapes = self._tools.store, visit.shapes.now, visit.shapes
        midnight = shapes.midnight(now)
        first = midnight - (_DAYS - 1) * _DAY_MS
        begin = min(first, now - _DAY_MS)
        begin -= begin % HOUR_MS
        hours = await self._tools.ledger.hours(begin, now, _COUNT_S)
        timed = [(begin + n * HOUR_MS, one) for n, one in enumerate(hours)]
        day = [Slot(shapes.hour(at), one) for at, one in timed if at > now - _DAY_MS]
        week = [_day_slot(visit, first + n * _DAY_MS, timed) for n in range(_DAYS)]
        return await visit.page(
            "overview.html",
            today=week[-1].totals,
            names=_NAMES,
            periods=[_period("day", day), _period("week", week)],
            oldest=await store.oldest_open(_OLDEST),
            due=await store.count_deliveries(DeliveryState.DUE, _COUNT_TO + 1),
            dead=await store.count_deliveries(DeliveryState.DEAD, _COUNT_TO + 1),
            count_to=_COUNT_TO,
            saldi=await saldi(self._tools),
            alerts=await store.alerts(limit=_ALERTS),
            kinds=KINDS,
            sold=SOLD,
            lost=LOST,
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time with its charts.

    Attributes:
        name: a key of `words` below `overview.`.
        slots: its hours or days.
        totals: what they come to together.
        volume: how many there were.
        lasting: how long they took.
    """

    name: str
    slots: list[Slot]
    totals: Totals
    volume: Chart
    lasting: Chart


def _period(name: str, slots: list[Slot]) -> Period:
    totals = together([slot.totals for slot in slots])
    return Period(name, slots, totals, volume(slots), lasting(slots))


def _day_slot(visit: Visit, begin: int, hours: list[tuple[int, Totals]]) -> Slot:
    mine = [one for at, one in hours if begin <= at < begin + _DAY_MS]
    return Slot(visit.shapes.weekday(begin), together(mine))
