"""The operator moves old timelines out of the journal of a running gateway."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import NotDone
from gateway.flow import archiving
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    eventually,
    invoice,
    says,
)

DAY = 86_400.0


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with two orders that were told a hundred days ago, and one of today."""
    house = await open_house(upstream.url, reseller={"callback_url": panel.url})
    upstream.order = says(
        "R#{trx_id} {product_code}.{user_id}, status SUCCESS. SN-1 . Sisa saldo 5"
    )
    for n in (1, 2):
        await house.order(f"T{n}")
    await eventually(lambda: len(panel.statuses) == 2)
    await eventually(told(house, 2))
    house.skip(100 * DAY)
    await house.order("T3")
    await eventually(lambda: len(panel.statuses) == 3)
    await eventually(told(house, 3))
    return house


def told(house: House, many: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(await house.deliveries("delivered")) == many

    return look


async def archive(house: House, **wanted: Any) -> dict[str, Any]:
    done: dict[str, Any] = await house.gateway.desk.do(
        "archive.some", {"older_than_days": 90, **wanted}
    )
    return done


def count(path: str, table: str) -> int:
    with closing(sqlite3.connect(path)) as other:
        (number,) = other.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


async def test_old_timelines_are_moved_and_the_panel_notices_nothing(
    house: House, panel: Panel
) -> None:
    before = [await house.status(f"T{n}") for n in (1, 2, 3)]
    steps = len((await house.shown("toko-T1"))["timeline"])
    done = await archive(house)
    assert (done["orders"], done["deliveries"], done["left"]) == (2, 2, 0)
    assert (done["steps"], done["place"]) == (2 * steps, None)
    assert Path(done["file"]).name == "gateway-archive.db"
    assert (count(done["file"], "timeline"), count(done["file"], "deliveries")) == (2 * steps, 2)

    shown = await house.shown("toko-T1")
    (step,) = shown["timeline"]
    assert (step["kind"], shown["deliveries"]) == ("archived", [])
    assert step["text"] == f"moved to gateway-archive.db: steps {steps}, deliveries 1"
    assert len((await house.shown("toko-T3"))["timeline"]) == steps
    assert [await house.status(f"T{n}") for n in (1, 2, 3)] == before
    assert "SUCCESS" in await house.order("T1"), "its key is used for ever"
    assert len(panel.statuses) == 3
    assert (await archive(house))["orders"] == 0


async def test_a_refund_of_what_was_moved_is_told(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await archive(house)
    upstream.look_up = invoice("REFUNDED")
    await house.gateway.desk.do("order.recheck", {"name": "toko-T1"})
    await eventually(lambda: panel.statuses[-1] == "REFUNDED")
    assert (await house.kinds("toko-T1"))[0] == "archived"
    assert (await archive(house))["orders"] == 0


async def test_a_dry_run_moves_nothing(house: House) -> None:
    done = await archive(house, dry_run=True)
    assert done["orders"] == 2
    assert not await asyncio.to_thread(Path(done["file"]).exists)
    assert (await archive(house, dry_run=True))["orders"] == 2
    assert "archived" not in await house.kinds("toko-T1")


async def test_a_turn_ends_and_the_next_goes_on(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_TURN_S", 1e-9)
    moved, turns, place = 0, 0, None
    while turns == 0 or place is not None:
        done = await archive(house, to=str(tmp_path / "a.db"), place=place)
        moved, turns, place = moved + done["orders"], turns + 1, done["place"]
    assert moved == 2
    assert turns > 1
    assert count(str(tmp_path / "a.db"), "deliveries") == 2


async def test_nothing_young_is_moved(house: House) -> None:
    with pytest.raises(NotDone, match="younger than 7 days"):
        await archive(house, older_than_days=6)
    assert (await archive(house, older_than_days=101))["orders"] == 0


async def test_the_journal_itself_is_no_archive(house: House) -> None:
    journal = str(house.gateway.settings.sqlite_path())
    for name in (journal, f"{journal}-wal", f"{journal}.lock"):
        with pytest.raises(NotDone, match="belongs to the journal"):
            await archive(house, to=name)
    assert "archived" not in await house.kinds("toko-T1")
