"""The price guard's decision alone: what costs more than it may is not sent."""

from typing import cast

import pytest

from gateway.flow.catalog import Catalog
from gateway.flow.price import PriceGuard, lowest


class Prices:
    """A catalogue that knows one price, or none; it notes whether it was asked."""

    def __init__(self, price: int | None) -> None:
        self.known = price
        self.asked: list[tuple[str, str, float]] = []

    async def price(self, account: str, product_code: str, within_s: float) -> int | None:
        self.asked.append((account, product_code, within_s))
        return self.known


async def fault(
    price: int | None, *, limit: int = 1511, unknown: str = "send", account: str | None = "a"
) -> str | None:
    prices = Prices(price)
    guard = PriceGuard(cast(Catalog, prices), unknown)
    found = await guard.fault(account, "S1_1187", limit, 7.5)
    assert prices.asked == ([] if account is None else [("a", "S1_1187", 7.5)])
    return found


@pytest.mark.parametrize("price", [0, 1, 1510, 1511])
async def test_what_costs_no_more_than_it_may_is_sent(price: int) -> None:
    assert await fault(price) is None
    assert await fault(price, unknown="refuse") is None


@pytest.mark.parametrize("price", [1512, 10**9])
async def test_what_costs_more_is_not(price: int) -> None:
    assert await fault(price) == (
        f"PRICE_CHANGED - Harga produk sekarang {price} di atas batas 1511,"
        " transaksi tidak dikirim."
    )
    assert await fault(1, limit=0) is not None


async def test_where_no_price_is_known_the_operator_decides() -> None:
    refused = "PRICE_CHANGED - Harga produk tidak diketahui, transaksi tidak dikirim."
    for account in ("a", None):
        assert await fault(None, account=account) is None
        assert await fault(None, account=account, unknown="refuse") == refused


def test_the_lowest_limit_counts() -> None:
    assert lowest(None, 5, 3) == 3
    assert lowest(0, 5) == 0
    assert lowest(None, None) is None
