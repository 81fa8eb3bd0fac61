"""The SQLite journal's listings, newest first: what an operator pages through.

What a listing costs must not grow with the journal. So each kind of row has a way of its own,
along an index that holds few others, and where two kinds are wanted their newest are merged. The
one exception is what most rows are: it lies everywhere, so it is looked for from the newest row
back, in parts of which each is one short turn of the reader.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from typing import Any, TypeVar

from gateway.domain.alert import Alert
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import DeliveryFilter, OrderFilter
from gateway.store.group_commit import Work
from gateway.store.rows import ALERT_COLUMNS, alert_from, delivery_from, order_from
from gateway.store.sqlite_write import SELECT_DELIVERY, SELECT_ORDER

Row = TypeVar("Row", Order, Delivery)
Read = Callable[[Work[list[Row]]], Awaitable[list[Row]]]

_NEWEST = 2**62  # above every number
# Rows that one turn of the reader looks through: some ten milliseconds.
_LOOKED_THROUGH = 20_000
_NEWEST_FIRST = "ORDER BY id DESC LIMIT :limit"

# In the words of the partial indexes, so that SQLite knows that they serve.
_UNSOLD = "final_at IS NOT NULL AND status <> 'SUCCESS'"
_UNDELIVERED = "state <> 'delivered' AND next_at IS NULL"


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to some rows, newest first: a statement, and whether it goes in parts."""

    sql: str
    values: dict[str, Any] = field(default_factory=dict)
    in_parts: bool = False


async def newest_orders(read: Read[Order], wanted: OrderFilter) -> list[Order]:
    """List orders, newest first."""
    ways, before = _ways_to_orders(wanted), wanted.before_id
    return await _newest(read, ways, order_from, before, wanted.limit)


def _ways_to_orders(wanted: OrderFilter) -> list[_Way]:
    mine, values = "", {}
    if wanted.reseller is not None:
        mine, values = " AND reseller = :reseller", {"reseller": wanted.reseller}
    statuses = {Status(word) for word in wanted.statuses}
    if not statuses or statuses == set(Status):
        return [_Way(f"{SELECT_ORDER} WHERE id < :before{mine} {_NEWEST_FIRST}", values)]
    return [_way_to(status, mine, values) for status in sorted(statuses)]


def _way_to(status: Status, mine: str, values: dict[str, Any]) -> _Way:
    which = f"status = '{status}' AND id < :before{mine}"
    if status is Status.SUCCESS:
        sql = f"{SELECT_ORDER} WHERE id >= :first AND {which} {_NEWEST_FIRST}"
        return _Way(sql, values, in_parts=True)
    if status.is_final:
        index = "orders_unsold_of_reseller" if mine else "orders_unsold"
        which = f"{which} AND {_UNSOLD}"
    else:
        # All that is open, of which `limits.max_open_orders` says how many there are at most.
        index = "orders_due"
        which = f"{which} AND due_at IS NOT NULL AND final_at IS NULL"
    return _Way(f"{SELECT_ORDER} INDEXED BY {index} WHERE {which} {_NEWEST_FIRST}", values)


async def newest_deliveries(
    read: Read[Delivery],
    *,
    order_id: int | None,
    state: DeliveryState | None,
    before_id: int | None,
    limit: int,
) -> list[Delivery]:
    """List deliveries, newest first."""
    which = "id < :before" if state is None else f"id < :before AND state = '{state}'"
    way = _Way(f"{SELECT_DELIVERY} WHERE {which} {_NEWEST_FIRST}")
    if order_id is not None:
        sql = f"{SELECT_DELIVERY} WHERE order_id = :order_id AND {which} {_NEWEST_FIRST}"
        way = _Way(sql, {"order_id": order_id})
    elif state is not None:
        way = _way_to_state(state, which)
    return await _newest(read, [way], delivery_from, before_id, limit)


def _way_to_state(state: DeliveryState, which: str) -> _Way:
    if state is DeliveryState.DELIVERED:
        sql = f"{SELECT_DELIVERY} WHERE id >= :first AND {which} {_NEWEST_FIRST}"
        return _Way(sql, in_parts=True)
    index, few = "deliveries_undelivered", _UNDELIVERED
    if state is DeliveryState.DUE:
        index, few = "deliveries_due", "next_at IS NOT NULL"  # all that is due is looked at
    return _Way(f"{SELECT_DELIVERY} INDEXED BY {index} WHERE {which} AND {few} {_NEWEST_FIRST}")


async def _newest(
    read: Read[Row],
    ways: Sequence[_Way],
    row_from: Callable[[Sequence[Any]], Row],
    before_id: int | None,
    limit: int,
) -> list[Row]:
    before = _NEWEST if before_id is None else before_id
    found = [await _along(read, way, row_from, before, limit) for way in ways]
    return list(merge(*found, key=lambda row: row.id, reverse=True))[:limit]


async def _along(
    read: Read[Row],
    way: _Way,
    row_from: Callable[[Sequence[Any]], Row],
    before: int,
    limit: int,
) -> list[Row]:
    """Return the newest rows of one way."""
    found: list[Row] = []
    reached = before
    while reached > 1 and len(found) < limit:
        values = {**way.values, "before": reached, "limit": limit - len(found)}
        found += await read(partial(_look, way, row_from, values))
        reached = values.get("first", 0)
    return found


def _look(
    way: _Way,
    row_from: Callable[[Sequence[Any]], Row],
    values: dict[str, Any],
    connection: sqlite3.Connection,
) -> list[Row]:
    """Return what one part holds, or the whole way; sets in `values` where the part begins."""
    if way.in_parts:
        table = "orders" if way.sql.startswith(SELECT_ORDER) else "deliveries"
        (newest,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()
        values["first"] = min(values["before"], (newest or 0) + 1) - _LOOKED_THROUGH
    return [row_from(row) for row in connection.execute(way.sql, values)]


def newest_alerts(
    connection: sqlite3.Connection, before_id: int | None, limit: int, *, with_acked: bool
) -> list[Alert]:
    """List alerts, newest first."""
    which = "a.id < ?" if with_acked else "a.id < ? AND a.acked_at IS NULL"
    sql = (
        f"SELECT {ALERT_COLUMNS} FROM alerts a LEFT JOIN orders o ON o.id = a.order_id"
        f" WHERE {which} ORDER BY a.id DESC LIMIT ?"
    )
    rows = connection.execute(sql, (_NEWEST if before_id is None else before_id, limit))
    return [alert_from(row) for row in rows]


def first_wanted(
    connection: sqlite3.Connection, wanted: DeliveryFilter, first_id: int
) -> int | None:
    """Return the first delivery from here on that may match; None where none does.

    So a part of the outbox that holds none of that state is passed in one step. What is delivered
    lies everywhere; what is due is looked for once, for each look goes through all of it.
    """
    if wanted.state is DeliveryState.DELIVERED:
        return first_id
    if wanted.state is DeliveryState.DUE:
        if first_id > 1:
            return first_id
        sql = "SELECT min(id) FROM deliveries INDEXED BY deliveries_due WHERE next_at IS NOT NULL"
        found = connection.execute(sql).fetchone()
    else:
        sql = (
            "SELECT id FROM deliveries INDEXED BY deliveries_undelivered"
            f" WHERE state = ? AND {_UNDELIVERED} AND id >= ? ORDER BY id LIMIT 1"
        )
        found = connection.execute(sql, (wanted.state, first_id)).fetchone()
    return None if found is None or found[0] is None else int(found[0])
