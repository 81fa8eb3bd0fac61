"""Orders, deliveries and alerts as plain data, for `--json` and the control socket."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict

from gateway.domain.alert import KINDS, Alert
from gateway.domain.backoff import MS_PER_S
from gateway.domain.delivery import Delivery
from gateway.domain.order import Order


def when(at: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, or None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / MS_PER_S, UTC).isoformat(timespec="milliseconds")


def shown_order(order: Order) -> dict[str, Any]:
    """Return an order as plain data."""
    shown = asdict(order)
    shown["status"] = order.status.value
    for name in _TIMES & shown.keys():
        shown[name] = when(shown[name])
    return {"upstream_trx_id": order.upstream_trx_id, **shown}


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as plain data."""
    shown = asdict(delivery)
    shown.update(asdict(shown.pop("message")))
    shown["state"] = delivery.state.value
    for name in _TIMES & shown.keys():
        shown[name] = when(shown[name])
    return shown


def shown_alert(alert: Alert) -> dict[str, Any]:
    """Return an alert as plain data."""
    shown = asdict(alert)
    shown.update(kind=alert.kind.value, severity=KINDS[alert.kind].severity.value)
    for name in _TIMES & shown.keys():
        shown[name] = when(shown[name])
    return shown


_TIMES = frozenset(
    {
        "first_sent_at",
        "send_ended_at",
        "ask_since",
        "looked_up_at",
        "due_at",
        "placed_at",
        "final_at",
        "next_at",
        "created_at",
        "done_at",
        "raised_at",
        "acked_at",
        "ended_at",
    }
)
