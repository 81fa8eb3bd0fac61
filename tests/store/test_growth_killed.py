"""`kill -9` in the middle of a move: each step is in the journal or in the archive, whole."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_growth_plans import make

pytestmark = pytest.mark.timeout(60)

SCRIPT = Path(__file__).with_name("run_archive.py")
ORDERS = 350
# Four parts; a statement that adds or deletes a part's steps takes some 4,000 of the machine's.
KILLS = [("kept", 2), ("forgotten", 2), ("keeping", 2_000), ("forgetting", 2_000)]


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute(sql).fetchall()


STEPS = "SELECT order_id, n, at, kind, text FROM timeline WHERE kind <> 'archived' ORDER BY 1, 2"
DELIVERIES = "SELECT id, order_id, url, state, attempts FROM deliveries ORDER BY id"


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    return await make(tmp_path / "gateway.db", ORDERS)


def run(journal: Path, archive: Path, where: str, nth: int = 0) -> int:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(journal), str(archive), where, str(nth)],
        env={"PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


async def test_nothing_is_lost_wherever_it_is_killed(journal: Path, tmp_path: Path) -> None:
    steps, deliveries = rows(journal, STEPS), rows(journal, DELIVERIES)
    archive = tmp_path / "archive.db"
    for where, nth in KILLS:
        before = rows(journal, STEPS)
        assert run(journal, archive, where, nth) == -signal.SIGKILL, where
        left = rows(journal, STEPS)
        # As a power cut or an operator would find the file: by a copy, so that it recovers.
        copy = Path(shutil.copytree(tmp_path, tmp_path.with_name(f"{where}{nth}")))
        kept = rows(copy / archive.name, STEPS) if archive.exists() else []
        assert sorted({*left, *kept}) == steps, where
        for order_id in {step[0] for step in steps} - {step[0] for step in left}:
            sql = f"SELECT kind FROM timeline WHERE order_id = {order_id}"
            assert rows(journal, sql) == [("archived",)]
        assert (left != before) == (where == "forgotten" or (nth > 1 and where == "kept")), where

    assert run(journal, archive, "nowhere") == 0
    newest = deliveries[-1]
    assert rows(journal, DELIVERIES) == [newest]
    assert rows(archive, STEPS) == [step for step in steps if step[0] != newest[1]]
    assert rows(archive, DELIVERIES) == deliveries[:-1]
    assert rows(journal, "SELECT count(*) FROM orders") == [(ORDERS,)]
    assert rows(journal, "PRAGMA integrity_check") == [("ok",)]
