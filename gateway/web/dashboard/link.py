"""What a reseller sees through its link: its own orders, and how each was told.

It stands on the public listener. Who holds the link's token may look; there is no log-in, no
cookie and nothing to change. Without a right token every address below answers as one that does
not exist. Shown is what that reseller was told itself: no price, no key, nothing of anybody else
(contract T12).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from gateway.clock import Clock
from gateway.domain.delivery import Delivery
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.flow.directory import Directory
from gateway.flow.ledger import Ledger
from gateway.flow.links import PATH, Links
from gateway.store import LinkRow, OrderSearch, Store
from gateway.web.connection import Handler
from gateway.web.dashboard.assets import TYPES, content
from gateway.web.dashboard.door import HEADERS, NEVER_KEPT
from gateway.web.dashboard.shapes import LANGUAGES, ZONES, Shapes
from gateway.web.dashboard.templates import rendered
from gateway.web.dashboard.visit import read_number
from gateway.web.dashboard.words import say
from gateway.web.gate import Gate
from gateway.web.households import household
from gateway.web.wire import ask_of

_ROWS: Final = 30  # of a page: each asks for its deliveries, too
_FIND_S: Final = 0.05
_LOOKS: Final = 60  # of one household in a minute: a page each second, with its stylesheets
_MINUTE_S: Final = 60.0
_REMEMBERED: Final = 10_000  # households, some 200 bytes each
_MAX_TOKEN: Final = 64  # characters; ours have 43
_MAX_TRX_ID: Final = 64
_FILES: Final = ("style.css", "pages.css", "mark.svg")


class LinkPage:
    """`/lihat/{token}` on the public listener.

    Args:
        store: the journal, to read.
        links: finds a link by its token.
        ledger: looks through the orders.
        directory: the saldo last seen.
        gate: addresses behind proxies.
        clock: Unix milliseconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917  it stands outside of the dashboard, with what it needs
        self,
        store: Store,
        links: Links,
        ledger: Ledger,
        directory: Directory,
        gate: Gate,
        clock: Clock,
    ) -> None:
        self._store = store
        self._links = links
        self._ledger = ledger
        self._directory = directory
        self._gate = gate
        self._clock = clock
        self.looks = Looks()

    def routes(self) -> dict[str, Handler]:
        """Return the paths with who answers them."""
        return {f"{PATH}{{token}}": self.show}

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show the orders, those from a number back, or the one of a trx_id."""
        self._count(request)
        token = request.match_info["token"]
        try:
            if token in _FILES:
                return await self._file(token)
            found = await self._links.find(token) if len(token) <= _MAX_TOKEN else None
            if found is None:
                raise web.HTTPNotFound
            return await self._page(request, found)
        except JournalUnavailable:
            return web.Response(status=503, text="503\n", headers={"Retry-After": "30"})

    async def _file(self, name: str) -> web.StreamResponse:
        """Return a stylesheet or the mark: beside the links, so that no page holds its own token.

        Raises:
            HTTPNotFound: there is no link that it could belong to.
        """
        if not await self._links.living():
            raise web.HTTPNotFound
        body = await asyncio.to_thread(content, name)
        response = web.Response(body=body, content_type=TYPES[name], charset="utf-8")
        return _hardened(response, "private, max-age=3600")

    def _count(self, request: web.Request) -> None:
        """Count a look.

        Raises:
            HTTPTooManyRequests: this household looks too often.
        """
        address = self._gate.address(ask_of(request))
        if not self.looks.may(household(address) if address is not None else "-"):
            raise web.HTTPTooManyRequests(headers={"Retry-After": "60"})

    async def _page(self, request: web.Request, link: LinkRow) -> web.StreamResponse:
        shapes = self._shapes(request)
        wanted = request.query.get("q", "").strip()[:_MAX_TRX_ID]
        orders, next_id = await self._orders(
            link.reseller, wanted, request.query.get("before", "")
        )
        told = await asyncio.gather(*map(self._told, orders))
        text = await rendered(
            "link.html",
            say=lambda key, **values: say(key, shapes.language, **values),
            shapes=shapes,
            link=link,
            q=wanted,
            rows=list(zip(orders, told, strict=True)),
            next_id=next_id,
            saldo=self._directory.saldo(link.reseller),
        )
        return _hardened(web.Response(text=text, content_type="text/html"), NEVER_KEPT)

    def _shapes(self, request: web.Request) -> Shapes:
        language, zone = request.query.get("lang", ""), request.query.get("zone", "")
        return Shapes(
            language if language in LANGUAGES else LANGUAGES[0],
            zone if zone in ZONES else next(iter(ZONES)),
            self._clock(),
        )

    async def _orders(
        self, reseller: str, trx_id: str, before: str
    ) -> tuple[tuple[Order, ...], int | None]:
        """Return orders of this reseller alone, and from where on to look further."""
        if trx_id:
            order = await self._store.order_by_trx_id(reseller, trx_id)
            return (() if order is None or order.unnamed else (order,)), None
        wanted = OrderSearch(reseller=reseller, before_id=read_number(before))
        found = await self._ledger.find(wanted, _ROWS, _FIND_S)
        return found.orders, found.next_id

    async def _told(self, order: Order) -> Delivery | None:
        """Return the newest delivery of an order, or None."""
        found = await self._store.deliveries(order_id=order.id, limit=1)
        return found[0] if found else None


class Looks:
    """Counts looks of a household in a minute.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def may(self, home: str) -> bool:
        """Whether this one may look once more; counts it."""
        now = self._clock()
        since, count = self._counts.pop(home, (now, 0))
        if now - since >= _MINUTE_S:
            since, count = now, 0
        self._counts[home] = (since, count + 1)
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
        return count < _LOOKS


def _hardened(response: web.Response, kept: str) -> web.Response:
    """Return an answer with what none may go out without; the address goes nowhere else."""
    response.headers.update(HEADERS)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers[hdrs.CACHE_CONTROL] = kept
    return response
