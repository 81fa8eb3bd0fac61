"""No question to a PostgreSQL journal walks it, however many old orders it holds.

As `test_growth_plans`, by PostgreSQL's own count of the rows that it read: of what grows no intent
reads more than a part, by whichever plan. Twenty thousand old orders are enough for it to choose
as it does with millions, once it knows how many there are (ANALYZE).
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.store import Store, postgres_hosts, postgres_products, postgres_search
from gateway.store.open import open_store
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_pool import Session
from tests.store.journals import CODES, T0, account, reseller
from tests.store.test_growth_plans import FEW, MANY, exercises
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(120)

OLD = f"""
INSERT INTO orders (id, reseller, trx_id, product_code, dest, user_id, account, callback_names,
    status, note, invoice_number, product_price, sends, sending, first_sent_at, send_ended_at,
    named, lookups, misses, placed_at, final_at, begun, fence)
SELECT i, CASE WHEN i % 3 > 0 THEN 'toko' ELSE 'warung' END, 'old' || md5(i::text), 'S1', '1234',
    '12', 'key1', '', CASE WHEN i % 50 > 0 THEN 'SUCCESS' ELSE 'FAILED' END, 'SN', 'INV' || i, 5,
    1, false, {T0}, {T0}, true, 0, 0, {T0} + i, {T0} + i, 1, 1
FROM generate_series(1, {MANY}) i;
INSERT INTO timeline (order_id, at, kind, text)
SELECT o.id, {T0}, 'asked', 'step ' || n FROM orders o, generate_series(1, 3) n;
INSERT INTO deliveries (order_id, reseller, status, method, url, host, state, attempts, next_at,
    created_at, done_at, last_result, fence)
SELECT id, reseller, status, 'GET', 'http://p.test/', 'p.test:80',
    CASE WHEN id % 500 > 0 THEN 'delivered' ELSE 'superseded' END, 1, NULL, {T0}, {T0}, '200', 1
FROM orders;
SELECT setval(pg_get_serial_sequence('orders', 'id'), {MANY});
ANALYZE;
"""
READ = """
SELECT sum(t.seq_tup_read + coalesce(t.idx_tup_fetch, 0))
FROM pg_stat_user_tables t WHERE relname IN ('orders', 'timeline', 'deliveries')
"""
INDEXED = """
SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
WHERE relname IN ('orders', 'timeline', 'deliveries')
"""
# What the largest parts hold, and what each exercise does several times: an archive's parts of 100
# orders with their steps, one look at the newest thousand deliveries, sixteen searches of 500.
MOST = 6_000


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PART", "TALLY_PART"):
        monkeypatch.setattr(postgres_search, name, FEW // 2)
    for module in (postgres_hosts, postgres_products):
        monkeypatch.setattr(module, "PART", FEW // 20)


@pytest.fixture
async def old(postgres: PostgresServer, database: str) -> AsyncIterator[Store]:
    """A journal with many old orders, on one connection."""
    store = await open_store(postgres.url(database), connections=1)
    await store.put_resellers([reseller(code) for code in CODES], [account("key1")])
    await postgres.execute(OLD, database)
    yield store
    await store.close()


async def rows_read(store: Store, watching: asyncpg.Connection) -> int:
    """How many rows, or entries of indexes, were read of what grows, until now."""
    assert isinstance(store, PostgresStore)

    async def flush(session: Session) -> None:
        await session.value("SELECT pg_stat_force_next_flush()::text")

    await store._database.repeat(flush)
    await watching.execute("SELECT pg_stat_clear_snapshot()")
    return max(int(await watching.fetchval(READ)), int(await watching.fetchval(INDEXED)))


async def test_no_intent_reads_more_than_a_part(
    old: Store, postgres: PostgresServer, database: str
) -> None:
    watching = await asyncpg.connect(postgres.url(database))
    read = {}
    before = await rows_read(old, watching)
    for name, exercise in exercises(old):
        await exercise()
        after = await rows_read(old, watching)
        read[name], before = after - before, after
    await watching.close()
    assert {name: many for name, many in read.items() if many > MOST} == {}
    assert read["find_orders"] > FEW, "it is counted at all"
