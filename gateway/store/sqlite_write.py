"""What a transaction of the SQLite journal writes: plain functions of a connection, no more.

Each runs inside a transaction that `group_commit` began, so it sees the journal as it is at that
instant, and what it writes becomes durable with everything else of its batch.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState, Message
from gateway.domain.order import Order
from gateway.store import DeliveryRecord, Entry, Record, ResellerRow
from gateway.store.rows import (
    CHANGING_ORDER_COLUMNS,
    DELIVERY_COLUMNS,
    KEY_COLUMNS,
    ORDER_COLUMNS,
    RESELLER_COLUMNS,
    delivery_from,
    order_from,
    order_values,
    reseller_values,
)

_ORDER = ", ".join(ORDER_COLUMNS)
SELECT_ORDER = f"SELECT {_ORDER} FROM orders"
SELECT_DELIVERY = f"SELECT {', '.join(DELIVERY_COLUMNS)} FROM deliveries"
_INSERT_ORDER = (
    f"INSERT INTO orders ({', '.join(ORDER_COLUMNS[1:])})"
    f" VALUES ({', '.join('?' * (len(ORDER_COLUMNS) - 1))})"
    " ON CONFLICT (reseller, trx_id) DO NOTHING RETURNING id"
)
_UPDATE_ORDER = (
    f"UPDATE orders SET {', '.join(f'{name} = ?' for name in CHANGING_ORDER_COLUMNS)} WHERE id = ?"
)
ADD_ENTRY = (
    "INSERT INTO timeline (order_id, n, at, kind, text) VALUES (?1,"
    " (SELECT coalesce(max(n), 0) + 1 FROM timeline WHERE order_id = ?1), ?2, ?3, ?4)"
)
_ADD_DELIVERY = (
    "INSERT INTO deliveries (order_id, reseller, status, method, url, host, state, attempts,"
    " next_at, created_at) VALUES (?, ?, ?, ?, ?, ?, 'due', 0, ?, ?)"
)


def place(connection: sqlite3.Connection, record: Record) -> tuple[Order, bool]:
    """Write a new order, or find the one that has its (reseller, trx_id); True: it is new."""
    values = order_values(record.order, ORDER_COLUMNS[1:])
    row = connection.execute(_INSERT_ORDER, values).fetchone()
    if row is None:
        sql = f"{SELECT_ORDER} WHERE reseller = ? AND trx_id = ?"
        key = (record.order.reseller, record.order.trx_id)
        return order_from(connection.execute(sql, key).fetchone()), False
    placed = replace(record, order=replace(record.order, id=row[0]))
    _write_around(connection, placed)
    return placed.order, True


def change_order(
    connection: sqlite3.Connection, order_id: int, decide: Callable[[Order], Record]
) -> Record:
    """Write what a function makes of an order; returns what was written."""
    row = connection.execute(f"{SELECT_ORDER} WHERE id = ?", (order_id,)).fetchone()
    record = decide(order_from(row))
    connection.execute(_UPDATE_ORDER, [*order_values(record.order), order_id])
    return _write_around(connection, record)


def _write_around(connection: sqlite3.Connection, record: Record) -> Record:
    """Write what goes with an order's change: timeline, outbox row, alert, saldo."""
    order = record.order
    if not (record.once and _is_said(connection, order.id, record.entries)):
        _add_entries(connection, order.id, record.entries)
    if record.message is not None:
        _add_delivery(connection, order, record.message, record.tell_at)
    if record.saldo is not None and order.account is not None:
        see_saldo(connection, order.account, record.saldo)
    if record.alert is not None and not _raise_alert(connection, order.id, record.alert):
        record = replace(record, alert=None)
    return record


def _is_said(connection: sqlite3.Connection, order_id: int, entries: Sequence[Entry]) -> bool:
    """Whether the first of these steps stands in the timeline already, in these very words."""
    sql = "SELECT 1 FROM timeline WHERE order_id = ? AND kind = ? AND text = ? LIMIT 1"
    said = [(order_id, entry.kind, entry.text) for entry in entries[:1]]
    return any(connection.execute(sql, values).fetchone() for values in said)


def _add_entries(connection: sqlite3.Connection, order_id: int, entries: Sequence[Entry]) -> None:
    for entry in entries:
        connection.execute(ADD_ENTRY, (order_id, entry.at, entry.kind, entry.text))


