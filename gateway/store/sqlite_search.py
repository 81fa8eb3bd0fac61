"""Looking through the orders of the SQLite journal, part by part.

A reseller's orders, and the few that ended otherwise than most, have an index, along which a part
begins at the next order that may match. Everything else is looked for from the newest order back:
some 0.15 us an order, so a part of them is one short turn of the reader.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from gateway.domain.delivery import DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import FoundOrders, OrderSearch, TalliedOrders, Tally
from gateway.store.group_commit import T, Work
from gateway.store.rows import as_list, order_from
from gateway.store.search import SPANS_MS
from gateway.store.sqlite_write import SELECT_ORDER

# Numbers of orders that one turn looks through: some 3 ms to find, and 6 to count.
PART = 20_000
TALLY_PART = 10_000
# As many open orders are gone through by their index, some 3 ms. Where there are more they are
# most of the newest orders, and are found there.
FEW_OPEN = 2_000
_NEWEST = 2**62  # above every number

_OPEN = frozenset({Status.PENDING, Status.PAID})
_UNSOLD = frozenset(status for status in Status if status.is_final) - {Status.SUCCESS}
# In the words of the partial indexes, so that SQLite knows that they serve.
_IS_UNSOLD = "final_at IS NOT NULL AND status <> 'SUCCESS'"
_IS_OPEN = "due_at IS NOT NULL AND final_at IS NULL"
_SPAN = " ".join(f"WHEN final_at - placed_at < {ms} THEN {n}" for n, ms in enumerate(SPANS_MS))
_TALLY = (
    f"SELECT status, CASE {_SPAN} ELSE {len(SPANS_MS)} END AS span, count(*),"
    " coalesce(sum(product_price), 0) FROM orders"
)
_STATUSES = "status IN (SELECT value FROM json_each(:statuses))"
_PARTS_OF = ("product_code", "dest", "note")


class SearchTables:
    """`gateway.store.search.Search` on a SQLite journal, which others read."""

    async def _read(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def first_order_since(self, at: int) -> int:
        """Return the number of the first order placed at a time or later."""
        return await self._read(lambda connection: _first_since(connection, at))

    async def find_orders(self, wanted: OrderSearch, limit: int) -> FoundOrders:
        """Look through a part of the orders, from the newest back."""
        return await self._read(lambda connection: _find(connection, wanted, limit))

    async def tally_orders(self, wanted: OrderSearch) -> TalliedOrders:
        """Count in a part of the orders, from the newest back."""
        return await self._read(lambda connection: _tally(connection, wanted))

    async def oldest_open(self, limit: int) -> list[Order]:
        """List the orders that are open for the longest time."""
        sql = (
            f"{SELECT_ORDER} WHERE id IN (SELECT id FROM (SELECT id FROM orders"
            f" INDEXED BY orders_due WHERE {_IS_OPEN} ORDER BY due_at LIMIT ?)"
            " ORDER BY id LIMIT ?) ORDER BY id"
        )
        values = (FEW_OPEN, limit)
        return await self._read(
            lambda connection: [order_from(row) for row in connection.execute(sql, values)]
        )

    async def count_deliveries(self, state: DeliveryState, most: int) -> int:
        """Count the deliveries that are due or dead; no further than `most`."""
        rows = "deliveries INDEXED BY deliveries_due WHERE next_at IS NOT NULL"
        if state is not DeliveryState.DUE:
            rows = (
                "deliveries INDEXED BY deliveries_undelivered"
                f" WHERE state = '{state}' AND state <> 'delivered' AND next_at IS NULL"
            )
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT ?)"
        return await self._read(
            lambda connection: int(connection.execute(sql, (most,)).fetchone()[0])
        )


def _first_since(connection: sqlite3.Connection, at: int) -> int:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM orders").fetchone()
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        sql = "SELECT placed_at FROM orders WHERE id >= ? ORDER BY id LIMIT 1"
        if connection.execute(sql, (middle,)).fetchone()[0] < at:
            low = middle + 1
        else:
            high = middle
    return low


class _Part:
    """Where a part lies, along which index, and what its orders have to be."""

    def __init__(self, connection: sqlite3.Connection, wanted: OrderSearch, size: int) -> None:
        self._connection = connection
        self._wanted = wanted
        self.conditions, self.values = _conditions(wanted)
        self._statuses = {Status(word) for word in wanted.statuses}
        self.index = self._index()
        self.first = wanted.from_id
        self.before = self._newest()
        if wanted.trx_id is None and wanted.invoice_number is None and self.index != "orders_due":
            self.first = max(self.first, self.before - size)

    @property
    def next_id(self) -> int | None:
        """Where the next part begins; None where there is none."""
        return self.first if self.first > self._wanted.from_id else None

    def sql(self, select: str, end: str) -> str:
        """Return a statement for the orders of this part."""
        by = f" INDEXED BY {self.index}" if self.index else ""
        where = " AND ".join(["id >= :first", "id < :before", *self.conditions])
        return f"{select}{by} WHERE {where} {end}"

    def given(self, **more: object) -> dict[str, object]:
        """Return its parameters."""
        return {**self.values, "first": self.first, "before": self.before, **more}

    def _index(self) -> str | None:
        """Return the index that holds fewest others beside what is wanted; None for none."""
        wanted = self._wanted
        if wanted.trx_id is not None:
            return None  # SQLite finds the one that is unique by itself
        if wanted.invoice_number is not None:
            return "orders_invoice"
        if self._statuses and self._statuses <= _OPEN and self._are_few_open():
            self.conditions.append(_IS_OPEN)
            return "orders_due"
        if self._statuses and self._statuses <= _UNSOLD:
            self.conditions.append(_IS_UNSOLD)
            return "orders_unsold_of_reseller" if wanted.reseller else "orders_unsold"
        return "orders_of_reseller" if wanted.reseller else None

    def _are_few_open(self) -> bool:
        sql = (
            "SELECT count(*) FROM (SELECT 1 FROM orders INDEXED BY orders_due"
            f" WHERE {_IS_OPEN} LIMIT ?)"
        )
        (number,) = self._connection.execute(sql, (FEW_OPEN + 1,)).fetchone()
        return int(number) <= FEW_OPEN

    def _newest(self) -> int:
        """Return one more than the newest order that may match."""
        before = _NEWEST if self._wanted.before_id is None else self._wanted.before_id
        values = {**self.values, "before": before}
        if self.index in ("orders_unsold", "orders_unsold_of_reseller"):
            mine = "reseller = :reseller AND " if self._wanted.reseller else ""
            newest = [
                self._max(f"{mine}status = '{status}' AND {_IS_UNSOLD} AND id < :before", values)
                for status in self._statuses
            ]
            return max(newest) + 1
        if self.index == "orders_of_reseller":
            return self._max("reseller = :reseller AND id < :before", values) + 1
        return self._max("id < :before", values) + 1

    def _max(self, where: str, values: dict[str, Any]) -> int:
        by = f" INDEXED BY {self.index}" if self.index and "status" in where else ""
        sql = f"SELECT coalesce(max(id), 0) FROM orders{by} WHERE {where}"
        return int(self._connection.execute(sql, values).fetchone()[0])


def _conditions(wanted: OrderSearch) -> tuple[list[str], dict[str, Any]]:
    """Return what an order has to be, and the parameters of that."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for name in ("reseller", "invoice_number", "dialect"):
        value = getattr(wanted, name)
        if value is not None:
            # Of one trx_id there are few, and all of a reseller's must not be walked for them.
            column = f"+{name}" if wanted.trx_id is not None else name
            conditions.append(f"{column} = :{name}")
            values[name] = value
    for name in _PARTS_OF:
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(f"{name} LIKE :{name} ESCAPE '\\'")
            values[name] = f"%{_literally(value)}%"
    if wanted.statuses:
        conditions.append(_STATUSES)
        values["statuses"] = as_list(list(wanted.statuses))
    if wanted.trx_id is not None:
        code, _, rest = wanted.trx_id.partition("-")
        conditions.append(
            "id IN (SELECT id FROM orders"
            " WHERE reseller IN (SELECT code FROM resellers) AND trx_id = :trx_id"
            " UNION ALL SELECT id FROM orders WHERE reseller = :code AND trx_id = :rest)"
        )
        values |= {"trx_id": wanted.trx_id, "code": code, "rest": rest}
    return conditions, values


def _literally(text: str) -> str:
    """Return a text in which LIKE finds no sign of its own."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _find(connection: sqlite3.Connection, wanted: OrderSearch, limit: int) -> FoundOrders:
    part = _Part(connection, wanted, PART)
    sql = part.sql(SELECT_ORDER, "ORDER BY id DESC LIMIT :limit")
    orders = tuple(map(order_from, _rows(connection, sql, part.given(limit=limit))))
    next_id = orders[-1].id if len(orders) == limit else part.next_id
    return FoundOrders(orders=orders, next_id=_beyond(next_id, wanted))


def _tally(connection: sqlite3.Connection, wanted: OrderSearch) -> TalliedOrders:
    part = _Part(connection, wanted, TALLY_PART)
    rows = _rows(connection, part.sql(_TALLY, "GROUP BY 1, 2"), part.given())
    return TalliedOrders(tallies=tuple(Tally(*row) for row in rows), next_id=part.next_id)


def _rows(
    connection: sqlite3.Connection, sql: str, values: dict[str, object]
) -> list[Sequence[Any]]:
    return connection.execute(sql, values).fetchall()


def _beyond(next_id: int | None, wanted: OrderSearch) -> int | None:
    return next_id if next_id is not None and next_id > wanted.from_id else None
