"""Customers of a journal who note what they are told, and somebody who breaks who writes it.

What was told is compared with the file at the end, by SQL of its own: nothing is asked of the
journal that was attacked.
"""

import asyncio
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

from msgspec.structs import replace

from gateway.domain.delivery import Delivery
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Order
from gateway.store import Entry, Record
from gateway.store.sqlite import SqliteStore
from tests.store.journals import T0, order, record
from tests.store.scribe.scribes import due, sold, told

_CUSTOMERS = 48
_COMMON_NAMES = 5_000  # of orders that several ask for, also at once
_COMMON = 0.3  # how often one of these is asked for
_SOLD = 0.5  # how many orders become SUCCESS


class Customers:
    """Place, change, settle and deliver as fast as they can, and note what they hear.

    Args:
        store: the journal.
        seed: of what they do.

    Attributes:
        heard: how often they were told what.
    """

    def __init__(self, store: SqliteStore, seed: int) -> None:
        self._store = store
        self._random = random.Random(seed)
        self._ids: dict[str, int] = {}
        self._is_new = Counter[str]()
        self._refused = Counter[str]()
        self._changed = Counter[str]()
        self._sold: set[str] = set()
        self._delivered = Counter[int]()
        self.heard = Counter[str]()

    async def go_on(self, ends: asyncio.Event) -> None:
        """Go on until that has happened."""
        names = (f"{number}-" for number in range(_CUSTOMERS))
        await asyncio.gather(*(self._buy(name, ends) for name in names), self._relay(ends))

    async def _buy(self, prefix: str, ends: asyncio.Event) -> None:
        number = 0
        while not ends.is_set():
            number += 1
            name = f"{prefix}{number}"
            if self._random.random() < _COMMON:
                name = f"c{self._random.randrange(_COMMON_NAMES)}"
            try:
                placed, is_new = await self._store.place(record(order(name), saldo=number))
            except JournalUnavailable:
                self._refused[name] += 1
                self.heard["refused"] += 1
                await asyncio.sleep(0.005)
                continue
            self.heard["recorded"] += 1
            assert self._ids.setdefault(name, placed.id) == placed.id
            self._is_new[name] += is_new
            if await self._change(placed, _longer):
                self._changed[name] += 1
            if is_new and self._random.random() < _SOLD and await self._change(placed, _sold):
                self._sold.add(name)

    async def _change(self, placed: Order, decide: Callable[[Order], Record]) -> bool:
        try:
            await self._store.change_order(placed.id, decide)
        except JournalUnavailable:
            self.heard["refused"] += 1
            return False
        self.heard["changed"] += 1
        return True

    async def _relay(self, ends: asyncio.Event) -> None:
        while not ends.is_set():
            await asyncio.gather(*(self._deliver(one) for one in (await due(self._store))[:60]))
            await asyncio.sleep(0.02)

    async def _deliver(self, seen: Delivery) -> None:
        with suppress(JournalUnavailable):
            await self._store.change_delivery(seen.id, told, seen=seen)
            self._delivered[seen.id] += 1
            self.heard["delivered"] += 1

    def lies(self, path: Path) -> list[str]:
        """Return what they were told that is not so in the file."""
        with closing(sqlite3.connect(path)) as connection:
            orders = connection.execute("SELECT trx_id, id, note, status FROM orders").fetchall()
            states = dict(connection.execute("SELECT id, state FROM deliveries"))
            is_whole = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        lies = [] if is_whole else ["the file is damaged"]
        lies += self._lies_of_orders(orders)
        lies += [
            f"delivery {number}: told {many} times, is {states.get(number)}"
            for number, many in self._delivered.items()
            if many > 1 or states.get(number) != "delivered"
        ]
        if len(states) != len(self._sold):
            lies.append(f"{len(states)} deliveries of {len(self._sold)} orders")
        return lies

    def _lies_of_orders(self, rows: list[tuple[str, int, str, str]]) -> list[str]:
        held = {name: (number, note, status) for name, number, note, status in rows}
        lies = [f"{len(rows) - len(held)} trx_ids twice"] if len(held) < len(rows) else []
        never = self._refused.keys() - self._ids.keys()
        lies += [f"{name}: refused, and there" for name in never & held.keys()]
        lies += [f"{name}: told, and missing" for name in self._ids.keys() - held.keys()]
        for name in self._ids.keys() & held.keys():
            number, note, status = held[name]
            is_so = (number, note.count("x"), status == "SUCCESS")
            was_told = (self._ids[name], self._changed[name], name in self._sold)
            if is_so != was_told or self._is_new[name] != 1:
                lies.append(f"{name}: {was_told}, new {self._is_new[name]} times; is {is_so}")
        return lies


def _longer(before: Order) -> Record:
    entries = (Entry(T0, "answered", "x"),)
    return Record(order=replace(before, note=before.note + "x"), entries=entries)


def _sold(before: Order) -> Record:
    done = sold(before)
    return replace(done, order=replace(done.order, note=before.note))


class Attacker:
    """Breaks the process that writes, or keeps it from the journal, again and again.

    Args:
        store: the journal.
        seed: of what is done.

    Attributes:
        done: how often what was done.
    """

    def __init__(self, store: SqliteStore, seed: int) -> None:
        self._store = store
        self._random = random.Random(seed)
        self.done = Counter[str]()

    async def go_on(self, seconds: float) -> None:
        """Go on for so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        ways = (self._kill, self._kill, self._stop, self._lock, self._use, self._forget)
        while loop.time() < until:
            await asyncio.sleep(self._random.random() * 0.2)
            await self._try(self._random.choice(ways))

    async def _try(self, way: Callable[[], Awaitable[None]]) -> None:
        with suppress(ProcessLookupError, JournalUnavailable):
            await way()

    def _signal(self, number: signal.Signals) -> None:
        scribe = self._store._scribe
        pid = None if scribe is None else scribe.pid
        if pid is None:
            raise ProcessLookupError
        os.kill(pid, number)
        self.done[number.name] += 1

    async def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _stop(self) -> None:
        """Stop it for a moment, or for longer than who waits has patience."""
        self._signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.05, 0.4)))
        self._signal(self._random.choice((signal.SIGCONT, signal.SIGCONT, signal.SIGKILL)))

    async def _lock(self) -> None:
        """Keep every writer out; who writes may die meanwhile."""
        path = self._store.path
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0.2)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return  # who writes was faster
            self.done["locks"] += 1
            await asyncio.sleep(self._random.choice((0.05, 0.3, 0.8)))
            if self._random.random() < 0.3:
                await self._try(self._kill)

    async def _use(self) -> None:
        """Have the journal's own thread at work beside it."""
        await self._store.empty_log()
        await self._store.put_meta("attacked", os.urandom(4))
        self.done["uses"] += 1

    async def _forget(self) -> None:
        self._store._known.forget()
