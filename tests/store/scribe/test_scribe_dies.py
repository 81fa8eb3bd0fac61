"""Whatever becomes of the process that writes: every batch is written once, and none is lost."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import OrderFilter, Record, lock, sqlite_scribe
from gateway.store import sqlite_scribe_process as process
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_peek import peek
from gateway.store.sqlite_scribe_process import LAST_BATCH
from tests.store.journals import order, record
from tests.store.scribe.scribes import (
    LOT,
    dump,
    has_ended,
    opened,
    place_many,
    sold,
    with_scribe,
    written_by,
)
from tests.support import LogLines, eventually

MUTE = Path(__file__).with_name("run_mute_scribe.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_batch_of_one_that_dies_is_written_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: LogLines, point: str
) -> None:
    monkeypatch.setenv("MUTE_SCRIBE", process.__file__)
    monkeypatch.setenv("MUTE_AT", point)
    monkeypatch.setattr(sqlite_scribe, "_PROGRAM", MUTE)
    async with opened(path) as store:
        scribe = await with_scribe(store)
        await place_many(store, "third")
        placed = await place_many(store, "fourth")
        records = await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
        assert all(one.order.note == "SN" for one in records)
        assert scribe.pid is None
        assert "it died" in said.events("journal.no_scribe")[0]["reason"]
    rows = dump(path)["orders"]
    assert len(rows) == 4 * LOT
    assert len({row[2] for row in rows}) == 4 * LOT


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_batch_whose_journal_can_not_be_read_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: LogLines, point: str
) -> None:
    monkeypatch.setenv("MUTE_SCRIBE", process.__file__)
    monkeypatch.setenv("MUTE_AT", point)
    monkeypatch.setattr(sqlite_scribe, "_PROGRAM", MUTE)
    monkeypatch.setattr(sqlite_scribe, "_READ_AGAIN_S", 0.02)
    away = path.with_name("away")
    async with opened(path) as store:
        await with_scribe(store)
        await place_many(store, "third")
        path.rename(away)  # noqa: ASYNC240  for an instant
        under_way = asyncio.ensure_future(place_many(store, "fourth"))
        await eventually(lambda: len(said.events("journal.failed")) > 1)
        assert not under_way.done(), "it may be durable"
        away.rename(path)
        assert len(await under_way) == LOT
    rows = dump(path)["orders"]
    assert len(rows) == len({row[2] for row in rows}) == 4 * LOT


async def test_one_that_nobody_waits_for_any_more_writes_no_more(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    assert scribe.pid is not None
    placed = await place_many(store, "third")
    os.kill(scribe.pid, signal.SIGSTOP)
    for one in placed:
        asyncio.ensure_future(store.change_order(one.id, _noted("old")))  # noqa: RUF006  unheard
    await asyncio.sleep(0.05)
    assert store._writer._draining is not None
    store._writer._draining.cancel()
    await asyncio.sleep(0)
    await asyncio.gather(*(store.change_order(one.id, _noted("new")) for one in placed))
    assert has_ended(scribe.pid), "it would write what is older"
    for n in range(3):
        placed = await place_many(store, f"after-{n}")
        rows = {(row[0], row[2]) for row in dump(store.path)["orders"]}
        assert {(one.id, one.trx_id) for one in placed} <= rows, "not the answer to another batch"
    assert not scribe.is_ready
    notes = await store._read(lambda c: c.execute(_NOTES).fetchall())
    assert notes == [("new",)] * LOT


_NOTES = "SELECT note FROM orders WHERE trx_id LIKE 'third-%'"


def _noted(note: str) -> Callable[[Order], Record]:
    return lambda before: Record(order=replace(before, note=note))


async def test_a_batch_is_waited_for_where_no_thread_can_be_started(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: LogLines
) -> None:
    monkeypatch.setenv("MUTE_SCRIBE", process.__file__)
    monkeypatch.setenv("MUTE_AT", "after")
    monkeypatch.setattr(sqlite_scribe, "_PROGRAM", MUTE)
    monkeypatch.setattr(sqlite_scribe, "_READ_AGAIN_S", 0.02)
    async with opened(path) as store:
        await with_scribe(store)
        await place_many(store, "third")
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", _no_thread)
            under_way = asyncio.ensure_future(place_many(store, "fourth"))
            await eventually(lambda: len(said.events("journal.failed")) > 1)
            assert not under_way.done()
        assert len(await under_way) == LOT
    assert len(dump(path)["orders"]) == 4 * LOT


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


async def test_where_no_descriptor_is_left_the_thread_writes(
    store: SqliteStore, said: LogLines
) -> None:
    await store.orders(OrderFilter(limit=1))  # whatever is opened once is open
    with no_descriptor_left():
        assert len(await place_many(store, "first")) == LOT
    assert len(said.events("journal.no_scribe")) == 1


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Take every descriptor that this process may still open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_none_begins_after_the_end(path: Path) -> None:
    async with opened(path) as store:
        scribe = await with_scribe(store)
    refused = await asyncio.gather(
        *(store.place(record(order(f"late-{n}"))) for n in range(LOT)), return_exceptions=True
    )
    assert all(isinstance(one, JournalUnavailable) for one in refused)
    assert scribe.pid is None


async def test_one_that_dies_while_it_has_nothing_to_do_is_no_loss(
    store: SqliteStore, said: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = await with_scribe(store)
    assert scribe.pid is not None
    os.kill(scribe.pid, signal.SIGKILL)
    await asyncio.sleep(0.05)
    assert len(await place_many(store, "third")) == LOT
    assert len(await place_many(store, "fourth")) == LOT
    assert scribe.pid is None, "not again at once"
    assert len(said.events("journal.no_scribe")) == 1
    monkeypatch.setattr(sqlite_scribe, "_NOT_AGAIN_WITHIN_S", 0.0)
    scribe._not_before = 0.0
    await place_many(store, "fifth")
    await eventually(lambda: scribe.is_ready)
    await place_many(store, "sixth")
    assert written_by(store) == "scribe"
    assert len(dump(store.path)["orders"]) == 6 * LOT


async def test_where_no_process_can_be_started_the_thread_writes(
    store: SqliteStore, said: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for n in range(3):
        await place_many(store, f"x{n}")
    assert len(dump(store.path)["orders"]) == 3 * LOT
    assert len(said.events("journal.no_scribe")) == 1


async def test_where_it_does_not_open_the_journal_the_thread_writes(
    path: Path, said: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as store:
        scribe = store._scribe
        assert scribe is not None
        scribe._path = path.parent / "no" / "such.db"
        await place_many(store, "x")
        await eventually(lambda: said.events("journal.no_scribe"))
        await eventually(lambda: scribe.pid is None)
        await place_many(store, "y")
    assert len(dump(path)["orders"]) == 2 * LOT


async def test_while_it_hangs_what_waits_is_refused(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    assert scribe.pid is not None
    store._writer.patience_s = 0.1
    os.kill(scribe.pid, signal.SIGSTOP)
    try:
        under_way = asyncio.ensure_future(place_many(store, "third"))
        await asyncio.sleep(0.05)
        with pytest.raises(JournalUnavailable):
            await store.place(record(order("late")))
        assert not under_way.done()
    finally:
        os.kill(scribe.pid, signal.SIGCONT)
    assert len(await under_way) == LOT
    trx_ids = {row[2] for row in dump(store.path)["orders"]}
    assert "late" not in trx_ids
    assert len(trx_ids) == 3 * LOT


async def test_what_ends_the_gateway_does_not_end_it_before(path: Path) -> None:
    async with opened(path) as store:
        scribe = await with_scribe(store)
        pid = scribe.pid
        assert pid is not None
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, ending)
        await place_many(store, "third")
        assert written_by(store) == "scribe"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PLACER = """
