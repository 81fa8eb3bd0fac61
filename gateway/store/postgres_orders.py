"""What every order's way writes into the PostgreSQL journal: placed, and changed.

Each write is one statement, and so one transaction and one round trip: the order, its timeline,
its outbox row. Where one of them is refused none is written.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Final
from weakref import WeakValueDictionary

from msgspec.structs import replace

from gateway.domain.alert import What
from gateway.domain.delivery import Message
from gateway.domain.order import Order
from gateway.store import Entry, Record, as_step
from gateway.store.postgres_alerts import notice_sql, raise_sql
from gateway.store.postgres_fence import RAISED, Fenced, FencedChange, draw
from gateway.store.postgres_known import KnownOrders
from gateway.store.postgres_nodes import PostgresNodes
from gateway.store.postgres_pool import Database, Session
from gateway.store.postgres_saldi import Saldi
from gateway.store.rows import (
    CHANGING_ORDER_COLUMNS,
    ORDER_COLUMNS,
    as_written,
    changing_values,
    order_from,
    order_values,
)

_COLUMNS: Final = ", ".join(ORDER_COLUMNS)
SELECT_ORDER: Final = f"SELECT {_COLUMNS} FROM orders"
_READ: Final = f"SELECT fence, {_COLUMNS} FROM orders WHERE id = $1"
_NAMED: Final = f"SELECT fence, {_COLUMNS} FROM orders WHERE reseller = $1 AND trx_id = $2"
_NEXT_ID: Final = "SELECT nextval(pg_get_serial_sequence('orders', 'id'))"
_ID: Final = ORDER_COLUMNS.index("id")
_MESSAGE: Final = ("status", "method", "url", "host", "body")
_SAID: Final = (
    "EXISTS (SELECT 1 FROM timeline"
    " WHERE order_id = $1 AND kind = ($5::text[])[1] AND text = ($6::text[])[1])"
)
_LAST: Final = 1_000_000  # the alert's place, after every other step


class OrderWrites:
    """Writes orders.

    Args:
        database: where.
        saldi: what is told of the balances that are seen.
        nodes: whose sends are begun here.
    """

    def __init__(self, database: Database, saldi: Saldi, nodes: PostgresNodes) -> None:
        self._database = database
        self._saldi = saldi
        self._nodes = nodes
        self._known = KnownOrders()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def place(self, record: Record) -> tuple[Order, bool]:
        """Write a new order, or find the one that has its (reseller, trx_id); True: it is new.

        One that is there is ours where it has the fence that we drew: the answer to our COMMIT was
        lost, and nobody has changed it since. Where somebody has, it is said not to be new, and
        who changed it goes on with it.
        """
        fence = draw()
        work = partial(_place, record=record, fence=fence, node=self._nodes.id)
        placed, is_new = await self._database.repeat(work)
        if is_new:
            self._known.keep(placed, fence)
            self._see(placed, record)
        return placed, is_new

    async def change(self, order_id: int, decide: Callable[[Order], Record]) -> Record:
        """Write what a function makes of an order; returns what was written."""
        return await self._database.apart(self._change(order_id, decide))

    async def _change(self, order_id: int, decide: Callable[[Order], Record]) -> Record:
        """Change it when its turn has come: in one process changes of one order do not race."""
        turn = self._turns.get(order_id)
        if turn is None:
            turn = self._turns[order_id] = asyncio.Lock()
        async with turn:
            write = partial(_write, node=self._nodes.id)
            read = partial(_read, order_id=order_id)
            change: FencedChange[Order, Record]
            change = FencedChange(self._database, read, decide, write)
            written, fence = await change.make(self._known.take(order_id))
            self._known.keep(written.order, fence)
        self._see(written.order, written)
        return written

    def _see(self, order: Order, record: Record) -> None:
        if record.saldo is not None and order.account is not None:
            self._saldi.see(order.account, record.saldo)


async def _place(session: Session, record: Record, fence: int, node: int) -> tuple[Order, bool]:
    order = record.order
    if callable(record.message):  # it is made of the order with its number
        order = replace(order, id=await session.value(_NEXT_ID))
    message = record.message(order) if callable(record.message) else record.message
    values = order_values(order)
    if not order.id:
        del values[_ID]
    sql = _place_sql(node, with_id=bool(order.id), told=message is not None)
    told = () if message is None else message_values(message, record.tell_at)
    order_id = await session.value(sql, fence, *_columns_of(record.entries), *values, *told)
    if order_id is not None:
        return replace(order, id=order_id), True
    row = await session.row(_NAMED, order.reseller, order.trx_id)
    if row is None:  # it is kept for ever, so this can not be
        raise LookupError(order.upstream_trx_id)
    return order_from(row[1:]), bool(row[0] == fence)


async def _read(session: Session, order_id: int) -> Fenced[Order]:
    row = await session.row(_READ, order_id)
    if row is None:
        raise LookupError(f"no order has the number {order_id}")
    return Fenced(order_from(row[1:]), row[0])


async def _write(
    session: Session, before: Fenced[Order], record: Record, fence: int, *, node: int
) -> Record | None:
    """Write a changed order and what goes with it; None where it was changed meanwhile."""
    order = as_written(before.value, record.order)
    message = record.message(order) if callable(record.message) else record.message
    alert = record.alert
    sql = _change_sql(node, once=record.once, alert=alert is not None, told=message is not None)
    row = await session.row(
        sql,
        *(order.id, before.fence, fence),
        *_columns_of(record.entries),
        record.told_saldo,
        *changing_values(order),
        *(() if alert is None else (alert.at, alert.kind, alert.about, alert.text)),
        *(() if message is None else message_values(message, record.tell_at)),
    )
    if row is None or not row["is_changed"]:
        return None
    entries = () if row["is_said"] else record.entries
    if alert is not None:
        entries, alert = (
            ((*entries, as_step(alert)), alert) if row["is_raised"] else (entries, None)
        )
    return replace(record, order=order, entries=entries, alert=alert)


def _columns_of(entries: Sequence[Entry]) -> tuple[list[int], list[str], list[str]]:
    return [e.at for e in entries], [e.kind for e in entries], [e.text for e in entries]


def message_values(message: Message, tell_at: int) -> tuple[Any, ...]:
    """Return what `add_delivery` takes."""
    return (*(getattr(message, name) for name in _MESSAGE), tell_at)


def marks(first: int, count: int) -> str:
    """Return so many placeholders, from this one on."""
    return ", ".join(f"${n}" for n in range(first, first + count))


def _add_delivery(source: str, first: int) -> str:
    """Return what adds an outbox row for the order in `source`; `message_values` from `first`."""
    told = ", ".join(f"${n}::text" for n in range(first, first + len(_MESSAGE)))
    at = f"${first + len(_MESSAGE)}::bigint"
    return (
        f"INSERT INTO deliveries (order_id, reseller, {', '.join(_MESSAGE)}, state, attempts,"
        f" next_at, created_at, fence) SELECT id, reseller, {told}, 'due', 0, {at}, {at}, 0"
        f" FROM {source}"
    )


@cache
def _place_sql(node: int, *, with_id: bool, told: bool) -> str:
    """Return the statement that places an order, whose send this node makes.

    Its parameters are the order's fence, its steps as three lists, its columns, the message.
    """
    columns = tuple(name for name in ORDER_COLUMNS if with_id or name != "id")
    steps = f"SELECT place, at, kind, text FROM {_unnested(2)}"
    parts = {
        "placed": f"INSERT INTO orders (fence, node, {', '.join(columns)})"
        f" VALUES ($1, {node}, {marks(5, len(columns))})"
        " ON CONFLICT (reseller, trx_id) DO NOTHING RETURNING id, reseller",
        "steps": _add_steps("placed", steps),
    }
    if told:
        parts["told"] = _add_delivery("placed", 5 + len(columns))
    return f"{_with(parts)} SELECT id FROM placed"


@cache
def _change_sql(node: int, *, once: bool, alert: bool, told: bool) -> str:
    """Return the statement that changes an order; a send that it begins is this node's.

    Its parameters are the order's number, its fence and the next one, its steps as three lists,
    the balance that was told, the columns that change, the alert, the message.
    """
    sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(CHANGING_ORDER_COLUMNS, 8))
    begun = CHANGING_ORDER_COLUMNS.index("begun") + 8
    sets += (
        f", node = CASE WHEN begun = ${begun} THEN node ELSE {node} END"
        ", told_saldo = coalesce($7::bigint, told_saldo)"
    )
    said = _SAID if once else "false"
    steps = f"SELECT place, at, kind, text FROM {_unnested(4)} WHERE NOT {said}"
    parts = {
        "changed": f"UPDATE orders SET fence = $3, {sets} WHERE id = $1 AND fence = $2"
        " RETURNING id, reseller"
    }
    first = 8 + len(CHANGING_ORDER_COLUMNS)
    if alert:
        at, kind, about, text = (
            f"${n}::{type_}" for n, type_ in enumerate(("bigint", "text", "text", "text"), first)
        )
        parts["wanted"] = (
            f"SELECT id AS order_id, {kind} AS kind, {about} AS about, {text} AS text, {at} AS at"
            " FROM changed"
        )
        parts["raised"] = raise_sql("wanted")
        parts["noticed"] = notice_sql("raised", What.RAISED)
        steps += f" UNION ALL SELECT {_LAST}, {at}, 'alert', {text} FROM raised"
        first += 4
    parts["steps"] = _add_steps("changed", steps)
    if told:
        parts["superseded"] = (
            f"UPDATE deliveries d SET state = 'superseded', next_at = NULL, fence = {RAISED}"
            " FROM changed WHERE d.order_id = changed.id AND d.state = 'due'"
        )
        parts["told"] = _add_delivery("changed", first)
    is_raised = "EXISTS (SELECT 1 FROM raised)" if alert else "false"
    return (
        f"{_with(parts)} SELECT EXISTS (SELECT 1 FROM changed) AS is_changed,"
        f" {said} AS is_said, {is_raised} AS is_raised"
    )


def _with(parts: dict[str, str]) -> str:
    return f"WITH {', '.join(f'{name} AS ({sql})' for name, sql in parts.items())}"


def _unnested(first: int) -> str:
    """Return the steps that stand in three parameters as rows."""
    lists = f"${first}::bigint[], ${first + 1}::text[], ${first + 2}::text[]"
    return f"unnest({lists}) WITH ORDINALITY e (at, kind, text, place)"


def _add_steps(source: str, steps: str) -> str:
    """Return what adds steps to the timeline of the order in `source`."""
    return (
        "INSERT INTO timeline (order_id, at, kind, text)"
        f" SELECT {source}.id, s.at, s.kind, s.text FROM {source}, ({steps}) s ORDER BY s.place"
    )
