"""Rows that wait to be written together, by table.

Each table has one SQL, run once a row, so that who writes can count that each row changed one. On
the thread, beside a busy loop, that takes the writer a fifth more than several rows a statement;
but where the loop is busy, the scribe writes.
"""

import sqlite3

from gateway.store.draft import Row
from gateway.store.rows import CHANGING_ORDER_COLUMNS, ORDER_COLUMNS

ADD_NEXT_STEP = (
    "INSERT INTO timeline (order_id, n, at, kind, text) VALUES (?1,"
    " (SELECT coalesce(max(n), 0) + 1 FROM timeline WHERE order_id = ?1), ?2, ?3, ?4)"
)
_STEP = ("order_id", "n", "at", "kind", "text")
_MESSAGE = ("status", "method", "url", "host", "body")
_NEW_DELIVERY = ("order_id", "reseller", *_MESSAGE, "state", "attempts", "next_at", "created_at")
# What an attempt is decided upon; nothing else of a delivery changes without one of these.
SEEN_COLUMNS = ("state", "attempts", "next_at")
ATTEMPT_COLUMNS = ("state", "attempts", "next_at", "done_at", "last_result")


class Page:
    """What a transaction is about to write, by table."""

    def __init__(self) -> None:
        self.new_orders: list[Row] = []  # ORDER_COLUMNS
        self.orders: list[Row] = []  # CHANGING_ORDER_COLUMNS, with the order's number before
        self.steps: list[Row] = []
        self.next_steps: list[Row] = []  # of orders whose last step is not known
        self.new_deliveries: list[Row] = []
        self.deliveries: list[Row] = []  # number, ATTEMPT_COLUMNS, and SEEN_COLUMNS as they were
        self.saldi: dict[str, int] = {}  # by account, Rupiah

    def write_new_orders(self, connection: sqlite3.Connection) -> int:
        """Write the orders whose (reseller, trx_id) is new; returns how many that were."""
        return connection.executemany(_ADD_ORDER, self.new_orders).rowcount

    def write(self, connection: sqlite3.Connection) -> None:
        """Write everything else."""
        saldi = [(saldo, account) for account, saldo in self.saldi.items()]
        for sql, rows in (
            (_CHANGE_ORDER, self.orders),
            (_ADD_STEP, self.steps),
            (ADD_NEXT_STEP, self.next_steps),
            (_ADD_DELIVERY, self.new_deliveries),
            (_CHANGE_DELIVERY, self.deliveries),
            (_SEE_SALDO, saldi),
        ):
            if rows:
                connection.executemany(sql, rows)


def see_saldo(connection: sqlite3.Connection, account: str, saldo: int) -> None:
    """Write down the balance that was seen under an upstream key, Rupiah."""
    connection.execute(_SEE_SALDO, (saldo, account))


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


def _update(table: str, columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{name} = ?{n}" for n, name in enumerate(columns, 2))
    return f"UPDATE {table} SET {sets} WHERE id = ?1"


_ADD_ORDER = f"{_insert('orders', ORDER_COLUMNS)} ON CONFLICT (reseller, trx_id) DO NOTHING"
_CHANGE_ORDER = _update("orders", CHANGING_ORDER_COLUMNS)
_ADD_STEP = _insert("timeline", _STEP)
_ADD_DELIVERY = _insert("deliveries", _NEW_DELIVERY)
# Only as it was seen: who decided upon it without reading it again learns that it is another.
_CHANGE_DELIVERY = f"{_update('deliveries', ATTEMPT_COLUMNS)} AND " + " AND ".join(
    f"{name} IS ?{n}" for n, name in enumerate(SEEN_COLUMNS, len(ATTEMPT_COLUMNS) + 2)
)
_SEE_SALDO = "UPDATE accounts SET saldo = ? WHERE id = ?"
