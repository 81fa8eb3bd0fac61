"""Backups of the SQLite journal and the way back: damaged ones, full disks, ends at any moment."""

import asyncio
import errno
import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from gateway.domain.errors import NotDone
from gateway.domain.order import Order
from gateway.domain.restored import LOOK_MS
from gateway.store import Record
from gateway.store import sqlite_backup as module
from gateway.store.keeping import RESTORED, Seals, Target, Wanted
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_backup import back_up, verify
from gateway.store.sqlite_restore import restore
from tests.store.journals import open_journal, order, sold

AT = 1_795_000_000_123
ROOT = Path(__file__).parent.parent.parent


class Usage(NamedTuple):
    """As `shutil.disk_usage` gives it."""

    total: int
    used: int
    free: int


def quiet(*_: object) -> None:
    """Show nothing."""


def any_key(root: bytes | None, seals: Seals) -> None:
    """Take every seal for one that opens."""


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def journal_with(folder: Path, orders: int) -> Path:
    """Return a journal of so many open orders that nobody holds."""
    return asyncio.run(made(folder, orders))


async def made(folder: Path, orders: int) -> Path:
    path = folder / "gateway.db"
    store = await opened(path)
    await fill(store, orders)
    await store.close()
    return path


async def opened(path: Path) -> SqliteStore:
    store = await open_journal(path)
    assert isinstance(store, SqliteStore)
    return store


async def fill(store: SqliteStore, orders: int, first: int = 0) -> None:
    await asyncio.gather(
        *(store.place(Record(order=order(trx_id=f"T{first + n}"))) for n in range(orders))
    )


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])


def bring(source: Path, journal: Path, *, force: bool = False) -> None:
    restore(journal, Wanted(source, AT, force), any_key, quiet)


def test_a_backup_has_a_name_with_its_time_and_holds_everything(tmp_path: Path) -> None:
    journal = journal_with(tmp_path, 5)
    folder = tmp_path / "copies"
    folder.mkdir()
    told: list[str] = []
    kept = back_up(journal, Target(to=folder, at=AT), lambda doing, *_: told.append(doing))
    assert kept.path.name == "otomax-gateway-20261118T110640.123Z.db.gz"
    assert (kept.facts.orders, kept.facts.last_order, kept.facts.last_status) == (5, 5, "PENDING")
    assert "pack" in told
    assert [path.name for path in folder.iterdir()] == [kept.path.name]
    fresh = tmp_path / "fresh.db"
    bring(kept.path, fresh)
    assert count(fresh) == 5


async def test_what_is_restored_says_so_and_everything_open_is_due(tmp_path: Path) -> None:
    journal = await made(tmp_path, 2)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)
    bring(kept.path, journal, force=True)
    store = await open_sqlite(journal)
    try:
        said = await store.meta(RESTORED)
        assert said is not None
        assert f'"look_until":{AT + LOOK_MS}'.encode() in said
        assert b'"asked":false' in said
        assert {due.due_at for due in await store.due_orders(AT, 10, ())} == {AT}
    finally:
        await store.close()


async def test_a_clock_of_years_ago_does_not_shorten_the_week(tmp_path: Path) -> None:
    store = await opened(tmp_path / "gateway.db")
    await store.note_time(AT, furthest=AT)
    await store.mark_restored(1)
    said = await store.meta(RESTORED)
    await store.close()
    assert said is not None
    assert f'"look_until":{AT + LOOK_MS}'.encode() in said


def test_what_root_brings_back_belongs_to_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_with(tmp_path, 1)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *owner: given.update({path.name: owner}))
    bring(kept.path, journal, force=True)
    about = journal.stat()
    owner = (about.st_uid, about.st_gid)
    assert given == {"gateway.db.restoring": owner, "gateway.db.lock": owner}


def test_a_file_system_without_second_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_with(tmp_path, 3)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    bring(kept.path, journal, force=True)
    (old,) = tmp_path.glob("gateway.db.before-*Z")
    assert count(old) == 3


async def test_what_was_final_within_a_day_is_looked_up_once_more(tmp_path: Path) -> None:
    store = await opened(tmp_path / "gateway.db")
    for trx_id, final_at in (("T1", AT), ("T2", AT - 2 * 86_400_000)):
        placed, _ = await store.place(Record(order=order(trx_id)))

        def decide(before: Order, final_at: int = final_at) -> Record:
            return Record(order=replace(sold(before), final_at=final_at))

        await store.change_order(placed.id, decide)
    await store.mark_restored(AT)
    assert [due.trx_id for due in await store.due_orders(AT, 10, ())] == ["T1"]
    await store.close()


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    path.write_bytes(raw)


def no_journal(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (a)")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def words(path: Path) -> None:
    path.write_text("not a database, and no gzip either\n" * 100)


def newer(path: Path) -> None:
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(plain)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 999")


def page_lost(path: Path) -> None:
    plain = bytearray(gzip.decompress(path.read_bytes()))
    plain[4096 * 3 : 4096 * 4] = bytes(4096)
    path.write_bytes(gzip.compress(bytes(plain)))


@pytest.mark.parametrize(
    "damage",
    [truncated, flipped, no_journal, empty, words, newer, page_lost],
    ids=lambda damage: str(damage.__name__),
)
def test_a_damaged_backup_replaces_nothing(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    journal = journal_with(tmp_path, 3)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)
    damage(kept.path)
    before = journal.read_bytes()
    with pytest.raises(NotDone):
        bring(kept.path, journal, force=True)
    assert journal.read_bytes() == before
    assert not list(tmp_path.glob("*.restoring*"))
    assert not list(tmp_path.glob("*.before*"))


def test_a_backup_writes_over_nothing_that_is_no_backup(tmp_path: Path) -> None:
    journal = journal_with(tmp_path, 1)
    archive = tmp_path / "archive.db"
    no_journal_of_ours = tmp_path / "notes.txt"
    no_journal_of_ours.write_text("saldo")
    with closing(sqlite3.connect(archive)) as connection, connection:
        connection.execute("PRAGMA application_id = 0x4F544D41")
        connection.execute("CREATE TABLE timeline (a)")
    packed = tmp_path / "other.gz"
    packed.write_bytes(gzip.compress(b"something else"))
    for to in (archive, no_journal_of_ours, packed, journal, tmp_path / "gateway.db-wal"):
        before = to.read_bytes() if to.exists() else None
        with pytest.raises(NotDone):
            back_up(journal, Target(to=to, at=AT), quiet)
        assert (to.read_bytes() if to.exists() else None) == before
    mine = tmp_path / "mine.db"
    for _ in range(2):  # one of ours is written over
        back_up(journal, Target(to=mine, at=AT), quiet)
    with pytest.raises(NotDone, match="--keep"):
        back_up(journal, Target(to=mine, at=AT, keep=2), quiet)


def test_a_disk_that_is_full_leaves_no_half_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_with(tmp_path, 3)
    folder = tmp_path / "copies"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1))
        with pytest.raises(NotDone, match="MiB free"):
            back_up(journal, Target(to=folder, at=AT), quiet)

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "sync_file", full)
    with pytest.raises(NotDone, match="No space left"):
        back_up(journal, Target(to=folder, at=AT), quiet)
    assert list(folder.iterdir()) == []


