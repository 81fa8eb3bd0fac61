"""What was acknowledged is there after `kill -9`, and one process at a time holds a journal."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store import JournalInUse
from gateway.store.open import open_store, running_gateway
from tests.store.journals import Where, only_sqlite, open_journal, place

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).parents[2]
PLACER = """
import asyncio, sys
from gateway.store import Entry
from tests.store.journals import T0, message, open_journal, order, record, sold, where
from gateway.store import Record

async def one(store, n):
    placed, _ = await store.place(record(order(f"T{n}")))
    print("placed", placed.trx_id, flush=True)
    if n % 2:
        told = lambda before: Record(order=sold(before), entries=(Entry(T0, "answered", "x"),),
                                     message=message(), tell_at=T0)
        await store.change_order(placed.id, told)
        print("settled", placed.trx_id, flush=True)

async def main():
    store = await open_journal(where(sys.argv[1]))
    print("open", flush=True)
    n = 0
    while True:
        await asyncio.gather(*(one(store, n + i) for i in range(20)))
        n += 20

asyncio.run(main())
"""
HOLDER = """
import asyncio, sys
from pathlib import Path
from tests.store.journals import open_journal

async def main():
    store = await open_journal(Path(sys.argv[1]))
    store.announce({"control": "here"})
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def running(script: str, journal: Where) -> Iterator["subprocess.Popen[str]"]:
    """Another process with its own journal; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(journal)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: "subprocess.Popen[str]", lines: int) -> tuple[set[str], set[str]]:
    """Read this many acknowledgements, kill the process, and read the rest."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().splitlines(keepends=True)
    whole = [line.split() for line in said if line.endswith("\n")]
    return (
        {trx_id for what, trx_id in whole if what == "placed"},
        {trx_id for what, trx_id in whole if what == "settled"},
    )


@pytest.mark.parametrize("lines", [1, 45, 400])
def test_every_acknowledged_order_survives_kill_9(journal: Where, lines: int) -> None:
    with running(PLACER, journal) as process:
        placed, settled = acknowledged(process, lines)
        process.wait()
    assert len(placed) + len(settled) >= lines

    async def check() -> None:
        store = await open_store(journal)
        for trx_id in placed:
            order = await store.order_by_trx_id("toko", trx_id)
            assert order is not None
            assert [e.kind for e in await store.timeline(order.id)][:2] == ["asked", "sending"]
            deliveries = await store.deliveries(order_id=order.id)
            # settled means told: both or neither, acknowledged or not
            assert (not order.is_open) == (len(deliveries) == 1)
            if trx_id in settled:
                assert not order.is_open
        await store.check_writable()
        await store.close()

    asyncio.run(check())


@only_sqlite
def test_a_second_process_is_refused_until_the_first_is_gone(journal: Path) -> None:
    async def try_to_open() -> None:
        store = await open_store(journal)
        await store.close()

    with running(HOLDER, journal) as process:
        said = running_gateway(journal)
        assert (said["pid"], said["control"]) == (str(process.pid), "here")
        with pytest.raises(JournalInUse, match=f"in use by process {process.pid}"):
            asyncio.run(try_to_open())
        process.kill()
        process.wait()
        asyncio.run(try_to_open())
    assert running_gateway(journal) == {}


@only_sqlite
async def test_a_second_open_in_the_same_process_is_refused_until_the_first_is_closed(
    journal: Path,
) -> None:
    first = await open_journal(journal)
    with pytest.raises(JournalInUse, match=str(os.getpid())):
        await open_store(journal)
    await place(first)  # which does not mind
    await first.close()
    second = await open_store(journal)
    assert await second.count_open() == 1
    await second.close()


@only_sqlite
async def test_two_journals_do_not_mind_each_other(tmp_path: Path, journal: Path) -> None:
    first = await open_journal(journal)
    second = await open_journal(tmp_path / "another.db")
    await place(first)
    assert await second.count_open() == 0
    await first.close()
    await second.close()
