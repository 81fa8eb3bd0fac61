"""Answers OtomaX's own dialect (contract §9): one line, HTTP 200 whatever the outcome.

503 only where the journal can not record or the gateway is draining. An order goes the way of a
text order from here on, and the same refID means the same order in every dialect.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

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
from gateway.web.ask import Ask, Said
from gateway.web.body import NoBody, read_body
from gateway.web.gate import Gate
from gateway.web.wire import ask_of, line, log_answered

_UNAVAILABLE = 503
_MAX_FORM_BYTES = 8 * 1024  # it is read before anybody is known; a panel sends some 300
_FORM = "application/x-www-form-urlencoded"
R = TypeVar("R", TrxRequest, BalanceRequest)
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

    async def trx(self, ask: Ask) -> Said:
        """Answer `/trx`: a used refID asks for its order's status, `check=1` does only that."""
        began = time.monotonic()
        return await self._trx(ask, parse_trx_request(ask.query), began)

    async def trx_posted(self, request: web.Request) -> web.Response:
        """Answer a POST to `/trx`: the same, from its form."""
        return await _posted(request, parse_trx_request, self._trx)

    async def _trx(self, ask: Ask, form: TrxRequest, began: float) -> Said:
        reseller: Reseller | None = None
        http_status = 200
        try:
            reseller = self._who(ask, form.credentials, form.malformed)
            told = await self._order(ask, form, reseller)
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
        return Said(text, http_status)

    def _who(self, ask: Ask, credentials: Credentials, malformed: str | None) -> Reseller:
        self._gate.refuse_while_draining()
        if malformed is not None:
            raise Refused(Code.INVALID_PARAMETER, malformed)
        return self._gate.member(ask, credentials)

    async def _order(self, ask: Ask, form: TrxRequest, reseller: Reseller) -> Told:
        if form.trx_id is None:
            raise Refused(Code.INVALID_PARAMETER, "Parameter refID kosong atau tidak sah.")
        if form.is_check:
            return Told(await self._check(form, form.trx_id, reseller))
        wish = self._wish(ask, form, form.trx_id)
        return await self._intake.place(reseller, wish, repeat_asks=True)

    async def _check(self, form: TrxRequest, trx_id: str, reseller: Reseller) -> Order:
        """Return the order that is asked about, as it is now.

        What names another product or destination than the order's is another purchase (T10); what
        names none asks about whatever the refID stands for.
        """
        deadline = self._intake.deadline()
        order = await self._intake.find(reseller, trx_id, deadline, dialect=Dialect.OTOMAX)
        if order is None:
            raise Refused(Code.INVOICE_NOT_FOUND)
        product_code, dest = form.product_code or order.product_code, form.dest or order.dest
        if not order.is_same_purchase(product_code, dest):
            raise Refused(Code.DUPLICATE_TRX_ID)
        return await self._intake.latest(order, deadline)

    def _wish(self, ask: Ask, form: TrxRequest, trx_id: str) -> Wish:
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
            asked=f"{ask.method} {ask.path} {form.product_code} to {form.dest}"
            f" from {self._gate.shown_address(ask)}",
        )

    async def balance(self, ask: Ask) -> Said:
        """Answer `/balance` with the saldo in the upstream's user line."""
        began = time.monotonic()
        return await self._balance(ask, parse_balance_request(ask.query), began)

    async def balance_posted(self, request: web.Request) -> web.Response:
        """Answer a POST to `/balance`: the same, from its form."""
        return await _posted(request, parse_balance_request, self._balance)

    async def _balance(self, ask: Ask, form: BalanceRequest, began: float) -> Said:
        reseller: Reseller | None = None
        http_status, outcome = 200, "found"
        try:
            reseller = self._who(ask, form.credentials, form.malformed)
            text = render_balance(await self._account.saldo(reseller))
        except Refused as refused:
            text, outcome = error_balance_answer(refused.note), refused.note
        except JournalUnavailable as error:
            http_status, outcome = _UNAVAILABLE, str(error)
            text = error_balance_answer(explain(Code.BUSY))
        metrics.request("balance", http_status).inc()
        log_answered("balance.answered", reseller, None, outcome, began)
        return Said(text, http_status)


async def _posted(
    request: web.Request,
    parse: Callable[[str, bytes], R],
    answers: Callable[[Ask, R, float], Awaitable[Said]],
) -> web.Response:
    ask, began = ask_of(request), time.monotonic()
    try:
        said = await answers(ask, parse(ask.query, await _form(request)), began)
    except NoBody:
        form = replace(parse(ask.query, b""), malformed=_NOT_READ)
        said = await answers(ask, form, began)
        response = line(said.text, said.status)
        response.force_close()  # what else is sent on that connection is not waited for
        return response
    return line(said.text, said.status)


async def _form(request: web.Request) -> bytes:
    """Return the form of a POST.

    Raises:
        NoBody: there is a body that can not be read, or is something else than a form.
    """
    body = await read_body(request, _MAX_FORM_BYTES)
    if body and request.content_type != _FORM:
        raise NoBody(415, "the body is no form")
    return body
