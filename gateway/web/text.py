"""Answers the text dialect (contract §4): one line, HTTP 200 whatever the outcome.

503 only where the journal can not record or the gateway is draining.
"""

import time
from collections.abc import Collection

from msgspec.structs import replace

from gateway import metrics
from gateway.domain.errors import Code, JournalUnavailable, Refused, explain
from gateway.domain.order import Dialect, Order
from gateway.domain.reseller import Reseller
from gateway.flow.account import Account
from gateway.flow.directory import Directory
from gateway.flow.intake import Intake, Wish
from gateway.flow.submission import Told
from gateway.protocol.fields import is_callback_url, is_identifier
from gateway.protocol.query import parse_query
from gateway.protocol.text import (
    Line,
    OrderRequest,
    error_answer,
    error_status_answer,
    error_user_answer,
    order_answer,
    parse_order_request,
    relayed_answer,
    status_answer,
)
from gateway.store import Store
from gateway.web.ask import Ask, Said
from gateway.web.gate import Gate
from gateway.web.wire import log_answered

STATUS = "/v1/otomax/status/"  # an id follows
_UNAVAILABLE = 503


class TextDialect:
    """The routes below `/v1/otomax`, `/v2/otomax` and `/v3/otomax`.

    Args:
        gate: who asks.
        intake: takes orders.
        account: asks for accounts.
        directory: the resellers' saldo.
        store: finds orders.
        own: the gateway's own (host, port) pairs, which no callback_url may name.
    """

    def __init__(  # noqa: PLR0913  a dialect speaks for the whole house
        self,
        gate: Gate,
        intake: Intake,
        account: Account,
        directory: Directory,
        store: Store,
        *,
        own: Collection[tuple[str, int]],
    ) -> None:
        self._gate = gate
        self._intake = intake
        self._account = account
        self._directory = directory
        self._store = store
        self._own = own

    async def order_v1(self, ask: Ask) -> Said:
        """Answer `/v1/otomax/order` and `/v2/otomax/order`: a used trx_id is refused."""
        return await self._order(ask, repeat_asks=False)

    async def order_v3(self, ask: Ask) -> Said:
        """Answer `/v3/otomax/order`: a used trx_id asks for its order's status."""
        return await self._order(ask, repeat_asks=True)

    async def _order(self, ask: Ask, *, repeat_asks: bool) -> Said:
        began = time.monotonic()
        form = parse_order_request(ask.query)
        reseller: Reseller | None = None
        http_status = 200
        try:
            reseller = self._who(ask, form)
            text, status = await self._place(ask, form, reseller, repeat_asks=repeat_asks)
        except Refused as refused:
            if self._directory.is_key(form.trx_id):
                form = replace(form, trx_id=None)
            text, status = self._error(form, reseller, refused.note), refused.note
        except JournalUnavailable as error:
            http_status = _UNAVAILABLE
            text, status = self._error(form, reseller, explain(Code.BUSY)), str(error)
        metrics.request("order", http_status).inc()
        log_answered("order.answered", reseller, form.trx_id, status, began)
        return Said(text, http_status)

    def _who(self, ask: Ask, form: OrderRequest) -> Reseller:
        self._gate.refuse_while_draining()
        if form.malformed is not None:
            raise Refused(Code.INVALID_PARAMETER, form.malformed)
        return self._gate.reseller(ask, form.apikey)

    def _error(self, form: OrderRequest, reseller: Reseller | None, note: str) -> str:
        saldo = None if reseller is None else self._directory.saldo(reseller.code)
        return error_answer(form, note, saldo)

    async def _place(
        self,
        ask: Ask,
        form: OrderRequest,
        reseller: Reseller,
        *,
        repeat_asks: bool,
    ) -> tuple[str, str]:
        if form.trx_id is None:
            raise Refused(Code.INVALID_PARAMETER, "Parameter trx_id kosong atau tidak sah.")
        wish = self._wish(ask, form, form.trx_id, reseller)
        told = await self._intake.place(reseller, wish, repeat_asks=repeat_asks)
        return self._answer(told), told.order.status.value

    def _answer(self, told: Told) -> str:
        if isinstance(told.relayed, Line):
            return relayed_answer(told.relayed, told.order)
        saldo = self._directory.saldo(told.order.reseller) if told.saldo is None else told.saldo
        return order_answer(told.order, saldo)

    def _wish(self, ask: Ask, form: OrderRequest, trx_id: str, reseller: Reseller) -> Wish:
        fault, callback_url = form.fault, form.callback_url
        if callback_url is not None and not is_callback_url(
            callback_url, own=self._own, hosts=reseller.callback_hosts
        ):
            fault, callback_url = fault or explain(Code.INVALID_CALLBACK_URL), None
        return Wish(
            trx_id=trx_id,
            product_code=form.product_code,
            dest=form.dest,
            user_id=form.user_id,
            server_id=form.server_id,
            callback_url=callback_url,
            fault=fault,
            dialect=Dialect.TEXT,
            asked=f"GET {ask.path} {form.product_code} to {form.dest}"
            f" from {self._gate.shown_address(ask)}",
            max_price=form.max_price,
        )

    async def status(self, ask: Ask) -> Said:
        """Answer `/v1/otomax/status/{id}`: one that is open is looked up first."""
        began = time.monotonic()
        asked_id = ask.path.removeprefix(STATUS)
        reseller: Reseller | None = None
        http_status, note, text = 200, None, ""
        try:
            self._gate.refuse_while_draining()
            reseller = self._gate.reseller(ask, _apikey(ask))
            order = await self._find(reseller, asked_id)
            saldo = self._directory.saldo(reseller.code)
            text = status_answer(order, saldo)
        except Refused as refused:
            note = refused.note
            if self._directory.is_key(asked_id):
                asked_id = ""
        except JournalUnavailable:
            http_status, note = _UNAVAILABLE, explain(Code.BUSY)
        if note is not None:
            saldo = None if reseller is None else self._directory.saldo(reseller.code)
            text = error_status_answer(asked_id, note, saldo)
        metrics.request("status", http_status).inc()
        log_answered("status.answered", reseller, asked_id, note or "found", began)
        return Said(text, http_status)

    async def _find(self, reseller: Reseller, asked_id: str) -> Order:
        deadline = self._intake.deadline()
        order = None
        if is_identifier(asked_id):
            order = await self._intake.find(reseller, asked_id, deadline)
        if order is None and asked_id.isprintable():
            order = await self._store.order_by_invoice(asked_id, reseller.code)
        if order is None:
            raise Refused(Code.INVOICE_NOT_FOUND)
        return await self._intake.latest(order, deadline)

    async def user(self, ask: Ask) -> Said:
        """Answer `/v1/otomax/user` with the upstream's line."""
        began = time.monotonic()
        reseller: Reseller | None = None
        http_status, outcome = 200, "found"
        try:
            self._gate.refuse_while_draining()
            reseller = self._gate.reseller(ask, _apikey(ask))
            text = await self._account.line(reseller)
        except Refused as refused:
            text, outcome = error_user_answer(refused.note), refused.note
        except JournalUnavailable as error:
            http_status, outcome = _UNAVAILABLE, str(error)
            text = error_user_answer(explain(Code.BUSY))
        metrics.request("user", http_status).inc()
        log_answered("user.answered", reseller, None, outcome, began)
        return Said(text, http_status)


def _apikey(ask: Ask) -> str | None:
    """Return the apikey of a request that has no other parameters.

    Raises:
        Refused: it was given twice.
    """
    query = parse_query(ask.query)
    if "apikey" in query.repeated:
        raise Refused(Code.INVALID_PARAMETER, "Parameter apikey tertulis dua kali.")
    return query.get("apikey")
