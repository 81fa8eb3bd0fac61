"""Rows to values and back, the same for every backend. Only the shape of columns is known here."""

import json
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from msgspec.structs import astuple, replace

from gateway.domain.alert import Alert, Kind
from gateway.domain.delivery import Delivery, DeliveryState, Message
from gateway.domain.order import Dialect, Order, Status
from gateway.store import KeyRow, ResellerRow

ORDER_COLUMNS = Order.__struct_fields__
# What never changes after an order was placed is not written again.
_FROZEN = (
    *("id", "reseller", "trx_id", "product_code", "dest", "account", "callback_url"),
    *("placed_at", "dialect", "unnamed"),
)
CHANGING_ORDER_COLUMNS = tuple(name for name in ORDER_COLUMNS if name not in _FROZEN)
_frozen = attrgetter(*_FROZEN)
_changing = attrgetter(*CHANGING_ORDER_COLUMNS)
_STATUS = ORDER_COLUMNS.index("status")
_CHANGING_STATUS = CHANGING_ORDER_COLUMNS.index("status")
_DIALECT = ORDER_COLUMNS.index("dialect")

DELIVERY_COLUMNS = (
    "id",
    "order_id",
    "reseller",
    "status",
    "method",
    "url",
    "host",
    "body",
    "state",
    "attempts",
    "next_at",
    "created_at",
    "done_at",
    "last_result",
)
RESELLER_COLUMNS = (
    "code",
    "name",
    "account",
    "callback_url",
    "callback_hosts",
    "allow_ips",
    "delivery",
    "suspended",
    "created_at",
    "pin",
    "password",
    "allow_pin",
    "max_price",
)
KEY_COLUMNS = ("hash", "sealed", "hint", "created_at", "ends_at")
ALERT_COLUMNS = (
    "a.id, o.reseller || '-' || o.trx_id, a.kind, a.about, a.text, a.raised_at, a.acked_at,"
    " a.ended_at"
)
"""Of an alert `a` with its order `o`, as `alert_from` reads them."""

_STATUSES = {status.value: status for status in Status}
_DIALECTS = {dialect.value: dialect for dialect in Dialect}
_STATES = {state.value: state for state in DeliveryState}

Row = Sequence[Any]


def as_list(values: Collection[int] | Collection[str]) -> str:
    """Return values as the one parameter of a statement that a whole list is: JSON."""
    return json.dumps(list(values))


def order_from(row: Row) -> Order:
    """Return the order in a row of ORDER_COLUMNS."""
    values = dict(zip(ORDER_COLUMNS, row, strict=True))
    values["status"] = _STATUSES[values["status"]]
    values["sending"] = bool(values["sending"])
    values["named"] = bool(values["named"])
    values["dialect"] = _DIALECTS[values["dialect"]]
    values["unnamed"] = bool(values["unnamed"])
    return Order(**values)


def order_values(order: Order) -> list[Any]:
    """Return an order's values for ORDER_COLUMNS."""
    values = _plain(list(astuple(order)), _STATUS)
    return _plain(values, _DIALECT)


def changing_values(order: Order) -> list[Any]:
    """Return an order's values for CHANGING_ORDER_COLUMNS."""
    return _plain(list(_changing(order)), _CHANGING_STATUS)


def as_written(before: Order, after: Order) -> Order:
    """Return an order as the journal holds it after a change: what never changes is as before."""
    frozen = _frozen(before)
    return (
        after
        if _frozen(after) == frozen
        else replace(after, **dict(zip(_FROZEN, frozen, strict=True)))
    )


def _plain(values: list[Any], place: int) -> list[Any]:
    """Give a word as plain text: what is a str by descent alone costs sqlite3 a long look."""
    values[place] = str(values[place])
    return values


def delivery_from(row: Row) -> Delivery:
    """Return the delivery in a row of DELIVERY_COLUMNS."""
    number, order_id, reseller, status, method, url, host, body, state, *rest = row
    attempts, next_at, created_at, done_at, last_result = rest
    return Delivery(
        id=number,
        order_id=order_id,
        reseller=reseller,
        message=Message(status=status, method=method, url=url, host=host, body=body),
        state=_STATES[state],
        attempts=attempts,
        next_at=next_at,
        created_at=created_at,
        done_at=done_at,
        last_result=last_result,
    )


def alert_from(row: Row) -> Alert:
    """Return the alert in a row of ALERT_COLUMNS."""
    names = ("id", "order", "kind", "about", "text", "raised_at", "acked_at", "ended_at")
    values = dict(zip(names, row, strict=True))
    return Alert(**{**values, "kind": Kind(values["kind"])})


def reseller_from(row: Row, keys: Sequence[Row]) -> ResellerRow:
    """Return the reseller in a row of RESELLER_COLUMNS with rows of KEY_COLUMNS."""
    values = dict(zip(RESELLER_COLUMNS, row, strict=True))
    for name in ("callback_hosts", "allow_ips"):
        values[name] = tuple(json.loads(values[name]))
    for name in ("suspended", "allow_pin"):
        values[name] = bool(values[name])
    held = tuple(KeyRow(**dict(zip(KEY_COLUMNS, key, strict=True))) for key in keys)
    return ResellerRow(**values, keys=held)


def reseller_values(row: ResellerRow) -> list[Any]:
    """Return a reseller's values for RESELLER_COLUMNS."""
    values = {name: getattr(row, name) for name in RESELLER_COLUMNS}
    for name in ("callback_hosts", "allow_ips"):
        values[name] = json.dumps(list(values[name]))
    return list(values.values())
