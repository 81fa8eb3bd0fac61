"""How answers are made: a line, an invoice, a refusal, a page; and how each of them is spoiled.

Pure. When an answer is spoiled is decided in `faults`, what stands in a whole one in `wire`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from gateway.sandbox.exchange import HTML_TYPE, JSON_TYPE, TEXT_TYPE, Answer, HangUp
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.purchases import Purchase, Status
from gateway.sandbox.refusals import (
    API_KEY_NOT_FOUND,
    INSUFFICIENT_BALANCE,
    IP_NOT_WHITELISTED,
    PRODUCT_INACTIVE,
    SERVER_ERROR,
    Refusal,
)
from gateway.sandbox.wire import refusal_body, refusal_line

ORDER_SPOILERS = (
    Fault.LOST_REPLY,
    Fault.HELD_REPLY,
    Fault.RESET_AFTER,
    Fault.ERROR_500,
    Fault.HTML,
    Fault.STRANGER,
    Fault.CUT,
)
"""What can become of the answer to an order, in the order of the table."""

LOOKUP_SPOILERS = (
    Fault.LOOKUP_LOST,
    Fault.LOOKUP_500,
    Fault.LOOKUP_HTML,
    Fault.LOOKUP_STRANGER,
    Fault.LOOKUP_CUT,
)
"""What can become of the answer to a look-up, in the order of the table."""

STRANGER_PREFIX = "APIKUY_ZZ_"
"""Opens a stranger's invoice_number, and no purchase's: whoever repeats a `ZZ_` believed it."""

_REFUSALS = (INSUFFICIENT_BALANCE, PRODUCT_INACTIVE, IP_NOT_WHITELISTED, API_KEY_NOT_FOUND)
_REFUSED_SENTENCE = "Saldo Anda tidak mencukupi untuk melakukan pembelian"
_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>\n"
_HUGE = 10**9


def text(line: str) -> Answer:
    """A line, HTTP 200."""
    return Answer(200, TEXT_TYPE, line.encode())


def json(body: dict[str, object], status: int = 200) -> Answer:
    """A JSON body."""
    return Answer(status, JSON_TYPE, msgspec.json.encode(body))


def refused(refusal: Refusal) -> Answer:
    """The document's envelope of a refusal."""
    return json(refusal.body, refusal.status.value)


def page(status: int = 200) -> Answer:
    """A page of HTML, as from a proxy that stands before the upstream."""
    return Answer(status, HTML_TYPE, _PAGE.encode())


@dataclass(frozen=True, slots=True)
class Visit:
    """The `number`-th time that this trx_id comes to some point."""

    trx_id: str | None
    number: int = 1


@dataclass(frozen=True, slots=True)
class Spoiler:
    """Makes of a whole answer what the world hears."""

    faults: Faults
    hold_s: float

    def spoil(
        self,
        whole: Answer | HangUp,
        rows: tuple[Fault, ...],
        visit: Visit,
        stranger: Callable[[Fault], Answer],
    ) -> Answer | HangUp:
        """Return the answer, spoiled by the first of the rows that hits.

        Args:
            whole: what would be answered; a connection that ends without one is left alone.
            rows: what may happen here, in turn.
            visit: whose turn it is.
            stranger: the same answer about another order.
        """
        if isinstance(whole, HangUp):
            return whole
        for fault in rows:
            if self.faults.hits(fault, visit.trx_id, visit.number):
                spoiled = self._spoiled(whole, fault, visit, stranger)
                return replace(spoiled, after_s=spoiled.after_s + whole.after_s)
        return whole

    def _spoiled(
        self, whole: Answer, fault: Fault, visit: Visit, stranger: Callable[[Fault], Answer]
    ) -> Answer | HangUp:
        if fault in {Fault.LOST_REPLY, Fault.LOOKUP_LOST}:
            return HangUp()
        if fault is Fault.HELD_REPLY:
            return HangUp(after_s=self.hold_s)
        if fault is Fault.RESET_AFTER:
            return HangUp(reset=True)
        if fault in {Fault.ERROR_500, Fault.LOOKUP_500}:
            return refused(SERVER_ERROR)
        if fault in {Fault.HTML, Fault.LOOKUP_HTML}:
            return page(self.faults.pick(fault, visit.trx_id, visit.number, (200, 502)))
        if fault in {Fault.STRANGER, Fault.LOOKUP_STRANGER}:
            return stranger(fault)
        return self._cut(whole, fault, visit)

    def _cut(self, whole: Answer, fault: Fault, visit: Visit) -> Answer:
        """End it in its middle half; by the connection's end, or as if nothing were missing."""
        size = len(whole.body)
        places = range(size // 4, size * 3 // 4 + 1)
        place = self.faults.pick(fault, visit.trx_id, visit.number, places, "place")
        missing = self.faults.pick(fault, visit.trx_id, visit.number, (size - place, 0), "way")
        return replace(whole, body=whole.body[:place], missing=missing, after_s=0.0)

    def refusal(self, purchase: Purchase, visit: Visit, *, as_json: bool = False) -> Answer:
        """A definite refusal of an order that was bought: in the envelope, or as FAILED.

        FAILED is a line of text, or the JSON of an order that was placed as JSON.
        """
        fault, trx_id, number = Fault.REFUSED_AFTER, visit.trx_id, visit.number
        refusal = self.faults.pick(fault, trx_id, number, _REFUSALS, "code")
        form = self.faults.pick(fault, trx_id, number, ("envelope", "words", "code"), "form")
        if form == "envelope":
            return refused(refusal)
        words = _REFUSED_SENTENCE if form == "words" else refusal.code
        if as_json:
            return json(refusal_body(purchase, words))
        return text(refusal_line(purchase, words))

    def stranger_of(self, purchase: Purchase, fault: Fault, number: int = 1) -> Purchase:
        """A whole purchase that is not this one, and of nobody: another trx_id, SN and player."""
        trx_id = purchase.trx_id or ""
        near = (f"{trx_id}0", f"0{trx_id}", trx_id[:-1] + ("2" if trx_id[-1:] == "1" else "1"))
        names = (purchase.lot, number)
        digits = self.faults.pick(fault, *names, range(_HUGE), "invoice")
        status = self.faults.pick(fault, *names, (Status.SUCCESS, Status.FAILED), "status")
        order = replace(
            purchase.order,
            trx_id=self.faults.pick(fault, *names, near, "trx_id") if trx_id else None,
            user_id=f"9{purchase.user_id}",
        )
        return replace(
            purchase,
            invoice_number=f"{STRANGER_PREFIX}{int(purchase.created_at)}_{digits:09d}",
            order=order,
            status=status,
        )
