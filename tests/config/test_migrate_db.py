"""`migrate-db` as an operator types it: a gateway goes on in PostgreSQL where it was before."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.migrate_db import _SEEN
from tests.journey.office import run
from tests.support import FakeUpstream, OpenHouse, Panel, eventually, invoice, says
from tests.support.panel import answers
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(90)

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . RefId: ML_1 . Sisa saldo 5"
CALM = {"schedule_s": [3600]}


@pytest.fixture
async def target(postgres: PostgresServer) -> AsyncIterator[str]:
    name = await postgres.make(empty=True)
    yield postgres.url(name)
    await postgres.drop(name)


async def test_every_trx_id_is_known_and_what_was_due_is_delivered(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, tmp_path: Path, target: str
) -> None:
    panel.reply = answers(500)
    slow = {"schedule_s": [0, 3]}
    before = await open_house(upstream.url, recheck=CALM, delivery=slow)
    await before.order("PENDING", callback_url=panel.url)
    upstream.order = says(SUCCESS)
    sold = await before.order("SOLD", callback_url=panel.url)
    await eventually(lambda: bool(panel.targets))
    await before.stop()
    assert "status SUCCESS" in sold
    asked, told = len(upstream.orders), panel.targets[0]

    words = ("migrate-db", "sqlite:///gateway.db", target)
    done = run(*words, folder=tmp_path)
    assert (done.code, done.err.count("\n")) == (0, 1), done
    assert "every row and checksum the same" in done.out
    assert ["orders", "2"] in [line.split() for line in done.out.splitlines()]
    again = run(*words, folder=tmp_path)
    assert (again.code, again.out) == (1, "")
    assert "is not empty" in again.err

    panel.reply = answers(200)
    upstream.look_up = invoice("SUCCESS", "Budi")
    url = {"url": target}
    after = await open_house(upstream.url, recheck=CALM, storage=url)
    after.keys.update(before.keys)
    assert await after.order("SOLD") == sold
    assert "status SUCCESS" in await after.order("PENDING")
    assert "DUPLICATE_TRX_ID" in await after.order("SOLD", "987654321")
    assert len(upstream.orders) == asked
    await eventually(lambda: panel.targets.count(told) == 2, within_s=20)
    assert await after.order("NEW", callback_url=panel.url)
    assert len(upstream.orders) == asked + 1
    await after.stop()  # before its database is dropped


def test_a_password_on_the_command_line_is_warned_of_and_never_shown(tmp_path: Path) -> None:
    url = "postgresql://user:s3cret@127.0.0.1:1/nowhere"
    done = run("migrate-db", "sqlite:///gateway.db", url, folder=tmp_path)
    assert done.code == 1
    assert done.err.startswith(_SEEN)
    assert "s3cret" not in done.err + done.out
    (tmp_path / "gateway.db").write_bytes(b"")
    done = run("migrate-db", "-", "sqlite:///gateway.db", folder=tmp_path, stdin=url)
    assert done.code == 1
    assert done.err.startswith("postgresql://127.0.0.1:1/nowhere: ")
    assert "s3cret" not in done.err + done.out


@pytest.mark.parametrize(
    "words", [(), ("sqlite:///a.db",), ("a.db", "b.db"), ("sqlite:///", "postgresql:///x")]
)
def test_what_names_no_journal_is_a_mistake_of_usage(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    assert run("migrate-db", *words, folder=tmp_path).code == 2
