"""The SQLite journal as a file: how it is opened, refused, guarded, and what a full disk does."""

import asyncio
import hashlib
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import JournalUnavailable
from gateway.store import Entry, JournalInUse, JournalUnusable, Record, migrate
from gateway.store.group_commit import MAX_BATCH, Writer
from gateway.store.liveness import own_name
from gateway.store.migrate import APPLICATION_ID, migrations
from gateway.store.open import open_store, peek_meta, running_gateway
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.store.journals import (
    ACCOUNTS,
    T0,
    account,
    message,
    open_journal,
    order,
    place,
    record,
    reseller,
    sold,
)

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(path)
    await opened.put_resellers([reseller()], [account(ACCOUNTS[0])])
    yield opened
    async with asyncio.timeout(10):
        await opened.close()


async def on_writer(store: SqliteStore, sql: str) -> Any:
    """Run a statement on the writing connection, outside any transaction."""
    return await store._writing_thread.run(lambda c: c.execute(sql).fetchone())


# how it is written


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("query_only", 0)],
)
async def test_the_writer_is_set_to_survive_a_power_cut(
    store: SqliteStore, pragma: str, value: object
) -> None:
    assert await on_writer(store, f"PRAGMA {pragma}") == (value,)


async def test_the_reader_can_not_write(store: SqliteStore) -> None:
    with pytest.raises(JournalUnavailable, match="readonly"):
        await store._read(lambda c: c.execute("DELETE FROM meta"))


async def test_what_waits_is_committed_together(store: SqliteStore) -> None:
    said: list[str] = []
    await store._writing_thread.run(lambda c: c.set_trace_callback(said.append))
    await asyncio.gather(*(store.place(record(order(f"T{n}"))) for n in range(500)))
    await store._writing_thread.run(lambda c: c.set_trace_callback(None))
    commits = said.count("COMMIT")
    assert said.count("BEGIN IMMEDIATE") == commits
    assert 500 / MAX_BATCH <= commits <= 4
    assert said.count("SAVEPOINT item") == said.count("RELEASE item") == commits


