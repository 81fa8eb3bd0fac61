"""*Produk*: what can be bought, at which price, and how the prices have moved.

Prices belong to an upstream key, so a page is about one reseller's. The list is the one that the
resellers are told, as old as `catalog.ttl_s`; while the upstream is down, the last that was heard.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.protocol.catalog import Product
from gateway.store import ProductChange
from gateway.web.dashboard.pricechart import Chart, chart_of
from gateway.web.dashboard.visit import Route, Tools, Visit

_ROWS: Final = 100  # of a page
_WITHIN_S: Final = 3.0  # for a new list; what was heard last is shown where it takes longer
_CHANGES: Final = 50
_HISTORY: Final = 200  # changes of one product; a chart of more can not be read


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose prices are shown: a reseller's code, and the account that it buys under."""

    code: str
    account: str


class ProductPages:
    """`/products` and what is below.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [
            Route("GET", "/products", self.list_),
            Route("GET", "/products/changes", self.changes),
            Route("GET", "/products/of/{code}", self.show),
        ]

    def _whose(self, visit: Visit) -> tuple[list[str], Whose | None]:
        """Return the resellers that one may choose from, and the one that is chosen."""
        accounts = self._tools.directory.accounts_by_code()
        code = visit.asked("reseller") if visit.asked("reseller") in accounts else None
        code = code or next(iter(accounts), None)
        return list(accounts), None if code is None else Whose(code, accounts[code])

    async def list_(self, visit: Visit) -> web.StreamResponse:
        """List products, those that are looked for."""
        codes, whose = self._whose(visit)
        shown = None
        if whose is not None:
            shown = await self._tools.site.catalog.products(whose.account, _WITHIN_S)
        found = [] if shown is None else _found(shown.products, visit)
        page = visit.asked_id("page") or 1
        rows = found[(page - 1) * _ROWS : page * _ROWS]
        return await visit.page(
            "products.html",
            codes=codes,
            whose=whose,
            asked_at=None if shown is None else shown.asked_at,
            count=len(found),
            rows=rows,
            previous=visit.address_with(page=page - 1) if page > 1 else None,
            following=visit.address_with(page=page + 1) if page * _ROWS < len(found) else None,
        )

    async def changes(self, visit: Visit) -> web.StreamResponse:
        """List what changed of late."""
        codes, whose = self._whose(visit)
        rows: list[ProductChange] = []
        if whose is not None:
            rows = await self._tools.store.product_changes(
                whose.account, before_id=visit.asked_id("before"), limit=_CHANGES + 1
            )
        older = visit.address_with(before=rows[_CHANGES - 1].id) if len(rows) > _CHANGES else None
        return await visit.page(
            "product_changes.html", codes=codes, whose=whose, rows=rows[:_CHANGES], older=older
        )

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show one product, with its prices as a list and as a chart."""
        _, whose = self._whose(visit)
        code, chart, product = visit.request.match_info["code"], None, None
        rows: list[ProductChange] = []
        if whose is not None:
            rows = await self._tools.store.product_changes(whose.account, code, limit=_HISTORY)
            shown = await self._tools.site.catalog.products(whose.account, _WITHIN_S)
            listed = [] if shown is None else shown.products
            product = next((one for one in listed if one.code == code), None)
            chart = self._chart(visit, rows, product)
        status = 200 if rows or product is not None else 404
        return await visit.page(
            "product.html", status, code=code, whose=whose, product=product, rows=rows, chart=chart
        )

    @staticmethod
    def _chart(visit: Visit, rows: list[ProductChange], product: Product | None) -> Chart | None:
        steps = [(row.at, row.price) for row in reversed(rows) if row.kind != "status"]
        if rows and rows[-1].price_before is not None:
            # Where the line begins is not known: far enough before to be seen.
            lead_ms = max((visit.shapes.now - rows[-1].at) // 12, 1)
            steps.insert(0, (rows[-1].at - lead_ms, rows[-1].price_before))
        if product is not None:
            steps.append((visit.shapes.now, product.price))
        return chart_of(
            [(at, price) for at, price in steps if price is not None],
            label=visit.shapes.date,
            amount=visit.shapes.number,
        )


def _found(products: list[Product], visit: Visit) -> list[Product]:
    """Return those that the address asks for."""
    wanted, state = visit.asked("q").casefold(), visit.asked("state")
    return [
        one
        for one in products
        if wanted in f"{one.code} {one.name} {one.category}".casefold()
        and (not state or (one.is_active is False) == (state == "inactive"))
    ]
