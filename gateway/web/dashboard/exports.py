"""`/export/…`: what the lists show, as a file for a spreadsheet.

Written while it is read, a few hundred rows at a time, so a million rows take no more memory than
a page. Times are in the visitor's zone, which stands in the head; amounts are whole Rupiah. What
is read and written here is what the pages show: no key, no address of a callback.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import tzinfo
from typing import Final

from aiohttp import web
from msgspec.structs import replace

from gateway.domain.alert import KINDS
from gateway.domain.backoff import MS_PER_S
from gateway.domain.delivery import DeliveryState
from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.flow.ledger import LOST, OPEN, SOLD
from gateway.log import get_logger
from gateway.store import OrderSearch
from gateway.web.connection import SERVER
from gateway.web.dashboard.orders import read_filter
from gateway.web.dashboard.resellers import PERIODS
from gateway.web.dashboard.sheet import MARK, Cell, Moment, line
from gateway.web.dashboard.visit import Route, Tools, Visit

log = get_logger(__name__)

AT_ONCE: Final = 2  # files at one time: each keeps the journal's reader busy
_PART: Final = 500  # rows that are held at a time, some 500 bytes each
_REST_S: Final = 0.05  # at most, after each part
_COUNT_S: Final = 5.0  # for the figures of one reseller
_DAY_MS: Final = 86_400 * MS_PER_S

Rows = AsyncIterator[list[Cell]]
Export = Callable[[Visit], Rows]


class Exports:
    """`/export/{what}`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._under_way = 0
        self._kinds: dict[str, tuple[Export, tuple[str, ...]]] = {
            "orders": (self._orders, _ORDERS),
            "deliveries": (self._deliveries, _DELIVERIES),
            "resellers": (self._resellers, _RESELLERS),
            "alerts": (self._alerts, _ALERTS),
            "audit": (self._audit, _AUDIT),
        }
        self.routes = [Route("GET", "/export/{what}", self.write)]

    async def write(self, visit: Visit) -> web.StreamResponse:
        """Write one file; a visitor is asked to come again where too many are under way."""
        what = visit.request.match_info["what"]
        if what not in self._kinds:
            return await visit.page("error.html", 404, what=visit.say("error.missing"))
        if self._under_way >= AT_ONCE:
            return await visit.page("error.html", 503, what=visit.say("export.busy"))
        self._under_way += 1
        try:
            return await self._write(visit, what)
        finally:
            self._under_way -= 1

    async def _write(self, visit: Visit, what: str) -> web.StreamResponse:
        export, names = self._kinds[what]
        file = f"{visit.say(f'export.{what}')}-{visit.shapes.day(visit.shapes.now)}.csv"
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Server": SERVER,
                "Content-Disposition": f'attachment; filename="{file}"',
            }
        )
        await response.prepare(visit.request)
        try:
            await response.write((MARK + line(_head(visit, names))).encode())
            async for part in _parts(export(visit), visit.shapes.tz):
                await self._refuse_at_the_end(visit)
                await response.write(part.encode())
            await response.write_eof()
        except (JournalUnavailable, NotDone) as error:
            # Half a file must not look like a whole one: the browser sees that it broke off.
            log.warning("export.broke_off", what=what, reason=str(error))
            if visit.request.transport is not None:
                visit.request.transport.abort()
        except ConnectionError:
            return response  # the browser has gone
        return response

    async def _refuse_at_the_end(self, visit: Visit) -> None:
        """Raise where the gateway goes down, or the session has ended."""
        self._tools.gate.refuse_while_draining()
        if not await self._tools.sessions.goes_on(visit.who):
            raise NotDone("the session has ended")

    async def _orders(self, visit: Visit) -> Rows:
        asked = read_filter(visit)
        wanted = await self._tools.ledger.between(asked.search, asked.since, asked.until)
        next_id: int | None = wanted.before_id
        while True:
            part = await self._tools.store.find_orders(_from(wanted, next_id), _PART)
            for order in part.orders:
                yield [
                    when(order.placed_at),
                    order.reseller,
                    order.trx_id,
                    order.upstream_trx_id,
                    order.invoice_number,
                    order.product_code,
                    order.dest,
                    order.status.value,
                    order.note,
                    order.product_price,
                    when(order.final_at),
                    order.dialect.value,
                ]
            next_id = part.next_id
            if next_id is None:
                return

    async def _deliveries(self, visit: Visit) -> Rows:
        host, state = visit.asked("host") or None, visit.asked("state")
        wanted = DeliveryState(state) if state in set(DeliveryState) else None
        next_id: int | None = None
        while True:
            part = await self._tools.store.find_deliveries(host, wanted, next_id, _PART)
            for row in part.deliveries:
                order = await self._tools.store.order(row.order_id)
                yield [
                    row.id,
                    when(row.created_at),
                    row.reseller,
                    order.trx_id,
                    row.message.status,
                    row.message.host,
                    row.state.value,
                    row.attempts,
                    when(row.next_at),
                    when(row.done_at),
                    row.last_result,
                ]
            next_id = part.next_id
            if next_id is None:
                return

    async def _resellers(self, visit: Visit) -> Rows:
        ledger = self._tools.ledger
        for row in await self._tools.desk.resellers.show_all():
            for name, days in PERIODS.items():
                wanted = await ledger.between(
                    OrderSearch(reseller=row["code"]), visit.shapes.now - days * _DAY_MS, None
                )
                totals = await ledger.totals(wanted, _COUNT_S)
                yield [
                    row["code"],
                    row["name"],
                    visit.say("reseller.suspended" if row["suspended"] else "reseller.active"),
                    visit.say(f"period.{name}"),
                    totals.count(),
                    totals.count(SOLD),
                    totals.count(OPEN),
                    totals.count(LOST),
                    _whole(totals.span_ms(0.5)),
                    _whole(totals.span_ms(0.95)),
                    totals.rupiah(SOLD),
                    row["saldo"],
                    visit.say("frame.yes" if totals.is_whole else "frame.no"),
                ]

    async def _alerts(self, _: Visit) -> Rows:
        next_id: int | None = None
        while True:
            part = await self._tools.store.alerts(with_acked=True, before_id=next_id, limit=_PART)
            for row in part:
                yield [
                    row.id,
                    when(row.raised_at),
                    row.kind.value,
                    KINDS[row.kind].severity.value,
                    row.order,
                    row.text,
                    when(row.acked_at),
                    when(row.ended_at),
                ]
            if len(part) < _PART:
                return
            next_id = part[-1].id

    async def _audit(self, visit: Visit) -> Rows:
        who, about = visit.asked("who") or None, visit.asked("about") or None
        next_id: int | None = None
        while True:
            part = await self._tools.store.audit(
                who=who, about=about, before_id=next_id, limit=_PART
            )
            for row in part:
                yield [
                    row.id,
                    when(row.at),
                    row.who,
                    row.command,
                    row.about,
                    row.details,
                    row.outcome,
                ]
            if len(part) < _PART:
                return
            next_id = part[-1].id


