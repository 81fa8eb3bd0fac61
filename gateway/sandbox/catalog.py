"""The sandbox's shop: what is listed, what is sold, and at which price.

Pure. Each sandbox has its own, and prices can change while it runs. Well-formed codes that are in
no list are sold too, at one fixed price, so that operators can try their own.
"""

import re
from dataclasses import replace

from gateway.sandbox.goods import CATEGORIES, PRODUCTS, UNLISTED, Category, Product
from gateway.sandbox.refusals import (
    PAYMENT_METHOD_NOT_ALLOWED,
    PRODUCT_INACTIVE,
    PRODUCT_NOT_FOUND,
    RefusedError,
)

OTHER_PRICE_RP = 10_000
"""Rupiah; round, so that a balance can be checked in one's head."""

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Catalog:
    """The goods of one sandbox, each product with its present price."""

    def __init__(self) -> None:
        self._by_code = {product.code: product for product in PRODUCTS}
        self._codes = {product.product_id: product.code for product in PRODUCTS}

    def categories(self) -> tuple[Category, ...]:
        """Every category, in the order of its list."""
        return CATEGORIES

    def products(self, category_id: str | None = None) -> list[Product]:
        """Every listed product, inactive ones too, or those of one category, if there is such."""
        return [
            product
            for product in self._by_code.values()
            if category_id is None or product.category.category_id == category_id
        ]

    def by_code(self, code: str) -> Product:
        """The listed product of a code.

        Raises:
            RefusedError: PRODUCT_NOT_FOUND, for a code that is in no list, even if it is sold.
        """
        product = self._by_code.get(code)
        if product is None:
            raise RefusedError(PRODUCT_NOT_FOUND)
        return product

    def by_id(self, product_id: str) -> Product:
        """The listed product of a product_id; raises like `by_code`."""
        return self.by_code(self._codes.get(product_id, ""))

    def sold(self, code: str) -> Product:
        """What an order of this code buys; any `[A-Za-z0-9._-]{1,64}` is sold.

        Raises:
            RefusedError: PRODUCT_NOT_FOUND, for a code of another form; PRODUCT_INACTIVE;
                PAYMENT_METHOD_NOT_ALLOWED, for an e-wallet.
        """
        product = self._by_code.get(code)
        if product is None:
            if not _CODE.fullmatch(code):
                raise RefusedError(PRODUCT_NOT_FOUND)
            return Product(code, code, OTHER_PRICE_RP, UNLISTED)
        if not product.is_active:
            raise RefusedError(PRODUCT_INACTIVE)
        if not product.category.sells_for_saldo:
            raise RefusedError(PAYMENT_METHOD_NOT_ALLOWED)
        return product

    def set_price(self, code: str, price_rp: int) -> None:
        """Change a price, in whole Rupiah. What was bought before keeps the one it was bought at.

        Raises:
            ValueError: no product of that code is listed.
        """
        self._by_code[code] = replace(self._listed(code), price_rp=price_rp)

    def set_active(self, code: str, active: bool) -> None:  # noqa: FBT001 - a setter takes a plain boolean
        """Begin or cease to sell a product; raises like `set_price`. It stays in the lists."""
        self._by_code[code] = replace(self._listed(code), is_active=active)

    def _listed(self, code: str) -> Product:
        product = self._by_code.get(code)
        if product is None:
            raise ValueError(f"no product is listed as {code}")
        return product


def product_table() -> str:
    """The listed products as aligned text, one a line, for `--help`."""
    code = max(len(product.code) for product in PRODUCTS)
    price = max(len(str(product.price_rp)) for product in PRODUCTS)
    return "\n".join(
        f"{product.code:<{code}}  Rp {product.price_rp:>{price}}"
        f"  {product.category.title}, {product.name}{_refused_as(product)}"
        for product in PRODUCTS
    )


def _refused_as(product: Product) -> str:
    if not product.is_active:
        return f" ({PRODUCT_INACTIVE.code})"
    return "" if product.category.sells_for_saldo else f" ({PAYMENT_METHOD_NOT_ALLOWED.code})"
