"""*Transaksi*: looking for orders by whatever is known of them; every filter lives in the address.

A page looks through the journal for a bounded time. Where it has not seen everything it says so,
and offers to look further; totals are counted apart, and are `at least` where not all was counted.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web
from msgspec.structs import replace

from gateway.domain.order import Dialect, Status
from gateway.flow.ledger import LOST, OPEN, SOLD
from gateway.store import OrderSearch
from gateway.web.dashboard.shapes import Shapes
from gateway.web.dashboard.visit import Route, Tools, Visit

ROWS: Final = 50
_FIND_S: Final = 0.025  # with what it takes to write the page below a tenth of a second
_TOTAL_S: Final = 0.015

GROUPS: Final[dict[str, tuple[Status, ...]]] = {"sold": SOLD, "open": OPEN, "lost": LOST}
"""What a filter calls several statuses."""
_TEXTS: Final = {
    "reseller": "reseller",
    "trx_id": "trx_id",
    "invoice": "invoice_number",
    "product": "product_code",
    "dest": "dest",
    "sn": "note",
}
_MAX_CHARACTERS: Final = 200  # of what is looked for


@dataclass(frozen=True, slots=True)
class Filter:
    """What an address asks for.

    Attributes:
        search: which orders.
        since: not before this day begins, Unix milliseconds, or None.
        until: before this moment, or None.
        unread: names of parameters that can not be understood.
    """

    search: OrderSearch
    since: int | None
    until: int | None
    unread: tuple[str, ...]


def read_filter(visit: Visit) -> Filter:
    """Return what the visitor's address asks for; what it does not understand is named."""
    unread: list[str] = []
    values: dict[str, object] = {}
    for name, field in _TEXTS.items():
        text = visit.asked(name)[:_MAX_CHARACTERS]
        if text:
            values[field] = text.lower() if name == "reseller" else text
    status, dialect = visit.asked("status"), visit.asked("dialect")
    if status:
        values["statuses"] = _statuses(status)
        if not values["statuses"]:
            unread.append("status")
    if dialect in set(Dialect):
        values["dialect"] = dialect
    elif dialect:
        unread.append("dialect")
    since = _day(visit.shapes, visit.asked("from"), 0, "from", unread)
    until = _day(visit.shapes, visit.asked("to"), 1, "to", unread)
    values["before_id"] = visit.asked_id("before")
    return Filter(OrderSearch(**values), since, until, tuple(unread))  # type: ignore[arg-type]  # each by its name


def _statuses(asked: str) -> tuple[str, ...]:
    if asked in GROUPS:
        return tuple(status.value for status in GROUPS[asked])
    return (asked,) if asked in set(Status) else ()


def _day(shapes: Shapes, text: str, days: int, name: str, unread: list[str]) -> int | None:
    found = shapes.read_day(text, days=days) if text else None
    if text and found is None:
        unread.append(name)
    return found


class OrderList:
    """`/orders`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [Route("GET", "/orders", self.show)]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """List them, newest first, with what all of them come to."""
        asked = read_filter(visit)
        ledger = self._tools.ledger
        search = await ledger.between(asked.search, asked.since, asked.until)
        found = await ledger.find(search, ROWS, _FIND_S)
        # Totals are of everything that is looked for, whatever page of it is shown.
        everything = await ledger.between(
            replace(asked.search, before_id=None), asked.since, asked.until
        )
        if visit.asked("totals") == "all":
            totals = await ledger.whole_totals(everything)
        else:
            totals = await ledger.totals(everything, _TOTAL_S)
        return await visit.page(
            "orders.html",
            orders=found.orders,
            totals=totals,
            groups=GROUPS,
            resellers=sorted(row.code for row in await self._tools.store.resellers()),
            statuses=list(Status),
            dialects=list(Dialect),
            older=None if found.next_id is None else visit.address_with(before=found.next_id),
            is_full=len(found.orders) >= ROWS,
            looked_to=await self._age_of(found.next_id),
            unread=asked.unread,
        )

    async def _age_of(self, order_id: int | None) -> int | None:
        """Return when the first order was placed that was not looked at, Unix milliseconds."""
        if order_id is None:
            return None
        found = await self._tools.store.find_orders(OrderSearch(before_id=order_id), 1)
        return found.orders[0].placed_at if found.orders else None
