"""A start with 100,000 open orders: ready at once, and worked off oldest first, paced.

The journal is filled by copying one real order's row, so that it is what the product writes in the
form of today.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.flow.recheck import MAX_LOOKUPS
from tests.journey.conftest import RecordProperty
from tests.journey.office import Office
from tests.journey.parties import PanelProcess
from tests.journey.processes import Process, until
from tests.support import Asked, FakeUpstream, fake_upstream, invoice

OPEN = 100_000
SENDING = 200  # of these: the most that a gateway has on the wire, `upstream.max_in_flight`
READY_S = 2.0  # contract §13; of a CPU here, for other tests run beside this one
LOOKED_AT = 300  # the first of them, whose turn is watched
DAY_MS = 86_400_000
ANSWERS_AFTER_S = 0.05
# What the rows of the open orders have otherwise than the order that they are copied from; `i` is
# their number. Their ages are not in the order of their numbers.
SENT = f"first_sent_at - {DAY_MS} + i * 7919 % {OPEN} * 100"
VALUES = {
    "trx_id": "printf('open%06d', i)",
    "sending": f"i <= {SENDING}",
    "named": f"i > {SENDING}",
    "placed_at": SENT,
    "first_sent_at": SENT,
    "send_ended_at": f"iif(i <= {SENDING}, NULL, {SENT})",
    "looked_up_at": "NULL",
    "due_at": f"iif(i <= {SENDING}, placed_at + {DAY_MS}, {SENT})",
}


@pytest.fixture
async def slow_upstream() -> AsyncIterator[FakeUpstream]:
    """An upstream at which every order is pending, and that takes its time to say so."""
    async with fake_upstream() as fake:
        pending = invoice("PENDING", "RefId : ML_1")

        async def look_up(asked: Asked) -> web.StreamResponse:
            await asyncio.sleep(ANSWERS_AFTER_S)
            return await pending(asked)

        fake.look_up = look_up
        yield fake


async def test_a_start_with_100_000_open_orders(
    office: Office,
    panel: PanelProcess,
    slow_upstream: FakeUpstream,
    record_property: RecordProperty,
) -> None:
    office.settings |= {
        "upstream.base_url": slow_upstream.url,
        "recheck.schedule_s": "600",
        "limits.max_open_orders": str(2 * OPEN),
    }
    oldest_first = await _filled(office, panel)
    slow_upstream.asked.clear()
    office.executed = True
    began = time.monotonic()
    gateway = office.begin_serving()
    await _ready(office, gateway)
    ready_s, cpu_s = time.monotonic() - began, _cpu_s(gateway)
    record_property("ready with 100,000 open orders, s", round(ready_s, 2))
    said = await gateway.said('"gateway.started"')
    assert f'"open_orders":{OPEN + 1}' in said
    assert f'"interrupted_sends":{SENDING}' in said
    await until(lambda: len(slow_upstream.look_ups) >= LOOKED_AT, 60, gateway.last_words)
    answer = await office.order("new", "1234", f"{panel.url}/new")
    assert ", status PENDING. " in (answer or ""), "and it sells meanwhile"
    await office.stop(gateway)
    _in_turn([asked.trx_id for asked in slow_upstream.look_ups], oldest_first)
    assert slow_upstream.at_once <= MAX_LOOKUPS + 1, "paced; and the new order"
    assert len(slow_upstream.orders) == 1, "nothing of the old was bought again"
    assert cpu_s < READY_S, f"{cpu_s:.2f} s of {ready_s:.2f} s"


def _cpu_s(process: Process) -> float:
    """Return how many seconds a CPU has worked for a process, as proc(5) counts them."""
    _, counted = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)
    user, system = counted.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _filled(office: Office, panel: PanelProcess) -> list[str]:
    """Fill the journal; returns the names of what is due, the longest due first."""
    gateway = await office.serve()
    assert ", status PENDING. " in (await office.order("T", "1234", f"{panel.url}/t") or "")
    await office.stop(gateway)
    with closing(sqlite3.connect(office.folder / "gateway.db")) as journal, journal:
        columns = [
            row[1] for row in journal.execute("PRAGMA table_info(orders)") if row[1] != "id"
        ]
        values = [VALUES.get(column, column) for column in columns]
        journal.execute(
            f"WITH RECURSIVE numbers (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM numbers"
            f" WHERE i < {OPEN}) INSERT INTO orders ({', '.join(columns)})"
            f" SELECT {', '.join(values)} FROM numbers, orders WHERE trx_id = 'T'"
        )
        due = journal.execute("SELECT trx_id FROM orders WHERE NOT sending ORDER BY due_at")
        return [f"toko1-{trx_id}" for (trx_id,) in due]


async def _ready(office: Office, gateway: Process) -> None:
    """Ask `/readyz` until it says that it is."""
    timeout = aiohttp.ClientTimeout(total=1)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        while True:
            assert gateway.code is None, gateway.last_words()
            try:
                async with http.get(f"{office.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.02)


def _in_turn(asked: list[str], oldest_first: list[str]) -> None:
    """Assert that these look-ups were made in the order of age, but for those side by side."""
    rank = {name: number for number, name in enumerate(oldest_first)}
    assert len(set(asked)) == len(asked), "each was asked about once"
    for place, name in enumerate(asked[:LOOKED_AT]):
        assert abs(rank[name] - place) < 2 * MAX_LOOKUPS, (place, name, rank[name])
