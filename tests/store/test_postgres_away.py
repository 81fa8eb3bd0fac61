"""PostgreSQL is away, busy or in trouble: soon `JournalUnavailable`, and well again by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import DeliveryFilter, Entry, Record, Store, postgres_pool
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_pool import Database, Session
from tests.store.journals import T0, message, open_journal, order, place, record, sold, tell
from tests.support.cutter import cutting
from tests.support.postgres import PostgresServer
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(60)

SOON_S = 8.0  # below what a panel waits, on a machine that is busy too


@pytest.fixture
async def store(postgres: PostgresServer, database: str) -> AsyncIterator[Store]:
    opened = await open_journal(postgres.url(database))
    yield opened
    await opened.close()


@pytest.fixture
async def by_hand(
    postgres: PostgresServer, database: str
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection of somebody else's."""
    connection = await asyncpg.connect(postgres.url(database))
    yield connection
    await connection.close()


async def refused(asked: Awaitable[object], match: str | None = None) -> None:
    """Fail unless this is refused, and soon."""
    with pytest.raises(JournalUnavailable, match=match):
        await asyncio.wait_for(asked, SOON_S)


@pytest.mark.parametrize("how", ["SIGINT", "SIGQUIT"])  # tidily, and as a crash does
async def test_a_server_that_is_stopped_and_started_again(
    postgres: PostgresServer, store: Store, how: str
) -> None:
    placed = await place(store)
    await asyncio.to_thread(postgres.tell, how)
    try:
        await asyncio.gather(
            refused(store.place(record(order("A2")))),
            refused(store.change_order(placed.id, lambda now: Record(order=now))),
            refused(store.order_by_trx_id("toko", "A1")),
            refused(store.check_writable()),
        )
    finally:
        await asyncio.to_thread(postgres.tell, "start")
    await store.check_writable()
    assert await store.order_by_trx_id("toko", "A1") == placed
    await place(store, "A2")


async def test_nothing_is_lost_or_doubled_while_the_server_crashes(
    postgres: PostgresServer, store: Store
) -> None:
    known: dict[str, bool] = {}  # by trx_id: whether its settlement was acknowledged too

    def settle(before: Order) -> Record:
        entry = Entry(T0, "answered", "x")
        return Record(order=sold(before), entries=(entry,), message=message(), tell_at=T0)

    async def work(worker: int) -> None:
        for n in range(120):
            trx_id = f"W{worker}-{n}"
            try:
                placed, is_new = await store.place(record(order(trx_id)))
                assert is_new
                known[trx_id] = False
                await store.change_order(placed.id, settle)
                known[trx_id] = True
            except JournalUnavailable:
                await asyncio.sleep(0.05)

    workers = [asyncio.create_task(work(n)) for n in range(8)]
    for _ in range(2):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(postgres.tell, "SIGQUIT")
        await asyncio.to_thread(postgres.tell, "start")
    await asyncio.gather(*workers)
    assert known
    for trx_id, is_settled in known.items():
        found = await store.order_by_trx_id("toko", trx_id)
        assert found is not None, trx_id
        kinds = [e.kind for e in await store.timeline(found.id)]
        told = await store.deliveries(order_id=found.id)
        settled = not found.is_open
        assert settled or not is_settled, trx_id
        assert kinds == ["asked", "sending", *(["answered"] if settled else [])], trx_id
        assert len(told) == settled, trx_id


async def test_connections_that_break_by_the_dozen_are_made_anew(
    postgres: PostgresServer, database: str
) -> None:
    async with cutting(postgres.socket) as cutter:
        store = await open_journal(cutter.url(database))
        for n in range(5):
            writers = [store.place(record(order(f"A{n}-{i}"))) for i in range(20)]
            waiting = asyncio.gather(*writers)
            await asyncio.sleep(0.01 * n)
            cutter.cut_all()
            assert all(is_new for _, is_new in await waiting)
        assert await store.count_open() == 100
        cutter.refuse = True
        cutter.cut_all()
        await refused(store.check_writable())
        cutter.refuse = False
        await store.check_writable()
        await store.close()


async def test_a_pool_that_has_run_dry(
    postgres: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "WAIT_FOR_CONNECTION_S", 0.3)
    store = await open_journal(postgres.url(database), connections=2)
    assert isinstance(store, PostgresStore)
    pool = store._database._pool
    held = [await pool.acquire(), await pool.acquire()]
    await refused(store.place(record(order())), "does not answer")
    for connection in held:
        await pool.release(connection)
    await place(store)
    await store.close()


