"""What a transaction of the SQLite journal writes: plain functions of a connection, no more.

Each runs inside a transaction that `group_commit` began, so it sees the journal as it is at that
instant, and what it writes becomes durable with everything else of its batch.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.store import Entry, ResellerRow
from gateway.store.rows import (
    DELIVERY_COLUMNS,
    KEY_COLUMNS,
    ORDER_COLUMNS,
    RESELLER_COLUMNS,
    as_list,
    delivery_from,
    reseller_values,
)
from gateway.store.sqlite_page import ADD_NEXT_STEP

_ORDER = ", ".join(ORDER_COLUMNS)
SELECT_ORDER = f"SELECT {_ORDER} FROM orders"
SELECT_DELIVERY = f"SELECT {', '.join(DELIVERY_COLUMNS)} FROM deliveries"


def is_said(connection: sqlite3.Connection, order_id: int, entries: Sequence[Entry]) -> bool:
    """Whether the first of these steps stands in the timeline already, in these very words."""
    sql = "SELECT 1 FROM timeline WHERE order_id = ? AND kind = ? AND text = ? LIMIT 1"
    said = [(order_id, entry.kind, entry.text) for entry in entries[:1]]
    return any(connection.execute(sql, values).fetchone() for values in said)


def add_entries(connection: sqlite3.Connection, order_id: int, entries: Sequence[Entry]) -> None:
    """Add steps to an order's timeline."""
    for entry in entries:
        connection.execute(ADD_NEXT_STEP, (order_id, entry.at, entry.kind, entry.text))


def supersede(connection: sqlite3.Connection, order_id: int) -> None:
    """Let a newer message take the place of what was not told yet."""
    connection.execute(
        "UPDATE deliveries SET state = 'superseded', next_at = NULL"
        " WHERE order_id = ? AND state = 'due'",
        (order_id,),
    )


def read_delivery(connection: sqlite3.Connection, delivery_id: int) -> Delivery:
    """Return a delivery as this transaction has it."""
    return read_deliveries(connection, [delivery_id])[delivery_id]


def read_deliveries(connection: sqlite3.Connection, ids: Collection[int]) -> dict[int, Delivery]:
    """Return deliveries by their numbers, as this transaction has them."""
    sql = f"{SELECT_DELIVERY} WHERE id IN (SELECT value FROM json_each(?))"
    return {row[0]: delivery_from(row) for row in connection.execute(sql, (as_list(ids),))}


def resend_delivery(
    connection: sqlite3.Connection, delivery_id: int, now: int, entry: Entry
) -> Delivery | None:
    """Make a delivery due now; None where its order has a newer one."""
    found = read_delivery(connection, delivery_id)
    sql = "SELECT 1 FROM deliveries WHERE order_id = ? AND id > ?"
    if connection.execute(sql, (found.order_id, delivery_id)).fetchone():
        return None
    due = replace(found, state=DeliveryState.DUE, attempts=0, next_at=now, done_at=None)
    _write_delivery(connection, due, entry)
    return due


def _write_delivery(connection: sqlite3.Connection, delivery: Delivery, entry: Entry) -> None:
    connection.execute(
        "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, done_at = ?,"
        " last_result = ? WHERE id = ?",
        (
            delivery.state,
            delivery.attempts,
            delivery.next_at,
            delivery.done_at,
            delivery.last_result,
            delivery.id,
        ),
    )
    add_entries(connection, delivery.order_id, (entry,))


def marks(values: Collection[Any]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" * len(values))


def put_reseller(connection: sqlite3.Connection, row: ResellerRow) -> None:
    """Write a reseller with its keys; those that it had are gone already."""
    update = ", ".join(f"{n} = excluded.{n}" for n in RESELLER_COLUMNS if n not in _KEPT)
    connection.execute(
        f"INSERT INTO resellers ({', '.join(RESELLER_COLUMNS)})"
        f" VALUES ({marks(RESELLER_COLUMNS)}) ON CONFLICT (code) DO UPDATE SET {update}",
        reseller_values(row),
    )
    for key in row.keys:
        connection.execute(
            f"INSERT INTO reseller_keys (reseller, {', '.join(KEY_COLUMNS)})"
            f" VALUES ({marks((row.code, *KEY_COLUMNS))})",
            [row.code, *(getattr(key, name) for name in KEY_COLUMNS)],
        )


_KEPT = frozenset({"code", "created_at"})
