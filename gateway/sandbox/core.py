"""The upstream's heart: a question in, an answer out, and no sockets.

`Upstream.ask` decides what an order, a look-up or a request for the balance is answered, buys what
is bought, and sets its life going. It is synchronous, and all that it uses of asyncio is
`call_later` of the running loop (in `life`), so that a loop in virtual time drives it as well as
`routes` does over HTTP. Answers of the text routes to what is refused are the document's envelope
too, because the document shows no other form of an error.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.sandbox import wire
from gateway.sandbox.answers import (
    LOOKUP_SPOILERS,
    ORDER_SPOILERS,
    Spoiler,
    Visit,
    json,
    page,
    refused,
    text,
)
from gateway.sandbox.books import BOOKS_PATH, books
from gateway.sandbox.catalog import product_of
from gateway.sandbox.exchange import TEXT_TYPE, Answer, Asked, HangUp, Signed
from gateway.sandbox.faults import Fault
from gateway.sandbox.ledger import Account, Ledger, Order, Purchase
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import Outcome, Reply, outcome_of
from gateway.sandbox.refusals import (
    DUPLICATE_TRX_ID,
    INVOICE_NOT_FOUND,
    SERVER_ERROR,
    RefusedError,
)
from gateway.sandbox.report import printable

__all__ = ["Answer", "Asked", "HangUp", "Signed", "Upstream"]

_GLUED_SINCE = 2
"""v2 is the first text route whose document sample has user_id and server_id in one."""

_IDEMPOTENT_SINCE = 3
"""From v3 on a used trx_id is a status check; before, it is refused."""

_ORDERS = {f"/v{version}/otomax/order": version for version in (1, 2, 3)}
_BY_TRX_ID = "/v1/status/trx-id/"
_BY_INVOICE = "/v1/status/"
_AS_TEXT = "/v1/otomax/status/"
_USER_AS_TEXT = "/v1/otomax/user"
_USER = "/v1/user"

_NO_ROUTE = Answer(404, TEXT_TYPE, b"404: Not Found")
_NO_METHOD = Answer(405, TEXT_TYPE, b"405: Method Not Allowed")

_Route = Callable[[Asked], Answer | HangUp]


@dataclass(frozen=True, slots=True)
class _Placing:
    """One order request: what was asked, on which version's route, and who else is on the way."""

    asked: Asked
    version: int
    visit: Visit
    others: int

    @property
    def named(self) -> str:
        return f"order R#{self.visit.trx_id or ''} v{self.version}"


