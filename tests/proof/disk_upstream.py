"""An upstream with books, on the tests' own server: it buys whatever it is asked to.

It refuses no second order of one trx_id, as the real one does: so a second purchase is never
hidden. What it does with an order, the product says.
"""

from collections import Counter
from collections.abc import Callable

from aiohttp import web

from tests.support import Asked, FakeUpstream, drops, invoice, refuses, says

AT_ONCE = "ATONCE"  # bought, and said
PENDING = "PENDED"  # bought; its success is called back
REFUSED = "REFUSE"  # refused for certain, never bought
LOST = "LOSTED"  # bought, and the reply is lost
SALDO = 12345

_LINE = "R#{{trx_id}} {{product_code}}.{{user_id}}, status {status}. {note} . Sisa saldo 12345"
_SOLD = says(_LINE.format(status="SUCCESS", note="Budi - {user_id}() . RefId: ML_1"))
_WAITS = says(_LINE.format(status="PENDING", note="RefId : ML_1"))


def _nobody(_: str) -> None:
    """Note nothing."""


class Books:
    """What was bought.

    Attributes:
        bought: how many times each upstream_trx_id was.
        pending: what was bought and did not succeed yet.
        arrived: called with the upstream_trx_id of each order request, before anything else.
        calls_back: what is pending waits for its callback; else the next look-up says it.
    """

    def __init__(self, upstream: FakeUpstream, *, calls_back: bool = True) -> None:
        self.calls_back = calls_back
        self.bought: Counter[str] = Counter()
        self.pending: set[str] = set()
        self.arrived: Callable[[str], None] = _nobody
        upstream.order, upstream.look_up = self._order, self._look_up
        upstream.user = says(f"Budi. budi@example.test. plan USER. balance {SALDO}")

    async def _order(self, asked: Asked) -> web.StreamResponse:
        self.arrived(asked.trx_id)
        product = asked.query["product_code"]
        if product == REFUSED:
            return await refuses("PRODUCT_NOT_FOUND")(asked)
        self.bought[asked.trx_id] += 1
        if product == PENDING:
            self.pending |= {asked.trx_id} if self.calls_back else set()
            return await _WAITS(asked)
        return await (drops if product == LOST else _SOLD)(asked)

    async def _look_up(self, asked: Asked) -> web.StreamResponse:
        if not self.bought[asked.trx_id]:
            return await refuses("INVOICE_NOT_FOUND")(asked)
        status = "PENDING" if asked.trx_id in self.pending else "SUCCESS"
        number = f"INV_{asked.trx_id}"
        return await invoice(status, "Budi - 1() . RefId: ML_1", invoice_number=number)(asked)

    def truth(self, upstream_trx_id: str) -> str:
        """Return the status that an order must end with."""
        return "SUCCESS" if self.bought[upstream_trx_id] else "FAILED"
