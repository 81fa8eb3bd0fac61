"""What the SQLite journal writes about itself: the time, and dates that move with it.

Plain functions of a connection, to be run inside a transaction. None of them may walk the orders:
the time is written down every minute, however many orders are old.
"""

import sqlite3

from gateway.domain.alert import Alarm
from gateway.store.sqlite_alerts import raise_alert

# Those that have a date: each kind in the words of its own index.
_WITH_A_DATE = (
    "(final_at IS NULL OR ask_since IS NOT NULL)",
    "final_at IS NOT NULL AND ask_since IS NULL",
)


def move_times(connection: sqlite3.Connection, by: int, alert: Alarm) -> int:
    """Move every date that is still to come; returns how many orders and deliveries."""
    moved = 0
    for which in _WITH_A_DATE:
        moved += connection.execute(
            "UPDATE orders SET due_at = due_at + ?1, first_sent_at = first_sent_at + ?1,"
            " send_ended_at = send_ended_at + ?1, looked_up_at = looked_up_at + ?1,"
            f" ask_since = ask_since + ?1 WHERE due_at IS NOT NULL AND {which}",
            (by,),
        ).rowcount
    moved += connection.execute(
        "UPDATE deliveries SET next_at = next_at + ? WHERE next_at IS NOT NULL", (by,)
    ).rowcount
    connection.execute(
        "UPDATE waiting_callbacks SET next_at = next_at + ?1, received_at = received_at + ?1",
        (by,),
    )
    connection.execute("UPDATE reseller_keys SET ends_at = ends_at + ?", (by,))
    connection.execute("UPDATE alerts SET told_at = told_at + ? WHERE acked_at IS NULL", (by,))
    connection.execute(
        "UPDATE notices SET next_at = next_at + ?1, made_at = made_at + ?1"
        " WHERE next_at IS NOT NULL",
        (by,),
    )
    raise_alert(connection, alert)
    note_time(connection, alert.at)  # in this very transaction: no date is moved twice
    return moved


def bring_back(connection: sqlite3.Connection, now: int, furthest: int) -> int:
    """Make due now what waits for a date beyond this one; returns how many orders did."""
    moved = 0
    for which in _WITH_A_DATE:
        sql = f"UPDATE orders SET due_at = ? WHERE due_at > ? AND {which}"
        moved += connection.execute(sql, (now, furthest)).rowcount
    for table in ("deliveries", "notices"):
        sql = f"UPDATE {table} SET next_at = ? WHERE next_at > ?"
        connection.execute(sql, (now, furthest))
    return moved


def note_time(connection: sqlite3.Connection, now: int) -> None:
    """Write down what time it is, Unix milliseconds."""
    sql = (
        "INSERT INTO meta (key, value) VALUES ('time', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )
    connection.execute(sql, (str(now).encode(),))
