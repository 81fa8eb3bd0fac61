"""Fixtures: a journal whose large batches another process writes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store import group_commit
from gateway.store.sqlite import SqliteStore
from tests.store.scribe.scribes import MANY, opened
from tests.support import LogLines, captured_log


@pytest.fixture(autouse=True)
def _scribes_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MANY", MANY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


@pytest.fixture
def said() -> Iterator[LogLines]:
    with captured_log() as lines:
        yield lines
