"""Answers the upstream's "API" routes: orders and their status, in JSON (contract §8).

A client that changes only host and key sees the upstream's own bodies, codes and errors. What is
uncertain is answered 200 with `"status": "PENDING"`; an error body says that nothing was decided
by this request, or that the order failed before it was sent, or was refused by the upstream.
"""

import secrets
from collections.abc import Collection

from aiohttp import web

from gateway.domain.errors import Code, Refused, explain
from gateway.domain.order import Dialect, Order, Status
from gateway.domain.reseller import Reseller
from gateway.flow.intake import Intake, Wish
from gateway.flow.submission import Told
from gateway.protocol.fields import is_callback_url, is_identifier
from gateway.protocol.json_api import (
    Answer,
    OrderBody,
    code_of,
    order_success,
    parse_order_body,
    refusal,
)
from gateway.protocol.upstream import JsonAnswer
from gateway.store import Store
from gateway.web.body import read_body
from gateway.web.gate import Gate
from gateway.web.json_door import Answered, JsonDoor
from gateway.web.wire import ask_of

_MADE_BYTES = 15  # 120 bits are beyond guessing, and 24 letters and digits


class JsonDialect:
    """`POST /v1/order`, `POST /v2/order`, and the two routes below `/v1/status`.

    Args:
        gate: who asks.
        intake: takes orders.
        store: finds orders.
        own: the gateway's own (host, port) pairs, which no callback_url may name.
    """

    def __init__(
        self, gate: Gate, intake: Intake, store: Store, *, own: Collection[tuple[str, int]]
    ) -> None:
        self._gate = gate
        self._door = JsonDoor(gate)
        self._intake = intake
        self._store = store
        self._own = own

    async def order_v1(self, request: web.Request) -> web.Response:
        """Answer `POST /v1/order`: a used trx_id is refused."""
        return await self._door.answered("order", request, self._order_once)

    async def order_v2(self, request: web.Request) -> web.Response:
        """Answer `POST /v2/order`: a used trx_id asks for its order's status."""
        return await self._door.answered("order", request, self._order_or_ask)

    async def status_by_invoice(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/status/{invoice_number}`: one that is open is looked up first."""
        return await self._door.answered("status", request, self._by_invoice)

    async def status_by_trx_id(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/status/trx-id/{trx_id}`: one that is open is looked up first."""
        return await self._door.answered("status", request, self._by_trx_id)

    async def _order_once(self, request: web.Request, reseller: Reseller) -> Answered:
        return await self._order(request, reseller, repeat_asks=False)

    async def _order_or_ask(self, request: web.Request, reseller: Reseller) -> Answered:
        return await self._order(request, reseller, repeat_asks=True)

    async def _order(
        self, request: web.Request, reseller: Reseller, *, repeat_asks: bool
    ) -> Answered:
        form = parse_order_body(await read_body(request))
        if form is None or (form.names_trx_id and form.trx_id is None):
            raise Refused(Code.INVALID_PARAMETER)
        wish = self._wish(request, form, reseller)
        told = await self._intake.place(reseller, wish, repeat_asks=repeat_asks)
        return _said(_answer(told), told.order)

    def _wish(self, request: web.Request, form: OrderBody, reseller: Reseller) -> Wish:
        fault, callback_url = form.fault, form.callback_url
        if callback_url is not None and not is_callback_url(
            callback_url, own=self._own, hosts=reseller.callback_hosts
        ):
            fault, callback_url = fault or explain(Code.INVALID_CALLBACK_URL), None
        return Wish(
            trx_id=form.trx_id or f"auto-{secrets.token_hex(_MADE_BYTES)}",
            product_code=form.product_code,
            dest=form.dest,
            user_id=form.user_id,
            server_id=form.server_id,
            callback_url=callback_url,
            fault=fault,
            asked=f"POST {request.path} {form.product_code} to {form.dest}"
            f" from {self._gate.shown_address(ask_of(request))}",
            dialect=Dialect.JSON,
            unnamed=form.trx_id is None,
            max_price=form.max_price,
        )

    async def _by_invoice(self, request: web.Request, reseller: Reseller) -> Answered:
        asked_id = request.match_info["invoice_number"]
        found = None
        if asked_id.isprintable():
            found = await self._store.order_by_invoice(asked_id, reseller.code)
        return await self._status(found)

    async def _by_trx_id(self, request: web.Request, reseller: Reseller) -> Answered:
        asked_id = request.match_info["trx_id"]
        found = None
        if is_identifier(asked_id):
            deadline = self._intake.deadline()
            found = await self._intake.find(reseller, asked_id, deadline, dialect=Dialect.JSON)
        return await self._status(found)

    async def _status(self, found: Order | None) -> Answered:
        if found is None:
            raise Refused(Code.INVOICE_NOT_FOUND)
        order = await self._intake.latest(found, self._intake.deadline(), whole=True)
        return _said(order_success(order), order)


def _said(answer: Answer, order: Order) -> Answered:
    return Answered(answer, order.status.value, order)


def _answer(told: Told) -> Answer:
    """Return what an order route says of an order."""
    order, relayed = told.order, told.relayed
    if isinstance(relayed, JsonAnswer):
        if relayed.envelope is not None:
            return Answer(relayed.status, relayed.envelope)
        return order_success(order, relayed.invoice, relayed.status)
    if order.status is Status.FAILED and order.first_sent_at is None:
        return refusal(code_of(order.note) or Code.INVALID_PARAMETER)
    return order_success(order)
