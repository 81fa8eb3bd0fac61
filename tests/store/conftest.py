"""Fixtures: a fresh journal of each backend."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import Store
from tests.store.journals import BACKENDS, Where, open_journal
from tests.support.postgres import PostgresServer


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """The name of a database with a new journal in it."""
    name = await postgres.make()
    yield name
    await postgres.drop(name)


@pytest.fixture(params=BACKENDS)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Where]:
    """Where a journal of each backend lies."""
    if request.param == "sqlite":
        yield tmp_path / "gateway.db"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = await postgres.make()
    yield postgres.url(name)
    await postgres.drop(name)


@pytest.fixture
async def store(journal: Where) -> AsyncIterator[Store]:
    """An open journal with two resellers."""
    opened = await open_journal(journal)
    yield opened
    async with asyncio.timeout(10):
        await opened.close()