_ORDERS: Final = (
    *("placed", "reseller", "trx_id", "upstream_trx_id", "invoice", "product", "dest"),
    *("status", "note", "price", "final", "dialect"),
)
_DELIVERIES: Final = (
    *("number", "made", "reseller", "trx_id", "status", "host", "state", "attempts"),
    *("next", "done", "result"),
)
_RESELLERS: Final = (
    *("reseller", "name", "state", "period", "orders", "sold", "open", "lost", "half_ms"),
    *("nearly_all_ms", "bought", "saldo", "is_whole"),
)
_ALERTS: Final = ("number", "raised", "kind", "severity", "order", "text", "acked", "ended")
_AUDIT: Final = ("number", "at", "who", "command", "about", "details", "outcome")
_TIMES: Final = frozenset(
    {"placed", "final", "made", "next", "done", "raised", "acked", "ended", "at"}
)


def _head(visit: Visit, names: Iterable[str]) -> list[Cell]:
    """Return the columns' names; those of times name their zone, those of amounts Rupiah."""
    zone = visit.shapes.zone.upper()
    return [
        visit.say(f"column.{name}") + (f" ({zone})" if name in _TIMES else "") for name in names
    ]


def when(at: int | None) -> Moment | None:
    """Return a time as a cell."""
    return None if at is None else Moment(at)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _from(wanted: OrderSearch, next_id: int | None) -> OrderSearch:
    return replace(wanted, before_id=next_id)


async def _parts(rows: Rows, zone: tzinfo) -> AsyncIterator[str]:
    """Give the lines of some rows at a time, written in a thread; rests as long as that took.

    So a file of a million rows takes a part of this process for some minutes, and orders have
    theirs.
    """
    loop = asyncio.get_running_loop()
    held: list[list[Cell]] = []
    async for row in rows:
        held.append(row)
        if len(held) == _PART:
            began_at = loop.time()
            yield await asyncio.to_thread(_written, held, zone)
            held = []
            await asyncio.sleep(min(loop.time() - began_at, _REST_S))
    yield _written(held, zone)


def _written(rows: list[list[Cell]], zone: tzinfo) -> str:
    return "".join([line(row, zone) for row in rows])
