"""What is counted, for `/metrics`. Labels are few, and never a stranger's text."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

_REGISTRY = CollectorRegistry()


class Latency(Collector):
    """A histogram of seconds that costs an observation 0.3 µs, where the library's costs 2.5.

    To be filled by one thread, the event loop's.
    """

    def __init__(self, name: str, about: str, bounds_s: tuple[float, ...]) -> None:
        self._name = name
        self._about = about
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Give what was counted."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds_s, "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((str(bound), float(total)))
        yield HistogramMetricFamily(
            self._name, self._about, buckets=buckets, sum_value=self._sum_s
        )


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
notices = Counter(
    "otomax_gateway_notices",
    "Messages to the operator about alerts, by channel and what became of them: sent, failed (and "
    "tried again), or given up.",
    ["channel", "outcome"],
    registry=_REGISTRY,
)
upstream_calls = Counter(
    "otomax_gateway_upstream_calls",
    "Calls of the upstream, by what came of them: answered, server_error (HTTP 5xx), unsent (no "
    "connection was made), no_answer.",
    ["outcome"],
    registry=_REGISTRY,
)
# A reply on a good day takes 0.1 to 0.5 s, so it is finest there; a panel gives up after some 15,
# and 60 is `upstream.timeout_s` as it comes.
UPSTREAM_LATENCY = Latency(
    "otomax_gateway_upstream_seconds",
    "How long the upstream took to answer a call, seconds.",
    (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0),
)
_REGISTRY.register(UPSTREAM_LATENCY)
alerts_open = Gauge(
    "otomax_gateway_alerts_open",
    "Alerts that are not over, and that nobody has taken note of, by what they are about.",
    ["kind"],
    registry=_REGISTRY,
)
saldo = Gauge(
    "otomax_gateway_saldo_rupiah",
    "The balance last seen under an upstream key, Rupiah, by the hint of the key; of the first "
    "200 keys under which somebody buys.",
    ["key"],
    registry=_REGISTRY,
)
saldo_hours = Gauge(
    "otomax_gateway_saldo_hours_left",
    "In how many hours that balance is empty at the pace of the last day; absent where that is "
    "not known.",
    ["key"],
    registry=_REGISTRY,
)
deliveries_due = Gauge(
    "otomax_gateway_deliveries_due",
    "Deliveries that wait for an attempt, now or later.",
    registry=_REGISTRY,
)
deliveries_dead = Gauge(
    "otomax_gateway_deliveries_dead",
    "Deliveries that were given up, and not sent again by hand since.",
    registry=_REGISTRY,
)
oldest_due_delivery = Gauge(
    "otomax_gateway_oldest_due_delivery_age_seconds",
    "How long ago the oldest delivery was made that still waits, seconds; 0 where none does.",
    registry=_REGISTRY,
)
oldest_open_order = Gauge(
    "otomax_gateway_oldest_open_order_age_seconds",
    "How long ago the oldest order was placed that is still open, seconds; 0 where none is.",
    registry=_REGISTRY,
)
backup_age = Gauge(
    "otomax_gateway_backup_age_seconds",
    "How long ago the last good backup was made, seconds; +Inf where there never was one.",
    registry=_REGISTRY,
)
disk_free = Gauge(
    "otomax_gateway_disk_free_bytes",
    "How much room is left on the journal's disk.",
    registry=_REGISTRY,
)
loop_lag = Gauge(
    "otomax_gateway_loop_lag_seconds",
    "The longest that the event loop let a timer wait in the last minute, seconds.",
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


@cache
def notice(channel: str, outcome: str) -> Counter:
    """Return the counter of one outcome of messages on a channel."""
    return notices.labels(channel, outcome)


@cache
def upstream_call(outcome: str) -> Counter:
    """Return the counter of one outcome of calls."""
    return upstream_calls.labels(outcome)


def exposition() -> bytes:
    """Return everything that is counted, in Prometheus' text format 0.0.4."""
    return generate_latest(_REGISTRY)
