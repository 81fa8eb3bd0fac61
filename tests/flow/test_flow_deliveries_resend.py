"""Sending again (§10): one delivery, or everything that died since a time, running or not."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from gateway.app import open_journal
from gateway.cli.main import otomax_gateway
from gateway.clock import now_ms
from gateway.config import load_settings
from gateway.domain.delivery import DeliveryState
from gateway.domain.errors import NotDone
from gateway.flow.directory import Directory
from gateway.flow.resellers import Resellers
from gateway.store import Entry
from gateway.web.control import call_desk
from tests.store.journals import (
    CODES,
    change_delivery,
    message,
    place,
    tell,
)
from tests.support import FakeUpstream, House, OpenHouse, Panel, eventually, invoice, says
from tests.support.panel import answers

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
HOUR_MS = 3_600_000


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose deliveries die soon, and that buys with success at once."""
    upstream.order = says(SUCCESS)
    return await open_house(
        upstream.url,
        delivery={"schedule_s": [0, 0]},
        recheck={"schedule_s": [3600]},
    )


async def becomes(house: House, state: str, count: int) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = await house.deliveries(state)
        return found if len(found) == count else []

    found: list[dict[str, Any]] = await eventually(look)
    return found


async def do(house: House, **values: Any) -> Any:
    """Do the command as a terminal does while the gateway runs."""
    assert house.gateway.control is not None
    return await call_desk(str(house.gateway.control.path), "delivery.resend_all", values)


async def test_everything_that_died_since_a_time_while_the_gateway_runs(
    house: House, panel: Panel
) -> None:
    panel.reply = answers(500)
    for number in range(12):
        await house.order(f"T{number}", callback_url=panel.url)
    await becomes(house, "dead", 12)
    before = sorted(set(panel.targets))
    assert len(before) == 12
    panel.reply = answers(200)
    since = now_ms() - HOUR_MS
    assert await do(house, since=since, dry_run=True) == {"resent": 12, "skipped": 0}
    assert await do(house, since=since, until=since + 1) == {"resent": 0, "skipped": 0}
    assert await do(house, since=since, host="p.test:80") == {"resent": 0, "skipped": 0}
    assert len(await house.deliveries("dead")) == 12
    panel.targets.clear()
    assert await do(house, since=since, reseller="toko") == {"resent": 12, "skipped": 0}
    await becomes(house, "delivered", 12)
    assert sorted(panel.targets) == before, "byte for byte the same, once each"
    assert panel.at_once <= 4
    assert (await house.kinds("toko-T0"))[-2:] == ["resent", "told"]