async def test_a_lock_that_is_held_is_not_waited_for_long(
    store: Store, by_hand: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    placed = await place(store)
    async with by_hand.transaction():
        await by_hand.execute("SELECT 1 FROM orders FOR UPDATE")
        await refused(store.change_order(placed.id, lambda now: Record(order=sold(now))))
        await place(store, "A2")  # which has nothing to do with it
    written = await store.change_order(placed.id, lambda now: Record(order=sold(now)))
    assert written.order == await store.order(placed.id)


async def test_a_deadlock_is_got_over(
    store: Store, by_hand: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first, second = await place(store), await place(store, "A2")
    for placed in (first, second):
        await tell(store, placed, message())
    await by_hand.execute("SET deadlock_timeout = '10s'")  # so that it is ours that is ended
    lock = "SELECT 1 FROM orders WHERE id = $1 FOR UPDATE"
    async with by_hand.transaction():
        await by_hand.execute(lock, second.id)
        wanted = DeliveryFilter(since=T0, until=T0 + 9)
        wanted = replace(wanted, state=(await store.deliveries())[0].state)
        ours = asyncio.create_task(
            store.resend_part(wanted, 1, T0 + 9, Entry(T0 + 9, "resent", "x"))
        )

        async def waits() -> bool:
            sql = "SELECT 1 FROM pg_locks WHERE NOT granted"
            return bool(await by_hand.fetchval(sql))

        await eventually(waits)
        await by_hand.execute(lock, first.id)
    resent = await ours
    assert resent.resent == 2
    for placed in (first, second):
        kinds = [e.kind for e in await store.timeline(placed.id)]
        assert kinds.count("resent") == 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_what_failed_for_others_sake_is_repeated_and_not_for_ever(
    store: Store, by_hand: "asyncpg.Connection[asyncpg.Record]", state: str
) -> None:
    placed = await place(store)
    await by_hand.execute(f"""
        CREATE SEQUENCE tries;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') % 4 <> 0 THEN
                RAISE EXCEPTION 'could not serialize' USING ERRCODE = '{state}';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON orders FOR EACH ROW
        EXECUTE FUNCTION fail();
    """)
    await place(store, "A2")
    await store.change_order(placed.id, lambda now: Record(order=sold(now)))
    assert await by_hand.fetchval("SELECT last_value FROM tries") == 8
    await by_hand.execute("ALTER SEQUENCE tries INCREMENT 4 RESTART 1")
    await refused(store.place(record(order("A3"))), "serialize")
    assert await store.order_by_trx_id("toko", "A3") is None


async def test_an_order_costs_few_round_trips(postgres: PostgresServer, database: str) -> None:
    async with cutting(postgres.socket) as cutter:
        store = await open_journal(cutter.url(database), connections=1)

        async def count(asked: Awaitable[object]) -> int:
            before = cutter.statements
            await asked
            return cutter.statements - before

        placed = await place(store)
        settle = Record(order=sold(placed), message=message(), entries=(Entry(T0, "x", "x"),))
        assert await count(store.place(record(order("A2")))) == 1
        assert await count(store.place(record(order("A2")))) == 2
        assert await count(store.change_order(placed.id, lambda _: settle)) == 1
        assert await count(store.order_by_trx_id("toko", "A1")) == 1
        await store.close()
        store = await open_journal(cutter.url(database), connections=1)
        await place(store, "A3")  # asyncpg has asked what it asks once about lists
        assert await count(store.change_order(placed.id, lambda _: settle)) == 2
        await store.close()


async def test_what_the_driver_calls_a_mistake_of_its_own_is_the_journal_being_away(
    postgres: PostgresServer, database: str
) -> None:
    """A connection that breaks at an odd moment may lead to one."""
    odd = [asyncpg.InternalClientError("odd")]

    async def once_odd(session: Session) -> Any:
        if odd:
            raise odd.pop()
        return await session.value("SELECT 7")

    async def always_odd(_: Session) -> None:
        raise asyncpg.InternalClientError("odd")

    async with asyncpg.create_pool(postgres.url(database), min_size=0) as pool:
        assert await Database(pool).repeat(once_odd) == 7
        with pytest.raises(JournalUnavailable):
            await Database(pool).repeat(always_odd)
