"""Alerts in the SQLite journal, each raised together with the notice that tells it.

Plain functions of a connection, to be run inside a transaction: whoever raises an alert has its
notice in the same one, so that no crash lies between what went wrong and who is told.
"""

import sqlite3
from collections.abc import Collection

from gateway.domain.alert import Alarm, Kind, What
from gateway.store.notices import Standing
from gateway.store.rows import as_list

_RAISE = (
    "INSERT INTO alerts (order_id, kind, about, text, raised_at, told_at)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_TELL = "INSERT INTO notices (alert_id, what, made_at, next_at) VALUES (?, ?, ?, ?)"
_END = "UPDATE alerts SET ended_at = ?1, acked_at = coalesce(acked_at, ?1) WHERE id = ?2"


def raise_alert(connection: sqlite3.Connection, alert: Alarm, order_id: int | None = None) -> bool:
    """Raise an alert and put its notice into the outbox; False where it was raised before."""
    values = (order_id, alert.kind, alert.about, alert.text, alert.at, alert.at)
    raised = connection.execute(_RAISE, values)
    if raised.rowcount == 0:
        return False
    _tell(connection, [raised.lastrowid or 0], What.RAISED, alert.at)
    return True


def _tell(connection: sqlite3.Connection, ids: Collection[int], what: What, at: int) -> None:
    connection.executemany(_TELL, [(alert_id, what, at, at) for alert_id in ids])


def _end(connection: sqlite3.Connection, ids: Collection[int], at: int) -> int:
    connection.executemany(_END, [(at, alert_id) for alert_id in ids])
    _tell(connection, ids, What.ENDED, at)
    return len(ids)


def end_alert(connection: sqlite3.Connection, kind: Kind, about: str, now: int) -> int:
    """End the condition that stands of this kind about this; returns how many that were."""
    sql = "SELECT id FROM alerts WHERE kind = ? AND about = ? AND ended_at IS NULL"
    found = connection.execute(sql, (kind, about)).fetchall()
    return _end(connection, [row[0] for row in found], now)


def settle_alerts(connection: sqlite3.Connection, order_id: int, begin: str, at: int) -> None:
    """End an order's open alerts that begin so: they are no longer true."""
    sql = (
        "SELECT id FROM alerts WHERE order_id = ? AND acked_at IS NULL AND substr(text, 1, ?) = ?"
    )
    found = connection.execute(sql, (order_id, len(begin), begin)).fetchall()
    _end(connection, [row[0] for row in found], at)


def standing_alerts(connection: sqlite3.Connection) -> list[Standing]:
    """List the conditions that are not over."""
    sql = "SELECT kind, about FROM alerts WHERE about IS NOT NULL AND ended_at IS NULL"
    return [(Kind(kind), about) for kind, about in connection.execute(sql)]


def ack_alerts(connection: sqlite3.Connection, ids: Collection[int] | None, now: int) -> list[int]:
    """Take note of these open alerts, or of every open one; returns which they were."""
    which = "" if ids is None else " AND id IN (SELECT value FROM json_each(?))"
    sql = f"UPDATE alerts SET acked_at = ? WHERE acked_at IS NULL{which} RETURNING id"
    values = (now,) if ids is None else (now, as_list(ids))
    return sorted(row[0] for row in connection.execute(sql, values).fetchall())


_FORGOTTEN = "acked_at IS NULL AND told_at <= ? AND reminders < ?"


def is_reminder_due(connection: sqlite3.Connection, told_before: int, at_most: int) -> bool:
    """Whether the operator was told of an open alert so long ago that it is time again."""
    sql = f"SELECT 1 FROM alerts WHERE {_FORGOTTEN} LIMIT 1"
    return connection.execute(sql, (told_before, at_most)).fetchone() is not None


def remind(
    connection: sqlite3.Connection, told_before: int, now: int, *, at_most: int, limit: int
) -> int:
    """Put reminders of some of those alerts into the outbox of notices; returns how many."""
    sql = (
        "UPDATE alerts SET told_at = ?, reminders = reminders + 1 WHERE id IN"
        f" (SELECT id FROM alerts WHERE {_FORGOTTEN} LIMIT ?) RETURNING id"
    )
    found = connection.execute(sql, (now, told_before, at_most, limit)).fetchall()
    _tell(connection, [row[0] for row in found], What.REMINDER, now)
    return len(found)
