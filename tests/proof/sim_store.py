"""The journal of the simulation: the real SQL and the real group commit, and a disk with moods.

A `Disk` is one SQLite database in memory that outlives the gateway's lives; what was committed
stays, what was not is gone with the life that wanted it. `InlineThread` stands where the store has
a thread: it runs the same functions at once, with virtual latency before and after, so that a life
may end in between: written, and nobody heard.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from gateway.protocol.shown import shown_delivery, shown_order
from gateway.store.group_commit import Thread, Work
from gateway.store.lock import Lock
from gateway.store.rows import DELIVERY_COLUMNS, ORDER_COLUMNS, delivery_from, order_from
from gateway.store.sqlite import SqliteStore, _prepare_writer
from tests.proof.sim_loop import Life, never, now

T = TypeVar("T")

_TABLES = ("orders", "timeline", "deliveries", "alerts", "waiting_callbacks")
_DUE = {
    "orders": "due_at",
    "deliveries": "next_at",
    "waiting_callbacks": "next_at",
    "notices": "next_at",
}
_NEXT_DUE = "SELECT " + ", ".join(
    f"(SELECT min({column}) FROM {table} WHERE {column} IS NOT NULL)"
    for table, column in _DUE.items()
)


class Disk:
    """A database in memory.

    Args:
        chance: of this disk alone.
        trouble: how often a whole call fails, from 0 to 1.
    """

    def __init__(self, chance: random.Random, trouble: float, hits: Counter[str]) -> None:
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=256, check_same_thread=False
        )
        _prepare_writer(self.connection)
        self.away_until = 0.0
        self.well = False  # nothing fails while it is
        self.changed: Callable[[], None] = lambda: None
        self._chance = chance
        self._trouble = trouble
        self._hits = hits

    def open(self, life: Life) -> SqliteStore:
        """Open the journal for one life of the gateway."""
        writer, reader = InlineThread(self, life, self._written), InlineThread(self, life)
        return SqliteStore(Path("simulated.db"), cast(Lock, _NoLock()), writer, reader)

    def _written(self) -> None:
        self.changed()

    async def reach(self) -> None:
        """Take the time that a call takes; raises where the disk is away."""
        draw = self._chance.random()
        await asyncio.sleep(0 if draw < 0.8 else 0.001 if draw < 0.97 else 0.05)
        if self.well:
            return
        if now() < self.away_until or self._chance.random() < self._trouble:
            self._hits["disk"] += 1
            raise sqlite3.OperationalError("disk I/O error")

    async def answer(self) -> None:
        """Take the time until the caller hears."""
        await asyncio.sleep(0 if self._chance.random() < 0.9 else 0.002)

    def next_due_ms(self) -> Mapping[str, int | None]:
        """When something is due next in each table, Unix milliseconds."""
        row = self.connection.execute(_NEXT_DUE).fetchone()
        return dict(zip(_DUE, row, strict=True))

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return every order by its name at the upstream, as `order list --json` prints it."""
        columns = ", ".join(ORDER_COLUMNS)
        rows = self.connection.execute(f"SELECT {columns} FROM orders").fetchall()
        shown = [shown_order(order_from(row)) for row in rows]
        return {order["upstream_trx_id"]: order for order in shown}

    def deliveries(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return every delivery by its order's name, as `delivery list --json` prints it."""
        names = {order["id"]: name for name, order in self.orders().items()}
        columns = ", ".join(DELIVERY_COLUMNS)
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.connection.execute(f"SELECT {columns} FROM deliveries"):
            delivery = delivery_from(row)
            found.setdefault(names[delivery.order_id], []).append(shown_delivery(delivery))
        return found

    def digest(self) -> str:
        """A hash over everything that was journaled."""
        digest = sha256()
        for table in _TABLES:
            for row in self.connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
                digest.update(repr(row).encode())
        return digest.hexdigest()


class InlineThread(Thread):
    """Runs whole functions of the connection, in one life."""

    def __init__(self, disk: Disk, life: Life, written: Callable[[], None] = lambda: None) -> None:
        self._disk = disk
        self._life = life
        self._written = written

    async def run(self, work: Work[T]) -> T:
        await self._disk.reach()
        if self._life.over:
            await never()
        result = work(self._disk.connection)
        self._written()
        await self._disk.answer()
        return result

    async def close(self) -> None:
        return


class _NoLock:
    """Nobody else is there."""

    def say(self, about: dict[str, str]) -> None:
        return

    def close(self) -> None:
        return
