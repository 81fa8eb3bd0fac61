"""Answers OtomaX's own dialect (contract §9): one line, HTTP 200 whatever the outcome.

503 only where the journal can not record or the gateway is draining. An order goes the way of a
text order from here on, and the same refID means the same order in every dialect.
"""

import time

from aiohttp import web
from msgspec.structs import replace

from gateway import metrics
from gateway.domain.errors import Code, JournalUnavailable, Refused, explain
from gateway.domain.order import Dialect, Order
from gateway.domain.reseller import Reseller
from gateway.flow.account import Account
from gateway.flow.directory import Directory
from gateway.flow.intake import Intake, Wish
from gateway.flow.submission import Told
from gateway.protocol.otomax import (
    BalanceRequest,
    Credentials,
    TrxRequest,
    error_answer,
    error_balance_answer,
    order_answer,
    parse_balance_request,
    parse_trx_request,
    render_balance,
)
from gateway.web.body import NoBody, read_body
from gateway.web.gate import Gate
from gateway.web.wire import line, log_answered, raw_query, say

_UNAVAILABLE = 503
_MAX_FORM_BYTES = 8 * 1024  # it is read before anybody is known; a panel sends some 300
_FORM = "application/x-www-form-urlencoded"
_NOT_READ = "Isi permintaan tidak dapat dibaca."


class OtomaxDialect:
    """The routes `/trx` and `/balance`.

    Args:
        gate: who asks.
        intake: takes orders.
        account: asks for accounts.
        directory: the resellers' saldo.
    """

    def __init__(self, gate: Gate, intake: Intake, account: Account, directory: Directory) -> None:
        self._gate = gate
        self._intake = intake
        self._account = account
        self._directory = directory

    async def trx(self, request: web.Request) -> web.Response:
        """Answer `/trx`: a used refID asks for its order's status, `check=1` does only that."""
        began = time.monotonic()
        form = await _trx_form(request)
        reseller: Reseller | None = None
        http_status = 200
        try:
            reseller = self._who(request, form.credentials, form.malformed)
            told = await self._order(request, form, reseller)
            saldo = self._directory.saldo(reseller.code) if told.saldo is None else told.saldo
            text = order_answer(told.order, saldo)
            outcome = told.order.status.value
        except Refused as refused:
            if self._directory.is_key(form.trx_id):
                form = replace(form, trx_id=None)
            text, outcome = error_answer(form, refused.note), refused.note
        except JournalUnavailable as error:
            http_status, outcome = _UNAVAILABLE, str(error)
            text = error_answer(form, explain(Code.BUSY))
        metrics.request("trx", http_status).inc()
        log_answered("order.answered", reseller, form.trx_id, outcome, began)
        return _said(request, text, http_status, form.malformed)

    def _who(
        self, request: web.Request, credentials: Credentials, malformed: str | None
    ) -> Reseller:
        self._gate.refuse_while_draining()
        if malformed is not None:
            raise Refused(Code.INVALID_PARAMETER, malformed)
        return self._gate.member(request, credentials)

    async def _order(self, request: web.Request, form: TrxRequest, reseller: Reseller) -> Told:
        if form.trx_id is None:
            raise Refused(Code.INVALID_PARAMETER, "Parameter refID kosong atau tidak sah.")
        if form.is_check:
            return Told(await self._check(form, form.trx_id, reseller))
        wish = self._wish(request, form, form.trx_id)
        return await self._intake.place(reseller, wish, repeat_asks=True)

    async def _check(self, form: TrxRequest, trx_id: str, reseller: Reseller) -> Order:
        """Return the order that is asked about, as it is now.

        What names another product or destination than the order's is another purchase (T10); what
        names none asks about whatever the refID stands for.
        """
        deadline = self._intake.deadline()
        order = await self._intake.find(reseller, trx_id, deadline)
        if order is None:
            raise Refused(Code.INVOICE_NOT_FOUND)
        product_code, dest = form.product_code or order.product_code, form.dest or order.dest
        if not order.is_same_purchase(product_code, dest):
            raise Refused(Code.DUPLICATE_TRX_ID)
        return await self._intake.latest(order, deadline)

    def _wish(self, request: web.Request, form: TrxRequest, trx_id: str) -> Wish:
        return Wish(
            trx_id=trx_id,
            product_code=form.product_code,
            dest=form.dest,
            user_id=form.user_id,
            server_id=None,
            callback_url=None,
            fault=form.fault,
            dialect=Dialect.OTOMAX,
            max_price=form.max_price,
            asked=f"{request.method} {request.path} {form.product_code} to {form.dest}"
            f" from {self._gate.shown_address(request)}",
        )

    async def balance(self, request: web.Request) -> web.Response:
        """Answer `/balance` with the saldo in the upstream's user line."""
        began = time.monotonic()
        form = await _balance_form(request)
        reseller: Reseller | None = None
        http_status, outcome = 200, "found"
        try:
            reseller = self._who(request, form.credentials, form.malformed)
            text = render_balance(await self._account.saldo(reseller))
        except Refused as refused:
            text, outcome = error_balance_answer(refused.note), refused.note
        except JournalUnavailable as error:
            http_status, outcome = _UNAVAILABLE, str(error)
            text = error_balance_answer(explain(Code.BUSY))
        metrics.request("balance", http_status).inc()
        log_answered("balance.answered", reseller, None, outcome, began)
        return _said(request, text, http_status, form.malformed)


def _said(
    request: web.Request, text: str, http_status: int, malformed: str | None
) -> web.Response:
    if malformed != _NOT_READ:
        return say(request, text, http_status)
    response = line(text, http_status)
    response.force_close()  # what else is sent on that connection is not waited for
    return response


async def _trx_form(request: web.Request) -> TrxRequest:
    try:
        return parse_trx_request(raw_query(request), await _form(request))
    except NoBody:
        return replace(parse_trx_request(raw_query(request)), malformed=_NOT_READ)


async def _balance_form(request: web.Request) -> BalanceRequest:
    try:
        return parse_balance_request(raw_query(request), await _form(request))
    except NoBody:
        return replace(parse_balance_request(raw_query(request)), malformed=_NOT_READ)


async def _form(request: web.Request) -> bytes:
    """Return the form of a POST, or nothing; a GET has all in its query.

    Raises:
        NoBody: there is a body that can not be read, or is something else than a form.
    """
    if request.method != "POST":
        return b""
    body = await read_body(request, _MAX_FORM_BYTES)
    if body and request.content_type != _FORM:
        raise NoBody(415, "the body is no form")
    return body
