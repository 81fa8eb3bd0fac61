"""What a reseller bought most, counted for a time that is bounded."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.domain.order import Status
from gateway.flow.ledger import SOLD
from gateway.web.dashboard.visit import Tools

MOST: Final = 10  # products that are shown
_COUNT_S: Final = 0.15  # no part is begun after this


@dataclass(frozen=True, slots=True)
class Bought:
    """One product: how many orders, how many of them sold, and what those cost, Rupiah."""

    product_code: str
    count: int
    sold: int
    rupiah: int


@dataclass(frozen=True, slots=True)
class Products:
    """Those that are bought most; `is_whole`: all orders were looked at."""

    rows: list[Bought]
    is_whole: bool


async def bought_most(tools: Tools, code: str, since: int) -> Products:
    """Return what a reseller bought most since a time, Unix milliseconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _COUNT_S
    first = await tools.store.first_order_since(since)
    counts, sold, rupiah = Counter[str](), Counter[str](), Counter[str]()
    next_id: int | None = None
    while True:
        part = await tools.store.sold_products(code, first, next_id)
        for one in part.products:
            counts[one.product_code] += one.count
            if Status(one.status) in SOLD:
                sold[one.product_code] += one.count
                rupiah[one.product_code] += one.rupiah
        next_id = part.next_id
        if next_id is None or loop.time() >= until:
            break
    most = [
        Bought(name, count, sold[name], rupiah[name]) for name, count in counts.most_common(MOST)
    ]
    return Products(most, is_whole=next_id is None)
