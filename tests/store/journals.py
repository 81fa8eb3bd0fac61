"""What every backend is tested with: orders, messages, resellers, and how a journal is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, Message
from gateway.domain.order import Order, Rules, Status, begin_send
from gateway.store import AccountRow, DeliveryRecord, Entry, KeyRow, Record, ResellerRow, Store
from gateway.store.open import open_store
from tests.support.blank import lay_blank

T0 = 1_700_000_000_000
RULES = Rules(schedule_s=(2, 5), settle_s=40, expire_s=1800, lease_s=75)
CODES = ("toko", "warung")
ACCOUNTS = ("key1", "key2")  # of these the first is everyone's, unless told otherwise


Where = Path | str
"""A journal's file, or its URL."""

BACKENDS = ("sqlite", "postgresql")
only_sqlite = pytest.mark.parametrize("journal", ["sqlite"], indirect=True)
"""For what is told of SQLite's own: its file, its lock, its log."""


def where(said: str) -> Where:
    """Return what a journal's file or URL is, as a process is given it."""
    return said if "://" in said else Path(said)


def reseller(code: str = "toko", *, key: bytes = b"k", **changes: Any) -> ResellerRow:
    """A reseller with one key, who buys under the first upstream key."""
    row = ResellerRow(
        code=code, account=ACCOUNTS[0], created_at=T0, keys=(key_row(code.encode() + key),)
    )
    return replace(row, **changes)


def key_row(name: bytes, **changes: Any) -> KeyRow:
    """A key whose hash is made of a name."""
    row = KeyRow(hash=name.ljust(32, b"."), sealed=b"sealed", hint="tg_…", created_at=T0)
    return replace(row, **changes)


def account(name: str, **changes: Any) -> AccountRow:
    """A key at the upstream."""
    return replace(AccountRow(id=name, sealed=f"sealed {name}".encode()), **changes)


async def open_journal(where: Where, *, connections: int = 8) -> Store:
    """Open a journal that has two resellers and two upstream keys."""
    if isinstance(where, Path):
        lay_blank(where)
    store = await open_store(where, connections=connections)
    await store.put_resellers(
        [reseller(code) for code in CODES], [account(name) for name in ACCOUNTS]
    )
    return store


def order(trx_id: str = "A1", **changes: Any) -> Order:
    """A new order whose first send is under way."""
    new = Order(
        reseller="toko",
        trx_id=trx_id,
        product_code="S1",
        dest="1234",
        user_id="12",
        account=ACCOUNTS[0],
        placed_at=T0,
    )
    return replace(begin_send(new, T0, RULES), **changes)


def record(placed: Order, **changes: Any) -> Record:
    """An order with the first steps of its timeline."""
    told = Record(order=placed, entries=(Entry(T0, "asked", "x"), Entry(T0, "sending", "1")))
    return replace(told, **changes)


def message(status: str = "SUCCESS", host: str = "p.test:80") -> Message:
    """What a reseller is told."""
    return Message(status=status, method="GET", url=f"http://{host}/?status={status}", host=host)


def sold(before: Order) -> Order:
    """The order, successful."""
    return replace(
        before,
        status=Status.SUCCESS,
        note="SN",
        named=True,
        sending=False,
        send_ended_at=T0 + 1,
        due_at=None,
        final_at=T0 + 1,
    )


async def place(store: Store, trx_id: str = "A1", **changes: Any) -> Order:
    """Journal a new order."""
    placed, is_new = await store.place(record(order(trx_id, **changes)))
    assert is_new
    return placed


async def saldi(store: Store) -> dict[str, int | None]:
    """The balance that was last seen under each upstream key."""
    return {row.id: row.saldo for row in await store.accounts()}


async def tell(store: Store, placed: Order, told: Message, at: int = T0) -> int:
    """Put a message into the outbox in a change of its order; returns its number."""
    entry = Entry(at, "answered", "x")
    await store.change_order(
        placed.id,
        lambda before: Record(order=before, entries=(entry,), message=told, tell_at=at),
    )
    (newest,) = await store.deliveries(order_id=placed.id, limit=1)
    return newest.id


async def change_delivery(
    store: Store, delivery_id: int, decide: Callable[[Delivery], Delivery], entry: Entry
) -> Delivery:
    """Change a delivery by a function, with a step for its order and no alert."""

    def record(before: Delivery) -> DeliveryRecord:
        return DeliveryRecord(delivery=decide(before), entry=entry)

    return (await store.change_delivery(delivery_id, record)).delivery
