"""What every party of a journey saw of an order, written down for the judge of `tests.proof`.

The panel's own memory (`Wanted`), the receiver's file, the upstream's books and what the running
gateway's desk says. What is answered and told is timed by this machine's steady clock, which all
its processes share and nobody sets; the upstream's books have a time of their own.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from tests.journey.office import PRODUCT, Office
from tests.journey.parties import PanelProcess, Told, UpstreamProcess, send
from tests.proof import asking
from tests.proof.asking import Ordered, Request
from tests.proof.judge import Answer, Bought, Case, Money, Run, Violation, judge
from tests.proof.reading import Dialect

MANY = 100_000  # rows of a listing: all of them


@dataclass(slots=True)
class Wanted:
    """An order as its reseller remembers it: what was asked for, and what was answered.

    Attributes:
        reseller: the code.
        trx_id: where it is unnamed only what the test calls it.
        dialect: in which it is ordered.
        unnamed: it is ordered without a trx_id, in JSON, and so only once.
        dialects: in which it was ordered and repeated.
    """

    reseller: str
    trx_id: str
    dest: str
    dialect: Dialect = "text"
    unnamed: bool = False
    answers: list[Answer] = field(default_factory=list)
    dialects: set[Dialect] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"

    @property
    def invoice(self) -> str | None:
        """The invoice_number, once an answer told it."""
        read = [answer.read for answer in self.answers]
        return next((each.number for each in read if each is not None and each.number), None)

    async def order(
        self, office: Office, panel: PanelProcess, dialect: Dialect | None = None
    ) -> str | None:
        """Order, or ask again by ordering; None where no whole answer came, or a 503.

        Args:
            office: where.
            panel: who is to be told.
            dialect: another one than it was ordered in.
        """
        dialect = dialect or self.dialect
        ordered = Ordered(
            trx_id=None if self.unnamed else self.trx_id,
            product=PRODUCT,
            dest=self.dest,
            callback_url=f"{panel.url}/{self.name}",
        )
        self.dialects.add(dialect)
        request = asking.order(office.resellers[self.reseller], ordered, dialect, once=False)
        return await self._ask(office, request, dialect)

    async def status(self, office: Office, dialect: Dialect | None = None) -> str | None:
        """Ask for the status; None as above, and where it has no name to ask by."""
        dialect, invoice = dialect or self.dialect, self.invoice if self.unnamed else None
        if self.unnamed and (invoice is None or dialect == "native"):
            return None
        ordered = Ordered(trx_id=self.trx_id, product=PRODUCT, dest=self.dest)
        request = asking.status(office.resellers[self.reseller], ordered, dialect, invoice)
        return await self._ask(office, request, dialect, asked_id=invoice, status=True)

    async def _ask(
        self,
        office: Office,
        request: Request,
        dialect: Dialect,
        *,
        asked_id: str | None = None,
        status: bool = False,
    ) -> str | None:
        began = time.monotonic()
        try:
            code, line = await send(URL(office.url), request)
        except (aiohttp.ClientError, ConnectionError):
            return None
        self.answers.append(
            Answer(
                asked_at=began,
                at=time.monotonic(),
                line=line,
                http=code,
                dialect=dialect,
                status_request=status,
                asked_id=asked_id,
            )
        )
        return None if code == HTTPStatus.SERVICE_UNAVAILABLE else line


@dataclass(frozen=True, slots=True)
class Journal:
    """What the running gateway's desk says of all its orders."""

    orders: Mapping[str, Any]
    deliveries: Mapping[str, Sequence[Any]]

    @classmethod
    async def of(cls, office: Office) -> "Journal":
        deliveries = defaultdict(list)
        for row in await office.desk("delivery.list", limit=MANY):
            deliveries[row["upstream_trx_id"]].append(row)
        orders = await office.desk("order.list", limit=MANY)
        return cls({order["upstream_trx_id"]: order for order in orders}, deliveries)


def evidence(
    wanted: Sequence[Wanted],
    office: Office,
    journal: Journal,
    books: Mapping[str, Any],
    told: Callable[[str], Sequence[Told]],
) -> Run:
    """Return everything that is known, for the judge; the books may know of other runs, too."""
    names = _names(wanted, journal, books)
    cases = [_case(one, office, journal, books, names[one.name]) for one in wanted]
    for case in cases:
        case.heard = [one.heard for one in told(case.name)]
    return Run(cases=cases, money=[_money(account, books) for account in books["accounts"]])


