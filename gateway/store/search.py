"""Looking through the orders by whatever an operator knows of one, and counting what is found.

No question may walk the journal in one go, so each of these looks at a part and says where the
next one begins: who asks decides how long he goes on. An intent's promises are those of
`gateway.store.intents`.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from gateway.domain.delivery import DeliveryState
from gateway.domain.order import Order

SPANS_MS: Final = (1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000)
"""Up to where a span of time belongs to each class; what is longer is in one more."""


class OrderSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders are looked for. None, or an empty list, is whatever it may be.

    Attributes:
        reseller: whose, by its code.
        trx_id: the reseller's id, by its bytes; or `code-trx_id`.
        invoice_number: the upstream's id, by its bytes.
        product_code: a part of it.
        dest: a part of it.
        note: a part of it: the SN, the RefId, the nickname; Latin letters in either case.
        statuses: one of these.
        dialect: in which it was placed.
        from_id: no order below this number.
        before_id: none from this number on.
    """

    reseller: str | None = None
    trx_id: str | None = None
    invoice_number: str | None = None
    product_code: str | None = None
    dest: str | None = None
    note: str | None = None
    statuses: Sequence[str] = ()
    dialect: str | None = None
    from_id: int = 1
    before_id: int | None = None


class FoundOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a part holds, newest first.

    Attributes:
        orders: those that were found.
        next_id: orders below this number were not looked at; None where all were.
    """

    orders: tuple[Order, ...] = ()
    next_id: int | None = None


class Tally(msgspec.Struct, frozen=True, gc=False):
    """How many orders of one status took a span of one class.

    Attributes:
        status: what is true of them.
        span: the class of the time from placed to final, a place in `SPANS_MS` or one more.
        count: how many.
        rupiah: the sum of their prices, as far as they are known.
    """

    status: str
    span: int
    count: int
    rupiah: int


class TalliedOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What a part comes to; `next_id` as in `FoundOrders`."""

    tallies: tuple[Tally, ...] = ()
    next_id: int | None = None


class Search(Protocol):
    """What can be asked of a journal about many orders."""

    async def first_order_since(self, at: int) -> int:
        """Return the number of the first order placed at a time or later; one more than the last.

        Numbers grow with time, but for where the clock was set back.
        """
        ...

    async def find_orders(self, wanted: OrderSearch, limit: int) -> FoundOrders:
        """Look through a part of the orders, from the newest back."""
        ...

    async def tally_orders(self, wanted: OrderSearch) -> TalliedOrders:
        """Count in a part of the orders, from the newest back."""
        ...

    async def oldest_open(self, limit: int) -> list[Order]:
        """List the orders that are open for the longest time.

        Where thousands are open they are the oldest of those that are due first.
        """
        ...

    async def count_deliveries(self, state: DeliveryState, most: int) -> int:
        """Count the deliveries that are due or dead; no further than `most`."""
        ...
