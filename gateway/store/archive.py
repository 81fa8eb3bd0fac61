"""The archive: a SQLite file of its own, to which the timelines of old orders are moved.

Two tables, to be read with any SQLite: `timeline` (a row a step of an order) and `deliveries` (a
row a message that was told), each with the order's number in the journal and its upstream_trx_id.
The orders themselves stay in the journal, with their keys, for ever.

What is kept is durable when `keep` returns; only then may the journal forget it. Keeping the same
again changes nothing, so a move that was interrupted is simply done again.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from gateway.domain.errors import NotDone
from gateway.store import OldOrder
from gateway.store.group_commit import Thread

_Row = tuple[Any, ...]

_APPLICATION_ID = 0x4F544D41  # "OTMA"
_FORM = 2
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE timeline (
    order_id        INTEGER NOT NULL,
    n               INTEGER NOT NULL,
    upstream_trx_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY,
    order_id        INTEGER NOT NULL,
    upstream_trx_id TEXT NOT NULL,
    reseller        TEXT NOT NULL,
    status          TEXT NOT NULL,
    method          TEXT NOT NULL,
    url             TEXT NOT NULL,
    host            TEXT NOT NULL,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    done_at         INTEGER,
    last_result     TEXT,
    body            TEXT
) STRICT;
CREATE INDEX deliveries_of_order ON deliveries (order_id);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORM};
COMMIT;
"""
# By the form that a file has: what makes it the next one.
_CHANGES = {
    1: "BEGIN IMMEDIATE; ALTER TABLE deliveries ADD COLUMN body TEXT;"
    " PRAGMA user_version = 2; COMMIT;"
}
_ADD_STEP = "INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_SAME_STEP = (
    "SELECT 1 FROM timeline WHERE (order_id, n, upstream_trx_id, at, kind, text)"
    " = (?, ?, ?, ?, ?, ?)"
)
# One that was sent again after a move that was interrupted is kept as it is now.
_ADD_DELIVERY = (
    "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO"
    " UPDATE SET state = excluded.state, attempts = excluded.attempts, done_at = excluded.done_at,"
    " last_result = excluded.last_result"
    " WHERE order_id = excluded.order_id AND upstream_trx_id = excluded.upstream_trx_id"
    " AND url = excluded.url"
)


class Archive:
    """An open archive. Made by `open_archive`.

    Attributes:
        path: its file.
    """

    def __init__(self, path: Path, thread: Thread) -> None:
        self.path = path
        self._thread = thread

    async def keep(self, orders: Sequence[OldOrder]) -> None:
        """Write these timelines and deliveries; durable when it returns.

        Raises:
            NotDone: nothing of it was written; says why.
        """
        try:
            await self._thread.run(partial(_keep, orders=orders, name=self.path.name))
        except (sqlite3.Error, ValueError) as error:
            raise _refused(self.path, error) from error

    async def close(self) -> None:
        """Close the file."""
        await self._thread.close()


async def open_archive(path: Path, journal: Path | None) -> Archive:
    """Open an archive, or make it.

    Args:
        path: where.
        journal: never to be touched, nor what belongs to it; None where it is no file.

    Raises:
        NotDone: this can not be an archive; says why.
    """
    if journal and any(_is_same(path, file) for file in _files_of(journal)):
        raise NotDone(f"{path} belongs to the journal: name another file")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = await aiosqlite.connect(path, isolation_level=None)
    except (sqlite3.Error, OSError) as error:
        raise _refused(path, error) from error
    thread = Thread(connection)
    try:
        await thread.run(_prepare)
    except (sqlite3.Error, NotDone) as error:
        await thread.close()
        raise _refused(path, error) from error
    return Archive(path, thread)


def _files_of(journal: Path) -> Iterator[Path]:
    for ending in ("", "-wal", "-shm", "-journal", ".lock", ".sock"):
        yield journal.with_name(journal.name + ending)


def _is_same(path: Path, other: Path) -> bool:
    """Whether both are one file, also where it is not there yet, or is a link.

    To be asked before it is opened: closing a file lets go of every lock that this process has on
    it.
    """
    try:
        return path.samefile(other)
    except OSError:
        return path.resolve() == other.resolve()


def _refused(path: Path, error: Exception) -> NotDone:
    said = (error.strerror or "") if isinstance(error, OSError) else str(error)
    return NotDone(f"the archive {path}: {said}; the journal keeps what was not moved")


def _prepare(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    is_new = (application, form, tables) == (0, 0, 0)
    if not is_new and (application != _APPLICATION_ID or form not in (*_CHANGES, _FORM)):
        raise NotDone("this file is a database, but no archive of otomax-gateway")
    # One file, and no other beside it when it is at rest: it is carried away as it is.
    connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    # FULL would be undone by a power cut right after a commit: the deleted journal comes back.
    connection.execute("PRAGMA synchronous = EXTRA")
    if is_new:
        connection.executescript(_SCHEMA)
    elif form in _CHANGES:
        connection.executescript(_CHANGES[form])


def _keep(connection: sqlite3.Connection, orders: Sequence[OldOrder], name: str) -> None:
    steps = [
        (order.id, n, order.upstream_trx_id, entry.at, entry.kind, entry.text)
        for order in orders
        for n, entry in order.steps
    ]
    deliveries = [row for order in orders for row in _delivery_rows(order)]
    connection.execute("BEGIN IMMEDIATE")
    try:
        _add(connection, steps, deliveries, name)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _delivery_rows(order: OldOrder) -> Iterator[_Row]:
    for each in order.deliveries:
        told = each.message
        yield (
            *(each.id, order.id, order.upstream_trx_id, each.reseller),
            *(told.status, told.method, told.url, told.host),
            *(each.state, each.attempts, each.created_at, each.done_at, each.last_result),
            told.body,
        )


def _add(
    connection: sqlite3.Connection, steps: Sequence[_Row], deliveries: Sequence[_Row], name: str
) -> None:
    """Add what is not there, and look that what is there is the same, word for word."""
    is_whole = connection.executemany(_ADD_STEP, steps).rowcount == len(steps) or all(
        connection.execute(_SAME_STEP, step).fetchone() for step in steps
    )
    for row in deliveries:
        is_whole = connection.execute(_ADD_DELIVERY, row).rowcount > 0 and is_whole
    if not is_whole:
        raise NotDone(f"{name} holds something else under an order's number: name another file")
