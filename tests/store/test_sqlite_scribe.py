"""Under load a process writes the journal: the same rows, one writer at a time, and none lost."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import DeliveryRecord, Entry, Record, group_commit, lock, sqlite_scribe
from gateway.store import sqlite_scribe_process as process
from gateway.store.group_commit import Thread, Work
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_peek import peek
from gateway.store.sqlite_scribe import Scribe
from gateway.store.sqlite_scribe_process import LAST_BATCH
from tests.store.journals import ACCOUNTS, CODES, T0, account, message, order, record, reseller
from tests.store.journals import sold as as_sold
from tests.support import LogLines, captured_log, eventually

MANY = 24
LOT = 2 * MANY
MUTE = Path(__file__).with_name("run_mute_scribe.py")
ROOT = Path(__file__).parents[2]
_DUMPED = ("orders", "timeline", "deliveries", "alerts", "notices", "accounts")


@pytest.fixture(autouse=True)
def _scribes_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MANY", MANY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


@pytest.fixture
def said() -> Iterator[LogLines]:
    with captured_log() as lines:
        yield lines


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    """A journal with two resellers, closed at the end."""
    store = await open_sqlite(path)
    try:
        await store.put_resellers(
            [reseller(code) for code in CODES], [account(name) for name in ACCOUNTS]
        )
        yield store
    finally:
        await store.close()


async def with_scribe(store: SqliteStore) -> Scribe:
    """Have a large batch written, and wait for who writes the next."""
    await place_many(store, "first")
    scribe = store._scribe
    assert scribe is not None
    await eventually(lambda: scribe.is_ready)
    await place_many(store, "second")
    assert written_by(store) == "scribe"
    return scribe


async def place_many(
    store: SqliteStore, name: str, many: int = LOT, **changes: Any
) -> list[Order]:
    placed = await asyncio.gather(
        *(store.place(record(order(f"{name}-{n}", **changes), saldo=n)) for n in range(many))
    )
    assert all(is_new for _, is_new in placed)
    return [one for one, _ in placed]


def written_by(store: SqliteStore) -> str:
    """Who wrote the last batch; the thread writes no number."""
    scribe = store._scribe
    assert scribe is not None
    is_it = peek(store.path, LAST_BATCH) == f"{scribe._run}-{scribe._batches}".encode()
    return "scribe" if is_it and scribe.is_ready else "thread"


def sold(before: Order) -> Record:
    return Record(
        order=as_sold(before),
        entries=(Entry(T0, "answered", "x"), Entry(T0, "decided", "y")),
        message=message(),
        tell_at=T0,
        saldo=77,
    )


def told(before: Delivery) -> DeliveryRecord:
    done = replace(before, state=DeliveryState.DELIVERED, attempts=1, next_at=None, done_at=T0 + 5)
    entry = Entry(T0 + 5, "told", "HTTP 200")
    return DeliveryRecord(delivery=done, entry=entry, settles="delivery")


async def due(store: SqliteStore) -> list[Delivery]:
    return await store.deliveries(state=DeliveryState.DUE, limit=1000)


async def note_all(store: SqliteStore, seen: list[Delivery]) -> list[DeliveryRecord]:
    return await asyncio.gather(*(store.change_delivery(d.id, told, seen=d) for d in seen))


def dump(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in _DUMPED
        }


def has_ended(pid: int) -> bool:
    """Whether a process is no more; nobody may have waited for it yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


