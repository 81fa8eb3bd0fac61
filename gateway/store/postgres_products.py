"""The catalogue as it was seen, and what is bought most, in the PostgreSQL journal.

Several gateways may see the same difference in the same minute. What one of them has written is no
difference any more for the next, so each is told once.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.store.postgres_pool import Database, Session
from gateway.store.products import ProductChange, ProductRow, SoldPart, SoldProduct

_PRODUCT: Final = ProductRow.__struct_fields__
_CHANGE: Final = ProductChange.__struct_fields__
_NEWEST: Final = 2**62  # above every number
PART: Final = 20_000  # numbers of orders that one question counts
# Of two gateways that saw the same the second waits here, and then finds it written.
_HOLD: Final = "SELECT 1 FROM accounts WHERE id = $1 FOR NO KEY UPDATE"
_SEEN: Final = (
    "SELECT $1::text AS account, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[])"
    f" seen ({', '.join(_PRODUCT)})"
)
_PUT: Final = (
    f"INSERT INTO products (account, {', '.join(_PRODUCT)}) {_SEEN}"
    " ON CONFLICT (account, product_code) DO UPDATE SET name = excluded.name,"
    " price = excluded.price, status = excluded.status"
    " WHERE products.name <> excluded.name OR products.price IS DISTINCT FROM excluded.price"
    " OR products.status <> excluded.status RETURNING product_code"
)
_DROP: Final = (
    "DELETE FROM products WHERE account = $1 AND product_code = ANY ($2::text[])"
    " RETURNING product_code"
)
_TYPES: Final = ("text", "text", "bigint", "text", "text", "bigint", "bigint", "text")
_ADD: Final = (
    f"INSERT INTO product_changes ({', '.join(_CHANGE[1:])}) SELECT * FROM unnest("
    f"{', '.join(f'${n}::{type_}[]' for n, type_ in enumerate(_TYPES, 1))})"
)
# In an order that the index orders_of_reseller alone gives: along another one might have to walk.
_LAST: Final = (
    "SELECT id FROM orders WHERE (reseller, id) < ($1::text, $2::bigint) AND reseller >= $1::text"
    " ORDER BY reseller DESC, id DESC LIMIT 1"
)
_SOLD: Final = (
    "SELECT product_code, status, count(*) AS count,"
    " coalesce(sum(product_price), 0)::bigint AS rupiah FROM orders"
    " WHERE reseller = $1 AND id >= $2 AND id < $3 GROUP BY 1, 2"
)


class ProductTables:
    """`gateway.store.products.Products` on a PostgreSQL journal."""

    _database: Database

    async def products(self, account: str) -> list[ProductRow]:
        """List the products that were last seen under an upstream key, by code."""
        sql = (
            f"SELECT {', '.join(_PRODUCT)} FROM products WHERE account = $1 ORDER BY product_code"
        )

        async def work(session: Session) -> list[ProductRow]:
            return [ProductRow(**dict(row)) for row in await session.rows(sql, account)]

        return await self._database.repeat(work)

    async def note_products(
        self,
        account: str,
        seen: Sequence[tuple[ProductRow, ProductChange | None]],
        gone: Sequence[ProductChange],
        *,
        forget_before: int,
    ) -> int:
        """Write what is different from the look before, all or nothing."""

        async def work(session: Session) -> int:
            await session.rows(_HOLD, account)
            changes = await _put(session, account, seen)
            changes += await _drop(session, account, gone)
            columns = ([getattr(one, name) for one in changes] for name in _CHANGE[1:])
            await session.count(_ADD, *columns)
            await session.count("DELETE FROM product_changes WHERE at < $1", forget_before)
            return len(changes)

        return await self._database.transact(work)

    async def product_changes(
        self,
        account: str | None = None,
        product_code: str | None = None,
        *,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[ProductChange]:
        """List changes, newest first: of one product under one key, of one key, or of all."""
        given = {"account": account, "product_code": product_code}
        given = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(["id < $1", *(f"{name} = ${n}" for n, name in enumerate(given, 3))])
        sql = (
            f"SELECT {', '.join(_CHANGE)} FROM product_changes WHERE {where}"
            " ORDER BY id DESC LIMIT $2"
        )
        values = (_NEWEST if before_id is None else before_id, limit, *given.values())

        async def work(session: Session) -> list[ProductChange]:
            return [ProductChange(**dict(row)) for row in await session.rows(sql, *values)]

        return await self._database.repeat(work)

    async def sold_products(self, reseller: str, from_id: int, before_id: int | None) -> SoldPart:
        """Count a part of a reseller's orders by product, from the newest back."""
        before = _NEWEST if before_id is None else before_id
        work = partial(_sold, reseller=reseller, from_id=from_id, before_id=before)
        return await self._database.repeat(work)


async def _put(
    session: Session, account: str, seen: Sequence[tuple[ProductRow, ProductChange | None]]
) -> list[ProductChange]:
    """Write what is there now; returns what is told of it, as far as it was not written before."""
    changes: list[ProductChange] = []
    while seen:
        # In parts in which a code stands once, for a statement may write a row once.
        part: dict[str, tuple[ProductRow, ProductChange | None]] = {}
        later = [one for one in seen if part.setdefault(one[0].product_code, one) is not one]
        columns = ([getattr(row, name) for row, _ in part.values()] for name in _PRODUCT)
        written = {row[0] for row in await session.rows(_PUT, account, *columns)}
        told = [change for code, (_, change) in part.items() if code in written]
        changes += [change for change in told if change is not None]
        seen = later
    return changes


async def _drop(
    session: Session, account: str, gone: Sequence[ProductChange]
) -> list[ProductChange]:
    """Forget what is there no more; returns what is told of it, as `_put` does."""
    codes = [change.product_code for change in gone]
    dropped = {row[0] for row in await session.rows(_DROP, account, codes)}
    return [change for change in gone if change.product_code in dropped]


async def _sold(session: Session, reseller: str, from_id: int, before_id: int) -> SoldPart:
    last = await session.value(_LAST, reseller, before_id) or 0
    first = max(from_id, last + 1 - PART)
    rows = await session.rows(_SOLD, reseller, first, last + 1)
    products = tuple(SoldProduct(**dict(row)) for row in rows)
    return SoldPart(products=products, next_id=first if first > from_id else None)
