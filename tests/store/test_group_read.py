"""Questions that come while another is answered are answered together, each for itself."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.store.group_commit import T, Thread, Work
from gateway.store.group_read import Reader
from gateway.store.sqlite import open_sqlite
from tests.store.journals import ACCOUNTS, CODES, account, place, reseller


class Counting(Thread):
    """A thread that counts how often it is asked."""

    turns = 0

    async def run(self, work: Work[T]) -> T:
        self.turns += 1
        return await super().run(work)


@pytest.fixture
async def thread(tmp_path: Path) -> AsyncIterator[Counting]:
    connection = await aiosqlite.connect(tmp_path / "x.db")
    thread = Counting(connection)
    yield thread
    await thread.close()


def number(n: int, connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT ?", (n,)).fetchone()[0])


async def test_each_hears_its_own_answer_and_few_turns_are_needed(thread: Counting) -> None:
    reader = Reader(thread)
    asked = [reader.read(lambda c, n=n: number(n, c)) for n in range(600)]  # type: ignore[misc]
    assert await asyncio.gather(*asked) == list(range(600))
    assert thread.turns <= 3


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration("x"), sqlite3.DataError("x")])
async def test_one_that_fails_is_nobody_elses_trouble(thread: Counting, error: Exception) -> None:
    def fails(_: sqlite3.Connection) -> None:
        raise error

    reader = Reader(thread)
    good, bad = reader.read(lambda c: number(1, c)), reader.read(fails)
    first, second = await asyncio.gather(good, bad, return_exceptions=True)
    assert first == 1
    assert isinstance(second, type(error) | RuntimeError)
    assert await reader.read(lambda c: number(2, c)) == 2, "and it goes on"


async def test_who_goes_away_hurts_nobody(thread: Counting) -> None:
    reader = Reader(thread)
    gone, here = reader.read(lambda c: number(1, c)), reader.read(lambda c: number(2, c))
    gone.cancel()
    assert await here == 2


async def test_an_order_that_is_known_is_not_read(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path / "journal.db")
    await store.put_resellers(
        [reseller(code) for code in CODES], [account(name) for name in ACCOUNTS]
    )
    placed = await place(store)
    said: list[str] = []
    await store._reading_thread.run(lambda c: c.set_trace_callback(said.append))
    assert await store.order(placed.id) == placed
    assert await store.order_by_trx_id("toko", "A1") == placed
    assert said == []
    store._known.forget()
    assert await store.order_by_trx_id("toko", "A1") == placed
    assert len(said) == 1
    await store.close()
