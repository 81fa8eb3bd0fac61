"""Orders: what one is answered, on each of the routes that take one, and what it buys.

Synchronous. Which route knows what stands in one table. What an order becomes is chosen in
`outcomes`, what goes wrong with its answer in `faults`.
"""

from dataclasses import dataclass, replace

from gateway.sandbox import wire
from gateway.sandbox.answers import ORDER_SPOILERS, Spoiler, Visit, json, page, refused, text
from gateway.sandbox.asking import Wanted, wanted_in_body, wanted_in_query
from gateway.sandbox.exchange import Answer, Asked, HangUp
from gateway.sandbox.faults import Fault
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import Outcome, Reply, outcome_of
from gateway.sandbox.purchases import Account, Order, Purchase
from gateway.sandbox.refusals import DUPLICATE_TRX_ID, SERVER_ERROR, RefusedError
from gateway.sandbox.report import printable

_CREATED = 201


@dataclass(frozen=True, slots=True)
class OrderRoute:
    """One route that takes orders.

    Attributes:
        name: what a report calls it.
        as_json: whether it speaks JSON, and not the text of a panel.
        glued: whether user_id and server_id may come in one.
        checks_status: whether a used trx_id is a status check, and not refused.
    """

    name: str
    as_json: bool = False
    glued: bool = False
    checks_status: bool = False

    @property
    def method(self) -> str:
        """The only one that it is there for."""
        return "POST" if self.as_json else "GET"

    def wanted(self, asked: Asked) -> Wanted:
        """What is asked for."""
        return wanted_in_body(asked) if self.as_json else wanted_in_query(asked)

    def told(self, purchase: Purchase, status: int = 200) -> Answer:
        """A purchase as this route tells of it; `status` is the HTTP code of a JSON answer."""
        if self.as_json:
            return json(wire.status_body(purchase), status)
        return text(wire.order_line(purchase))


ORDER_ROUTES = {
    "/v1/otomax/order": OrderRoute("v1"),
    "/v2/otomax/order": OrderRoute("v2", glued=True),
    "/v3/otomax/order": OrderRoute("v3", glued=True, checks_status=True),
    "/v1/order": OrderRoute("JSON v1", as_json=True),
    "/v2/order": OrderRoute("JSON v2", as_json=True, checks_status=True),
}
"""By path. The document's samples of v2 and v3 have user_id and server_id in one; of the last of
each kind it says that a used trx_id is a status check."""


@dataclass(frozen=True, slots=True)
class _Placing:
    """One order request: what was asked, on which route, and who else is on the way."""

    wanted: Wanted
    route: OrderRoute
    visit: Visit
    others: int

    @property
    def named(self) -> str:
        return f"order R#{self.wanted.trx_id or ''} {self.route.name}"


