"""The housekeeper: when the journal's log is emptied, and when the operator is told of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from gateway import metrics
from gateway.flow import housekeeping
from gateway.flow.housekeeping import TOO_LONG, Housekeeper
from tests.support import FakeUpstream, House, OpenHouse, Panel

QUIET = {"schedule_s": [600], "settle_s": 40}


@pytest.fixture
async def house(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> House:
    """A gateway that counts a log in bytes where others count it in MiB."""
    for name, length in (("_SHORT", 1), ("LONG", 1_000_000), ("ALARM", 2_000_000)):
        monkeypatch.setattr(housekeeping, name, length)
    return await open_house(upstream.url, reseller={"callback_url": panel.url}, recheck=QUIET)


@contextmanager
def somebody_reads(house: House) -> Iterator[None]:
    """Let another program hold the journal open."""
    path = house.gateway.settings.sqlite_path()
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA query_only = ON")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM orders").fetchone()
        yield
        other.execute("ROLLBACK")


async def write_until(house: House, log_bytes: int) -> None:
    n = 0
    while house.gateway.store.size().log <= log_bytes:
        await house.gateway.store.put_meta(f"filler{log_bytes}-{n}", b"x" * 20_000)
        n += 1


def keeper(house: House) -> Housekeeper:
    """One whose steps a test takes; the gateway's own looks now and then."""
    return Housekeeper(house.gateway.store, house.clock)


async def test_the_log_is_emptied_when_it_is_quiet(house: House) -> None:
    await house.order()
    house.gateway.housekeeper.bell.ring()
    assert house.gateway.store.size().log > 0
    mine = keeper(house)
    await mine.step()
    await mine.step()
    assert house.gateway.store.size().log == 0


async def test_a_log_that_is_written_is_emptied_only_when_it_is_long(house: House) -> None:
    mine = keeper(house)
    for n in range(3):
        await house.gateway.store.put_meta(f"k{n}", b"x" * 5_000)
        await mine.step()
        assert house.gateway.store.size().log > 0
    await write_until(house, housekeeping.LONG)
    await mine.step()
    assert house.gateway.store.size().log == 0


async def test_the_operator_is_told_once_and_not_longer_than_it_is_true(house: House) -> None:
    with somebody_reads(house):
        await write_until(house, housekeeping.ALARM)
        mine, another = keeper(house), keeper(house)
        for each in (mine, mine, another):
            await each.step()
        assert [a.text for a in await house.gateway.store.alerts()] == [TOO_LONG]
    await mine.step()
    assert house.gateway.store.size().log < housekeeping.LONG
    assert await house.gateway.store.alerts() == []


async def test_what_the_process_before_said_is_ended(house: House) -> None:
    with somebody_reads(house):
        await write_until(house, housekeeping.ALARM)
        await keeper(house).step()
    assert await house.gateway.store.empty_log()
    await keeper(house).step()
    assert await house.gateway.store.alerts() == []


async def test_the_sizes_are_counted(house: House) -> None:
    await write_until(house, 10_000)
    await keeper(house).step()
    size = house.gateway.store.size()
    text = metrics.exposition().decode()
    assert f"otomax_gateway_journal_bytes {float(size.journal)}" in text
    assert f"otomax_gateway_journal_log_bytes {float(size.log)}" in text


async def test_a_log_that_is_left_to_another_program_is_only_watched(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, storage={"checkpoints": False})
    for n in range(120):
        await house.gateway.store.put_meta(f"left-{n}", b"x" * 50_000)
    before = house.gateway.store.size().log
    assert before > 5_000_000, "SQLite's own thousand pages have long passed"
    for _ in range(3):
        await house.gateway.housekeeper.step()
    assert house.gateway.store.size().log == before
