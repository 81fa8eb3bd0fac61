"""What every order's way writes into the SQLite journal: placed, changed, told.

Each function does this for many at once, inside a transaction that `group_commit` began: it sees
the journal as it is at that instant, and what it writes becomes durable with everything else of
its batch. It raises where one of the many can not be written, and is then called for each alone.

Upon a draft they write the same, as long as nothing has to be read; so what is known is asked
first, everywhere.
"""

import sqlite3
from collections.abc import Callable

from msgspec.structs import replace

from gateway.domain.alert import Alarm
from gateway.domain.delivery import Delivery, Message
from gateway.domain.order import Order
from gateway.store import DeliveryRecord, Entry, Record, as_step
from gateway.store.draft import Draft, MustRead
from gateway.store.rows import as_written, changing_values, order_from, order_values
from gateway.store.sqlite_alerts import raise_alert, settle_alerts
from gateway.store.sqlite_known import Known, KnownOrders
from gateway.store.sqlite_page import Page
from gateway.store.sqlite_write import (
    SELECT_ORDER,
    is_said,
    read_deliveries,
    read_delivery,
    supersede,
)

OrderChange = tuple[int, Callable[[Order], Record]]
DeliveryChange = tuple[int, Callable[[Delivery], DeliveryRecord], Delivery | None]
"""Its number, what is made of it, and as it was seen, where it was."""

_LAST_STEP = "SELECT coalesce(max(n), 0) FROM timeline WHERE order_id = ?"
_ALERTED = "SELECT order_id FROM alerts WHERE acked_at IS NULL AND order_id IS NOT NULL"


class OrderWrites:
    """Writes orders, and has those that it wrote last known.

    Args:
        known: what need not be read again.
    """

    def __init__(self, known: KnownOrders) -> None:
        self._known = known

    def place(
        self, connection: sqlite3.Connection, records: list[Record]
    ) -> list[tuple[Order, bool]]:
        """Write new orders, or find those that have their (reseller, trx_id); True: it is new."""
        page = Page()
        overview = self._known.overview()
        last = overview.last_id
        if last is None:
            last = connection.execute("SELECT max(id) FROM orders").fetchone()[0] or 0
        self._known.stage_overview(overview._replace(last_id=last + len(records)))
        orders = [replace(one.order, id=n) for n, one in enumerate(records, last + 1)]
        page.new_orders += map(order_values, orders)
        all_new = page.write_new_orders(connection) == len(orders)
        placed = []
        for order, record in zip(orders, records, strict=True):
            there = order if all_new else _there(connection, order)
            if there.id == order.id:
                self._write_around(page, Known(order, steps=0, told=False), record)
            placed.append((there, there.id == order.id))
        page.write(connection)
        return placed

    def change(self, connection: sqlite3.Connection, asked: list[OrderChange]) -> list[Record]:
        """Write what functions make of orders; returns what was written."""
        page, seen = Page(), set[int]()
        written = []
        for order_id, decide in asked:
            if order_id in seen:  # it decides upon what the one before it made of the order
                page.write(connection)
                page, seen = Page(), set()
            seen.add(order_id)
            before = self._known.latest(order_id) or _read(connection, order_id)
            record = decide(before.order)
            page.orders.append((order_id, *changing_values(record.order)))
            written.append(self._write_changed(connection, page, before, record))
        page.write(connection)
        return written

    def _write_changed(
        self, connection: sqlite3.Connection, page: Page, before: Known, record: Record
    ) -> Record:
        order_id = record.order.id
        if record.once and is_said(connection, order_id, record.entries):
            record = replace(record, entries=())
        if record.alert is not None:
            if self._raise(connection, record.alert, order_id):
                record = replace(record, entries=(*record.entries, as_step(record.alert)))
            else:
                record = replace(record, alert=None)
        if record.message is not None and before.told:
            supersede(connection, order_id)
        order = as_written(before.order, record.order)
        self._write_around(page, before._replace(order=order), record)
        return record

    def _write_around(self, page: Page, known: Known, record: Record) -> None:
        """Write what goes with an order: timeline, outbox row, saldo."""
        order, steps, told = known
        for entry in record.entries:
            steps += 1
            page.steps.append((order.id, steps, entry.at, entry.kind, entry.text))
        message = record.message(order) if callable(record.message) else record.message
        if message is not None:
            page.new_deliveries.append(_delivery_row(order, message, record.tell_at))
        if record.saldo is not None and order.account is not None:
            page.saldi[order.account] = record.saldo
        self._known.stage(Known(order, steps, told or message is not None))

    def note(
        self, connection: sqlite3.Connection, asked: list[DeliveryChange]
    ) -> list[DeliveryRecord]:
        """Write what functions make of deliveries; returns what was written."""
        page = Page()
        written = []
        alerted = self._alerted(connection)
        deliveries = _as_they_are(connection, asked)
        for delivery_id, decide, _ in asked:
            delivery = deliveries.pop(delivery_id, None)
            if delivery is None:  # it decides upon what the one before it made of the delivery
                page.write(connection)
                page = Page()
                delivery = read_delivery(connection, delivery_id)
            record = decide(delivery)
            order_id, at = record.delivery.order_id, record.entry.at
            if record.settles is not None and order_id in alerted:
                settle_alerts(connection, order_id, record.settles, at)
            written.append(self._write_noted(connection, page, delivery, record))
        page.write(connection)
        return written

    def _write_noted(
        self, connection: sqlite3.Connection, page: Page, before: Delivery, record: DeliveryRecord
    ) -> DeliveryRecord:
        delivery = record.delivery
        page.deliveries.append(_attempt_row(before, delivery))
        entries = [record.entry]
        if record.alert is not None:
            if self._raise(connection, record.alert, delivery.order_id):
                entries.append(as_step(record.alert))
            else:
                record = replace(record, alert=None)
        self._add_steps(page, delivery.order_id, entries)
        return record

    def _add_steps(self, page: Page, order_id: int, entries: list[Entry]) -> None:
        known = self._known.latest(order_id)
        if known is None:
            page.next_steps += [(order_id, one.at, one.kind, one.text) for one in entries]
            return
        for n, entry in enumerate(entries, known.steps + 1):
            page.steps.append((order_id, n, entry.at, entry.kind, entry.text))
        self._known.stage(known._replace(steps=known.steps + len(entries)))

    def _raise(self, connection: sqlite3.Connection, alert: Alarm, order_id: int) -> bool:
        self._known.stage_overview(self._known.overview()._replace(alerted=None))
        return raise_alert(connection, alert, order_id)

    def _alerted(self, connection: sqlite3.Connection) -> frozenset[int]:
        """Return the orders that may have an open alert."""
        overview = self._known.overview()
        if overview.alerted is not None:
            return overview.alerted
        alerted = frozenset(row[0] for row in connection.execute(_ALERTED))
        self._known.stage_overview(overview._replace(alerted=alerted))
        return alerted


