"""The measurement with a million orders, made with a few: every page of it is there."""

from pathlib import Path

import pytest

from tests.web.dashboard import run_million


async def test_every_page_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_million, "_TIMES", 1)
    monkeypatch.setattr(run_million, "MOST_MS", 5_000)
    assert await run_million.run(3_000, tmp_path)
