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
    return [
        *(Problem(key, text) for key, text in mistakes()),
        *(Problem(key) for key in _unwise(settings)),
    ]


def _unwise(settings: Settings) -> Iterable[str]:
    """Yield keys whose values are for tests, or leave a door open; the pages say why."""
    if settings.delivery.allow_private:
        yield "delivery.allow_private"
    if not settings.upstream.callback_ips:
        yield "upstream.callback_ips"
    if settings.server.public_url.startswith("http://"):
        yield "server.public_url"
    if settings.upstream.base_url.startswith("http://"):
        yield "upstream.base_url"
    if not _is_local(settings.admin.address[0]):
        yield "admin.listen"
    if not (settings.alert.telegram_chat or settings.alert.webhook_url):
        yield "alert.telegram_chat"


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
