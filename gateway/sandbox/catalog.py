"""What the sandbox sells: the products of the upstream's document, and any other well-formed code.

Data and one look-up. Codes that the document does not know are sold too, at one fixed price, so
that operators can try their own.
"""

import re
from dataclasses import dataclass

from gateway.sandbox.refusals import PRODUCT_NOT_FOUND, RefusedError

OTHER_PRICE_RP = 10_000
"""Rupiah; round, so that a balance can be checked in one's head."""

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `price_rp` in whole Rupiah, `prefix` opens the invoices of its category."""

    code: str
    name: str
    price_rp: int
    category_title: str
    category_subtitle: str | None = None
    prefix: str = "XX"


PRODUCTS = {
    product.code: product
    for product in (
        Product("S1_1187", "5 (5+0) Diamonds", 1511, "Mobile Legends", prefix="ML"),
        Product("S4_ML86", "86 Diamonds", 18624, "Mobile Legends", prefix="ML"),
        Product(
            "S1_10835",
            "60 + 1 Gems",
            11327,
            "Goddess of Victory: Nikke",
            "Level Infinite",
            prefix="NK",
        ),
    )
}
"""The products that the upstream's document shows, with its names and prices."""


def product_of(code: str) -> Product:
    """The product of a code; any `[A-Za-z0-9._-]{1,64}` is sold.

    Raises:
        RefusedError: PRODUCT_NOT_FOUND, for a code of another form.
    """
    known = PRODUCTS.get(code)
    if known is not None:
        return known
    if not _CODE.fullmatch(code):
        raise RefusedError(PRODUCT_NOT_FOUND)
    return Product(code, code, OTHER_PRICE_RP, "Sandbox")
