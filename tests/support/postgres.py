"""A real PostgreSQL: one for each worker that needs it, a fresh database for each test.

To make a database and to drop it takes a fifth of a second, to empty one a few milliseconds. So
one that a test has done with is emptied for the next, where it is still as it was made.
"""

import itertools
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from gateway.store.open import open_store

_SERVER = "tests.support.run_postgres"
_TEMPLATE = "journal"
_FEW = 8  # connections of one journal
_MOST_BYTES = 16_000_000  # a database that was filled is dropped: what was deleted stays in it
# What a test may have changed in how a journal is made: tables, columns, indexes, triggers.
_SHAPE = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace
    UNION ALL SELECT concat_ws(' ', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', setdatabase, setconfig) FROM pg_db_role_setting
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT to_jsonb(form)::text FROM otomax_gateway form
    UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
) shape
"""
_EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT oid::regclass FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        AND relname NOT IN ('otomax_gateway', 'changed')
    LOOP EXECUTE 'DELETE FROM ' || name; END LOOP;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class
        WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace;
    UPDATE changed SET resellers = 0, clock = 0;
END $$
"""
_ALONE = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class PostgresServer:
    """A server of this process's own, started when it is first needed."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="otgpg-"))
        # No handle of ours but the pipe: the server ends with this process, whatever ends it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _SERVER, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        self._names = (f"test{n}" for n in itertools.count())
        self._shape: str | None = None  # of the template, once it is made
        self._journals: set[str] = set()  # made from it
        self._clean: list[str] = []  # of these, those that nobody has
        self._hear()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "no PostgreSQL"
        return line

    def tell(self, word: str) -> None:
        """`SIGINT` or `SIGQUIT` stops the server, `start` starts it again."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._hear() == word

    @property
    def socket(self) -> Path:
        """Where it is reached."""
        return self._folder / ".s.PGSQL.5432"

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._folder))}"

    async def _make_template(self) -> None:
        await self.execute(f"CREATE DATABASE {_TEMPLATE}")
        await (await open_store(self.url(_TEMPLATE), connections=1)).close()
        async with self._connected(_TEMPLATE) as connection:
            self._shape = await connection.fetchval(_SHAPE)

    @asynccontextmanager
    async def _connected(self, database: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url(database))
        try:
            yield connection
        finally:
            await connection.close()

    async def execute(self, sql: str, database: str = "postgres") -> None:
        """Execute something as the server's superuser."""
        async with self._connected(database) as connection:
            await connection.execute(sql)

    async def make(self, *, empty: bool = False) -> str:
        """Make a database with a new journal, or an empty one; returns its name."""
        if self._clean and not empty:
            return self._clean.pop()
        if not empty and self._shape is None:
            await self._make_template()
        name = next(self._names)
        template = "template0" if empty else _TEMPLATE
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        if not empty:
            self._journals.add(name)
        return name

    async def drop(self, name: str) -> None:
        """Let a database go."""
        if name in self._journals and await self._is_emptied(name):
            self._clean.append(name)
            return
        await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _is_emptied(self, name: str) -> bool:
        """Make a database as it was made, where only what is in it was changed."""
        async with self._connected(name) as connection:
            await connection.execute(_ALONE)
            if await connection.fetchval("SELECT to_regclass('otomax_gateway')") is None:
                return False
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
            if size > _MOST_BYTES or await connection.fetchval(_SHAPE) != self._shape:
                return False
            await connection.execute(_EMPTY)
            return True

    def close(self) -> None:
        """Stop it, and wait until it is stopped."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