def _as_they_are(
    connection: sqlite3.Connection, asked: list[DeliveryChange]
) -> dict[int, Delivery]:
    """Return deliveries as this transaction has them; for a draft, as they were seen.

    That it still stands so is found out when it is written, see `sqlite_page`.
    """
    if not isinstance(connection, Draft):
        return read_deliveries(connection, [delivery_id for delivery_id, *_ in asked])
    seen = {delivery_id: delivery for delivery_id, _, delivery in asked if delivery is not None}
    if len(seen) < len(asked):
        raise MustRead
    return seen


def _read(connection: sqlite3.Connection, order_id: int) -> Known:
    row = connection.execute(f"{SELECT_ORDER} WHERE id = ?", (order_id,)).fetchone()
    (steps,) = connection.execute(_LAST_STEP, (order_id,)).fetchone()
    return Known(order_from(row), steps, told=True)


def _there(connection: sqlite3.Connection, order: Order) -> Order:
    """Return the order that has this one's (reseller, trx_id)."""
    sql = f"{SELECT_ORDER} WHERE reseller = ? AND trx_id = ?"
    return order_from(connection.execute(sql, (order.reseller, order.trx_id)).fetchone())


def _delivery_row(order: Order, message: Message, tell_at: int) -> tuple[object, ...]:
    told = (message.status, message.method, message.url, message.host, message.body)
    return (order.id, order.reseller, *told, "due", 0, tell_at, tell_at)


def _attempt_row(before: Delivery, delivery: Delivery) -> tuple[object, ...]:
    return (
        delivery.id,
        delivery.state.value,
        delivery.attempts,
        delivery.next_at,
        delivery.done_at,
        delivery.last_result,
        before.state.value,
        before.attempts,
        before.next_at,
    )
