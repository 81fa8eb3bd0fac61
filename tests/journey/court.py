"""What every party of a journey saw of an order, written down for the judge of `tests.proof`.

The panel's own memory (`Wanted`), the receiver's file, the upstream's books and what the running
gateway's desk says. All times are seconds since the epoch, of this one machine.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.journey.office import PRODUCT, Office
from tests.journey.parties import PanelProcess, Told, UpstreamProcess, ask_whole
from tests.proof.judge import Answer, Bought, Case, Heard, Money, Run, Violation, judge

MANY = 100_000  # rows of a listing: all of them


@dataclass(slots=True)
class Wanted:
    """An order as its panel remembers it: what it asked for, and what it was answered."""

    reseller: str
    trx_id: str
    dest: str
    answers: list[Answer] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"

    async def order(self, office: Office, panel: PanelProcess) -> str | None:
        """Order; None where no whole answer came, or one that says that there is none (503)."""
        return await self._ask(
            office,
            "v3/otomax/order",
            product_code=PRODUCT,
            user_id=self.dest,
            trx_id=self.trx_id,
            callback_url=f"{panel.url}/{self.name}",
        )

    async def status(self, office: Office) -> str | None:
        """Ask for the status; None as above."""
        return await self._ask(office, f"v1/otomax/status/{self.trx_id}")

    async def _ask(self, office: Office, path: str, **query: str) -> str | None:
        began = time.time()
        try:
            code, line = await ask_whole(
                f"{office.url}/{path}", apikey=office.keys[self.reseller], **query
            )
        except (aiohttp.ClientError, ConnectionError):
            return None
        self.answers.append(
            Answer(
                asked_at=began,
                at=time.time(),
                line=line,
                http=code,
                status_request="status" in path,
            )
        )
        return line if code == HTTPStatus.OK else None


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
    journal: Journal,
    books: Mapping[str, Any],
    told: Callable[[str], Sequence[Told]],
) -> Run:
    """Return everything that is known, for the judge; the books may know of other runs, too."""
    cases = [_case(one, journal, books["orders"].get(one.name), told) for one in wanted]
    return Run(cases=cases, money=[_money(account, books) for account in books["accounts"]])


def _case(
    wanted: Wanted,
    journal: Journal,
    booked: Mapping[str, Any] | None,
    told: Callable[[str], Sequence[Told]],
) -> Case:
    order = journal.orders.get(wanted.name)
    purchases = booked["purchases"] if booked else []
    return Case(
        reseller=wanted.reseller,
        trx_id=wanted.trx_id,
        product_code=PRODUCT,
        dest=wanted.dest,
        answers=wanted.answers,
        heard=[
            Heard(at=one.at, url=one.line.split()[1], took=one.answered == 200)
            for one in told(wanted.name)
        ],
        journal=order,
        deliveries=list(journal.deliveries.get(wanted.name, ())),
        request_count=booked["requests"] if booked else 0,
        bought=[_as_can_be_known(one, order) for one in purchases],
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
    run = evidence(wanted, await Journal.of(office), await upstream.books(), panel.told)
    return run, judge(run)


async def all_true(
    wanted: Sequence[Wanted], office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> bool:
    """Whether everything has ended well; what is bought twice, or lied about, never gets so."""
    run, violations = await verdict(wanted, office, panel, upstream)
    return not violations and all(case.request_count == 1 for case in run.cases if case.bought)
