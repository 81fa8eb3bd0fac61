"""The upstream's books: who has how much, what was bought, and how often was it asked for.

Pure: no network, no files, no clock of its own. It is what tests, demo and bench judge the gateway
by, so it shares no code with the gateway: a mistake there must not be mirrored here. Every look-up
is one dictionary access.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.sandbox.catalog import Catalog
from gateway.sandbox.purchases import NEXT_STATUSES, Account, Order, Purchase, Status, Told
from gateway.sandbox.refusals import (
    API_KEY_NOT_FOUND,
    DUPLICATE_TRX_ID,
    INSUFFICIENT_BALANCE,
    INVOICE_NOT_FOUND,
    RefusedError,
)
from gateway.sandbox.traffic import Traffic

__all__ = [
    "OPENING_BALANCE_RP",
    "Account",
    "Ledger",
    "Money",
    "Order",
    "Purchase",
    "Status",
    "Told",
]

OPENING_BALANCE_RP = 10_000_000
"""Rupiah on an account that is opened at first sight: a thousand orders of an unlisted product."""

_UNSOLD_CODE = "S1_1187"


@dataclass(frozen=True, slots=True)
class Money:
    """What went through one account, in whole Rupiah, counted from its purchases."""

    opening_rp: int
    prices_rp: int
    returned_rp: int
    balance_rp: int

    @property
    def adds_up(self) -> bool:
        """Whether the balance is what the purchases leave of the opening one."""
        return self.opening_rp - self.prices_rp + self.returned_rp == self.balance_rp


class Ledger:
    """All accounts and purchases of one sandbox.

    Args:
        clock: seconds since the epoch.
        accounts: apikey to opening balance in whole Rupiah; only these are known then. None: every
            apikey is known, and has OPENING_BALANCE_RP when it is first seen.

    Attributes:
        purchases: all of them, in the order of buying.
        traffic: the order requests on the wire.
        catalog: what is sold, at which price.
        requests: how many came to each route, by method and path as the document writes it:
            `GET /v1/status/{invoice_number}`.
    """

    def __init__(
        self, clock: Callable[[], float], accounts: Mapping[str, int] | None = None
    ) -> None:
        self.purchases: list[Purchase] = []
        self.traffic = Traffic(clock)
        self.catalog = Catalog()
        self.requests: Counter[str] = Counter()
        self._purchases_of: dict[str, list[Purchase]] = {}
        self._clock = clock
        self._open_to_all = accounts is None
        self._accounts: dict[str, Account] = {}
        self._order_requests: Counter[str] = Counter()
        for apikey, balance_rp in (accounts or {}).items():
            self._open(apikey, balance_rp)

    def account(self, apikey: str) -> Account:
        """The account of an apikey.

        Raises:
            RefusedError: API_KEY_NOT_FOUND.
        """
        known = self._accounts.get(apikey)
        if known is not None:
            return known
        if not apikey or not self._open_to_all:
            raise RefusedError(API_KEY_NOT_FOUND)
        return self._open(apikey, OPENING_BALANCE_RP)

    def balance(self, apikey: str) -> int:
        """The balance of an apikey in whole Rupiah; raises like `account`."""
        return self.account(apikey).balance_rp

    def count_order_request(self, trx_id: str) -> None:
        """Take note that one order request with this trx_id arrived, whatever is answered."""
        self._order_requests[trx_id] += 1

    def order_requests(self, trx_id: str) -> int:
        """How many order requests with this trx_id arrived on the wire, v3 repeats included."""
        return self._order_requests[trx_id]

    def purchases_of(self, trx_id: str) -> list[Purchase]:
        """What was bought under this trx_id, over all accounts; twice is what must not be."""
        return list(self._purchases_of.get(trx_id, ()))

    def trx_ids(self) -> list[str]:
        """Every trx_id that was ordered or bought, each once."""
        return list({**self._order_requests, **self._purchases_of})

    def accounts(self) -> list[Account]:
        """Every account, in the order of opening."""
        return list(self._accounts.values())

    def money(self, apikey: str) -> Money:
        """What went through an account; raises like `account`."""
        account = self.account(apikey)
        bought = account.by_invoice.values()
        return Money(
            opening_rp=account.opening_rp,
            prices_rp=sum(purchase.price_rp for purchase in bought),
            returned_rp=sum(purchase.returned_rp for purchase in bought),
            balance_rp=account.balance_rp,
        )

    def age_s(self, purchase: Purchase) -> float:
        """How long ago it was bought."""
        return self._clock() - purchase.created_at

    def tell(self, purchase: Purchase, told: Purchase) -> None:
        """Take note of a callback about a purchase that tells what stands in `told`."""
        own = told.invoice_number == purchase.invoice_number
        true = own and told.status is purchase.status
        purchase.callbacks.append(Told(self._clock(), told.status, true, own))

    def unsold(self, account: Account, trx_id: str | None) -> Purchase:
        """What an order of this trx_id would look like; it stands in no book."""
        order = Order(trx_id, self.catalog.by_code(_UNSOLD_CODE), "123456789", "1234")
        return Purchase(account, "", order, self._clock(), Status.PENDING, [])

    def by_invoice(self, account: Account, invoice_number: str) -> Purchase:
        """The account's own purchase of that invoice_number.

        Raises:
            RefusedError: INVOICE_NOT_FOUND, for another account's purchase too.
        """
        return _found(account.by_invoice.get(invoice_number))

    def by_trx_id(self, account: Account, trx_id: str) -> Purchase:
        """The account's own purchase under that trx_id; raises like `by_invoice`."""
        return _found(account.by_trx_id.get(trx_id))

    def find(self, account: Account, name: str) -> Purchase:
        """The account's own purchase by either of its two names; raises like `by_invoice`."""
        return _found(account.by_invoice.get(name) or account.by_trx_id.get(name))

    def buy(
        self,
        account: Account,
        order: Order,
        status: Status = Status.PENDING,
        *,
        again: bool = False,
    ) -> Purchase:
        """Take the price from the balance and write the purchase down.

        With `again`, a used trx_id is bought once more; look-ups then still find its first
        purchase, and `purchases_of` tells of both.

        Raises:
            RefusedError: DUPLICATE_TRX_ID or INSUFFICIENT_BALANCE; nothing has changed then.
        """
        price_rp = order.product.price_rp
        if order.trx_id is not None and order.trx_id in account.by_trx_id and not again:
            raise RefusedError(DUPLICATE_TRX_ID)
        if price_rp > account.balance_rp:
            raise RefusedError(INSUFFICIENT_BALANCE)
        now = self._clock()
        invoice_number = self._next_invoice(order.product.category.prefix, now)
        purchase = Purchase(account, invoice_number, order, now, status, [(now, status)])
        account.balance_rp -= price_rp
        account.by_invoice[invoice_number] = purchase
        if order.trx_id is not None:
            account.by_trx_id.setdefault(order.trx_id, purchase)
            self._purchases_of.setdefault(order.trx_id, []).append(purchase)
        self.purchases.append(purchase)
        return purchase

    def move(self, purchase: Purchase, status: Status) -> None:
        """Give a purchase its next status, and the money back that belongs to it.

        FAILED and REFUNDED return all of the price, PARTIAL_SUCCESS returns half of it (an odd
        Rupiah stays).

        Raises:
            ValueError: no such step from where the purchase is; nothing has changed then.
        """
        if status not in NEXT_STATUSES[purchase.status]:
            raise ValueError(
                f"{purchase.invoice_number}: {purchase.status} cannot become {status}"
            )
        due_rp = 0
        if status in {Status.FAILED, Status.REFUNDED}:
            due_rp = purchase.price_rp - purchase.returned_rp
        elif status is Status.PARTIAL_SUCCESS:
            due_rp = purchase.price_rp // 2
        purchase.returned_rp += due_rp
        purchase.account.balance_rp += due_rp
        purchase.status = status
        purchase.history.append((self._clock(), status))

    def _open(self, apikey: str, balance_rp: int) -> Account:
        """Open an account named as in the document; a number tells the later ones apart."""
        number = "" if not self._accounts else str(len(self._accounts) + 1)
        account = Account(
            apikey=apikey,
            name=f"TopupKuy{number}",
            email=f"topupkuy{number}@topupkuy.id",
            plan="Platinum Member",
            balance_rp=balance_rp,
            opening_rp=balance_rp,
            opened_at=self._clock(),
        )
        self._accounts[apikey] = account
        return account

    def _next_invoice(self, prefix: str, now: float) -> str:
        """Like the document's APIKUY_XX_1679528285_4321; its last part grows, so none repeats."""
        return f"APIKUY_{prefix}_{int(now)}_{len(self.purchases) + 1:04d}"


def _found(purchase: Purchase | None) -> Purchase:
    if purchase is None:
        raise RefusedError(INVOICE_NOT_FOUND)
    return purchase