class Spy(Thread):
    """Counts what a thread does."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self.turns = 0

    async def run(self, work: Work[Any]) -> Any:
        self.turns += 1
        return await self._thread.run(work)


async def test_what_it_writes_is_what_the_thread_writes(tmp_path: Path) -> None:
    dumps = []
    for name in ("thread", "scribe"):
        async with opened(tmp_path / name) as store:
            if name == "scribe":
                await with_scribe(store)
            else:
                store._writer._scribe = None
                await place_many(store, "first")
                await place_many(store, "second")
            spy = store._writer._thread = Spy(store._writing_thread)
            placed = await place_many(store, "third", 100)
            records = await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
            noted = await note_all(store, await due(store))
            assert all(one.order.note == "SN" and not one.order.is_open for one in records)
            assert len(noted) == 100
            # once, to know which orders have alerts
            assert (spy.turns <= 1) == (name == "scribe")
        dumps.append(dump(store.path))
    assert dumps[0] == dumps[1]
    assert len(dumps[0]["deliveries"]) == 100


async def test_a_few_orders_need_no_process(store: SqliteStore) -> None:
    for n in range(3):
        await place_many(store, f"few{n}", MANY - 1)
    assert store._scribe is not None
    assert store._scribe.pid is None
    assert not store._scribe.is_ready


async def test_what_it_can_not_do_is_done_all_the_same(store: SqliteStore) -> None:
    await with_scribe(store)
    again = await asyncio.gather(
        *(store.place(record(order(f"second-{n}"))) for n in range(LOT)),
        *(store.place(record(order(f"new-{n}"))) for n in range(LOT)),
    )
    assert [is_new for _, is_new in again] == [False] * LOT + [True] * LOT
    assert len({one.id for one, _ in again}) == 2 * LOT
    placed = [one for one, _ in again]
    store._known.forget()
    changed = await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    assert all(one.order.note == "SN" for one in changed)
    with pytest.raises(KeyError):
        await asyncio.gather(*(store.change_order(o.id, _breaks) for o in placed))
    alerted = await asyncio.gather(*(store.change_order(o.id, _alarms) for o in placed))
    assert all(one.alert is not None for one in alerted)
    assert len(dump(store.path)["alerts"]) == 2 * LOT
    await place_many(store, "after")
    await place_many(store, "after that")
    assert written_by(store) == "scribe", "it goes on where it can"


def _breaks(_: Order) -> Record:
    raise KeyError


def _alarms(before: Order) -> Record:
    return Record(order=before, alert=Alarm(T0, Kind.CONTRADICTION, "look"))


@pytest.mark.parametrize("impossible", ["\ud800", 2**70, object()], ids=["text", "int", "object"])
async def test_what_no_journal_can_hold_fails_alone(store: SqliteStore, impossible: Any) -> None:
    scribe = await with_scribe(store)
    pid = scribe.pid
    bad = replace(order("bad"), note=impossible)
    failed, *good = await asyncio.gather(
        store.place(record(bad)),
        *(store.place(record(order(f"good-{n}"))) for n in range(LOT)),
        return_exceptions=True,
    )
    assert isinstance(failed, Exception)
    assert not any(isinstance(one, BaseException) for one in good)
    assert "bad" not in {row[2] for row in dump(store.path)["orders"]}
    await place_many(store, "after")
    assert (written_by(store), scribe.pid) == ("scribe", pid)


async def test_who_holds_the_journals_lock_is_waited_for(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        under_way = asyncio.ensure_future(place_many(store, "third"))
        await asyncio.sleep(1)
        assert not under_way.done()
        other.execute("ROLLBACK")
        assert len(await under_way) == LOT
    await place_many(store, "fourth")
    assert written_by(store) == "scribe"
    assert scribe.is_ready


async def test_one_of_many_that_decides_twice_sees_what_it_decided(store: SqliteStore) -> None:
    await with_scribe(store)
    (placed, *_) = await place_many(store, "x")

    def longer(before: Order) -> Record:
        return Record(order=replace(before, note=before.note + "x"))

    await asyncio.gather(*(store.change_order(placed.id, longer) for _ in range(10)))
    assert written_by(store) == "scribe"
    assert (await store._all_orders("id = ?", (placed.id,)))[0].note == "x" * 10


async def test_a_delivery_that_is_another_by_now_is_decided_upon_as_it_is(
    store: SqliteStore,
) -> None:
    await with_scribe(store)
    placed = await place_many(store, "x")
    await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    seen = await due(store)
    await store.resend_delivery(seen[0].id, T0 + 9, Entry(T0, "resent", "x"))
    await note_all(store, seen[1:])  # after this it is known that no order has an alert
    decided: list[int | None] = []

    def decide(before: Delivery) -> DeliveryRecord:
        decided.append(before.next_at)
        return told(before)

    await store.change_delivery(seen[0].id, decide, seen=seen[0])
    assert decided[-1] == T0 + 9
    first = await store.delivery(seen[0].id)
    assert first is not None
    assert first.state is DeliveryState.DELIVERED


async def test_an_alert_that_is_not_true_any_more_is_ended(store: SqliteStore) -> None:
    await with_scribe(store)
    placed = await place_many(store, "x")
    await asyncio.gather(*(store.change_order(o.id, sold) for o in placed))
    first, *rest = await due(store)
    alarm = Alarm(T0, Kind.DELIVERY_DEAD, "delivery is dead")

    def refused(before: Delivery) -> DeliveryRecord:
        return DeliveryRecord(delivery=before, entry=Entry(T0, "not_told", "x"), alert=alarm)

    await note_all(store, rest)  # from here on it is known that no order has an alert
    await store.change_delivery(first.id, refused, seen=first)
    await store.change_delivery(first.id, told, seen=first)
    sql = "SELECT ended_at, acked_at FROM alerts"
    assert await store._read(lambda c: c.execute(sql).fetchall()) == [(T0 + 5, T0 + 5)]


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


async def test_the_thread_waits_for_its_turn(store: SqliteStore) -> None:
    scribe = await with_scribe(store)
    assert scribe.pid is not None
    os.kill(scribe.pid, signal.SIGSTOP)
    try:
        under_way = asyncio.ensure_future(place_many(store, "third"))
        await asyncio.sleep(0.05)
        emptying = asyncio.ensure_future(store.empty_log())
        await asyncio.sleep(0.2)
        assert not emptying.done()
    finally:
        os.kill(scribe.pid, signal.SIGCONT)
    await under_way
    assert await emptying


async def test_it_brings_nothing_of_the_log_into_the_journal_where_another_does(
    store: SqliteStore,
) -> None:
    await store.leave_log()
    await with_scribe(store)
    size = store.path.stat().st_size
    for n in range(8):
        await place_many(store, f"x{n}", 256, note="x" * 4096)
    assert written_by(store) == "scribe"
    assert store.path.stat().st_size == size
    assert store.size().log > 1000 * 4096


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