class Upstream:
    """The upstream that answers; the books are `ledger`, what follows a purchase is `lives`."""

    def __init__(self, ledger: Ledger, lives: Lives, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._lives = lives
        self._options = options
        self._spoiler = Spoiler(options.faults, options.hold_s)
        self._look_ups: Counter[str] = Counter()

    def ask(self, asked: Asked) -> Answer | HangUp:
        """Answer one request. To be called inside a running loop, for the sake of the timers."""
        route = self._route(asked.path)
        if route is None:
            return _NO_ROUTE
        if asked.method != "GET":  # HEAD too: it buys nothing
            return _NO_METHOD
        try:
            return route(asked)
        except RefusedError as error:
            return refused(error.refusal)

    def left(self, asked: Asked) -> None:
        """Say that the asker went away before its answer came: the request is off the wire."""
        trx_id = asked.query.get("trx_id")
        if trx_id and asked.path in _ORDERS:
            self._ledger.traffic.leave(trx_id, asked)

    def _route(self, path: str) -> _Route | None:
        if path in _ORDERS:
            return self._order
        if path == _USER_AS_TEXT:
            return lambda asked: text(wire.user_line(self._caller(asked)))
        if path == _USER:
            return lambda asked: json(wire.user_body(self._owner(asked)))
        if path == BOOKS_PATH:
            return lambda _: json(books(self._ledger))
        for prefix, route in (
            (_BY_TRX_ID, self._json_by_trx_id),
            (_BY_INVOICE, self._json_by_invoice),
            (_AS_TEXT, self._text_status),
        ):
            name = path.removeprefix(prefix)
            if name != path and name and "/" not in name:
                return lambda asked, route=route, name=name: route(asked, name)  # type: ignore[misc]
        return None

    def _order(self, asked: Asked) -> Answer | HangUp:
        trx_id = asked.query.get("trx_id") or None
        others = 0
        if trx_id is not None:
            self._ledger.count_order_request(trx_id)
            others = self._ledger.traffic.arrive(trx_id, asked)
        number = 1 if trx_id is None else self._ledger.order_requests(trx_id)
        answer = self._placed(_Placing(asked, _ORDERS[asked.path], Visit(trx_id, number), others))
        if self._options.latency_s:
            answer = replace(answer, after_s=answer.after_s + self._options.latency_s)
        if trx_id is not None and answer.after_s > 0:
            self._ledger.traffic.answer_in(trx_id, asked, answer.after_s)
        return answer

    def _placed(self, placing: _Placing) -> Answer | HangUp:
        """Buy, or not, and answer; with the faults that hit this request."""
        visit = placing.visit
        if self._options.faults.hits(Fault.RESET_BEFORE, visit.trx_id, visit.number):
            self._report(f"{placing.named}: {Fault.RESET_BEFORE.label}")
            return HangUp(reset=True)
        told_of: list[Purchase] = []
        try:
            whole = self._decided(placing, told_of)
        except RefusedError as error:
            self._report(f"{placing.named}: refused {error.refusal.code}")
            whole = refused(error.refusal)

        def stranger(fault: Fault) -> Answer:
            known = told_of[0] if told_of else self._nothing_of(placing.asked)
            return text(wire.order_line(self._spoiler.stranger_of(known, fault, visit.number)))

        return self._spoiler.spoil(whole, ORDER_SPOILERS, visit, stranger)

    def _decided(self, placing: _Placing, told_of: list[Purchase]) -> Answer | HangUp:
        """Return what the books answer; `told_of` then holds the purchase that it is about."""
        account = self._caller(placing.asked)
        trx_id = placing.visit.trx_id
        used = account.by_trx_id.get(trx_id) if trx_id is not None else None
        if used is None or self._races(used, placing):
            return self._new_order(placing, account, told_of)
        told_of.append(used)
        return self._used_trx_id(used, placing)

    def _races(self, used: Purchase, placing: _Placing) -> bool:
        """Whether this request slips past a check for duplicates that is not atomic."""
        if not self._options.faults.hits(Fault.DOUBLE_BUY, used.trx_id):
            return False
        return placing.others > 0 or self._ledger.age_s(used) < self._options.race_s

    def _used_trx_id(self, used: Purchase, placing: _Placing) -> Answer:
        visit = placing.visit
        if self._options.faults.hits(Fault.REFUSED_AFTER, visit.trx_id, visit.number):
            self._report(f"{placing.named}: {used.invoice_number} {Fault.REFUSED_AFTER.label}")
            return self._spoiler.refusal(used, visit)
        if placing.version < _IDEMPOTENT_SINCE:
            raise RefusedError(DUPLICATE_TRX_ID)
        self._report(f"{placing.named}: {used.invoice_number} known, {used.status}")
        return text(wire.order_line(used))

    def _new_order(
        self, placing: _Placing, account: Account, told_of: list[Purchase]
    ) -> Answer | HangUp:
        order = _order_in(placing.asked, glued=placing.version >= _GLUED_SINCE)
        outcome = outcome_of(order.user_id + order.server_id)
        if outcome.refusal is not None:
            raise RefusedError(outcome.refusal)
        if not outcome.statuses:
            self._report(f"{placing.named}: not bought, {outcome.english}")
            return HangUp()
        again = bool(order.trx_id is not None and order.trx_id in account.by_trx_id)
        purchase = self._ledger.buy(account, order, outcome.statuses[0], again=again)
        told_of.append(purchase)
        answer = self._first_answer(purchase, outcome)
        self._lives.begin(purchase, outcome)
        if self._options.report is not None:
            self._report(
                f"{placing.named}: {purchase.invoice_number} {purchase.product_code}"
                f" Rp {purchase.price_rp} ...{outcome.suffix} {outcome.english}"
            )
        return answer

    def _first_answer(self, purchase: Purchase, outcome: Outcome) -> Answer | HangUp:
        if outcome.reply is Reply.NONE:
            return HangUp()
        if outcome.reply is Reply.GARBAGE:
            return page()
        if outcome.reply is Reply.ERROR:
            return refused(SERVER_ERROR)
        after_s = self._options.slow_s if outcome.reply is Reply.SLOW else 0.0
        if self._lives.calls_early(purchase, outcome):
            after_s += self._options.early_s
        return replace(text(wire.order_line(purchase)), after_s=after_s)

    def _text_status(self, asked: Asked, name: str) -> Answer | HangUp:
        account = self._caller(asked)
        return self._look_up(
            account,
            name,
            lambda: self._ledger.find(account, name),
            lambda purchase: text(wire.status_line(purchase)),
        )

    def _json_by_invoice(self, asked: Asked, name: str) -> Answer | HangUp:
        account = self._owner(asked)
        return self._look_up(
            account, name, lambda: self._ledger.by_invoice(account, name), _invoice
        )

    def _json_by_trx_id(self, asked: Asked, name: str) -> Answer | HangUp:
        account = self._owner(asked)
        return self._look_up(
            account, name, lambda: self._ledger.by_trx_id(account, name), _invoice
        )

    def _look_up(
        self,
        account: Account,
        name: str,
        find: Callable[[], Purchase],
        tell: Callable[[Purchase], Answer],
    ) -> Answer | HangUp:
        """Answer a look-up, with the faults that hit it."""
        try:
            purchase = find()
            whole = refused(INVOICE_NOT_FOUND) if self._is_late(purchase) else tell(purchase)
        except RefusedError as error:
            purchase = self._ledger.unsold(account, name)
            whole = refused(error.refusal)
        trx_id = purchase.trx_id or name
        self._look_ups[trx_id] += 1
        visit = Visit(trx_id, self._look_ups[trx_id])
        return self._spoiler.spoil(
            whole,
            LOOKUP_SPOILERS,
            visit,
            lambda fault: tell(self._spoiler.stranger_of(purchase, fault, visit.number)),
        )

    def _is_late(self, purchase: Purchase) -> bool:
        late = self._options.faults.hits(Fault.LOOKUP_LATE, purchase.trx_id)
        return late and self._ledger.age_s(purchase) < self._options.late_s

    def _nothing_of(self, asked: Asked) -> Purchase:
        """What was asked for, as if it had been bought by nobody; it stands in no book."""
        stranger = Account("", "", "", "", 0, 0.0)
        return self._ledger.unsold(stranger, asked.query.get("trx_id", ""))

    def _caller(self, asked: Asked) -> Account:
        """The account of a text route: its apikey stands in the query."""
        return self._ledger.account(asked.query.get("apikey", ""))

    def _owner(self, asked: Asked) -> Account:
        """The account of a JSON route: its apikey is the whole Authorization header."""
        return self._ledger.account(asked.headers.get("authorization", ""))

    def _report(self, line: str) -> None:
        if self._options.report is not None:
            self._options.report(printable(line))


def _invoice(purchase: Purchase) -> Answer:
    return json(wire.status_body(purchase))


def _order_in(asked: Asked, *, glued: bool) -> Order:
    """The order in a query; raises RefusedError with the code of what is wrong first."""
    query = asked.query
    product = product_of(query.get("product_code", ""))
    user_id, server_id = wire.split_dest(
        query.get("user_id", ""), query.get("server_id", ""), glued=glued
    )
    callback_url = wire.checked_callback_url(query.get("callback_url", ""))
    return Order(query.get("trx_id") or None, product, user_id, server_id, callback_url)
