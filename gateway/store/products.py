"""The catalogue as it was seen, with what changed in it, and what is bought most.

An intent's promises are those of `gateway.store.intents`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

NEW, GONE, PRICE, STATUS = "new", "gone", "price", "status"
"""What may be said of a product by a change; of several the first that is true."""


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    """A product as it was last seen under an upstream key.

    Attributes:
        product_code: by which it is ordered.
        name: as the upstream calls it.
        price: Rupiah, or None where it could not be read.
        status: the upstream's own word, or empty.
    """

    product_code: str
    name: str
    price: int | None
    status: str


class ProductChange(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between two looks at the catalogue.

    Attributes:
        id: its number; 0 until it is written.
        account: under which upstream key.
        product_code: of which product.
        at: when it was seen, Unix milliseconds.
        kind: `new`, `gone`, `price` or `status`.
        name: as the upstream called it then.
        price: Rupiah, from then on; of one that has gone its last.
        price_before: Rupiah, until then, or None.
        status: the upstream's own word, from then on.
    """

    id: int = 0
    account: str
    product_code: str
    at: int
    kind: str
    name: str
    price: int | None
    price_before: int | None = None
    status: str


class SoldProduct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What orders of one product and one status come to; amounts in Rupiah."""

    product_code: str
    status: str
    count: int
    rupiah: int


class SoldPart(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the orders comes to, by product.

    Attributes:
        products: each with its statuses.
        next_id: orders below this number were not looked at; None where all were.
    """

    products: tuple[SoldProduct, ...] = ()
    next_id: int | None = None


class Products(Protocol):
    """What can be asked of a journal about products."""

    async def products(self, account: str) -> list[ProductRow]:
        """List the products that were last seen under an upstream key, by code."""
        ...

    async def note_products(
        self,
        account: str,
        seen: Sequence[tuple[ProductRow, ProductChange | None]],
        gone: Sequence[ProductChange],
        *,
        forget_before: int,
    ) -> int:
        """Write what is different from the look before, all or nothing.

        What stands in the journal already, because another gateway of it saw the same, is not
        written a second time.

        Args:
            account: under which upstream key it was seen.
            seen: products that are new or changed, as they are now, and what is told of each.
            gone: what is told of those that are there no more.
            forget_before: older changes are forgotten, Unix milliseconds.

        Returns:
            How many changes were written.
        """
        ...

    async def product_changes(
        self,
        account: str | None = None,
        product_code: str | None = None,
        *,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[ProductChange]:
        """List changes, newest first: of one product under one key, of one key, or of all."""
        ...

    async def sold_products(self, reseller: str, from_id: int, before_id: int | None) -> SoldPart:
        """Count a part of a reseller's orders by product, from the newest back."""
        ...
