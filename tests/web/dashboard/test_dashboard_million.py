"""The measurement with a million orders, made with a few: every page of it is there."""

from pathlib import Path

import pytest

from tests.web.dashboard import run_million


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_every_page_is_measured(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    backend: str,
) -> None:
    monkeypatch.setattr(run_million, "_TIMES", 1)
    monkeypatch.setattr(run_million, "MOST_MS", 5_000)
    postgres = None if backend == "sqlite" else request.getfixturevalue("postgres")
    assert await run_million.run(3_000, tmp_path, postgres)
