"""The upstream's HTTP: one handler a noun, and the one list of routes.

Reads the request, asks the ledger, writes what `wire` renders. Each handler answers a refusal with
the document's envelope; the text routes too, because the document shows no other form of an error.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial, wraps

import msgspec
from aiohttp import web

from gateway.sandbox import wire
from gateway.sandbox.catalog import product_of
from gateway.sandbox.ledger import Account, Ledger, Order, Purchase
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import Outcome, Reply, outcome_of
from gateway.sandbox.refusals import DUPLICATE_TRX_ID, SERVER_ERROR, Refusal, RefusedError
from gateway.sandbox.report import printable

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_GLUED_SINCE = 2
"""v2 is the first text route whose document sample has user_id and server_id in one."""

_IDEMPOTENT_SINCE = 3
"""From v3 on a used trx_id is a status check; before, it is refused."""

_GARBAGE = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n"
)


class Routes:
    """All handlers of one sandbox; `table` lists them."""

    def __init__(self, ledger: Ledger, lives: Lives, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._lives = lives
        self._options = options

    def table(self) -> list[web.RouteDef]:
        """Every route; HEAD is none of them, so that it buys nothing."""
        return [
            *(
                _get(f"/v{version}/otomax/order", partial(self._order, version=version))
                for version in (1, 2, 3)
            ),
            _get("/v1/otomax/status/{name}", self._text_status),
            _get("/v1/otomax/user", self._text_user),
            _get("/v1/status/trx-id/{trx_id}", self._json_status_by_trx_id),
            _get("/v1/status/{invoice_number}", self._json_status),
            _get("/v1/user", self._json_user),
        ]

    async def _order(self, request: web.Request, *, version: int) -> web.StreamResponse:
        trx_id = request.query.get("trx_id") or None
        if trx_id is not None:
            self._ledger.count_order_request(trx_id)
        try:
            account = self._caller(request)
            used = account.by_trx_id.get(trx_id) if trx_id is not None else None
            if used is None:
                return await self._new_order(request, account, version)
            return self._used_trx_id(used, version)
        except RefusedError as error:
            self._report(f"order R#{trx_id or ''} v{version}: refused {error.refusal.code}")
            raise

    def _used_trx_id(self, used: Purchase, version: int) -> web.Response:
        if version < _IDEMPOTENT_SINCE:
            raise RefusedError(DUPLICATE_TRX_ID)
        self._report(
            f"order R#{used.trx_id} v{version}: {used.invoice_number} known, {used.status}"
        )
        return _text(wire.order_line(used))

    async def _new_order(
        self, request: web.Request, account: Account, version: int
    ) -> web.StreamResponse:
        order = _order_in(request, glued=version >= _GLUED_SINCE)
        outcome = outcome_of(order.user_id + order.server_id)
        if outcome.refusal is not None:
            raise RefusedError(outcome.refusal)
        if not outcome.statuses:
            self._report(f"order R#{order.trx_id or ''} v{version}: not bought, {outcome.english}")
            return _hang_up(request)
        purchase = self._ledger.buy(account, order, outcome.statuses[0])
        self._lives.begin(purchase, outcome)
        if self._options.report is not None:
            self._report(
                f"order R#{order.trx_id or ''} v{version}: {purchase.invoice_number}"
                f" {purchase.product_code} Rp {purchase.price_rp} ...{outcome.suffix}"
                f" {outcome.english}"
            )
        return await self._answer(request, purchase, outcome)

    async def _answer(
        self, request: web.Request, purchase: Purchase, outcome: Outcome
    ) -> web.StreamResponse:
        if outcome.reply is Reply.NONE:
            return _hang_up(request)
        if outcome.reply is Reply.GARBAGE:
            return web.Response(text=_GARBAGE, content_type="text/html")
        if outcome.reply is Reply.ERROR:
            return _refused(SERVER_ERROR)
        if outcome.reply is Reply.SLOW:
            await asyncio.sleep(self._options.slow_s)
        return _text(wire.order_line(purchase))

    async def _text_status(self, request: web.Request) -> web.StreamResponse:
        purchase = self._ledger.find(self._caller(request), request.match_info["name"])
        return _text(wire.status_line(purchase))

    async def _text_user(self, request: web.Request) -> web.StreamResponse:
        return _text(wire.user_line(self._caller(request)))

    async def _json_status(self, request: web.Request) -> web.StreamResponse:
        invoice_number = request.match_info["invoice_number"]
        return _json(
            wire.status_body(self._ledger.by_invoice(self._owner(request), invoice_number))
        )

    async def _json_status_by_trx_id(self, request: web.Request) -> web.StreamResponse:
        trx_id = request.match_info["trx_id"]
        return _json(wire.status_body(self._ledger.by_trx_id(self._owner(request), trx_id)))

    async def _json_user(self, request: web.Request) -> web.StreamResponse:
        return _json(wire.user_body(self._owner(request)))

    def _caller(self, request: web.Request) -> Account:
        """The account of a text route: its apikey stands in the query."""
        return self._ledger.account(request.query.get("apikey", ""))

    def _owner(self, request: web.Request) -> Account:
        """The account of a JSON route: its apikey is the whole Authorization header."""
        return self._ledger.account(request.headers.get("Authorization", ""))

    def _report(self, line: str) -> None:
        if self._options.report is not None:
            self._options.report(printable(line))


def _order_in(request: web.Request, *, glued: bool) -> Order:
    """The order in a query; raises RefusedError with the code of what is wrong first."""
    query = request.query
    product = product_of(query.get("product_code", ""))
    user_id, server_id = wire.split_dest(
        query.get("user_id", ""), query.get("server_id", ""), glued=glued
    )
    callback_url = wire.checked_callback_url(query.get("callback_url", ""))
    return Order(query.get("trx_id") or None, product, user_id, server_id, callback_url)


def _get(path: str, handler: _Handler) -> web.RouteDef:
    return web.get(path, _refusable(handler), allow_head=False)


def _refusable(handler: _Handler) -> _Handler:
    """The handler, with its refusals answered in the document's envelope."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RefusedError as error:
            return _refused(error.refusal)

    return answer


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; what is returned is never written."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _refused(refusal: Refusal) -> web.Response:
    return _json(refusal.body, refusal.status.value)


def _text(line: str) -> web.Response:
    return web.Response(text=line)


def _json(body: dict[str, object], status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        charset="utf-8",
    )