def _names(
    wanted: Sequence[Wanted], journal: Journal, books: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return under which names each is known; one is right.

    What has no trx_id is known by its reseller and its destination, of which there is no other.
    """
    made: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for name, order in journal.orders.items():
        if order["unnamed"]:
            made[order["reseller"], order["dest"]][name] = None
    for name, order in books["orders"].items():
        for each in order["purchases"]:
            made[name.partition("-")[0], each["user_id"] + each["server_id"]][name] = None
    return {
        one.name: list(made[one.reseller, one.dest]) if one.unnamed else [one.name]
        for one in wanted
    }


def _case(
    wanted: Wanted,
    office: Office,
    journal: Journal,
    books: Mapping[str, Any],
    names: Sequence[str],
) -> Case:
    kept_as = next((name for name in names if name in journal.orders), "")
    order = journal.orders.get(kept_as)
    booked = [books["orders"][name] for name in names if name in books["orders"]]
    reseller = office.resellers[wanted.reseller]
    return Case(
        reseller=wanted.reseller,
        trx_id=wanted.trx_id,
        product_code=PRODUCT,
        dest=wanted.dest,
        answers=wanted.answers,
        journal=order,
        deliveries=list(journal.deliveries.get(kept_as, ())),
        request_count=sum(each["requests"] for each in booked),
        bought=[_as_can_be_known(one, order) for each in booked for one in each["purchases"]],
        unnamed=wanted.unnamed,
        forms=frozenset(reseller.form(dialect) for dialect in wanted.dialects),
        key=reseller.key,
    )


def _as_can_be_known(purchase: Mapping[str, Any], order: Mapping[str, Any] | None) -> Bought:
    """Return a purchase with its history as the upstream told it.

    Two things are not promised, and only they are taken out of the judge's sight. A success is
    looked up again only for a reason, so a refund that nobody called back is not noticed. And a
    callback with the order's own token that says SUCCESS is the upstream's word (contract T9),
    whatever its books hold; what they hold in the end is still the truth.
    """
    bought = _bought(purchase)
    *before, last = bought.history
    calls = [call for call in purchase["callbacks"] if call["own"]]
    unheard = not any(call["true"] and call["status"] == "REFUNDED" for call in calls)
    if last[1] == "REFUNDED" and unheard and order is not None and order["status"] == "SUCCESS":
        return replace(bought, history=before)
    said = [(call["at"], "SUCCESS") for call in calls if call["status"] == "SUCCESS"]
    return replace(bought, history=[*before, *said, last])


def _bought(purchase: Mapping[str, Any]) -> Bought:
    return Bought(
        invoice_number=purchase["invoice_number"],
        product_code=purchase["product_code"],
        dest=purchase["user_id"] + purchase["server_id"],
        price_rp=purchase["price_rp"],
        returned_rp=purchase["returned_rp"],
        history=[(step["at"], step["status"]) for step in purchase["history"]],
    )


def _money(account: Mapping[str, Any], books: Mapping[str, Any]) -> Money:
    bought = [
        purchase
        for order in books["orders"].values()
        for purchase in order["purchases"]
        if purchase["account"] == account["account"]
    ]
    return Money(
        account=account["account"],
        opening_rp=account["opening_rp"],
        balance_rp=account["balance_rp"],
        bought=[_bought(purchase) for purchase in bought],
    )


async def verdict(
    wanted: Sequence[Wanted], office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> tuple[Run, list[Violation]]:
    """Hold these orders against everything that is known of them."""
    journal, books = await Journal.of(office), await upstream.books()
    run = evidence(wanted, office, journal, books, panel.told)
    return run, judge(run)


async def all_true(
    wanted: Sequence[Wanted], office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> bool:
    """Whether everything has ended well; what is bought twice, or lied about, never gets so."""
    run, violations = await verdict(wanted, office, panel, upstream)
    return not violations and all(case.request_count == 1 for case in run.cases if case.bought)
