"""A real PostgreSQL: one for each worker that needs it, a fresh database for each test."""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import asyncpg

from gateway.store.open import open_store

_SERVER = "tests.support.run_postgres"
_TEMPLATE = "journal"
_FEW = 8  # connections of one journal


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
        self._has_template = False
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

    async def execute(self, sql: str, database: str = "postgres") -> None:
        """Execute something as the server's superuser."""
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def make(self, *, empty: bool = False) -> str:
        """Make a database with a new journal, or an empty one; returns its name."""
        if not empty and not self._has_template:
            await self._make_template()
            self._has_template = True
        name = next(self._names)
        template = "template0" if empty else _TEMPLATE
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    async def drop(self, name: str) -> None:
        """Let a database go."""
        await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Stop it, and wait until it is stopped."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
