"""Everything that the parties of a run saw, as the judge is given it: plain data.

All times of one run are of one clock, in any unit; only their order matters. `Case.journal` and
`Case.deliveries` are plain data as `order list --json` and `delivery list --json` print it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.proof.reading import Dialect, Read, read_answer, read_delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that a reseller got.

    Attributes:
        asked_at: when it asked.
        at: when it had the answer.
        line: the body.
        http: the HTTP code.
        dialect: in which it asked.
        status_request: it had asked for the status, and not ordered.
        asked_id: it had asked by this invoice_number, and not by the trx_id.
        other: it had ordered with this trx_id, but another product or destination (T10).
    """

    asked_at: float
    at: float
    line: str
    http: int = 200
    dialect: Dialect = "text"
    status_request: bool = False
    asked_id: str | None = None
    other: bool = False

    @property
    def read(self) -> Read | None:
        """What it says, or None where it is none of its dialect."""
        return read_answer(self.dialect, self.http, self.line, ordered=not self.status_request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One delivery as it reached the reseller.

    Attributes:
        at: when.
        url: its address, or its target.
        took: it was answered with 2xx.
        body: what came with it, of a POST.
        signature: its `x-signature`.
        began_at: when its sender began. Where that is not known it is newer than no answer: it may
            have been on its way for long.
    """

    at: float
    url: str
    took: bool
    body: str | None = None
    signature: str | None = None
    began_at: float | None = None

    @property
    def read(self) -> Read | None:
        """What it says, or None where it has none of the forms."""
        return read_delivery(self.url, self.body)

    @property
    def bytes(self) -> tuple[str, str | None]:
        """What must stay the same in each repeat: the target and the body."""
        return target_of(self.url), self.body

    @property
    def whole(self) -> str:
        """All of it, as it is shown."""
        return self.url if self.body is None else f"{self.url} {self.body}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One order request on the wire.

    Attributes:
        began_at: when it left.
        ended_at: when both sides were done with it: its connection closed, and nothing of it under
            way any more.
        closed_at: when its own side closed the connection; None where that is not known.
        allowed: it is the first, or a look-up since the one before said INVOICE_NOT_FOUND.
    """

    began_at: float
    ended_at: float
    closed_at: float | None = None
    allowed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One purchase in the upstream's books.

    Attributes:
        invoice_number: the upstream's id.
        product_code: what was bought.
        dest: for whom: user_id and server_id glued.
        price_rp: what was taken, Rupiah.
        returned_rp: what was given back, Rupiah.
        history: every status with its time, oldest first.
        announced: the gateway has acknowledged a callback that told the last status. Nobody looks
            a sold order up again, so a refund that was never told of stays unknown.
    """

    invoice_number: str
    product_code: str
    dest: str
    price_rp: int
    returned_rp: int
    history: Sequence[tuple[float, str]]
    announced: bool = True

    @property
    def status(self) -> str:
        return self.history[-1][1]


@dataclass(slots=True, kw_only=True)
class Case:
    """Everything that is known about one order, each party's own view of it.

    Attributes:
        journal: the order as the journal shows it, or None where it is not there.
        deliveries: its deliveries as the journal shows them.
        requests: its order requests as they were seen on the wire; None where only their number
            is known.
        request_count: their number, where `requests` is None.
        unnamed: it was ordered without a trx_id; `trx_id` is what the test calls it.
        forms: in which it may be told: that of its dialect, or of its reseller.
        key: the reseller's, under which what is told in JSON is signed.
    """

    reseller: str
    trx_id: str
    product_code: str
    dest: str
    answers: list[Answer] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    journal: Mapping[str, Any] | None = None
    deliveries: list[Mapping[str, Any]] = field(default_factory=list)
    requests: list[Sent] | None = None
    request_count: int = 0
    bought: list[Bought] = field(default_factory=list)
    unnamed: bool = False
    forms: frozenset[str] = frozenset({"toss"})
    key: str = ""

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"

    @property
    def told_id(self) -> str | None:
        """The trx_id as the reseller knows it."""
        return None if self.unnamed else self.trx_id

    @property
    def truth(self) -> str:
        """What the upstream says in the end; what it never bought has failed."""
        return self.bought[0].status if self.bought else "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """One account at the upstream: what it had, what it has, and everything bought with it."""

    account: str
    opening_rp: int
    balance_rp: int
    bought: Sequence[Bought]


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of the gateway.

    Attributes:
        cases: every order.
        money: every account at the upstream.
        strays: names of purchases and deliveries that belong to no order of `cases`.
        settled: everything had time to end: what is still open, or still to be told, is lost.
        settle: how long a send is left to settle, in the unit of the run's times.
    """

    cases: Sequence[Case]
    money: Sequence[Money] = ()
    strays: Sequence[str] = ()
    settled: bool = True
    settle: float = 0.0


def target_of(url: str) -> str:
    """Return path and query of an address: what stands in the request line."""
    return url if url.startswith("/") else f"/{url.split('/', 3)[-1]}"