async def test_an_older_status_is_skipped(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    panel.reply = answers(500)
    await house.order(callback_url=panel.url)
    await becomes(house, "dead", 1)
    upstream.look_up = invoice("REFUNDED", "Dana kembali")
    await house.call_back("REFUNDED")
    await house.becomes("REFUNDED")
    await becomes(house, "dead", 2)
    panel.reply = answers(200)
    panel.targets.clear()
    assert await do(house, since=0, dry_run=True) == {"resent": 1, "skipped": 1}
    assert await do(house, since=0) == {"resent": 1, "skipped": 1}
    await becomes(house, "delivered", 1)
    assert panel.statuses == ["REFUNDED"]


async def test_what_was_delivered_or_waits_can_be_sent_again_too(
    house: House, panel: Panel
) -> None:
    house.gateway.relay.schedule_s = [0, 3600]
    await house.order("T1", callback_url=panel.url)
    await becomes(house, "delivered", 1)
    panel.reply = answers(500)
    await house.order("T2", callback_url=panel.url)
    await eventually(lambda: len(panel.targets) == 2)
    await becomes(house, "due", 1)
    panel.reply = answers(200)
    assert await do(house, since=0, state="due") == {"resent": 1, "skipped": 0}
    await becomes(house, "delivered", 2)
    assert await do(house, since=0, state="delivered") == {"resent": 2, "skipped": 0}
    await eventually(lambda: len(panel.targets) == 5)


async def test_a_reseller_that_nobody_is_is_a_slip(house: House) -> None:
    with pytest.raises(NotDone, match="nobody"):
        await do(house, since=0, reseller="nobody")


# -- the command, while no gateway runs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A journal with three dead deliveries that ended one, two and three days ago; at UTC+7."""
    monkeypatch.setenv("TZ", "WIB-7")
    time.tzset()
    (tmp_path / "config.toml").write_text(
        '[server]\npublic_url = "http://gateway.test"\n'
        f'[storage]\nurl = "sqlite:///{tmp_path}/gateway.db"\n'
    )
    asyncio.run(_fill(tmp_path / "config.toml"))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


async def _fill(config: Path) -> None:
    journal = await open_journal(load_settings(config, {}))
    store, vault = journal.store, journal.vault
    resellers = Resellers(store, vault, Directory(store, vault, now_ms), now_ms)
    for code in CODES:
        await resellers.add(code, upstream_key="one for all")
    (account,) = await store.accounts()
    for days in (1, 2, 3):
        ended_at = now_ms() - days * 24 * HOUR_MS
        placed = await place(store, f"D{days}", account=account.id)
        number = await tell(store, placed, message())
        await change_delivery(store, number, _dead(ended_at), Entry(ended_at, "not_told", "x"))
    await store.close()


def _dead(at: int) -> Any:
    return lambda d: replace(d, state=DeliveryState.DEAD, next_at=None, attempts=14, done_at=at)


def command(folder: Path, *words: str) -> Result:
    line = ["delivery", *words, "--config", str(folder / "config.toml")]
    return CliRunner().invoke(otomax_gateway, line)


def counted(folder: Path, *words: str) -> int:
    result = command(folder, "resend", *words, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said == {"resent": said["resent"], "skipped": 0}
    return int(said["resent"])


def test_times_are_of_this_machines_zone_or_ago(folder: Path) -> None:
    assert counted(folder, "--since", "25h") == 1
    assert counted(folder, "--since", "1500m") == 1
    assert counted(folder, "--since", "4d") == 3
    assert counted(folder, "--since", "4d", "--until", "36h") == 2
    local = time.localtime(time.time() - 86_400 - 60)
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86_400 - 5))
    just_before = time.strftime("%Y-%m-%d %H:%M", local)
    assert counted(folder, "--since", just_before) == 1
    assert counted(folder, "--since", just_before.replace(" ", "T") + "+07:00") == 1
    assert counted(folder, "--since", just_before + "+01:00") == 0, "that is six hours later"
    assert counted(folder, "--since", day) == 1
    assert counted(folder, "--since", "2020-01-01") == 3


def test_it_is_said_how_many_and_they_are_due_at_the_next_start(folder: Path) -> None:
    result = command(folder, "resend", "--since", "4d")
    assert (result.exit_code, result.output) == (0, "deliveries that are due now: 3\n")
    rows = json.loads(command(folder, "list", "--state", "due", "--json").stdout)
    assert [(row["attempts"], row["upstream_trx_id"]) for row in rows] == [
        (0, "toko-D3"),
        (0, "toko-D2"),
        (0, "toko-D1"),
    ]
    assert counted(folder, "--since", "4d") == 0
    none = command(folder, "resend", "--since", "4d", "--dry-run").output
    assert none.startswith("deliveries that would be due now: 0; these are the dead ones alone, ")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("1", "--since", "2h"),
        ("1", "--state", "dead"),
        ("1", "--dry-run"),
        ("--reseller", "toko"),
        ("--since", "soon"),
        ("--since", "2"),
        ("--since", "٢h"),
        ("--since", "2026-13-01"),
        ("--since", "1h", "--until", "2h"),
        ("--since", "2h", "--state", "superseded"),
    ],
)
def test_wrong_use_changes_nothing(folder: Path, words: tuple[str, ...]) -> None:
    result = command(folder, "resend", *words)
    assert result.exit_code == 2, result.output
    assert counted(folder, "--since", "4d") == 3


def test_a_code_that_nobody_has_is_not_done(folder: Path) -> None:
    result = command(folder, "resend", "--since", "4d", "--reseller", "nobody")
    assert result.exit_code == 1
    assert counted(folder, "--since", "4d", "--reseller", "toko") == 3
    assert counted(folder, "--since", "4d", "--reseller", "warung") == 0
