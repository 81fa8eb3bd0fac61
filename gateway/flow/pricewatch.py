"""Watch the upstream's catalogue: what is new, what has gone, what costs something else now.

A slow look, under each upstream key that somebody buys under, through `flow.catalog`, so that it
shares a list that a reseller asks for anyway. Only differences are written; the first look under a
key tells nothing, for there all would be new. An empty list is no news: a shop that sells nothing
is a shop whose list is broken.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable
from gateway.flow.catalog import Catalog
from gateway.flow.directory import Directory
from gateway.flow.worker import Bell
from gateway.log import get_logger
from gateway.protocol.catalog import Product
from gateway.store import ProductChange, ProductRow, Store
from gateway.store.products import GONE, NEW, PRICE, STATUS

log = get_logger(__name__)

KEPT_S: Final = 180 * 86_400  # half a year of prices
_WITHIN_S: Final = 30.0  # a list of 3 MB over a slow line; nobody waits for it
_OFF_S: Final = 60.0  # how soon it is noticed that it was switched on
_NOT_WITHIN_S: Final = 60.0  # whatever is configured: prices are not that quick
# A start is not the moment to ask for lists: panels come back, open orders are looked up.
_FIRST_S: Final = 20.0
_TURN: Final = "catalogue"
_TURN_LASTS: Final = 1.5  # looks: who looks keeps it, though a look takes its time
ACTIVE, INACTIVE = "active", "inactive"

Change = tuple[ProductRow, ProductChange | None]


class PriceWatch:
    """Looks at the catalogue from time to time.

    Args:
        store: the journal.
        catalog: asks the upstream.
        directory: under which keys somebody buys.
        clock: Unix milliseconds.
        every_s: seconds between two looks; 0: never.
    """

    def __init__(
        self, store: Store, catalog: Catalog, directory: Directory, clock: Clock, *, every_s: float
    ) -> None:
        self.bell = Bell()
        self.every_s = every_s
        self._store = store
        self._catalog = catalog
        self._directory = directory
        self._clock = clock

    async def run(self) -> None:
        """Look, for ever."""
        await self.bell.wait(_FIRST_S)
        while True:
            try:
                if self.every_s and await self._is_ours():
                    await self.step()
            except JournalUnavailable as error:
                log.warning("journal.failed", reason=str(error))
            await self.bell.wait(max(self.every_s, _NOT_WITHIN_S) if self.every_s else _OFF_S)

    async def _is_ours(self) -> bool:
        """Whether no other gateway of this journal looks: one list is as good as the other."""
        return await self._store.nodes.turn(_TURN, _TURN_LASTS * max(self.every_s, _NOT_WITHIN_S))

    async def step(self) -> int:
        """Look once under each key; returns how many changes were seen."""
        changes = 0
        for account in sorted(set(self._directory.accounts_by_code().values())):
            shown = await self._catalog.products(account, _WITHIN_S)
            if shown is not None and shown.products:
                changes += await self._note(account, shown.products)
        return changes

    async def _note(self, account: str, products: Sequence[Product]) -> int:
        before = {row.product_code: row for row in await self._store.products(account)}
        now = self._clock()
        seen, gone = await asyncio.to_thread(differences, account, before, products, now)
        if not seen and not gone:
            return 0
        count = await self._store.note_products(
            account, seen, gone, forget_before=now - KEPT_S * MS_PER_S
        )
        if count:
            log.info("catalog.changed", changes=count)
        return count


def differences(
    account: str, before: Mapping[str, ProductRow], products: Sequence[Product], now: int
) -> tuple[list[Change], list[ProductChange]]:
    """Return what is different from a look before: what there is, and what has gone.

    Args:
        account: under which key.
        before: what was there then, by code; empty at the first look.
        products: what is there now.
        now: Unix milliseconds.
    """
    seen: list[Change] = []
    for row in map(row_of, products):
        held = before.get(row.product_code)
        if row != held:
            kind = _kind(held, row) if before else None
            told = None if kind is None else _told(account, row, kind, now, held)
            seen.append((row, told))
    left = before.keys() - {product.code for product in products}
    gone = [_told(account, before[code], GONE, now, before[code]) for code in sorted(left)]
    return seen, gone


def row_of(product: Product) -> ProductRow:
    """Return a product as the journal keeps it."""
    status = {True: ACTIVE, False: INACTIVE, None: ""}[product.is_active]
    return ProductRow(
        product_code=product.code, name=product.name, price=product.price, status=status
    )


def _kind(held: ProductRow | None, row: ProductRow) -> str | None:
    """Return what is told of a product; a new name alone is written and not told."""
    if held is None:
        return NEW
    if held.price != row.price:
        return PRICE
    return STATUS if held.status != row.status else None


def _told(
    account: str, row: ProductRow, kind: str, now: int, held: ProductRow | None
) -> ProductChange:
    return ProductChange(
        account=account,
        product_code=row.product_code,
        at=now,
        kind=kind,
        name=row.name,
        price=row.price,
        price_before=None if held is None else held.price,
        status=row.status,
    )
