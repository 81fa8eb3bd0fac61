"""What the SQLite journal refuses whoever writes: constraints, triggers and types, in SQL."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.order import Status
from gateway.store import Record
from gateway.store.sqlite import _WAITED_FOR, _WATCHED
from tests.store.journals import T0, message, open_journal, place, sold, tell


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal with order 1 open, 2 successful, 3 and 4 never sent, 4 keyless."""
    path = tmp_path_factory.mktemp("schema") / "gateway.db"

    async def write() -> None:
        store = await open_journal(path)
        await place(store, "1")
        second = await place(store, "2")
        await store.change_order(second.id, lambda before: Record(order=sold(before)))
        await tell(store, second, message())
        failed: dict[str, Any] = {"status": Status.FAILED, "final_at": T0, "due_at": None}
        unsent: dict[str, Any] = {"sends": 0, "sending": False, "first_sent_at": None}
        await place(store, "3", **failed, **unsent)
        await place(store, "4", **failed, **unsent, account=None)
        await store.close()

    asyncio.run(write())
    return path


@pytest.fixture
def database(written: Path) -> Iterator[sqlite3.Connection]:
    """It, opened by somebody who does not know our code; nothing is kept."""
    with closing(sqlite3.connect(written, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


REFUSED = {
    # an open order is never forgotten, and never without its send
    "UPDATE orders SET due_at = NULL WHERE id = 1": "CHECK",
    "UPDATE orders SET sends = 0, sending = 0 WHERE id = 1": "CHECK",
    "UPDATE orders SET first_sent_at = NULL WHERE id = 1": "CHECK",
    "UPDATE orders SET ask_since = 5 WHERE id = 2": "CHECK",
    "UPDATE orders SET ask_since = 5 WHERE id = 3": "CHECK",
    "UPDATE orders SET sending = 0 WHERE id = 1": "CHECK",
    "UPDATE orders SET sends = 4 WHERE id = 1": "CHECK",
    "UPDATE orders SET sends = -1 WHERE id = 2": "CHECK",
    "UPDATE orders SET sending = 1 WHERE id = 3": "CHECK",
    "UPDATE orders SET sends = 1, first_sent_at = 1, send_ended_at = 2 WHERE id = 4": "CHECK",
    "UPDATE orders SET sending = 2 WHERE id = 1": "CHECK",
    # status and finality say the same
    "UPDATE orders SET status = 'FAILED' WHERE id = 1": "CHECK",
    "UPDATE orders SET status = 'SUCCESS', named = 1 WHERE id = 1": "CHECK",
    "UPDATE orders SET final_at = 5 WHERE id = 1": "CHECK",
    "UPDATE orders SET status = 'PENDING' WHERE id = 2": "CHECK",
    "UPDATE orders SET status = 'DONE' WHERE id = 2": "CHECK",
    "UPDATE orders SET status = 'success' WHERE id = 2": "CHECK",
    # only the upstream's word sells
    "UPDATE orders SET named = 0 WHERE id = 2": "CHECK",
    "UPDATE orders SET status = 'PAID' WHERE id = 1": "CHECK",
    "UPDATE orders SET status = 'SUCCESS' WHERE id = 3": "CHECK",
    # a final order stays final
    "UPDATE orders SET status = 'PENDING', final_at = NULL, due_at = 5 WHERE id = 2": (
        "never opened again"
    ),
    "UPDATE orders SET final_at = NULL, status = 'PAID', due_at = 5 WHERE id = 2": (
        "never opened again"
    ),
    # what it is for never changes, and it is kept
    "UPDATE orders SET reseller = 'warung' WHERE id = 1": "never changes",
    "UPDATE orders SET trx_id = '9' WHERE id = 1": "never changes",
    "UPDATE orders SET product_code = 'S2' WHERE id = 2": "never changes",
    "UPDATE orders SET dest = dest || ' ' WHERE id = 3": "never changes",
    "UPDATE orders SET account = 'key2' WHERE id = 1": "never changes",
    "UPDATE orders SET account = NULL WHERE id = 2": "never changes",
    "UPDATE orders SET account = 'key1' WHERE id = 4": "never changes",
    "UPDATE orders SET dialect = 'json' WHERE id = 1": "never changes",
    "UPDATE orders SET unnamed = 1 WHERE id = 2": "never changes",
    "DELETE FROM orders WHERE id = 2": "used for ever",
    "DELETE FROM orders": "used for ever",
    # one trx_id, one order
    "INSERT INTO orders SELECT 99, reseller, trx_id, product_code, 'other', user_id, server_id,"
    " said_dest, account, callback_url, callback_names, status, note, invoice_number,"
    " product_price, sends, sending, first_sent_at, send_ended_at, named, lookups, misses,"
    " looked_up_at, ask_since, due_at, placed_at, final_at, dialect, unnamed, invoice, begun"
    " FROM orders WHERE id = 1": "UNIQUE",
    # types are strict, ranges too
    "UPDATE orders SET due_at = 'soon' WHERE id = 1": "cannot store TEXT",
    "UPDATE orders SET due_at = 1.5 WHERE id = 1": "cannot store REAL",
    "UPDATE orders SET note = x'00' WHERE id = 1": "cannot store BLOB",
    "UPDATE orders SET note = NULL WHERE id = 1": "NOT NULL",
    "UPDATE orders SET product_price = -1 WHERE id = 1": "CHECK",
    "UPDATE orders SET lookups = -1 WHERE id = 1": "CHECK",
    "UPDATE orders SET misses = -1 WHERE id = 1": "CHECK",
    "UPDATE meta SET value = 'text'": "cannot store TEXT",
    "INSERT INTO meta VALUES ('k', NULL)": "NOT NULL",
    # what is due is never forgotten, what is done is never due
    "UPDATE deliveries SET next_at = NULL": "CHECK",
    "UPDATE deliveries SET state = 'delivered'": "CHECK",
    "UPDATE deliveries SET state = 'dead'": "CHECK",
    "UPDATE deliveries SET state = 'superseded'": "CHECK",
    "UPDATE deliveries SET state = 'lost', next_at = NULL": "CHECK",
    "UPDATE deliveries SET method = 'HEAD'": "CHECK",
    "UPDATE deliveries SET attempts = -1": "CHECK",
    "UPDATE deliveries SET order_id = 99": "FOREIGN KEY",
    # resellers
    "INSERT INTO reseller_keys VALUES (zeroblob(32), 'no', x'00', 'h', 0, NULL)": "FOREIGN KEY",
    "INSERT INTO reseller_keys VALUES (zeroblob(31), 'toko', x'00', 'h', 0, NULL)": "CHECK",
    "DELETE FROM resellers WHERE code = 'toko'": "FOREIGN KEY",
    "UPDATE resellers SET account = 'key9' WHERE code = 'toko'": "FOREIGN KEY",
    "DELETE FROM accounts WHERE id = 'key1'": "FOREIGN KEY",
    "UPDATE accounts SET saldo = 'much' WHERE id = 'key1'": "cannot store TEXT",
    "UPDATE resellers SET code = 'Toko' WHERE code = 'warung'": "CHECK|FOREIGN KEY",
    "UPDATE resellers SET callback_hosts = 'a.test'": "CHECK",
    "UPDATE resellers SET delivery = 'fax'": "CHECK",
    "UPDATE resellers SET suspended = 2": "CHECK",
    "INSERT INTO timeline VALUES (99, 1, 0, 'x', 'x')": "FOREIGN KEY",
    "INSERT INTO timeline VALUES (1, 1, 0, 'x', 'x')": "UNIQUE",
}


@pytest.mark.parametrize(("sql", "why"), REFUSED.items())
def test_the_journal_refuses(database: sqlite3.Connection, sql: str, why: str) -> None:
    if "orders" in sql and " WHERE " in sql:
        row = sql.rpartition(" WHERE ")[2]
        (found,) = database.execute(f"SELECT count(*) FROM orders WHERE {row}").fetchone()
        assert found == 1
    if "deliveries" in sql:
        assert database.execute("SELECT count(*) FROM deliveries").fetchone() == (1,)
    if sql.startswith("UPDATE meta"):
        database.execute("INSERT INTO meta VALUES ('k', x'00')")
    with pytest.raises(sqlite3.IntegrityError, match=why):
        database.execute(sql)


TAKEN = [
    "UPDATE orders SET status = 'PAID', named = 1 WHERE id = 1",
    "UPDATE orders SET status = 'FAILED', final_at = 5, due_at = NULL WHERE id = 1",
    "UPDATE orders SET status = 'FAILED', final_at = 5 WHERE id = 2",
    "UPDATE orders SET ask_since = 5, due_at = 6 WHERE id = 2",
    "UPDATE accounts SET saldo = 5 WHERE id = 'key1'",
    "UPDATE orders SET status = 'REFUNDED', final_at = 6, due_at = 7 WHERE id = 2",
    "UPDATE orders SET status = 'SUCCESS', named = 1 WHERE id = 3",
    "UPDATE deliveries SET state = 'dead', next_at = NULL",
]


@pytest.mark.parametrize("sql", TAKEN)
def test_the_journal_takes_what_may_happen(database: sqlite3.Connection, sql: str) -> None:
    assert database.execute(sql).rowcount == 1


def test_every_table_is_strict(database: sqlite3.Connection) -> None:
    rows = database.execute(
        "SELECT name, strict FROM pragma_table_list"
        " WHERE schema = 'main' AND name NOT LIKE 'sqlite%'"
    )
    tables = dict(rows.fetchall())
    assert set(tables) == {
        "meta",
        "accounts",
        "resellers",
        "reseller_keys",
        "orders",
        "timeline",
        "deliveries",
        "waiting_callbacks",
        "archive_later",
        "alerts",
    }
    assert set(tables.values()) == {1}


DUE = "SELECT * FROM orders WHERE {} AND due_at <= 5"


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM orders WHERE reseller = 'a' AND trx_id = 'b'", "sqlite_autoindex_orders"),
        ("SELECT * FROM orders WHERE invoice_number = 'a'", "orders_invoice"),
        (f"{DUE.format(_WAITED_FOR)} ORDER BY due_at, id LIMIT 9", "orders_due"),
        (f"{DUE.format(_WATCHED)} ORDER BY due_at, id LIMIT 9", "orders_watched"),
        ("SELECT * FROM deliveries WHERE next_at <= 5 ORDER BY next_at, id", "deliveries_due"),
        (
            "SELECT count(*) FROM orders WHERE due_at IS NOT NULL AND final_at IS NULL",
            "orders_due",
        ),
        ("UPDATE deliveries SET state = 'dead' WHERE order_id = 5", "deliveries_of_order"),
        ("SELECT * FROM waiting_callbacks WHERE next_at <= 5", "waiting_callbacks_due"),
    ],
)
def test_what_is_asked_often_reads_no_whole_table(
    database: sqlite3.Connection, sql: str, index: str
) -> None:
    plan = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan
