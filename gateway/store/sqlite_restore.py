"""Bring a SQLite journal back from a backup: verified before it replaces anything.

At no instant is there no journal, or half of one: the new one is made beside it, whole and
durable, and takes its name in one step. What is being made has a name of its own, and is made anew
by the next try. The journal that was there stays beside it, whatever it holds: it may know orders
that the backup does not.
"""

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import NotDone
from gateway.domain.restored import LOOK_MS, WATCH_AGAIN_MS
from gateway.store import JournalUnusable
from gateway.store.keeping import (
    RESTORED,
    BroughtBack,
    CheckSeals,
    Progress,
    Restored,
    Seals,
    Wanted,
)
from gateway.store.lock import Lock
from gateway.store.migrate import migrate_sqlite
from gateway.store.sqlite_backup import sync_file, sync_folder, unpack, verify

_BESIDE: Final = (".restoring", ".restoring-wal", ".restoring-shm", ".restoring-journal")
_ROOM_BYTES: Final = 16 * 1024 * 1024
_PACKED: Final = 8  # a packed journal becomes at most so many times as large, mostly 4 or 5


def restore(
    journal: Path, wanted: Wanted, check_seals: CheckSeals, progress: Progress
) -> BroughtBack:
    """Put a backup in the place of a journal.

    Args:
        journal: the SQLite file.
        wanted: what is brought back.
        check_seals: looks whether the key file opens what is sealed in it.
        progress: told how far it is.

    Raises:
        NotDone: nothing was replaced; says why.
        JournalInUse: a gateway runs on it.
        JournalUnavailable: a gateway that was killed is still writing it.
    """
    try:
        with closing(Lock(journal)):
            return _restore(journal, wanted, check_seals, progress)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        raise NotDone(f"nothing was restored: {where}{error.strerror or error}") from None
    except (sqlite3.Error, JournalUnusable) as error:
        raise NotDone(f"nothing was restored: {wanted.source}: {error}") from None


def _restore(
    journal: Path, wanted: Wanted, check_seals: CheckSeals, progress: Progress
) -> BroughtBack:
    if not wanted.source.is_file():
        raise NotDone(f"{wanted.source} is no file")
    is_there = journal.exists() and journal.stat().st_size > 0
    if is_there and wanted.source.samefile(journal):
        raise NotDone(f"{wanted.source} is the journal itself")
    if is_there and not wanted.force:
        raise NotDone(f"{journal} is there: --force replaces it, and keeps it under another name")
    fresh = journal.with_name(journal.name + _BESIDE[0])
    _remove(journal)
    _check_room(wanted.source, journal.parent)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        unpack(wanted.source, fresh, progress)
        facts = verify(fresh, thoroughly=True)
        check_seals(*_sealed(fresh))
        _mark(fresh, wanted.at)
        owner = (journal if is_there else journal.parent).stat()
        for path in (fresh, journal.with_name(journal.name + ".lock")):
            _own_like(path, owner)
        sync_file(fresh)
        old = _set_aside(journal, wanted.at) if is_there else None
        fresh.replace(journal)
        sync_folder(journal.parent)
    finally:
        _remove(journal)
    return BroughtBack(facts, old)


def _remove(journal: Path) -> None:
    for beside in _BESIDE:
        journal.with_name(journal.name + beside).unlink(missing_ok=True)


def _check_room(source: Path, folder: Path) -> None:
    is_plain = source.suffix != ".gz"
    needed = source.stat().st_size * (1 if is_plain else _PACKED) + _ROOM_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NotDone(
            f"nothing was restored: {folder} has {free >> 20} MiB free, and {needed >> 20} MiB "
            "may be needed"
        )


def _sealed(path: Path) -> tuple[bytes | None, Seals]:
    """Return the sealed root, and what is sealed beside it, by whose it is."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT value FROM meta WHERE key = 'root'").fetchone()
        seals = {
            f"the upstream key of account {account}": bytes(sealed)
            for account, sealed in connection.execute("SELECT id, sealed FROM accounts")
        }
        seals |= {
            f"the key of reseller {code}": bytes(sealed)
            for code, sealed in connection.execute("SELECT reseller, sealed FROM reseller_keys")
        }
    return None if root is None else bytes(root[0]), seals


def _mark(path: Path, at: int) -> None:
    """Bring a journal that was brought back to this gateway's form, and say in it that it was."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        migrate_sqlite(connection)
        connection.execute("BEGIN IMMEDIATE")
        mark_restored(connection, at)
        connection.execute("COMMIT")


def mark_restored(connection: sqlite3.Connection, at: int) -> Restored:
    """Write down that this journal was brought back, and let all be looked up that may have moved.

    What has a date is due now; what is to be told, and what became final within the last day that
    the journal knows, gets one: the upstream may have changed its word in the time that is lost.

    Args:
        connection: inside a transaction.
        at: Unix milliseconds.
    """
    noted = connection.execute("SELECT value FROM meta WHERE key = 'time'").fetchone()
    taken_at = None if noted is None else int(noted[0])
    connection.execute("UPDATE orders SET due_at = ? WHERE due_at IS NOT NULL", (at,))
    connection.execute(
        "UPDATE orders SET due_at = ? WHERE due_at IS NULL AND first_sent_at IS NOT NULL"
        " AND (final_at >= ? OR id IN (SELECT order_id FROM deliveries"
        " WHERE next_at IS NOT NULL))",
        (at, (taken_at or at) - WATCH_AGAIN_MS),
    )
    # A machine that was just set up may have a clock of years ago.
    look_until = max(at, taken_at or at) + LOOK_MS
    mark = Restored(at=at, taken_at=taken_at, look_until=look_until)
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (RESTORED, msgspec.json.encode(mark)),
    )
    return mark


def _set_aside(journal: Path, at: int) -> Path:
    """Give the journal of before a second name; it keeps its own until another takes it."""
    stamp = f"{datetime.fromtimestamp(at / MS_PER_S, UTC):%Y%m%dT%H%M%SZ}"
    old = journal.with_name(f"{journal.name}.before-{stamp}")
    _fold_log(journal)
    for end in ("-wal", "-shm"):  # what could not be folded in: it must not meet another journal
        with contextlib.suppress(FileNotFoundError):
            journal.with_name(journal.name + end).replace(old.with_name(old.name + end))
    try:
        os.link(journal, old)
    except OSError:  # a file system without second names
        shutil.copy2(journal, old)
        sync_file(old)
    sync_folder(journal.parent)
    return old


def _own_like(path: Path, about: os.stat_result) -> None:
    """Give a file to whom another belongs: root may bring a journal back for the service."""
    if os.geteuid() == 0:
        os.chown(path, about.st_uid, about.st_gid)


def _fold_log(journal: Path) -> None:
    """Bring a journal's write-ahead log into its file; a damaged one keeps its log beside it."""
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