async def test_a_waiter_hears_only_after_the_commit(store: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        for n in range(20):
            await asyncio.gather(*(place(store, f"T{n}-{i}") for i in range(3)))
            assert other.execute("SELECT count(*) FROM orders").fetchone() == (3 * n + 3,)


async def test_nothing_of_a_batch_is_seen_before_its_commit(
    store: SqliteStore, path: Path
) -> None:
    placed = await place(store)
    seen: list[tuple[str, int]] = []

    def decide(before: Any) -> Record:
        with closing(sqlite3.connect(path)) as other:
            row = other.execute(
                "SELECT (SELECT status FROM orders WHERE id = ?), (SELECT count(*) FROM timeline)",
                (placed.id,),
            )
            seen.append(row.fetchone())
        return Record(order=sold(before), entries=(Entry(T0, "x", "x"),), message=message())

    await asyncio.gather(
        store.change_order(placed.id, decide),
        store.change_order(placed.id, decide),
    )
    assert seen[0] == ("PENDING", 2)
    assert len(seen) == 2


# trouble


async def fill(store: SqliteStore) -> None:
    """Let the journal have no room for another page."""
    (pages,) = await on_writer(store, "PRAGMA page_count")
    await on_writer(store, f"PRAGMA max_page_count = {pages}")


async def test_a_full_disk_is_told_to_every_waiter_and_is_over_when_it_is_over(
    store: SqliteStore,
) -> None:
    kept = await place(store, "kept")
    await fill(store)
    big = "x" * 20_000
    results = await asyncio.gather(
        *(store.place(record(order(f"T{n}", note=big))) for n in range(10)),
        return_exceptions=True,
    )
    assert all(isinstance(r, JournalUnavailable) for r in results)
    assert "full" in str(results[0])
    assert await store.order_by_trx_id("toko", "kept") == kept  # reading goes on
    for n in range(10):
        assert await store.order_by_trx_id("toko", f"T{n}") is None

    await on_writer(store, "PRAGMA max_page_count = 1000000")
    await store.check_writable()
    assert (await store.place(record(order("T1", note=big))))[1]
    assert await store.count_open() == 2


async def test_in_a_batch_that_meets_a_full_disk_nobody_is_told_that_it_was_written(
    store: SqliteStore,
) -> None:
    await fill(store)
    small = [store.put_meta(f"k{n}", b"v") for n in range(3)]
    big = store.place(record(order("big", note="x" * 20_000)))
    results = await asyncio.gather(*small, big, return_exceptions=True)
    for n, result in enumerate(results[:3]):
        written = await store.meta(f"k{n}") is not None
        assert written == (result is None)
    assert isinstance(results[3], JournalUnavailable)
    await on_writer(store, "PRAGMA max_page_count = 1000000")
    await store.put_meta("k9", b"v")


@pytest.mark.parametrize(
    "trouble",
    [
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.DatabaseError("database disk image is malformed"),
    ],
)
async def test_trouble_with_the_file_undoes_the_batch(
    store: SqliteStore, trouble: sqlite3.Error
) -> None:
    def fails(_: sqlite3.Connection) -> None:
        raise trouble

    results = await asyncio.gather(
        store.put_meta("before", b"v"),
        store._write(fails),
        store.put_meta("after", b"v"),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [JournalUnavailable] * 3
    assert await store.meta("before") is None
    await store.put_meta("before", b"v")


async def test_a_foreign_writer_that_holds_the_file_is_waited_for(
    store: SqliteStore, path: Path
) -> None:
    """Nobody should write there; if somebody does, nothing is lost or half done."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.execute, ("ROLLBACK",))
        timer.start()
        await place(store)
        timer.join()
    assert await store.count_open() == 1


async def test_asking_whether_it_can_record_really_writes(store: SqliteStore, path: Path) -> None:
    """SQLite writes nothing where nothing changes, and so would notice nothing."""
    with closing(sqlite3.connect(path)) as other:
        seen = set()
        for _ in range(3):
            await store.check_writable()
            seen.add(other.execute("SELECT value FROM meta WHERE key = 'writable'").fetchone())
    assert len(seen) == 3


@pytest.mark.parametrize("asked_before", [False, True])
async def test_a_journal_that_can_not_record_says_so_until_it_can(
    store: SqliteStore, *, asked_before: bool
) -> None:
    if asked_before:
        await store.check_writable()
    await on_writer(store, "PRAGMA query_only = ON")
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await store.check_writable()
    await on_writer(store, "PRAGMA query_only = OFF")
    await store.check_writable()


async def test_a_closed_journal_is_unavailable(path: Path) -> None:
    store = await open_journal(path)
    await store.close()
    with pytest.raises(JournalUnavailable):
        await store.check_writable()
    with pytest.raises(JournalUnavailable):
        await store.count_open()


async def test_the_writer_rests_when_nothing_waits(store: SqliteStore) -> None:
    writer = Writer(store._writing_thread)
    await writer.finish()
    assert await writer.write(lambda c: c.execute("SELECT 7").fetchone()) == (7,)
    await writer.finish()


# how it is opened


def names(path: Path) -> set[str]:
    return {p.name for p in path.parent.iterdir()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_fresh_journal_is_marked_as_ours(store: SqliteStore) -> None:
    assert await on_writer(store, "PRAGMA application_id") == (APPLICATION_ID,)
    assert await on_writer(store, "PRAGMA user_version") == (max(migrations("sqlite")),)
    assert APPLICATION_ID.to_bytes(4, "big") == b"OTMX"


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_migrations_of_another_version_that_came_along_are_refused(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """An old gateway that was installed over a newer one's `build` must not take its journal."""
    monkeypatch.setattr(migrate, "FORM", migrate.FORM - 1)
    with pytest.raises(JournalUnusable, match=r"end at \d+, .* remove the folder build "):
        migrations(backend)


def empty(path: Path) -> None:
    path.touch()


async def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    empty(path)
    store = await open_journal(path)
    await place(store)
    await store.close()


async def test_files_are_for_the_owner_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        store = await open_journal(path)
        await place(store)
        modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
        await store.close()
    finally:
        os.umask(before)
    assert modes == {
        "gateway.db": 0o600,
        "gateway.db-wal": 0o600,
        "gateway.db-shm": 0o600,
        "gateway.db.lock": 0o600,
    }


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        other.execute("PRAGMA user_version = 99")
        other.execute("CREATE TABLE x (y)")
        other.commit()


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE customers (name)")
        other.commit()


def foreign_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 1")
        other.commit()


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, but a letter to my aunt\n" * 100)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (newer, "has form 99, this gateway knows [0-9]+: run the newer gateway"),
        (foreign, "a database, but no journal of otomax-gateway"),
        (foreign_version, "a database, but no journal of otomax-gateway"),
        (garbage, "not a database"),
    ],
)
async def test_what_is_no_journal_of_ours_is_refused_and_left_as_it_is(
    path: Path, make: Callable[[Path], None], why: str
) -> None:
    make(path)
    before = digest(path)
    for _ in range(2):  # the second time, too: the lock was let go
        with pytest.raises(JournalUnusable, match=why) as raised:
            await open_store(path)
        assert str(path) in str(raised.value)
    assert digest(path) == before
    assert names(path) == {"gateway.db", "gateway.db.lock"}
    assert threading.active_count() < 10


