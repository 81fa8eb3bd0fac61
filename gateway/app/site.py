"""What the dashboard is told of its gateway: fills in `web.dashboard.site`."""

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from gateway import metrics
from gateway.clients.upstream import UpstreamClient
from gateway.clock import Clock
from gateway.config import Settings
from gateway.domain.backoff import MS_PER_S
from gateway.flow.relay import Relay
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Submission
from gateway.web.dashboard.site import Problem, Queues, Upstream

Mistakes = Callable[[], Iterable[tuple[str, str]]]


def problems(settings: Settings, mistakes: Mistakes) -> list[Problem]:
    """Return what is wrong with the files of a configuration, and what is unwise in its values."""
    found = [Problem(key, text, is_mistake=True) for key, text in mistakes()]
    return [*found, *(Problem(key, text, is_mistake=False) for key, text in _unwise(settings))]


def _unwise(settings: Settings) -> Iterable[tuple[str, str]]:
    """Yield keys whose values are for tests, or leave a door open."""
    if settings.delivery.allow_private:
        yield "delivery.allow_private", "callbacks reach private addresses: for tests only"
    if not settings.upstream.callback_ips:
        yield "upstream.callback_ips", "empty: callbacks are taken from any address"
    if settings.server.public_url.startswith("http://"):
        yield "server.public_url", "without TLS everybody on the way reads keys and links"
    if settings.upstream.base_url.startswith("http://"):
        yield "upstream.base_url", "without TLS everybody on the way reads upstream keys"
    if not _is_local(settings.admin.address[0]):
        yield "admin.listen", "the dashboard listens beyond this machine: put TLS in front of it"
    if not (settings.alert.telegram_chat or settings.alert.webhook_url):
        yield "alert.telegram_chat", "nobody is told of alerts: neither Telegram nor a webhook"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def queues(settlement: Settlement, submission: Submission, relay: Relay) -> Queues:
    """Return how many are on their way."""
    return Queues(
        open_orders=settlement.open_orders,
        sending=len(submission.in_flight),
        waiting=len(submission.turns),
        deliveries=relay.in_flight,
    )


def upstream(base_url: str, client: UpstreamClient, clock: Clock) -> Upstream:
    """Return how the upstream has answered of late."""
    heard, now = client.heard, asyncio.get_running_loop().time()
    at = heard.answered_at
    return Upstream(
        base_url=base_url,
        answered_at=None if at is None else clock() - round((now - at) * MS_PER_S),
        failures=heard.failures,
        latency_ms=metrics.UPSTREAM_LATENCY.mean_ms,
    )
