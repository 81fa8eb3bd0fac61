"""One order: everything that happened to it, what may be done about it, and its receipt."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.domain.delivery import Delivery
from gateway.domain.errors import NotDone
from gateway.domain.order import Dialect, Order, Status
from gateway.protocol import json_api, otomax, text
from gateway.redaction import redact
from gateway.store import Entry, OrderSearch
from gateway.web.dashboard.visit import May, Route, Tools, Visit, read_number

_FINAL: Final = tuple(status for status in Status if status.is_final)
_WIDTHS: Final = ("58", "80")  # of a receipt's paper, millimetres
_MAX_DELIVERIES: Final = 50


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the timeline, and how long after the one before it came, milliseconds."""

    entry: Entry
    after: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery, with its request as it goes out.

    Attributes:
        delivery: it.
        url: its address, with what looks like a secret masked.
        length: bytes of the address and the body.
        is_newest: it may be sent again: no newer status was told.
    """

    delivery: Delivery
    url: str
    length: int
    is_newest: bool


class OrderPage:
    """`/orders/{id}` and what is done there.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        one = "/orders/{id}"
        self.routes = [
            Route("GET", one, self.show),
            Route("GET", f"{one}/receipt", self.receipt),
            Route("GET", f"{one}/settle", self.settle_form, May.OPERATOR),
            Route("POST", f"{one}/settle", self.settle, May.OPERATOR),
            Route("POST", f"{one}/recheck", self.recheck, May.OPERATOR),
            Route("POST", f"{one}/resend", self.resend, May.OPERATOR),
        ]

    async def _order(self, visit: Visit) -> Order:
        """Return the order that an address names.

        Raises:
            NotDone: there is none.
        """
        number = read_number(visit.request.match_info["id"])
        if number is not None:
            wanted = OrderSearch(from_id=number, before_id=number + 1)
            found = (await self._tools.store.find_orders(wanted, 1)).orders
            if found:
                return found[0]
        raise NotDone(visit.say("order.missing"))

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show it whole."""
        order = await self._order(visit)
        store = self._tools.store
        steps = await store.timeline(order.id)
        deliveries = await store.deliveries(order_id=order.id, limit=_MAX_DELIVERIES)
        befores = [None, *(step.at for step in steps)]
        return await visit.page(
            "order.html",
            order=order,
            steps=[
                Step(step, None if before is None else step.at - before)
                for step, before in zip(steps, befores, strict=False)
            ],
            told=[_told(one, is_newest=n == 0) for n, one in enumerate(deliveries)],
            reply=reply_of(order, self._tools.directory.saldo(order.reseller)),
            paused={row.host for row in await self._tools.store.paused_hosts()},
        )

    async def receipt(self, visit: Visit) -> web.StreamResponse:
        """Show what a buyer is given: no price of ours, nothing of the way it went."""
        order = await self._order(visit)
        width = visit.asked("width")
        reseller = self._tools.directory.by_code(order.reseller)
        return await visit.page(
            "receipt.html",
            order=order,
            shop=order.reseller if reseller is None else reseller.name or reseller.code,
            width=width if width in _WIDTHS else _WIDTHS[0],
            widths=_WIDTHS,
        )

    async def recheck(self, visit: Visit) -> web.StreamResponse:
        """Ask the upstream now."""
        order = await self._order(visit)
        await visit.do("order.recheck", name=order.upstream_trx_id)
        return visit.go(f"/orders/{order.id}", "rechecked")

    async def resend(self, visit: Visit) -> web.StreamResponse:
        """Tell the reseller again."""
        order = await self._order(visit)
        number = (await visit.form()).get("delivery", "")
        deliveries = await self._tools.store.deliveries(order_id=order.id, limit=_MAX_DELIVERIES)
        if number not in {str(one.id) for one in deliveries}:
            raise NotDone(visit.say("error.form"))
        await visit.do("delivery.resend", delivery_id=int(number))
        return visit.go(f"/orders/{order.id}", "resent")

    async def settle_form(self, visit: Visit) -> web.StreamResponse:
        """Ask what is decided, and why."""
        order = await self._order(visit)
        return await visit.page("settle.html", order=order, finals=_FINAL, chosen=None)

    async def settle(self, visit: Visit) -> web.StreamResponse:
        """Decide it, once that is confirmed; before, show what would be decided."""
        order = await self._order(visit)
        form = await visit.form()
        status, reason, note = (form.get(name, "") for name in ("status", "reason", "note"))
        if status not in set(_FINAL) or not reason:
            raise NotDone(visit.say("settle.incomplete"))
        if form.get("confirmed") != "yes":
            chosen = {"status": Status(status), "reason": reason, "note": note}
            return await visit.page("settle.html", order=order, finals=_FINAL, chosen=chosen)
        values = {"status": status, "reason": reason, "note": note or None}
        await visit.do("order.settle", name=order.upstream_trx_id, **values)
        return visit.go(f"/orders/{order.id}", "settled")


def reply_of(order: Order, saldo: int | None) -> str:
    """Return the very bytes that a panel reads that asks about an order now.

    Args:
        order: as the journal holds it.
        saldo: the last balance seen, Rupiah.
    """
    if order.dialect is Dialect.JSON:
        return json_api.order_success(order).body.decode()
    if order.dialect is Dialect.OTOMAX:
        return otomax.order_answer(order, saldo)
    return text.order_answer(order, saldo)


def _told(delivery: Delivery, *, is_newest: bool) -> Told:
    message = delivery.message
    length = len(message.url.encode()) + len((message.body or "").encode())
    return Told(delivery, redact(message.url), length, is_newest)