def test_a_full_disk_under_sqlite_itself(tmp_path: Path) -> None:
    """A limit of the file's size is to a process what a full disk is."""
    journal = journal_with(tmp_path, 200)
    folder = tmp_path / "copies"
    folder.mkdir()
    script = (
        "import resource, signal, sys; from pathlib import Path;"
        "from gateway.store.keeping import Target;"
        "from gateway.store.sqlite_backup import back_up;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "back_up(Path(sys.argv[1]), Target(to=Path(sys.argv[2]), at=1), print)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(journal), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "NotDone" in done.stderr
    assert list(folder.iterdir()) == []


_SLOW = """
import sys, time
from pathlib import Path
from gateway.store.keeping import Target, Wanted
from gateway.store.sqlite_backup import back_up
from gateway.store.sqlite_restore import restore
stop_at, what, journal, other = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
def stop(doing, done, size):
    if doing == stop_at:
        print("there", flush=True)
        time.sleep(60)
if what == "backup":
    back_up(journal, Target(to=other, at=1), stop)
else:
    restore(journal, Wanted(other, 1, True), lambda *_: stop("seals", 0, 0), stop)
"""


def killed_at(stop_at: str, what: str, journal: Path, other: Path) -> None:
    """Run it in a process of its own, and kill that where it says that it is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, stop_at, what, str(journal), str(other)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("stop_at", ["copy", "pack"])
def test_killed_while_it_backs_up(tmp_path: Path, stop_at: str) -> None:
    journal = journal_with(tmp_path, 2_000)
    folder = tmp_path / "copies"
    folder.mkdir()
    killed_at(stop_at, "backup", journal, folder)
    left = list(folder.iterdir())
    assert left
    assert all(".part" in path.name for path in left), "nothing that looks like a backup"
    kept = back_up(journal, Target(to=folder, at=AT, keep=5), quiet)
    assert list(folder.iterdir()) == [kept.path], "what the dead one left is removed"
    assert kept.facts.orders == 2_000


@pytest.mark.parametrize("stop_at", ["unpack", "seals"])
async def test_killed_while_it_restores(tmp_path: Path, stop_at: str) -> None:
    journal = await made(tmp_path, 200)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)
    store = await open_sqlite(journal)
    await fill(store, 7, first=200)
    await store.close()
    killed_at(stop_at, "restore", journal, kept.path)
    assert count(journal) == 207, "the journal of before is whole"
    bring(kept.path, journal, force=True)
    assert count(journal) == 200
    assert not found(tmp_path, "*.restoring*")


async def test_a_log_of_before_never_meets_the_journal_that_is_brought_back(
    tmp_path: Path,
) -> None:
    """What died without closing leaves a log; with another journal it would be its damage."""
    journal = await made(tmp_path, 3)
    kept = back_up(journal, Target(to=tmp_path / "b.db.gz", at=AT), quiet)
    folder = tmp_path / "died"
    folder.mkdir()
    store = await open_sqlite(journal)
    await fill(store, 50, first=3)
    for path in found(tmp_path, "gateway.db*"):  # as it stands on the disk at this moment
        shutil.copy(path, folder)
    await store.close()
    died = folder / "gateway.db"
    assert (folder / "gateway.db-wal").stat().st_size > 0
    bring(kept.path, died, force=True)
    assert verify(died, thoroughly=True).orders == 3
    (old,) = found(folder, "gateway.db.before-*Z")
    assert count(old) == 53, "not one order of the journal of before is lost with its log"


async def test_orders_go_on_while_a_backup_is_made(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """What an order's commit takes beside a backup stays far below what a panel waits for."""
    store = await opened(tmp_path / "gateway.db")
    try:
        await fill(store, 20_000)
        alone = await commits(store, until=asyncio.create_task(asyncio.sleep(1)), first=20_000)
        target = Target(to=tmp_path / "b.db.gz", at=AT)
        making = asyncio.create_task(store.back_up(target, quiet))
        beside = await commits(store, until=making, first=100_000)
        kept = await making
    finally:
        await store.close()
    record_property("commit_p50_ms_alone", alone[len(alone) // 2])
    record_property("commit_p50_ms_beside", beside[len(beside) // 2])
    record_property("commit_max_ms_beside", beside[-1])
    assert kept.facts.orders >= 20_000
    assert len(beside) > 20, "orders were placed all the while"
    assert beside[len(beside) // 2] < 100
    assert beside[-1] < 2_000


async def commits(store: SqliteStore, until: "asyncio.Task[Any]", first: int) -> list[float]:
    """Place order after order until then; returns how long each took, milliseconds, sorted."""
    took: list[float] = []
    while not until.done():
        began = time.perf_counter()
        await store.place(Record(order=order(trx_id=f"T{first + len(took)}")))
        took.append(1000 * (time.perf_counter() - began))
    return sorted(took)
