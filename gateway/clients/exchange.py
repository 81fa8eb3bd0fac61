"""One exchange: a request's bytes go out once, on one connection, and the answer comes back.

aiohttp's session is left out: it sends an idempotent request (every GET) a second time, unasked,
when a kept-alive connection drops (aio-libs/aiohttp#10790). For an order that would be a second
purchase. Here nothing can be sent twice, because it is written in one place, once.

Nothing but that, its time, and which connections are kept may live here: no redirects, no cookies,
no proxies. The upstream's client, the resellers' and that of notices share it.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import aiohttp
from yarl import URL

from gateway.clients.wire import Answer, Wire

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NO_TARGET = re.compile(r"[\x00-\x20\x7f]")
_NO_VALUE = re.compile(r"[\x00\r\n]")
_NEVER_ROUNDED_S = 1e9  # aiohttp makes whole seconds of times over 5 s


class TooLate(aiohttp.ClientError):
    """The request may not leave any more, and not one byte of it did."""


MayLeave = Callable[[], bool]
"""Whether a request may leave at this very instant."""


def at_any_time() -> bool:
    """Let a request leave whenever it is ready."""
    return True


def is_target(text: str) -> bool:
    """Whether nothing in it would end a request's target, and begin something else.

    An address has some 300 characters, all of them ASCII: two looks take 0.2 µs, the expression 3.
    """
    if text.isascii():
        return text.isprintable() and " " not in text
    return _NO_TARGET.search(text) is None


class Place:
    """Where requests go, and what each of them says of itself. To be made inside a running loop.

    Args:
        url: any address of the place; path and query are not looked at.
        headers: of every request there, besides Host.

    Raises:
        aiohttp.InvalidURL: the host is none that can be connected to.
    """

    def __init__(self, url: URL, headers: Mapping[str, str]) -> None:
        # What the connector asks about a request; it is never sent.
        self.request = aiohttp.ClientRequest("GET", url.origin())
        self.origin = str(url.origin())
        named = {"Host": self.request.headers["Host"], "Accept": "*/*", **headers}
        self._headers = "".join(map(_header, named.items()))

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
    ) -> bytes:
        """Write a request.

        Args:
            method: as it goes out.
            target: path and query, encoded as they go out.
            headers: what this one says besides.
            body: what follows the head.

        Raises:
            ValueError: the target or a header would end its line, and begin another.
        """
        if not is_target(target):
            raise ValueError("a request's target holds a space or a control character")
        head = f"{method} {target} HTTP/1.1\r\n{self._headers}"
        if headers:
            head += "".join(map(_header, headers.items()))
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + (body or b"")


class Times(NamedTuple):
    """How long an exchange may take, seconds.

    Attributes:
        connect_s: making a connection, the look-up of the name included.
        total_s: everything.
    """

    connect_s: float
    total_s: float


@cache
def _connect_within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, ceil_threshold=_NEVER_ROUNDED_S)


def _header(named: tuple[str, str]) -> str:
    name, value = named
    if _NO_VALUE.search(value):
        raise ValueError(f"the header {name} holds a line break")
    return f"{name}: {value}\r\n"


class Exchanges:
    """Carries requests, and keeps the connections. To be made inside a running loop.

    Args:
        connector: makes the connections; closed with this. It must have no limit of its own, for a
            kept connection counts as one in use there.
        times: how long an exchange may take; may be set anew.
        keepalive_s: how long a connection is kept for the next request.
    """

    def __init__(
        self, connector: aiohttp.BaseConnector, times: Times, *, keepalive_s: float
    ) -> None:
        self._connector = connector
        self.times = times
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._idle: dict[str, list[Wire]] = {}  # by origin; who came back last goes first
        self._under_way: set[Wire] = set()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is carried any more."""
        return self._connector.closed

    async def carry(
        self, place: Place, request: bytes, *, limit: int, may_leave: MayLeave = at_any_time
    ) -> Answer:
        """Write a request, once, and wait for its answer.

        Args:
            place: where to.
            request: request line, headers and body, as they go out.
            limit: how much of the answer's body is read, bytes.
            may_leave: asked in the step that writes: a process may be stopped anywhere before it,
                for ten minutes, and what it wanted to do may be another's by then.

        Returns:
            The answer, also one that broke off in its body.

        Raises:
            aiohttp.ClientConnectorError: no connection; nothing was sent.
            aiohttp.ConnectionTimeoutError: not in time; nothing was sent.
            TooLate: it may not leave any more; nothing was sent.
            ConnectionDropped: the connection ended before an answer, a new one perhaps before the
                request; or we end ourselves.
            NotHttp: what came is no answer, or came before the request.
            TimeoutError: no answer in time.
        """
        until = self._loop.time() + self.times.total_s
        wire = self._take(place.origin) or await self._open(place)
        if not may_leave():
            self._keep(place.origin, wire)
            raise TooLate
        # A timer of its own: `asyncio.timeout` takes 5.5 µs, 3 % of a delivery.
        timer = self._loop.call_at(until, wire.end)
        self._under_way.add(wire)
        try:
            answer = await wire.ask(request, limit)
        except BaseException:
            wire.close()
            raise
        finally:
            timer.cancel()
            self._under_way.discard(wire)
        if answer.is_whole and wire.rest():
            self._keep(place.origin, wire)
        else:
            wire.close()
        return answer

    async def _open(self, place: Place) -> Wire:
        timeout = _connect_within(self.times.connect_s)
        try:
            connection = await self._connector.connect(place.request, [], timeout)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        try:
            return Wire(connection)
        except aiohttp.ClientError:
            connection.close()
            raise

    def _take(self, origin: str) -> Wire | None:
        """Return a kept connection, or None where there is none that may still be used."""
        kept = self._idle.get(origin)
        oldest = self._loop.time() - self._keepalive_s
        while kept:
            wire = kept.pop()
            if wire.is_open and wire.idle_since > oldest:
                return wire
            wire.close()
        return None

    def _keep(self, origin: str, wire: Wire) -> None:
        wire.idle_since = self._loop.time()
        self._idle.setdefault(origin, []).append(wire)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._keepalive_s, self._close_old)

    def _close_old(self) -> None:
        """Close what nobody needed for long."""
        oldest = self._loop.time() - self._keepalive_s
        for origin, kept in list(self._idle.items()):
            old = [wire for wire in kept if wire.idle_since <= oldest]
            for wire in old:
                wire.close()
            kept[:] = [wire for wire in kept if wire.idle_since > oldest]
            if not kept:
                del self._idle[origin]
        self._sweep = None
        if self._idle:
            self._sweep = self._loop.call_later(self._keepalive_s, self._close_old)

    async def close(self) -> None:
        """Close every connection; what comes on one under way is not the whole."""
        for wire in self._under_way:
            wire.give_up()
        if self._sweep is not None:
            self._sweep.cancel()
        await self._connector.close()  # waits until they are closed
        for kept in self._idle.values():
            for wire in kept:
                wire.close()
        self._idle.clear()
