"""What nobody waits for is written after what somebody waits for, but soon, and never lost."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.domain.errors import JournalUnavailable
from gateway.store import group_commit
from gateway.store.group_commit import PATIENT, PATIENT_S, T, Thread, Work, Writer


class Slow(Thread):
    """A thread whose every turn waits for leave."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        super().__init__(connection)
        self.leave = threading.Event()
        self.leave.set()
        self.turns = 0

    async def run(self, work: Work[T]) -> T:
        self.turns += 1

        def when_it_may(connection: sqlite3.Connection) -> T:
            self.leave.wait(5)
            return work(connection)

        return await super().run(when_it_may)


@pytest.fixture
async def thread(tmp_path: Path) -> AsyncIterator[Slow]:
    connection = await aiosqlite.connect(tmp_path / "x.db", isolation_level=None)
    await connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, name TEXT)")
    thread = Slow(connection)
    yield thread
    thread.leave.set()
    await thread.close()


def note(connection: sqlite3.Connection, names: list[str]) -> list[int]:
    """Write names, in their order; returns their numbers."""
    sql = "INSERT INTO t (name) VALUES (?) RETURNING n"
    return [connection.execute(sql, (name,)).fetchone()[0] for name in names]


async def test_alone_it_is_written_after_a_moment(thread: Slow) -> None:
    writer, loop = Writer(thread), asyncio.get_running_loop()
    began = loop.time()
    assert await writer.add(note, "quiet", patient=True) == 1
    assert PATIENT_S * 0.9 <= loop.time() - began < 5


async def test_who_waits_goes_first_and_does_not_take_it_along(
    thread: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "PATIENT_S", 1.0)  # a busy machine stands still for 50 ms
    writer = Writer(thread)
    thread.leave.clear()
    first = writer.add(note, "first")
    await asyncio.sleep(0)
    quiet = [writer.add(note, f"quiet{n}", patient=True) for n in range(3)]
    pressing = writer.add(note, "pressing")
    thread.leave.set()
    assert (await first, await pressing) == (1, 2)
    assert not any(one.done() for one in quiet)
    assert await asyncio.gather(*quiet) == [3, 4, 5]
    assert thread.turns == 3


async def test_what_comes_wakes_the_writer_at_once(thread: Slow) -> None:
    writer = Writer(thread)
    quiet = writer.add(note, "quiet", patient=True)
    await asyncio.sleep(0)
    assert await writer.add(note, "pressing") == 1
    assert await quiet == 2


async def test_a_steady_stream_does_not_keep_it_waiting_for_ever(thread: Slow) -> None:
    writer, loop = Writer(thread), asyncio.get_running_loop()
    quiet, until = writer.add(note, "quiet", patient=True), loop.time() + 5
    written = 0
    while not quiet.done() and loop.time() < until:
        await writer.add(note, "pressing")
        written += 1
    assert await quiet <= written + 1
    assert loop.time() < until


async def test_many_need_not_wait(thread: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "PATIENT_S", 5.0)
    writer, loop = Writer(thread), asyncio.get_running_loop()
    began = loop.time()
    quiet = [writer.add(note, f"quiet{n}", patient=True) for n in range(PATIENT)]
    await asyncio.gather(*quiet)
    assert thread.turns == 1
    assert loop.time() - began < 4


async def test_a_batch_that_hangs_refuses_it_too(thread: Slow) -> None:
    writer = Writer(thread, patience_s=0.05)
    thread.leave.clear()
    hanging = writer.add(note, "first")
    await asyncio.sleep(0)
    quiet = writer.add(note, "quiet", patient=True)
    with pytest.raises(JournalUnavailable):
        await asyncio.wait_for(quiet, 2)
    thread.leave.set()
    assert await hanging == 1
    assert await writer.add(note, "again", patient=True) == 2


async def test_the_end_waits_for_it(thread: Slow) -> None:
    writer = Writer(thread)
    quiet = writer.add(note, "quiet", patient=True)
    await writer.finish()
    assert quiet.done()
    assert await quiet == 1
