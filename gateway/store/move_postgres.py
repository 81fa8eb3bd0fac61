"""A PostgreSQL database as the source or the target of a move.

A target is written in one transaction: what was cut off halfway is not there at all. A source is
held under a lock that lets nobody write; once it is moved a trigger refuses every order, also to a
gateway that was asleep meanwhile and looks at no mark.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.store import JournalInUse, JournalUnusable
from gateway.store.migrate import APPLICATION_ID
from gateway.store.move_form import (
    GIVEN,
    OF_POSTGRES_ALONE,
    Row,
    Table,
    count_sql,
    name,
    part_sql,
    quoted,
)
from gateway.store.move_mark import KEY, Mark, mark_from
from gateway.store.postgres_form import is_empty, prepare
from gateway.store.postgres_pool import CONNECT_S, Session, first_line

_SETTINGS: Final = {
    "application_name": "otomax-gateway migrate-db",
    "idle_in_transaction_session_timeout": "0",  # the other side is read and written meanwhile
    "lock_timeout": "10s",
    "maintenance_work_mem": "128MB",  # indexes are made when all rows are there
    "statement_timeout": "0",
}
_COLUMNS: Final = """
SELECT c.relname AS name, a.attname AS column, a.atttypid = 'bool'::regtype AS is_truth,
    a.attidentity <> '' AS is_numbered, array_position(i.indkey::int2[], a.attnum) AS in_key
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition AND NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname, a.attnum
"""
# What is there for speed alone. It is made again, in its own words, when every row is written.
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS made_by
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT i.indisunique
"""
# A row that refers to another is looked at once for all, in place of row by row.
_REFERENCES: Final = """
SELECT quote_ident(c.relname) AS name, quote_ident(f.conname) AS reference,
    pg_get_constraintdef(f.oid) AS made_by
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
WHERE f.connamespace = current_schema()::regnamespace AND f.contype = 'f'
"""
_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND (application_name IS NULL OR application_name LIKE 'otomax-gateway%')
"""
_MARK: Final = "SELECT value FROM meta WHERE key = $1"
_PUT_MARK: Final = (
    "INSERT INTO meta (key, value) VALUES ($1, $2)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
# SQLSTATE 55000: to a gateway the journal is away, so it says 503 and never FAILED.
_REFUSE_ORDERS: Final = """
CREATE OR REPLACE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'this journal was moved', ERRCODE = '55000';
END $$;
CREATE OR REPLACE TRIGGER orders_moved BEFORE INSERT OR UPDATE ON orders FOR EACH STATEMENT
EXECUTE FUNCTION moved();
"""


class PostgresSide:
    """One database of a move. Made by `postgres_source` or `postgres_target`.

    Attributes:
        shown: its name, without user and password.
        changed_texts: none, for it keeps no text that SQLite would not.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", shown: str) -> None:
        self.shown = shown
        self.changed_texts = 0
        self.session = Session(connection)
        self._connection = connection
        self._transaction = connection.transaction()
        self._truths: dict[str, frozenset[str]] = {}
        self._given: dict[str, list[str]] = {}
        self._numbered: list[tuple[str, str]] = []
        self._made_last: list[str] = []

    async def tables(self) -> list[Table]:
        """Return every table of it."""
        rows = await self.session.rows(_COLUMNS)
        names = dict.fromkeys(row["name"] for row in rows)
        self._numbered = [(row["name"], row["column"]) for row in rows if row["is_numbered"]]
        return [self._table(name, [row for row in rows if row["name"] == name]) for name in names]

    def _table(self, of: str, rows: Sequence[asyncpg.Record]) -> Table:
        self._truths[of] = frozenset(row["column"] for row in rows if row["is_truth"])
        self._given[of] = [row["column"] for row in rows if row["column"] in GIVEN]
        keys = sorted((row["in_key"], row["column"]) for row in rows if row["in_key"] is not None)
        columns = tuple(row["column"] for row in rows)
        return Table(of, columns, tuple(column for _, column in keys))

    async def count(self, table: Table) -> int:
        """Return how many rows are moved."""
        return int(await self.session.value(count_sql(table)))

    async def part(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """Return the next rows, with truths as SQLite keeps them."""
        truths = self._truths[table.name]
        columns = [
            f"{sql}::integer" if column in truths else sql
            for column, sql in zip(table.columns, quoted(table.columns), strict=True)
        ]
        key = ", ".join(quoted(table.key))
        marks = ", ".join(f"${number + 1}" for number in range(len(table.key)))
        where = "" if after is None else f"({key}) > ({marks})"
        rows = await self.session.rows(part_sql(table, columns, where, limit), *(after or ()))
        return [tuple(row) for row in rows]

    async def mark(self) -> Mark | None:
        """Return the mark of a move that it bears."""
        return mark_from(await self.session.value(_MARK, KEY))

    async def put_mark(self, mark: Mark) -> None:
        """Write a mark: durable when it returns, and once it is moved nothing else is written."""
        await self.session.count(_PUT_MARK, KEY, mark.encoded())
        if mark.state == "moved":
            await self._connection.execute(_REFUSE_ORDERS)
            await self._transaction.commit()

    async def hold(self) -> None:
        """Let nobody write from here on until it is marked as moved.

        Raises:
            JournalInUse: somebody does.
        """
        await self._transaction.start()
        tables = ", ".join(map(name, await self.tables()))
        try:
            await self._connection.execute(f"LOCK TABLE {tables} IN SHARE MODE")
        except asyncpg.LockNotAvailableError:
            raise JournalInUse(f"{self.shown} is being written to: stop every gateway") from None

    async def begin(self) -> None:
        """Begin a transaction in which an empty journal is made, or a copy emptied."""
        await self._transaction.start()
        await prepare(self.session, moving=True)
        tables = [table for table in await self.tables() if table.name not in OF_POSTGRES_ALONE]
        for table in tables:  # a trigger keeps orders from being emptied
            await self._connection.execute(f"ALTER TABLE {name(table)} DISABLE TRIGGER USER")
        await self._connection.execute(f"TRUNCATE {', '.join(map(name, tables))}")
        for table in tables:
            await self._connection.execute(f"ALTER TABLE {name(table)} ENABLE TRIGGER USER")
        for index in await self.session.rows(_INDEXES):
            self._made_last.append(index["made_by"])
            await self._connection.execute(f"DROP INDEX {index['name']}")
        for each in await self.session.rows(_REFERENCES):
            alter, named = f"ALTER TABLE {each['name']}", f"CONSTRAINT {each['reference']}"
            self._made_last.append(f"{alter} ADD {named} {each['made_by']}")
            await self._connection.execute(f"{alter} DROP {named}")

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""
        columns, given = list(table.columns), self._given[table.name]
        truths = [columns.index(column) for column in self._truths[table.name]]
        values = [GIVEN[column] for column in given]
        records = [_record(row, truths, values) for row in rows]
        await self._connection.copy_records_to_table(
            table.name, records=records, columns=[*columns, *given]
        )

    async def end_writing(self) -> None:
        """Make indexes and references, and let new numbers follow those that are there."""
        for made_by in self._made_last:
            await self._connection.execute(made_by)
        for table, column in self._numbered:
            sql = (
                f'SELECT setval(pg_get_serial_sequence($1, $2), max("{column}")) FROM "{table}"'
                f' HAVING max("{column}") IS NOT NULL'
            )
            await self.session.rows(sql, f'"{table}"', column)
        tables = ", ".join(map(name, await self.tables()))
        await self._connection.execute(f"ANALYZE {tables}")

    async def commit(self, mark: Mark) -> None:
        """Let what was written be seen, with a mark; durable when it returns."""
        await self.put_mark(mark)
        await self._transaction.commit()

    async def unmark(self) -> None:
        """Take the mark off, so that this is a journal; durable when it returns."""
        await self.session.count("DELETE FROM meta WHERE key = $1", KEY)


def _record(row: Row, truths: Sequence[int], given: Sequence[object]) -> list[Any]:
    """Return a row as COPY takes it: with truths that are such, and what PostgreSQL alone has."""
    record = [*row, *given]
    for number in truths:
        record[number] = bool(record[number])
    return record


@asynccontextmanager
async def postgres_source(url: str, shown: str) -> AsyncIterator[PostgresSide]:
    """Open a journal to be moved, at this gateway's form.

    Raises:
        JournalInUse: a gateway is connected to it.
        JournalUnusable: it is no journal.
    """
    async with _opened(url, shown) as side:
        if await is_empty(side.session):
            raise JournalUnusable("there is no journal")
        await prepare(side.session, moving=True)
        others = await side.session.value(_OTHERS)
        if others:
            raise JournalInUse(f"{shown} has {others} connections of gateways: stop them first")
        yield side


@asynccontextmanager
async def postgres_target(url: str, shown: str) -> AsyncIterator[tuple[PostgresSide, Mark | None]]:
    """Open the place of a new journal; with the mark of a copy that is there.

    Raises:
        NotDone: there is something else.
    """
    async with _opened(url, shown) as side:
        if await is_empty(side.session):
            yield side, None
            return
        await prepare(side.session, moving=True)
        mark = await side.mark()
        if mark is None or mark.state != "copy":
            raise NotDone(f"{shown} is not empty: make a database for the journal alone")
        yield side, mark


@asynccontextmanager
async def _opened(url: str, shown: str) -> AsyncIterator[PostgresSide]:
    """Connect, and say in a sentence what PostgreSQL refuses; never what a row holds."""
    try:
        connection = await _connect(url)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", APPLICATION_ID):
                raise JournalInUse(f"{shown}: a move or a migration is under way")
            yield PostgresSide(connection, shown)
        finally:
            await connection.close(timeout=CONNECT_S)
    except JournalUnusable as error:
        raise JournalUnusable(f"{shown}: {error}") from None
    except ValueError:  # asyncpg's own words would show the value
        raise NotDone(f"{shown}: can not hold a value of the other journal") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise JournalUnavailable(f"{shown}: {first_line(error)}") from None


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(url, timeout=CONNECT_S, server_settings=_SETTINGS)
    except (ValueError, asyncpg.ClientConfigurationError):
        raise JournalUnusable("the URL is not understood") from None
