"""What the store remembers of the orders that were written last is what stands in the journal."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import Entry, Record
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_known import Known, KnownOrders
from gateway.store.sqlite_page import Page
from tests.store.journals import ACCOUNTS, CODES, T0, account, order, place, record, reseller


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path / "journal.db")
    await store.put_resellers(
        [reseller(code) for code in CODES], [account(name) for name in ACCOUNTS]
    )
    yield store
    await store.close()


def known(number: int) -> Known:
    return Known(replace(order(f"T{number}"), id=number), steps=2, told=False)


def noted(before: Order) -> Record:
    return Record(order=replace(before, note="changed"), entries=(Entry(T0, "x", "changed"),))


def test_only_what_is_committed_is_known() -> None:
    orders = KnownOrders()
    orders.stage(known(1))
    assert orders.order(1) is None
    assert orders.named("toko", "T1") is None
    assert orders.latest(1) == known(1), "the transaction itself sees it"
    orders.keep()
    assert orders.order(1) == orders.named("toko", "T1") == known(1).order


def test_those_written_longest_ago_go_first() -> None:
    orders = KnownOrders(limit=3)
    for number in (1, 2, 3, 1, 4):
        orders.stage(known(number))
        orders.keep()
    assert [orders.order(number) is not None for number in (1, 2, 3, 4)] == [1, 0, 1, 1]
    assert orders.named("toko", "T2") is None
    assert len(orders._by_id) == len(orders._ids) == 3


async def test_what_was_not_committed_is_not_known(store: SqliteStore) -> None:
    placed = await place(store)
    (pages,) = await store._write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await store._write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    big = replace(placed, note="x" * 200_000)
    with pytest.raises(JournalUnavailable):
        await store.change_order(placed.id, lambda _: Record(order=big))
    assert await store.order(placed.id) == placed
    await store._write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    await place(store, "A2")
    assert await store.order_by_trx_id("toko", "A1") == placed, "nor after the next commit"


async def test_a_change_in_another_way_is_seen(store: SqliteStore) -> None:
    placed = await place(store)
    assert await store.interrupt_sends(T0 + 1) == 1
    assert (await store.order(placed.id)).due_at == T0 + 1
    (written,) = await asyncio.gather(store.change_order(placed.id, noted))
    assert written.order.due_at == T0 + 1, "decided upon what stands in the journal"


async def test_an_order_that_is_brought_back_is_seen(store: SqliteStore) -> None:
    placed = await place(store, due_at=T0 + 10**9)
    await store.note_time(T0, furthest=T0 + 10**6)
    assert (await store.order(placed.id)).due_at == T0


async def test_what_is_written_aside_lets_orders_stay_known(store: SqliteStore) -> None:
    placed = await place(store)
    await store.see_saldo(ACCOUNTS[0], 5)
    await store.put_meta("k", b"v")
    await store.check_writable()
    await store.note_time(T0, furthest=T0 + 10**9)
    assert store._known.order(placed.id) is not None


async def test_both_ways_in_one_commit_leave_nothing_stale(store: SqliteStore) -> None:
    placed = await place(store)
    await asyncio.gather(
        store.change_order(placed.id, noted),
        store.interrupt_sends(T0 + 1),
        store.change_order(placed.id, noted),
    )
    with closing(sqlite3.connect(store.path)) as other:
        row = other.execute("SELECT note, due_at FROM orders").fetchone()
    found = await store.order(placed.id)
    assert (found.note, found.due_at) == row


async def test_what_is_known_is_what_stands_there(store: SqliteStore) -> None:
    """Hundreds of orders placed, changed, refused and repeated at once; then read both ways."""
    names = [f"T{number % 150}" for number in range(300)]
    placed = await asyncio.gather(*(store.place(record(order(name))) for name in names))
    ids = [found.id for found, _ in placed]
    assert sum(is_new for _, is_new in placed) == len(set(ids)) == 150

    def refused(before: Order) -> Record:
        return Record(order=replace(before, sends=99))  # the table takes three at most

    results = await asyncio.gather(
        *(store.change_order(n, refused if n % 7 == 0 else noted) for n in ids),
        return_exceptions=True,
    )
    failed = [n for n, result in zip(ids, results, strict=True) if isinstance(result, Exception)]
    assert failed == [n for n in ids if n % 7 == 0]
    remembered = [await store.order(n) for n in sorted(set(ids))]
    store._known.forget()
    assert remembered == [await store.order(n) for n in sorted(set(ids))]
    steps = [len(await store.timeline(n)) for n in sorted(set(ids))]
    assert steps == [2 if n % 7 == 0 else 4 for n in sorted(set(ids))]


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 131, 200])
def test_every_row_of_a_page_is_written_once(tmp_path: Path, count: int) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE timeline (order_id, n, at, kind, text)")
        page = Page()
        page.steps += [(number, 1, T0, "x", "y") for number in range(count)]
        page.write(connection)
        rows = connection.execute("SELECT order_id FROM timeline ORDER BY rowid").fetchall()
    assert rows == [(number,) for number in range(count)]