def _raise_alert(connection: sqlite3.Connection, order_id: int | None, alert: Entry) -> bool:
    """Raise an alert, and note it in its order's timeline; False where it was raised before."""
    sql = "INSERT INTO alerts (order_id, text, raised_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    is_new = connection.execute(sql, (order_id, alert.text, alert.at)).rowcount > 0
    if is_new and order_id is not None:
        _add_entries(connection, order_id, (alert,))
    return is_new


def _add_delivery(
    connection: sqlite3.Connection, order: Order, message: Message, tell_at: int
) -> None:
    """Put a message into the outbox, in the place of what was not told yet."""
    connection.execute(
        "UPDATE deliveries SET state = 'superseded', next_at = NULL"
        " WHERE order_id = ? AND state = 'due'",
        (order.id,),
    )
    told = (message.status, message.method, message.url, message.host)
    values = (order.id, order.reseller, *told, tell_at, tell_at)
    connection.execute(_ADD_DELIVERY, values)


def _read_delivery(connection: sqlite3.Connection, delivery_id: int) -> Delivery:
    sql = f"{SELECT_DELIVERY} WHERE id = ?"
    return delivery_from(connection.execute(sql, (delivery_id,)).fetchone())


def change_delivery(
    connection: sqlite3.Connection, delivery_id: int, decide: Callable[[Delivery], DeliveryRecord]
) -> DeliveryRecord:
    """Write what a function makes of a delivery; returns what was written."""
    record = decide(_read_delivery(connection, delivery_id))
    _write_delivery(connection, record.delivery, record.entry)
    order_id = record.delivery.order_id
    if record.settles is not None:
        _settle_alerts(connection, order_id, record.settles, record.entry.at)
    if record.alert is not None and not _raise_alert(connection, order_id, record.alert):
        record = replace(record, alert=None)
    return record


def _settle_alerts(connection: sqlite3.Connection, order_id: int, begin: str, at: int) -> None:
    connection.execute(
        "UPDATE alerts SET acked_at = ? WHERE order_id = ? AND acked_at IS NULL"
        " AND substr(text, 1, ?) = ?",
        (at, order_id, len(begin), begin),
    )


def resend_delivery(
    connection: sqlite3.Connection, delivery_id: int, now: int, entry: Entry
) -> Delivery | None:
    """Make a delivery due now; None where its order has a newer one."""
    found = _read_delivery(connection, delivery_id)
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
    _add_entries(connection, delivery.order_id, (entry,))


def move_times(connection: sqlite3.Connection, by: int, alert: Entry) -> int:
    """Move every date that is still to come; returns how many orders and deliveries."""
    orders = connection.execute(
        "UPDATE orders SET due_at = due_at + ?1, first_sent_at = first_sent_at + ?1,"
        " send_ended_at = send_ended_at + ?1, looked_up_at = looked_up_at + ?1,"
        " ask_since = ask_since + ?1 WHERE due_at IS NOT NULL",
        (by,),
    )
    deliveries = connection.execute(
        "UPDATE deliveries SET next_at = next_at + ? WHERE next_at IS NOT NULL", (by,)
    )
    connection.execute(
        "UPDATE waiting_callbacks SET next_at = next_at + ?1, received_at = received_at + ?1",
        (by,),
    )
    connection.execute("UPDATE reseller_keys SET ends_at = ends_at + ?", (by,))
    _raise_alert(connection, None, alert)
    note_time(connection, alert.at)  # in this very transaction: no date is moved twice
    return orders.rowcount + deliveries.rowcount


def bring_back(connection: sqlite3.Connection, now: int, furthest: int) -> None:
    """Make due now what waits for a date beyond this one."""
    waits = "final_at IS NULL OR ask_since IS NOT NULL"
    for which in (f"({waits})", f"NOT ({waits})"):  # each has an index of its own
        sql = f"UPDATE orders SET due_at = ? WHERE due_at > ? AND {which}"
        connection.execute(sql, (now, furthest))
    connection.execute("UPDATE deliveries SET next_at = ? WHERE next_at > ?", (now, furthest))


def note_time(connection: sqlite3.Connection, now: int) -> None:
    """Write down what time it is, Unix milliseconds."""
    sql = (
        "INSERT INTO meta (key, value) VALUES ('time', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )
    connection.execute(sql, (str(now).encode(),))


def see_saldo(connection: sqlite3.Connection, account: str, saldo: int) -> None:
    """Write down the balance that was seen under an upstream key, Rupiah."""
    connection.execute("UPDATE accounts SET saldo = ? WHERE id = ?", (saldo, account))


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
