"""The door of a listener: how many may come in, and how long they may say nothing or hear nothing.

aiohttp bounds a request's bytes and a kept connection's idle time. What it leaves open is here: a
connection that says nothing, a request that never comes to its end, an answer that nobody takes,
and the number of them all, which must leave descriptors for the journal, the upstream and the
deliveries. Times are looked at once a second, all connections at once, so that a request pays for
setting a number and no more. Nothing here knows HTTP.
"""

import asyncio
import contextlib
import math
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from gateway import metrics
from gateway.log import get_logger
from gateway.web.households import Address, household, peer_address

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
_MINUTE_S = 60.0
MAX_DESCRIPTORS = 65_536  # what the service's unit asks for; beyond it memory ends first


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may do.

    Attributes:
        connections: how many there are at most.
        each: and of one household.
        silent_s: a new one has said something by then. A panel opens one to ask at once; a proxy
            that opens some in advance opens them anew.
        head_s: from a request's first byte on, its head is whole by then; it is one packet.
        idle_s: after an answer, the next request has begun by then. Longer than any proxy in front
            keeps its own connections (nginx: 60 s), so that it never sends into a closing one.
        unread_s: an answer that does not fit into the system's buffers is being taken by then.
    """

    connections: int = 10_000
    each: int = 256
    silent_s: float = 15.0
    head_s: float = 10.0
    idle_s: float = 75.0
    unread_s: float = 20.0


class Guest:
    """What the door knows of one connection.

    Attributes:
        says_by: when it has to have said what it began to say; infinity while it owes nothing.
        idle_by: when it is closed unless it says something more; infinity before its
            first answer, while one is made, and where aiohttp looks at it.
        takes_by: when it has to have taken what it was answered.
        is_new: it never said anything.
    """

    __slots__ = ("home", "idle_by", "is_closing", "is_new", "says_by", "takes_by", "transport")

    def __init__(
        self, transport: asyncio.Transport, home: str | None = None, says_by: float = math.inf
    ) -> None:
        self.transport = transport
        self.home = home
        self.says_by = says_by
        self.idle_by = math.inf
        self.takes_by = math.inf
        self.is_new = True
        self.is_closing = False


class Door:
    """Lets connections in, and cuts off those that keep a place for nothing.

    Args:
        name: of the listener, for `/metrics`.
        limits: what they may do.
        is_exempt: whether an address is not bounded by itself: our own proxies bring everybody's
            requests, and who is on this machine needs no door.
        clock: seconds that never jump.
    """

    def __init__(
        self,
        name: str = "public",
        limits: Limits | None = None,
        is_exempt: Callable[[Address], bool] = attrgetter("is_loopback"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self._is_exempt = is_exempt
        self._guests: dict[Guest, None] = {}
        self._new: dict[Guest, None] = {}
        self._homes: Counter[str] = Counter()
        self._gauge = metrics.connections.labels(name)
        self._told_at: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.now = clock

    @property
    def open_now(self) -> int:
        """How many are in."""
        return len(self._guests)

    def begin(self) -> None:
        """Begin to look at the times, once a second."""
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_again)

    def end(self) -> None:
        """Look at them no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def let_in(self, transport: asyncio.Transport) -> Guest | None:
        """Take a new connection in; None where there is no place: it is closed.

        Where the house is full, the one that has said nothing for the longest time makes room:
        whoever holds thousands open without a word keeps nobody out.
        """
        address = peer_address(transport.get_extra_info("peername"))
        home = None if address is None or self._is_exempt(address) else household(address)
        if home is not None and self._homes[home] >= self.limits.each:
            self._turn_away(transport, "address")
            return None
        if len(self._guests) >= self.limits.connections:
            if not self._new:
                self._turn_away(transport, "full")
                return None
            self._cut_off(next(iter(self._new)), "full")
        guest = Guest(transport, home, self.now() + self.limits.silent_s)
        self._guests[guest] = self._new[guest] = None
        if home is not None:
            self._homes[home] += 1
        self._gauge.set(len(self._guests))
        return guest

    def heard(self, guest: Guest) -> None:
        """Note that a request has begun: its end has to come in time."""
        self._know(guest)
        guest.says_by, guest.idle_by = self.now() + self.limits.head_s, math.inf

    def asked(self, guest: Guest) -> None:
        """Note that a whole request came, and is being answered."""
        self._know(guest)
        guest.says_by = guest.idle_by = math.inf

    def answered(self, guest: Guest) -> None:
        """Note that the answer is there; another request may come."""
        guest.idle_by = self.now() + self.limits.idle_s

    def unread(self, guest: Guest) -> None:
        """Note that the system takes no more of what was answered: it has to be taken in time."""
        guest.takes_by = self.now() + self.limits.unread_s

    def taken(self, guest: Guest) -> None:
        """Note that it is being taken."""
        guest.takes_by = math.inf

    def _know(self, guest: Guest) -> None:
        if guest.is_new:
            guest.is_new = False
            self._new.pop(guest, None)

    def see_off(self, guest: Guest) -> None:
        """Note that a connection is closed."""
        if guest not in self._guests:
            return
        del self._guests[guest]
        self._new.pop(guest, None)
        if guest.home is not None:
            self._homes[guest.home] -= 1
            if not self._homes[guest.home]:
                del self._homes[guest.home]
        self._gauge.set(len(self._guests))

    def look(self) -> None:
        """Cut off whose time is over."""
        now = self.now()
        for guest in list(self._guests):
            if guest.transport.is_closing() and not guest.is_closing:
                # Closed by us, with something left to send: it is there until that is taken.
                guest.is_closing = True
                guest.takes_by = min(guest.takes_by, now + self.limits.unread_s)
            if guest.takes_by <= now:
                self._cut_off(guest, "unread")
            elif guest.says_by <= now:
                self._cut_off(guest, "silent" if guest.is_new else "unfinished")
            elif guest.idle_by <= now:
                guest.transport.close()

    def _look_again(self) -> None:
        self.look()
        self.begin()

    def _turn_away(self, transport: asyncio.Transport, reason: str) -> None:
        self._tell(reason, transport)
        transport.abort()

    def _cut_off(self, guest: Guest, reason: str) -> None:
        self._tell(reason, guest.transport)
        self.see_off(guest)
        guest.transport.abort()

    def _tell(self, reason: str, transport: asyncio.Transport) -> None:
        """Count it; log the first of its kind in a minute: a flood must not fill the disk."""
        metrics.connections_refused.labels(reason).inc()
        now = self.now()
        if now - self._told_at.get(reason, -math.inf) >= _MINUTE_S:
            self._told_at[reason] = now
            address = peer_address(transport.get_extra_info("peername"))
            log.warning(
                "connection.refused", reason=reason, address=str(address), open=len(self._guests)
            )


def descriptors() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def raise_descriptors() -> None:
    """Let this process open as many files as it may, up to `MAX_DESCRIPTORS`.

    The soft limit is 1,024 almost everywhere, for the sake of programs that use `select`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if descriptors() < wanted:
        with contextlib.suppress(
            OSError, ValueError
        ):  # a sandbox may forbid it: then fewer come in
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def places(descriptors: int, others: int, wanted: int) -> int:
    """Return how many connections may come in.

    Args:
        descriptors: files that this process may have open.
        others: what everything else needs of them at most.
        wanted: how many are to come in where there are enough.

    Returns:
        At least half of the descriptors: a limit so low that this leaves too few for the rest is
        the operator's to raise, and panels are what the gateway is for.
    """
    return min(wanted, max(descriptors - others, descriptors // 2))
