"""The catalogue as it was seen, and what is bought most, in the SQLite journal."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from gateway.store import ProductChange, ProductRow, SoldPart, SoldProduct
from gateway.store.group_commit import T, Work

_PRODUCT = ProductRow.__struct_fields__
_CHANGE = ProductChange.__struct_fields__
_NEWEST = 2**62  # above every number
PART = 20_000  # numbers of orders that one turn of the reader counts: some ten milliseconds
_PUT = (
    f"INSERT INTO products (account, {', '.join(_PRODUCT)}) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (account, product_code) DO UPDATE SET name = excluded.name,"
    " price = excluded.price, status = excluded.status"
    " WHERE products.name <> excluded.name OR products.price IS NOT excluded.price"
    " OR products.status <> excluded.status"
)
_ADD = (
    f"INSERT INTO product_changes ({', '.join(_CHANGE[1:])})"
    f" VALUES ({', '.join('?' * len(_CHANGE[1:]))})"
)
_SOLD = (
    "SELECT product_code, status, count(*), coalesce(sum(product_price), 0) FROM orders"
    " INDEXED BY orders_of_reseller WHERE reseller = ? AND id >= ? AND id < ? GROUP BY 1, 2"
)
_LAST = (
    "SELECT coalesce(max(id), 0) FROM orders INDEXED BY orders_of_reseller"
    " WHERE reseller = ? AND id < ?"
)


class ProductTables:
    """`gateway.store.products.Products` on a SQLite journal, which others read and write."""

    async def _read(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def _write_aside(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def products(self, account: str) -> list[ProductRow]:
        """List the products that were last seen under an upstream key, by code."""
        sql = f"SELECT {', '.join(_PRODUCT)} FROM products WHERE account = ? ORDER BY product_code"

        def work(connection: sqlite3.Connection) -> list[ProductRow]:
            rows = connection.execute(sql, (account,)).fetchall()
            return [ProductRow(**dict(zip(_PRODUCT, row, strict=True))) for row in rows]

        return await self._read(work)

    async def note_products(
        self,
        account: str,
        seen: Sequence[tuple[ProductRow, ProductChange | None]],
        gone: Sequence[ProductChange],
        *,
        forget_before: int,
    ) -> int:
        """Write what is different from the look before, all or nothing."""

        def work(connection: sqlite3.Connection) -> int:
            changes: list[ProductChange] = []
            for row, change in seen:
                values = (account, *(getattr(row, name) for name in _PRODUCT))
                is_new = connection.execute(_PUT, values).rowcount > 0
                changes += [change] if is_new and change is not None else []
            for change in gone:
                sql = "DELETE FROM products WHERE account = ? AND product_code = ?"
                is_new = connection.execute(sql, (account, change.product_code)).rowcount > 0
                changes += [change] if is_new else []
            rows = [[getattr(one, name) for name in _CHANGE[1:]] for one in changes]
            connection.executemany(_ADD, rows)
            connection.execute("DELETE FROM product_changes WHERE at < ?", (forget_before,))
            return len(changes)

        return await self._write_aside(work)

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
        where = " AND ".join([*(f"{name} = ?" for name in given), "id < ?"])
        sql = (
            f"SELECT {', '.join(_CHANGE)} FROM product_changes WHERE {where}"
            " ORDER BY id DESC LIMIT ?"
        )
        values = (*given.values(), _NEWEST if before_id is None else before_id, limit)

        def work(connection: sqlite3.Connection) -> list[ProductChange]:
            rows = connection.execute(sql, values).fetchall()
            return [ProductChange(**dict(zip(_CHANGE, row, strict=True))) for row in rows]

        return await self._read(work)

    async def sold_products(self, reseller: str, from_id: int, before_id: int | None) -> SoldPart:
        """Count a part of a reseller's orders by product, from the newest back."""
        before = _NEWEST if before_id is None else before_id
        return await self._read(lambda connection: _sold(connection, reseller, from_id, before))


def _sold(connection: sqlite3.Connection, reseller: str, from_id: int, before_id: int) -> SoldPart:
    (last,) = connection.execute(_LAST, (reseller, before_id)).fetchone()
    first = max(from_id, last + 1 - PART)
    rows: list[Sequence[Any]] = connection.execute(_SOLD, (reseller, first, last + 1)).fetchall()
    names = SoldProduct.__struct_fields__
    products = tuple(SoldProduct(**dict(zip(names, row, strict=True))) for row in rows)
    return SoldPart(products=products, next_id=first if first > from_id else None)
