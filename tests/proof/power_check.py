"""Opens what a power cut left with the gateway's own code, and looks whether a promise is missing.

Every finding is one sentence that begins with the name of its order, or of the file.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import JournalUnusable, OrderFilter, Store
from gateway.store.open import open_store
from tests.proof.power_load import Ack, Said

_ALL = 100_000
_FINAL = frozenset({"SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"})


async def findings(journal: Path, acks: Iterable[Ack]) -> list[str]:
    """Return what is missing in this journal of what was acknowledged, or damaged in it."""
    try:
        async with _opened(journal) as store:
            orders = {o.upstream_trx_id: o for o in await store.orders(OrderFilter(limit=_ALL))}
            told = _newest(await store.deliveries(limit=_ALL))
            called = {
                ack.order: [entry.kind for entry in await store.timeline(orders[ack.order].id)]
                for ack in acks
                if ack.said is Said.CALLED_BACK and ack.order in orders
            }
    except JournalUnusable as error:
        return [f"{journal.name} does not open: {error}"]
    found = [_missing(ack, orders, told, called) for ack in acks]
    found += [_forgotten(order, told) for order in orders.values()]
    return [sentence for sentence in found if sentence] + _damage(journal)


@asynccontextmanager
async def _opened(journal: Path) -> AsyncIterator[Store]:
    store = await open_store(journal)
    try:
        yield store
    finally:
        await store.close()


def _newest(deliveries: list[Delivery]) -> dict[int, Delivery]:
    """Return each order's last delivery; they come newest first."""
    return {delivery.order_id: delivery for delivery in reversed(deliveries)}


def _missing(
    ack: Ack, orders: dict[str, Order], told: dict[int, Delivery], called: dict[str, list[str]]
) -> str:
    order = orders.get(ack.order)
    what = f"{ack.order}: {ack.said.name} {ack.status}"
    if order is None:
        return f"{what}, and the order is not there"
    if ack.said is Said.SENT and order.sends < 1:
        return f"{what}, and no send is"
    if ack.status in _FINAL and order.status.value != ack.status:
        return f"{what}, and it is {order.status}"
    if ack.said is Said.CALLED_BACK and "called_back" not in called[ack.order]:
        return f"{what}, and the callback is not in its timeline"
    if ack.said is Said.NOTED and told[order.id].state is not DeliveryState.DELIVERED:
        return f"{what}, and its delivery is {told[order.id].state}"
    return ""


def _forgotten(order: Order, told: dict[int, Delivery]) -> str:
    """A final status is never there without what tells it."""
    if order.is_open:
        return ""
    delivery = told.get(order.id)
    if delivery is not None and delivery.message.status == order.status.value:
        return ""
    return f"{order.upstream_trx_id}: is {order.status}, and no delivery tells it"


def _damage(journal: Path) -> list[str]:
    with closing(sqlite3.connect(journal)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        whole = connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return [] if sound and whole else [f"{journal.name} is damaged"]
