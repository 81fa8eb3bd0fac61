"""Fixtures: a fresh journal of each backend."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import Store
from tests.store.journals import BACKENDS, Backend, open_journal


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a journal of each backend lies."""
    backend: Backend = request.param
    return backend.place(tmp_path)


@pytest.fixture
async def store(journal: Path) -> AsyncIterator[Store]:
    """An open journal with two resellers."""
    opened = await open_journal(journal)
    yield opened
    async with asyncio.timeout(10):
        await opened.close()
