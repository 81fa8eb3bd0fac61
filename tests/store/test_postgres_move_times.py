"""Dates move with a clock that was set, however many there are."""

import asyncpg
import pytest

from gateway.domain.alert import Alarm, Kind
from gateway.store import postgres_open
from tests.store.journals import T0, open_journal
from tests.support.postgres import PostgresServer

OPEN = 20_000
FILL = f"""
INSERT INTO orders (reseller, trx_id, product_code, dest, user_id, account, callback_names, status,
    note, sends, sending, first_sent_at, send_ended_at, due_at, named, lookups, misses, placed_at,
    begun, fence)
SELECT 'toko', 'open' || i, 'S1', '1234', '12', 'key1', '', 'PENDING',
    '', 1, false, {T0}, {T0}, {T0}, true, 0, 0, {T0} + i,
    1, 1
FROM generate_series(1, {OPEN}) i
"""


@pytest.mark.timeout(60)
async def test_many_dates_take_longer_than_a_statement_may(
    postgres: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url(database)
    await (await open_journal(url)).close()
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    monkeypatch.setitem(postgres_open._SETTINGS, "statement_timeout", "50")
    store = await postgres_open.open_postgres(url, "here", connections=2)
    moved = await store.move_times(7, Alarm(T0, Kind.CLOCK_SET, "the clock was set"), 0)
    assert moved == OPEN
    dates = await connection.fetch("SELECT DISTINCT due_at FROM orders")
    assert [row["due_at"] for row in dates] == [T0 + 7]
    await store.close()
    await connection.close()
