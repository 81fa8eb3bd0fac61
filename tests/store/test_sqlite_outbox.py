"""What a long outbox costs the SQLite journal: a look at what is due does not walk through it."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.store import Busy
from gateway.store.rows import ORDER_COLUMNS, order_values
from gateway.store.sqlite import SqliteStore
from tests.store.journals import T0, open_journal, order

HOSTS = 64
DEAD = [("toko", f"dead{number}:80") for number in range(HOSTS)]


def _fill(connection: sqlite3.Connection, first: int, count: int, host: str | None) -> None:
    columns = ORDER_COLUMNS[1:]
    sql = f"INSERT INTO orders ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    connection.execute("BEGIN")
    for number in range(first, first + count):
        placed = order(f"A{number}")
        row = connection.execute(sql, order_values(placed)[1:]).lastrowid
        connection.execute(
            "INSERT INTO deliveries (order_id, reseller, status, method, url, host, state,"
            " attempts, next_at, created_at)"
            " VALUES (?, ?, 'SUCCESS', 'GET', ?, ?, 'due', 0, ?, 0)",
            (row, placed.reseller, "http://h/", host or DEAD[number % HOSTS][1], T0 + number),
        )
    connection.execute("COMMIT")


async def _steps(store: SqliteStore, busy: Busy) -> int:
    """Return how many hundreds of SQLite's own steps a look takes."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    await store._reading_thread.run(lambda connection: connection.set_progress_handler(count, 100))
    due = await store.due_deliveries(T0 + 10**9, 64, busy)
    await store._reading_thread.run(lambda connection: connection.set_progress_handler(None, 0))
    assert [d.message.host for d in due] == ["alive:80"] * 4
    return counted[0]


@pytest.mark.parametrize(
    "busy",
    [
        Busy(pairs=DEAD),
        Busy(hosts=[host for _, host in DEAD]),
        Busy(pairs=DEAD[:32], hosts=[host for _, host in DEAD[32:]]),
    ],
    ids=["shut", "busy", "both"],
)
async def test_ten_times_as_much_for_dead_hosts_costs_a_look_nothing(
    tmp_path: Path, busy: Busy
) -> None:
    store = await open_journal(tmp_path / "gateway.db")
    assert isinstance(store, SqliteStore)
    try:
        run = store._writing_thread.run
        await run(lambda connection: _fill(connection, 0, 1_000, None))
        await run(lambda connection: _fill(connection, 500_000, 10, "alive:80"))
        few = await _steps(store, busy)
        await run(lambda connection: _fill(connection, 1_000, 10_000, None))
        many = await _steps(store, busy)
    finally:
        async with asyncio.timeout(10):
            await store.close()
    assert many < few * 1.2
