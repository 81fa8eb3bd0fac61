"""The PostgreSQL journal's listings, newest first: what an operator pages through.

Each kind of row has a way of its own, along an index that holds few others, and the newest of the
ways are merged by one statement. What most rows are lies everywhere, so it is found at once from
the newest row back; that needs no parts here, as in SQLite, for a reader holds nobody up.
"""

from typing import Any, Final

from gateway.domain.alert import Alert
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import DeliveryFilter, OrderFilter
from gateway.store.postgres_orders import SELECT_ORDER
from gateway.store.postgres_outbox import SELECT_DELIVERY
from gateway.store.postgres_pool import Session
from gateway.store.rows import ALERT_COLUMNS, alert_from, delivery_from, order_from

_NEWEST: Final = 2**62  # above every number
_NEWEST_FIRST: Final = "ORDER BY id DESC LIMIT $2"

# In the words of the partial indexes, so that PostgreSQL knows that they serve.
_UNSOLD: Final = "final_at IS NOT NULL AND status <> 'SUCCESS'"
_OPEN: Final = "due_at IS NOT NULL AND final_at IS NULL"
_UNDELIVERED: Final = "state <> 'delivered' AND next_at IS NULL"


async def newest_orders(session: Session, wanted: OrderFilter) -> list[Order]:
    """List orders, newest first."""
    mine = ""
    values: list[Any] = [_NEWEST if wanted.before_id is None else wanted.before_id, wanted.limit]
    if wanted.reseller is not None:
        mine, values = " AND reseller = $3", [*values, wanted.reseller]
    rows = await session.rows(_merged(SELECT_ORDER, _kinds(wanted), mine), *values)
    return [order_from(tuple(row)) for row in rows]


def _kinds(wanted: OrderFilter) -> list[str]:
    statuses = {Status(word) for word in wanted.statuses}
    if not statuses or statuses == set(Status):
        return ["true"]
    return [_kind(status) for status in sorted(statuses)]


def _kind(status: Status) -> str:
    which = f"status = '{status}'"
    if status is Status.SUCCESS:
        return which
    return f"{which} AND {_UNSOLD if status.is_final else _OPEN}"


async def newest_deliveries(
    session: Session,
    *,
    order_id: int | None,
    state: DeliveryState | None,
    before_id: int | None,
    limit: int,
) -> list[Delivery]:
    """List deliveries, newest first."""
    mine, values = "", [_NEWEST if before_id is None else before_id, limit]
    if order_id is not None:
        mine, values = " AND order_id = $3", [*values, order_id]
    kind = "true" if state is None else f"state = '{state}' AND {_place_of(state)}"
    rows = await session.rows(_merged(SELECT_DELIVERY, [kind], mine), *values)
    return [delivery_from(tuple(row)) for row in rows]


def _place_of(state: DeliveryState) -> str:
    if state is DeliveryState.DELIVERED:
        return "true"
    return "next_at IS NOT NULL" if state is DeliveryState.DUE else _UNDELIVERED


def _merged(select: str, kinds: list[str], mine: str) -> str:
    """Return the newest of each kind, merged; $1 is what they come before, $2 how many."""
    ways = [f"{select} WHERE id < $1 AND {kind}{mine} {_NEWEST_FIRST}" for kind in kinds]
    if len(ways) == 1:
        return ways[0]
    return f"({') UNION ALL ('.join(ways)}) {_NEWEST_FIRST}"


async def newest_alerts(
    session: Session, before_id: int | None, limit: int, *, with_acked: bool
) -> list[Alert]:
    """List alerts, newest first."""
    which = "a.id < $1" if with_acked else "a.id < $1 AND a.acked_at IS NULL"
    sql = (
        f"SELECT {ALERT_COLUMNS} FROM alerts a LEFT JOIN orders o ON o.id = a.order_id"
        f" WHERE {which} ORDER BY a.id DESC LIMIT $2"
    )
    rows = await session.rows(sql, _NEWEST if before_id is None else before_id, limit)
    return [alert_from(tuple(row)) for row in rows]


async def first_wanted(session: Session, wanted: DeliveryFilter, first_id: int) -> int | None:
    """Return the first delivery from here on that may match; None where none does."""
    if wanted.state is DeliveryState.DELIVERED:
        return first_id
    which = f"state = '{wanted.state}' AND {_place_of(wanted.state)}"
    sql = f"SELECT min(id) FROM deliveries WHERE {which} AND id >= $1"
    found = await session.value(sql, first_id)
    return None if found is None else int(found)