import asyncio, sys
from pathlib import Path
from tests.store.journals import open_journal, order, record

async def one(store, name):
    placed, _ = await store.place(record(order(name)))
    print(placed.trx_id, flush=True)

async def main():
    store = await open_journal(Path(sys.argv[1]))
    n = 0
    while True:
        await asyncio.gather(*(one(store, f"T{n + i}") for i in range(64)))
        n += 64
        if store._scribe.is_ready:
            print("scribe", store._scribe.pid, flush=True)

asyncio.run(main())
"""


@contextmanager
def placing(journal: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that places orders as fast as it can; killed at the end."""
    command = [sys.executable, "-c", PLACER, str(journal)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as placer:
        try:
            yield placer
        finally:
            placer.kill()


def kill_amid(placer: "subprocess.Popen[str]", rounds: int) -> tuple[int, set[str]]:
    """Kill it after so many rounds of its scribe; returns it, and what was told."""
    assert placer.stdout is not None
    names, scribe = set[str](), 0
    for line in placer.stdout:
        if line.startswith("scribe"):
            scribe, rounds = int(line.split()[1]), rounds - 1
        elif line.endswith("\n"):
            names.add(line.strip())
        if not rounds:
            placer.kill()
    placer.wait()
    return scribe, names


async def trx_ids(path: Path) -> set[str]:
    async with opened(path):
        pass
    return {row[2] for row in dump(path)["orders"]}


@pytest.mark.parametrize("rounds", [2, 5, 20])
async def test_it_ends_with_its_gateway_and_nothing_is_lost(path: Path, rounds: int) -> None:
    with placing(path) as placer:
        scribe, names = kill_amid(placer, rounds)
        began = time.monotonic()
        there = await trx_ids(path)
    assert names <= there
    assert peek(path, LAST_BATCH) is not None
    assert len(names) >= 64 * rounds
    assert time.monotonic() - began < 5
    await eventually(lambda: has_ended(scribe))


async def test_while_it_may_still_write_no_other_gateway_begins(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_LEFT_BEHIND_S", 0.3)
    with placing(path) as placer:
        assert placer.stdout is not None
        scribe = next(int(line.split()[1]) for line in placer.stdout if "scribe" in line)
        os.kill(scribe, signal.SIGSTOP)
        try:
            placer.kill()
            placer.wait()
            with pytest.raises(JournalUnavailable, match=f"for process {placer.pid}, which was"):
                await trx_ids(path)
        finally:
            os.kill(scribe, signal.SIGCONT)
    monkeypatch.setattr(lock, "_LEFT_BEHIND_S", 10.0)
    assert len(await trx_ids(path)) >= 64
