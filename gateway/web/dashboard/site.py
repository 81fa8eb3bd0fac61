"""What pages are told of the gateway that they belong to, beside its journal and its desk.

Values and functions that `app` puts together: pages read no configuration.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.flow.catalog import Catalog
from gateway.flow.links import Links

_RESOLVE_S: Final = 2.0  # a page does not wait longer for a name


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, or unwise, in the configuration.

    Attributes:
        key: whose value.
        text: why `check-config` refuses it; empty where it is unwise alone.
    """

    key: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """How many orders and deliveries are on their way in this process.

    Attributes:
        open_orders: that the upstream has not decided.
        sending: orders whose send is under way.
        waiting: orders that wait for their turn.
        deliveries: attempts under way.
    """

    open_orders: int
    sending: int
    waiting: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How the upstream has answered of late.

    Attributes:
        base_url: where it is.
        answered_at: when it last answered at all, Unix milliseconds, or None.
        failures: calls since then that brought no answer.
        latency_ms: the mean of its answers since the start, or None.
    """

    base_url: str
    answered_at: int | None = None
    failures: int = 0
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The gateway, as pages see it.

    Attributes:
        public_url: where panels reach it, without a slash at the end.
        version: of this gateway.
        started_at: when this process built it, Unix milliseconds.
        catalog: the upstream's lists.
        links: those that show a reseller its own.
        problems: looks at the configuration and its files; waits for the disk.
        queues: what is on its way.
        upstream: how the upstream answers.
    """

    public_url: str
    version: str
    started_at: int
    catalog: Catalog
    links: Links
    problems: Callable[[], list[Problem]]
    queues: Callable[[], Queues]
    upstream: Callable[[], Upstream]

    async def addresses(self) -> tuple[str, ...]:
        """Return the addresses behind the gateway's own name: where its callbacks come from."""
        host = urlsplit(self.public_url).hostname or ""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError, UnicodeError):
            async with asyncio.timeout(_RESOLVE_S):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                return tuple(sorted({str(entry[4][0]) for entry in found}))
        return ()
