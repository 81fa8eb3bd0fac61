"""The journal's write-ahead log: emptied without a second writer, cut, and bounded under load."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.domain.alert import Alarm, Kind
from gateway.domain.errors import JournalUnavailable
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_wal import LOG_LIMIT
from tests.store.journals import CODES, T0, account, order, place, record, reseller

pytestmark = pytest.mark.timeout(30)

MIB = 1024 * 1024
AUTOMATIC = 1_000 * 4_200  # bytes: at this length SQLite copies by itself, with the next commit
LARGE_NOTE = "x" * 200_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(tmp_path / "gateway.db")
    await opened.put_resellers([reseller(code) for code in CODES], [account("key1")])
    yield opened
    async with asyncio.timeout(10):
        await opened.close()


async def write(store: SqliteStore, mib: int, name: str) -> None:
    for n in range(mib * 5):
        await store.place(record(order(f"{name}{n}", note=LARGE_NOTE)))


async def test_the_log_is_emptied_and_nothing_is_lost(store: SqliteStore) -> None:
    placed = await place(store)
    assert store.size().log > 0
    before = store.size()
    assert await store.empty_log()
    assert store.size().log == 0
    assert store.size() != before
    assert await store.order(placed.id) == placed
    await place(store, "A2")
    assert 0 < store.size().log < MIB


async def test_what_is_written_shows_in_the_size(store: SqliteStore) -> None:
    before = store.size()
    assert store.size() == before
    await place(store)
    assert store.size() != before


async def test_the_log_stays_short_while_it_is_written(store: SqliteStore) -> None:
    for part in range(4):
        await write(store, 5, f"{part}-")
    assert store.size().log < AUTOMATIC + 2 * MIB


async def test_a_log_that_somebody_reads_is_not_waited_for(
    store: SqliteStore, tmp_path: Path
) -> None:
    await place(store)
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("PRAGMA query_only = ON")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM orders").fetchone()
        await place(store, "A2")
        began = asyncio.get_running_loop().time()
        assert not await store.empty_log()
        assert asyncio.get_running_loop().time() - began < 2
        await write(store, LOG_LIMIT // MIB + 4, "held")
        assert store.size().log > LOG_LIMIT, "it can not begin anew"
        other.execute("ROLLBACK")
    assert await store.empty_log()
    assert store.size().log == 0


async def test_a_log_that_was_long_is_cut_when_it_begins_anew(
    store: SqliteStore, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("PRAGMA query_only = ON")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM orders").fetchone()
        await write(store, LOG_LIMIT // MIB + 4, "held")
        other.execute("ROLLBACK")
    for n in range(3):
        await place(store, f"after{n}")
    assert store.size().log <= LOG_LIMIT


async def test_a_lock_is_waited_for_as_before(store: SqliteStore) -> None:
    await store.empty_log()
    patience = await store._writing_thread.run(
        lambda connection: connection.execute("PRAGMA busy_timeout").fetchone()
    )
    assert patience == (5_000,)


async def test_a_log_that_can_not_be_emptied_says_so(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "closed.db")
    await store.close()
    with pytest.raises(JournalUnavailable):
        await store.empty_log()


async def test_only_the_writing_connection_empties_the_log(store: SqliteStore) -> None:
    """SQLite before 3.51.3 damages a WAL that two connections write at the same instant."""
    await place(store)
    await asyncio.gather(
        *(store.place(record(order(f"B{n}"))) for n in range(200)),
        *(store.empty_log() for _ in range(5)),
        *(store.order_by_trx_id("toko", f"B{n}") for n in range(50)),
    )
    (ok,) = await store._read(
        lambda connection: connection.execute("PRAGMA integrity_check").fetchone()
    )
    assert ok == "ok"
    assert await store.count_open() == 201


async def test_an_alert_about_no_order_is_raised_and_ended(store: SqliteStore) -> None:
    assert await store.raise_alert(Alarm(T0, Kind.JOURNAL_LOG_LONG, "the log is long: x", ""))
    assert not await store.raise_alert(
        Alarm(T0 + 1, Kind.JOURNAL_LOG_LONG, "the log is long: x", "")
    )
    assert await store.raise_alert(Alarm(T0 + 1, Kind.CLOCK_SET, "the clock was set"))
    assert await store.end_alert(Kind.JOURNAL_LOG_LONG, "", T0 + 2) == 1
    assert await store.end_alert(Kind.JOURNAL_LOG_LONG, "", T0 + 3) == 0
    assert [a.text for a in await store.alerts()] == ["the clock was set"]
    assert await store.raise_alert(Alarm(T0 + 4, Kind.JOURNAL_LOG_LONG, "the log is long: x", ""))
