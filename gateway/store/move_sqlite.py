"""A SQLite file as the source or the target of a move.

A target is written beside its place, without a log, and put there whole by a rename: what was cut
off halfway is no journal, and the next try writes it anew.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final

from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.store import JournalUnusable
from gateway.store.lock import Lock
from gateway.store.migrate import check_sqlite, migrate_sqlite
from gateway.store.move_form import Row, Table, count_sql, name, part_sql, quoted
from gateway.store.move_mark import KEY, Mark, mark_from
from gateway.store.postgres_pool import storable

_CACHE_KIB: Final = 64_000  # the keys of an index that grows all over
_MARK = "SELECT value FROM meta WHERE key = ?"
_PUT_MARK = (
    "INSERT INTO meta (key, value) VALUES (?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


class SqliteSide:
    """One SQLite file of a move. Made by `sqlite_source` or `sqlite_target`.

    Attributes:
        shown: its name.
        changed_texts: how many texts were read with a mark for what PostgreSQL keeps in none.
    """

    def __init__(self, path: Path) -> None:
        self.shown = str(path)
        self.changed_texts = 0
        self._path = path
        self._beside = path.with_name(path.name + ".moving")
        self._connection: sqlite3.Connection | None = None

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None  # noqa: S101  whoever moves has opened it
        return self._connection

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a file, in place of what was open."""
        self.close()
        self._connection = sqlite3.connect(path, isolation_level=None)
        return self._connection

    def close(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def tables(self) -> list[Table]:
        """Return every table of it."""
        names = [row[0] for row in self._open.execute(_TABLES)]
        return [self._table(name) for name in names]

    def _table(self, name: str) -> Table:
        about = self._open.execute(f'PRAGMA table_info("{name}")').fetchall()
        keys = sorted((row[5], row[1]) for row in about if row[5])
        needs = {row[2] for row in self._open.execute(f'PRAGMA foreign_key_list("{name}")')}
        columns = tuple(row[1] for row in about)
        return Table(name, columns, tuple(column for _, column in keys), frozenset(needs))

    async def count(self, table: Table) -> int:
        """Return how many rows are moved."""
        (rows,) = self._open.execute(count_sql(table)).fetchone()
        return int(rows)

    async def part(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """Return the next rows, with texts as PostgreSQL keeps them."""
        key = ", ".join(quoted(table.key))
        marks = ", ".join("?" * len(table.key))
        where = "" if after is None else f"({key}) > ({marks})"
        sql = part_sql(table, quoted(table.columns), where, limit)
        return [self._kept(row) for row in self._fetched(sql, after or ())]

    def _fetched(self, sql: str, values: Row) -> list[Row]:
        try:
            return self._open.execute(sql, values).fetchall()
        except sqlite3.OperationalError:  # no UTF-8, by a foreign hand or a damage
            self._open.text_factory = _lenient
            try:
                return self._open.execute(sql, values).fetchall()
            finally:
                self._open.text_factory = str

    def _kept(self, row: Row) -> Row:
        kept = tuple(map(storable, row))
        if kept != row:
            self.changed_texts += sum(a != b for a, b in zip(row, kept, strict=True))
        return kept

    async def mark(self) -> Mark | None:
        """Return the mark of a move that it bears."""
        row = self._open.execute(_MARK, (KEY,)).fetchone()
        return mark_from(None if row is None else row[0])

    async def put_mark(self, mark: Mark) -> None:
        """Write a mark; durable when it returns."""
        self._open.execute(_PUT_MARK, (KEY, mark.encoded()))

    async def hold(self) -> None:
        """Do nothing: the lock beside the file keeps every other process out."""

    async def begin(self) -> None:
        """Make an empty journal beside the place of the target."""
        self.close()
        self._beside.unlink(missing_ok=True)
        os.close(os.open(self._beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = self.connect(self._beside)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        migrate_sqlite(connection)
        connection.execute("BEGIN")

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""
        columns, marks = ", ".join(quoted(table.columns)), ", ".join("?" * len(table.columns))
        self._open.executemany(f"INSERT INTO {name(table)} ({columns}) VALUES ({marks})", rows)

    async def end_writing(self) -> None:
        """Look that every row finds what it refers to.

        Raises:
            NotDone: one does not.
        """
        if self._open.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise NotDone(f"{self.shown}: a row refers to one that is not there")

    async def commit(self, mark: Mark) -> None:
        """Put what was written in its place, with a mark; durable when it returns."""
        await self.put_mark(mark)
        self._open.execute("COMMIT")
        self.close()
        _sync(self._beside)
        for ending in ("-wal", "-shm"):  # of a file that is not there any more
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        self._beside.replace(self._path)
        _sync(self._path.parent)
        self.connect(self._path).execute("PRAGMA synchronous = FULL")

    async def unmark(self) -> None:
        """Take the mark off, so that this is a journal; durable when it returns."""
        self._open.execute("DELETE FROM meta WHERE key = ?", (KEY,))


def _lenient(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@asynccontextmanager
async def sqlite_source(path: Path) -> AsyncIterator[SqliteSide]:
    """Open a journal to be moved, at this gateway's form, with every other process kept out.

    Raises:
        JournalInUse: a gateway or a command has it.
        JournalUnavailable: a gateway that was killed is still writing it, or it can not be read.
        JournalUnusable: it is no journal, or not to be opened.
    """
    if _is_empty(path):
        raise JournalUnusable(f"{path}: there is no journal")
    with _told(path), closing(Lock(path)), closing(SqliteSide(path)) as side:
        connection = side.connect(path)
        check_sqlite(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate_sqlite(connection)
        yield side


@asynccontextmanager
async def sqlite_target(path: Path) -> AsyncIterator[tuple[SqliteSide, Mark | None]]:
    """Open the place of a new journal; with the mark of a copy that lies there.

    Raises:
        NotDone: there is something else.
        JournalInUse: a gateway or a command has it.
        JournalUnavailable: a gateway that was killed is still writing it, or it can not be made.
    """
    with _told(path), closing(Lock(path)), closing(SqliteSide(path)) as side:
        if _is_empty(path):
            yield side, None
            return
        connection = side.connect(path)
        check_sqlite(connection)
        connection.execute("PRAGMA synchronous = FULL")
        mark = await side.mark()
        if mark is None or mark.state != "copy":
            raise _not_empty(path)
        yield side, mark


def _is_empty(path: Path) -> bool:
    return not path.exists() or not path.stat().st_size


def _not_empty(path: Path) -> NotDone:
    return NotDone(f"{path} is not empty: name a file that is not there")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in a sentence what SQLite and the disk refuse."""
    try:
        yield
    except JournalUnusable as error:
        raise JournalUnusable(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    except sqlite3.Error as error:
        raise JournalUnavailable(f"{path}: {error}") from None
    except OSError as error:
        raise JournalUnavailable(f"{path}: {error.strerror or error}") from None
