"""What is counted, for `/metrics`. Labels are few, and never a stranger's text."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

_REGISTRY = CollectorRegistry()

requests = Counter(
    "otomax_gateway_requests",
    "Requests that were answered, by route and by the HTTP status of the answer.",
    ["route", "http_status"],
    registry=_REGISTRY,
)
settlements = Counter(
    "otomax_gateway_settlements",
    "Evidence that was applied to orders, by where it came from and the order's status after it.",
    ["source", "status"],
    registry=_REGISTRY,
)
callbacks = Counter(
    "otomax_gateway_callbacks",
    "Callbacks that came, by what became of them: stored, kept for an order that is not known "
    "yet, or refused by address, token or signature.",
    ["outcome"],
    registry=_REGISTRY,
)
keys_refused = Counter(
    "otomax_gateway_keys_refused",
    "Requests with a key that is nobody's.",
    registry=_REGISTRY,
)
connections_refused = Counter(
    "otomax_gateway_connections_refused",
    "Connections that were cut off: there were too many in all, or of one address; nothing was "
    "said, a request was not finished, or an answer not taken.",
    ["reason"],
    registry=_REGISTRY,
)
connections = Gauge(
    "otomax_gateway_connections",
    "Open connections, by listener.",
    ["listener"],
    registry=_REGISTRY,
)
deliveries = Counter(
    "otomax_gateway_deliveries",
    "Attempts to tell a reseller, by whether it took the message.",
    ["outcome"],
    registry=_REGISTRY,
)
alerts = Counter(
    "otomax_gateway_alerts",
    "Alerts that were raised, by what they are about.",
    ["kind"],
    registry=_REGISTRY,
)
journal_bytes = Gauge(
    "otomax_gateway_journal_bytes",
    "How large the journal's file is.",
    registry=_REGISTRY,
)
journal_log_bytes = Gauge(
    "otomax_gateway_journal_log_bytes",
    "How large the journal's write-ahead log is, the file -wal beside it.",
    registry=_REGISTRY,
)
open_orders = Gauge(
    "otomax_gateway_open_orders",
    "Orders that the upstream has not decided yet.",
    registry=_REGISTRY,
)


@cache
def request(route: str, http_status: int) -> Counter:
    """Return the counter of one route's answers; finding it by its labels costs 1 µs each time."""
    return requests.labels(route, http_status)


@cache
def settlement(source: str, status: str) -> Counter:
    """Return the counter of one kind of evidence."""
    return settlements.labels(source, status)


@cache
def delivery(outcome: str) -> Counter:
    """Return the counter of one outcome of attempts."""
    return deliveries.labels(outcome)


@cache
def alert(kind: str) -> Counter:
    """Return the counter of one kind of alert."""
    return alerts.labels(kind)


def exposition() -> bytes:
    """Return everything that is counted, in Prometheus' text format 0.0.4."""
    return generate_latest(_REGISTRY)
