"""Orders as they may stand in the journal, evidence, and an order's life step by step.

What the tests of `gateway.domain.order` share; what they expect stands in the tests themselves.
"""

from typing import Any

from msgspec.structs import replace

from gateway.domain.order import (
    Change,
    Evidence,
    Order,
    Rules,
    Silence,
    Source,
    Status,
    begin_send,
)
from gateway.domain.truth import apply

T0 = 1_700_000_000_000  # when the first send began, Unix milliseconds
S = 1000
RULES = Rules(schedule_s=(2, 5, 15, 30, 60), settle_s=40, expire_s=1800, lease_s=75)
NOTE = "Budi - 123456789(1234) . RefId: XX_1"


def new_order(**changes: Any) -> Order:
    """An order before its first send."""
    order = Order(
        reseller="toko",
        trx_id="A1",
        product_code="S1_1187",
        dest="1234567891234",
        user_id="123456789",
        server_id="1234",
        placed_at=T0,
    )
    return replace(order, **changes)


def sent(**changes: Any) -> Order:
    """An open order whose first send is under way."""
    return replace(begin_send(new_order(), T0, RULES), **changes)


def uncertain(sends: int = 1, *, ended_at: int = T0 + S, **changes: Any) -> Order:
    """An open order whose last send ended without an answer."""
    order = sent(
        sends=sends, begun=sends, sending=False, send_ended_at=ended_at, due_at=ended_at + 2 * S
    )
    return replace(order, **changes)


def final(status: Status, **changes: Any) -> Order:
    """A final order."""
    order = uncertain(
        status=status, note=NOTE, named=status is not Status.FAILED, final_at=T0 + 5 * S
    )
    return replace(order, **{"due_at": None, **changes})


def said(source: Source, verdict: Status | Silence, **changes: Any) -> Evidence:
    """Evidence in its plainest form; a reply is one to the first send."""
    send = 1 if source is Source.REPLY else 0
    plainest = Evidence(source=source, verdict=verdict, send=send, reason="time-out")
    return replace(plainest, **changes)


class Life:
    """An order's life: evidence arrives, time passes."""

    def __init__(self, order: Order | None = None, now: int = T0) -> None:
        self.now = now
        self.order = order or sent()
        self.change: Change | None = None

    def after(self, seconds: float) -> "Life":
        """Let time pass."""
        self.now += round(seconds * S)
        return self

    def hears(self, source: Source, verdict: Status | Silence, **changes: Any) -> Change:
        """Apply one piece of evidence now; a look-up was asked just now unless told otherwise."""
        evidence = said(source, verdict, **{"asked_at": self.now, **changes})
        self.change = apply(self.order, evidence, self.now, RULES)
        self.order = self.change.order
        return self.change

    def reply(self, verdict: Status | Silence, **changes: Any) -> Change:
        """The send that is under way ends."""
        return self.hears(Source.REPLY, verdict, **{"send": self.order.begun, **changes})

    def callback(self, verdict: Status | Silence, **changes: Any) -> Change:
        """The upstream calls back."""
        return self.hears(Source.CALLBACK, verdict, **changes)

    def lookup(self, verdict: Status | Silence, **changes: Any) -> Change:
        """A look-up is answered."""
        return self.hears(Source.LOOKUP, verdict, **changes)

    def times_out(self) -> "Life":
        """The send that is under way ends without an answer."""
        self.reply(Silence.NO_ANSWER)
        return self

    def is_sent_again(self) -> "Life":
        """The dust settles, the upstream does not know the order, the next send begins."""
        self.after(RULES.settle_s)
        assert self.lookup(Silence.NOT_FOUND).send
        return self
