"""What the tests of the scribe do with a journal: large batches, and who wrote them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import DeliveryRecord, Entry, Record
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_peek import peek
from gateway.store.sqlite_scribe import Scribe
from gateway.store.sqlite_scribe_process import LAST_BATCH
from tests.store.journals import ACCOUNTS, CODES, T0, account, message, order, record, reseller
from tests.store.journals import sold as as_sold
from tests.support import eventually

MANY = 24
LOT = 2 * MANY
_DUMPED = ("orders", "timeline", "deliveries", "alerts", "notices", "accounts")


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
