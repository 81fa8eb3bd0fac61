"""What the configuration means in the parts' own words: rules, bounds, limits, addresses.

Pure functions of the settings, and which of the keys a reload takes over.
"""

from gateway.config import Settings
from gateway.config.keys import SECTIONS
from gateway.domain.order import Rules
from gateway.domain.schedule import WATCH_S
from gateway.flow.account import MAX_ASKING
from gateway.flow.intake import Bounds
from gateway.flow.recheck import MAX_ASKED, MAX_LOOKUPS
from gateway.flow.relay import MAX_IN_FLIGHT
from gateway.protocol.callback import host_of
from gateway.web.door import Limits, descriptors, places
from gateway.web.listener import BACKLOG

_WEEK_S = 7 * 86_400  # so late nobody misses a date that a wrong clock has set
ADMIN_CONNECTIONS = 256  # some browsers, and what looks after us
# Files that are open beside the panels' connections, at most: the operator's, those that the loop
# accepts before it looks (the backlog), the journal with its threads and its scribe, the log.
_OTHER_FILES = ADMIN_CONNECTIONS + BACKLOG + 128
_LEASE_MARGIN_S = 30.0  # a send is not taken for dead while its own process may still journal it
_CLAIM_MARGIN_S = 5.0  # for the journal, before an attempt and after it

# A listener is reached by these, whichever of them it was told to listen on.
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  compared, not bound

# What `reload` takes over; `log.*` is the command's to apply.
LIVE = frozenset(
    {
        "server.reply_timeout_s",
        "server.trusted_proxies",
        "upstream.callback_ips",
        "recheck.schedule_s",
        "recheck.settle_s",
        "recheck.expire_s",
        "delivery.schedule_s",
        "delivery.per_host",
        "limits.orders_per_s",
        "limits.max_open_orders",
        "catalog.ttl_s",
        "catalog.unknown_price",
        "catalog.history_every_s",
        *(f"alert.{key}" for key in SECTIONS["alert"].model_fields),
        "log.format",
        "log.level",
    }
)


def changed_keys(before: Settings, after: Settings) -> set[str]:
    """Return the names of the keys that differ."""
    old, new = before.model_dump(), after.model_dump()
    return {
        f"{section}.{key}"
        for section, keys in new.items()
        for key, value in keys.items()
        if old[section][key] != value
    }


def rules_of(settings: Settings) -> Rules:
    """Return the times that decide about orders."""
    upstream, storage = settings.upstream, settings.storage
    alone_s = upstream.unreachable_s + upstream.timeout_s + _LEASE_MARGIN_S
    return Rules(
        schedule_s=settings.recheck.schedule_s,
        settle_s=settings.recheck.settle_s,
        expire_s=settings.recheck.expire_s,
        lease_s=storage.lease_s if storage.is_shared else alone_s,
        call_s=upstream.timeout_s,
    )


def furthest_s(settings: Settings) -> float:
    """Return a time, seconds, beyond which nothing can be planned."""
    waits = (*settings.recheck.schedule_s, *settings.delivery.schedule_s, *WATCH_S)
    return _WEEK_S + max(waits) + settings.upstream.timeout_s


def claim_s(settings: Settings) -> float:
    """Return for how long one attempt has an order's deliveries: more than two may take."""
    return 2 * settings.delivery.timeout_s + _CLAIM_MARGIN_S


def bounds_of(settings: Settings) -> Bounds:
    """Return what is accepted at most."""
    return Bounds(
        orders_per_s=settings.limits.orders_per_s,
        max_open_orders=settings.limits.max_open_orders,
        reply_timeout_s=settings.server.reply_timeout_s,
    )


def limits_of(settings: Settings) -> Limits:
    """Return what panels' connections may do; the calls that we make keep their descriptors."""
    calls = settings.upstream.max_in_flight + MAX_LOOKUPS + MAX_ASKED + MAX_ASKING + MAX_IN_FLIGHT
    server = settings.server
    return Limits(
        connections=places(descriptors(), calls + _OTHER_FILES, server.max_connections),
        each=server.max_connections_per_address,
    )


def own_addresses(settings: Settings) -> frozenset[tuple[str, int]]:
    """Return the (host, port) pairs at which a delivery would come back to ourselves."""
    host, _, port = host_of(settings.server.public_url).rpartition(":")
    listeners = (settings.server.address, settings.admin.address)
    local = {(name, port) for _, port in listeners for name in _LOCAL_NAMES}
    return frozenset({*listeners, *local, (host, int(port))})