class Orders:
    """Takes orders: into the books `ledger`, and on their way by `lives`."""

    def __init__(self, ledger: Ledger, lives: Lives, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._lives = lives
        self._options = options
        self._spoiler = Spoiler(options.faults, options.hold_s)
        self._unnamed = 0

    def place(self, asked: Asked) -> Answer | HangUp:
        """Answer one order request, which stands on the wire as long as its answer is held."""
        route = ORDER_ROUTES[asked.path]
        wanted = route.wanted(asked)
        answer = self._placed(self._arrived(asked, wanted, route))
        if self._options.latency_s:
            answer = replace(answer, after_s=answer.after_s + self._options.latency_s)
        if wanted.trx_id is not None and answer.after_s > 0:
            self._ledger.traffic.answer_in(wanted.trx_id, asked, answer.after_s)
        return answer

    def left(self, asked: Asked) -> None:
        """Say that the asker went away before its answer came: the request is off the wire."""
        trx_id = ORDER_ROUTES[asked.path].wanted(asked).trx_id
        if trx_id is not None:
            self._ledger.traffic.leave(trx_id, asked)

    def _arrived(self, asked: Asked, wanted: Wanted, route: OrderRoute) -> _Placing:
        """Count it: by its trx_id, or among those that have none."""
        if wanted.trx_id is None:
            self._unnamed += 1
            return _Placing(wanted, route, Visit(None, self._unnamed), 0)
        self._ledger.count_order_request(wanted.trx_id)
        others = self._ledger.traffic.arrive(wanted.trx_id, asked)
        number = self._ledger.order_requests(wanted.trx_id)
        return _Placing(wanted, route, Visit(wanted.trx_id, number), others)

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
            known = told_of[0] if told_of else self._nothing_of(placing)
            told = self._spoiler.stranger_of(known, fault, visit.number)
            return placing.route.told(told, _CREATED)

        return self._spoiler.spoil(whole, ORDER_SPOILERS, visit, stranger)

    def _decided(self, placing: _Placing, told_of: list[Purchase]) -> Answer | HangUp:
        """Return what the books answer; `told_of` then holds the purchase that it is about."""
        wanted = placing.wanted
        account = self._ledger.account(wanted.apikey)
        if wanted.flaw is not None:
            raise RefusedError(wanted.flaw)
        used = account.by_trx_id.get(wanted.trx_id) if wanted.trx_id is not None else None
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
        visit, route = placing.visit, placing.route
        if self._options.faults.hits(Fault.REFUSED_AFTER, visit.trx_id, visit.number):
            self._report(f"{placing.named}: {used.invoice_number} {Fault.REFUSED_AFTER.label}")
            return self._spoiler.refusal(used, visit, as_json=route.as_json)
        if not route.checks_status:
            raise RefusedError(DUPLICATE_TRX_ID)
        self._report(f"{placing.named}: {used.invoice_number} known, {used.status}")
        return route.told(used)

    def _new_order(
        self, placing: _Placing, account: Account, told_of: list[Purchase]
    ) -> Answer | HangUp:
        order = self._order_in(placing)
        outcome = outcome_of(order.user_id + order.server_id)
        if outcome.refusal is not None:
            raise RefusedError(outcome.refusal)
        if not outcome.statuses:
            self._report(f"{placing.named}: not bought, {outcome.english}")
            return HangUp()
        again = bool(order.trx_id is not None and order.trx_id in account.by_trx_id)
        purchase = self._ledger.buy(account, order, outcome.statuses[0], again=again)
        told_of.append(purchase)
        answer = self._first_answer(placing.route, purchase, outcome)
        self._lives.begin(purchase, outcome)
        if self._options.report is not None:
            self._report(
                f"{placing.named}: {purchase.invoice_number} {purchase.product_code}"
                f" Rp {purchase.price_rp} ...{outcome.suffix} {outcome.english}"
            )
        return answer

    def _order_in(self, placing: _Placing) -> Order:
        """The order; raises RefusedError with the code of what is wrong first."""
        wanted, route = placing.wanted, placing.route
        product = self._ledger.catalog.sold(wanted.product_code)
        user_id, server_id = wire.split_dest(wanted.user_id, wanted.server_id, glued=route.glued)
        callback_url = wire.checked_callback_url(wanted.callback_url)
        return Order(wanted.trx_id, product, user_id, server_id, callback_url, route.as_json)

    def _first_answer(
        self, route: OrderRoute, purchase: Purchase, outcome: Outcome
    ) -> Answer | HangUp:
        if outcome.reply is Reply.NONE:
            return HangUp()
        if outcome.reply is Reply.GARBAGE:
            return page()
        if outcome.reply is Reply.ERROR:
            return refused(SERVER_ERROR)
        after_s = self._options.slow_s if outcome.reply is Reply.SLOW else 0.0
        if self._lives.calls_early(purchase, outcome):
            after_s += self._options.early_s
        return replace(route.told(purchase, _CREATED), after_s=after_s)

    def _nothing_of(self, placing: _Placing) -> Purchase:
        """What was asked for, as if it had been bought by nobody; it stands in no book."""
        stranger = Account("", "", "", "", 0, 0.0)
        return self._ledger.unsold(stranger, placing.wanted.trx_id)

    def _report(self, line: str) -> None:
        if self._options.report is not None:
            self._options.report(printable(line))