@pytest.mark.parametrize("where", ["missing/gateway.db", "file/gateway.db", "folder", "x" * 300])
async def test_a_path_that_can_not_be_opened_is_refused_with_its_name(
    tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalUnusable, match="can not be opened: ") as raised:
        await open_store(tmp_path / where)
    assert where in str(raised.value)


async def test_one_file_has_one_lock_through_whatever_name(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    folder, link = tmp_path / "etc", tmp_path / "link.db"
    folder.mkdir()
    link.symlink_to(path)
    (folder / "linked").symlink_to(tmp_path)
    store.announce({"control": "sock"})
    for name in (link, folder / "linked" / "link.db", folder / ".." / path.name):
        with pytest.raises(JournalInUse, match=str(os.getpid())):
            await (await open_store(name)).close()
        said = running_gateway(name)
        assert (said["pid"], said["control"]) == (str(os.getpid()), "sock")
    assert not link.with_name("link.db.lock").exists()


async def test_a_link_to_nothing_yet_makes_its_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    store = await open_journal(link)
    await place(store)
    await store.close()
    store = await open_store(path)
    assert await store.count_open() == 1
    await store.close()


@pytest.mark.parametrize("left", ["", "{", "[]", '{"pid": "1"}', "\x00"])
async def test_a_lock_file_that_was_left_behind_holds_nobody_up(path: Path, left: str) -> None:
    lock = path.with_name("gateway.db.lock")
    lock.write_text(left)
    store = await open_journal(path)
    own = {"pid": str(os.getpid()), "process": own_name()}
    assert running_gateway(path) == own
    store.announce({"control": "sock"})
    assert running_gateway(path) == {**own, "control": "sock"}
    store.announce({})
    assert running_gateway(path) == own
    await store.close()
    assert running_gateway(path) == {}


async def test_a_journal_can_be_peeked_into_while_it_runs_and_after(path: Path) -> None:
    assert peek_meta(path, "salt") is None
    assert not names(path)
    store = await open_journal(path)
    await store.put_meta("salt", b"s")
    assert (peek_meta(path, "salt"), peek_meta(path, "other")) == (b"s", None)
    await store.close()
    before = digest(path)
    assert peek_meta(path, "salt") == b"s"
    assert digest(path) == before
    store = await open_journal(path)
    await store.close()


@pytest.mark.parametrize("make", [garbage, foreign, empty])
def test_peeking_into_something_else_finds_nothing(
    path: Path, make: Callable[[Path], None]
) -> None:
    make(path)
    before = digest(path)
    assert peek_meta(path, "salt") is None
    assert digest(path) == before


async def test_opening_again_migrates_nothing_twice(path: Path) -> None:
    for n in range(3):
        store = await open_journal(path)
        await place(store, f"A{n}")
        assert await store.count_open() == n + 1
        await store.close()


async def test_a_journal_that_died_half_migrated_is_migrated_whole(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        other.execute("CREATE TABLE meta (key TEXT)")
        other.execute("ROLLBACK")
    store = await open_journal(path)
    await place(store)
    await store.close()
