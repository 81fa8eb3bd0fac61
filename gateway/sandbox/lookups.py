"""Look-ups: what an order has become, by either of its names, as text and as JSON; buys nothing.

Synchronous. What goes wrong with their answers stands in `faults`.
"""

from collections import Counter
from collections.abc import Callable

from gateway.sandbox import wire
from gateway.sandbox.answers import LOOKUP_SPOILERS, Spoiler, Visit, json, refused, text
from gateway.sandbox.asking import apikey_in_header, apikey_in_query
from gateway.sandbox.exchange import Answer, Asked, HangUp
from gateway.sandbox.faults import Fault
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.purchases import Account, Purchase
from gateway.sandbox.refusals import INVOICE_NOT_FOUND, RefusedError


class LookUps:
    """Looks orders up in the books; each of the three names its account as its dialect does."""

    def __init__(self, ledger: Ledger, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._options = options
        self._spoiler = Spoiler(options.faults, options.hold_s)
        self._times: Counter[str] = Counter()

    def text_status(self, asked: Asked, name: str) -> Answer | HangUp:
        """The line of an order, by its invoice_number or its trx_id."""
        account = self._ledger.account(apikey_in_query(asked))
        return self._look_up(
            account,
            name,
            lambda: self._ledger.find(account, name),
            lambda purchase: text(wire.status_line(purchase)),
        )

    def by_invoice(self, asked: Asked, name: str) -> Answer | HangUp:
        """The JSON of an order, by its invoice_number."""
        account = self._ledger.account(apikey_in_header(asked))
        return self._look_up(
            account, name, lambda: self._ledger.by_invoice(account, name), _invoice
        )

    def by_trx_id(self, asked: Asked, name: str) -> Answer | HangUp:
        """The JSON of an order, by its trx_id."""
        account = self._ledger.account(apikey_in_header(asked))
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
        lot = purchase.lot
        self._times[lot] += 1
        visit = Visit(lot, self._times[lot])
        return self._spoiler.spoil(
            whole,
            LOOKUP_SPOILERS,
            visit,
            lambda fault: tell(self._spoiler.stranger_of(purchase, fault, visit.number)),
        )

    def _is_late(self, purchase: Purchase) -> bool:
        late = self._options.faults.hits(Fault.LOOKUP_LATE, purchase.lot)
        return late and self._ledger.age_s(purchase) < self._options.late_s


def _invoice(purchase: Purchase) -> Answer:
    return json(wire.status_body(purchase))
