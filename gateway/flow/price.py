"""The price guard: an order with a limit is not sent where its product costs more.

Ours, not the upstream's, which knows no such limit. It looks at the catalogue before the order is
journaled; a price that changes between that look and the purchase is paid.
"""

from gateway.domain.errors import Code, explain
from gateway.flow.catalog import Catalog

REFUSE = "refuse"  # what `unknown` may be, beside "send"
_UNKNOWN = "Harga produk tidak diketahui, transaksi tidak dikirim."


def lowest(*limits: int | None) -> int | None:
    """Return the lower of the limits that are set, Rupiah, or None."""
    return min((limit for limit in limits if limit is not None), default=None)


class PriceGuard:
    """Compares what a product costs with what it may cost.

    Args:
        catalog: knows the prices.
        unknown: what becomes of an order whose price nobody knows: "send" or "refuse".
    """

    def __init__(self, catalog: Catalog, unknown: str) -> None:
        self.unknown = unknown
        self._catalog = catalog

    async def fault(
        self, account: str | None, product_code: str, limit: int, within_s: float
    ) -> str | None:
        """Return why an order must not be sent, `<CODE> - <kalimat>`, or None.

        Args:
            account: who buys.
            product_code: what.
            limit: the most that it may cost, Rupiah.
            within_s: how long a price may be waited for, seconds; the catalogue waits 2 s.
        """
        price = None
        if account is not None:
            price = await self._catalog.price(account, product_code, within_s)
        if price is None:
            return explain(Code.PRICE_CHANGED, _UNKNOWN) if self.unknown == REFUSE else None
        if price <= limit:
            return None
        return explain(
            Code.PRICE_CHANGED,
            f"Harga produk sekarang {price} di atas batas {limit}, transaksi tidak dikirim.",
        )
