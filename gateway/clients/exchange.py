"""One exchange: a request's bytes go out once, on one connection, and the answer comes back.

aiohttp's connector makes and keeps the connections, and aiohttp's parser reads the answers; its
session is left out. A session sends an idempotent request (every GET) a second time, unasked, when
a kept-alive connection drops (aio-libs/aiohttp#10790): for an order that would be a second
purchase. Here nothing can be sent twice, because it is written in one place, once. It also
takes 47 µs of CPU a call where a bare session takes 83 (measured side by side), of some 300 that
an order takes in all.

Nothing but that and its time may live here: no redirects, no cookies, no proxies. The upstream's
client and the resellers' client share it.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NO_TARGET = re.compile(r"[\x00-\x20\x7f]")
"""What would end a request's target, and begin something else."""

_NO_VALUE = re.compile(r"[\x00\r\n]")
_NEVER_ROUNDED_S = 1e9  # aiohttp makes whole seconds of times over 5 s
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101


class ConnectionDropped(aiohttp.ClientError):
    """The connection ended after the request may have left and before its answer came.

    Whether the other side saw the request is unknown. It is never raised when no connection was
    made: those errors (`aiohttp.ClientConnectorError`) keep their type, because they prove that
    not one byte of the request left.
    """


class NotHttp(aiohttp.ClientError):
    """Something came, and it is no HTTP."""


class TooLate(aiohttp.ClientError):
    """The request may not leave any more, and not one byte of it did."""


MayLeave = Callable[[], bool]
"""Whether a request may leave at this very instant."""


def at_any_time() -> bool:
    """Let a request leave whenever it is ready."""
    return True


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
        if NO_TARGET.search(target):
            raise ValueError("a request's target holds a space or a control character")
        head = f"{method} {target} HTTP/1.1\r\n{self._headers}"
        if headers:
            head += "".join(map(_header, headers.items()))
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + (body or b"")


@cache
def _connect_within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, ceil_threshold=_NEVER_ROUNDED_S)


def _header(named: tuple[str, str]) -> str:
    name, value = named
    if _NO_VALUE.search(value):
        raise ValueError(f"the header {name} holds a line break")
    return f"{name}: {value}\r\n"


class Head(NamedTuple):
    """The head of an answer; its body is still to be read."""

    status: int
    headers: Mapping[str, str]
    body: StreamReader


class Exchange:
    """A connection for one request; to be used in `async with`, and written to once.

    Leaving it gives the connection back where the whole answer was read, and closes it otherwise.

    Args:
        connector: makes and keeps the connections.
        place: where to.
        connect_s: how long making a connection may take, the look-up of the name included.
        total_s: how long everything may take.
        may_leave: asked in the step that writes: a process may be stopped anywhere before it, for
            ten minutes, and what it wanted to do may be another's by then.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_connector",
        "_is_late",
        "_may_leave",
        "_place",
        "_timeout",
        "_timer",
        "_total_s",
    )

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        place: Place,
        *,
        connect_s: float,
        total_s: float,
        may_leave: MayLeave = at_any_time,
    ) -> None:
        self._connector = connector
        self._place = place
        self._timeout = _connect_within(connect_s)
        self._total_s = total_s
        self._may_leave = may_leave
        self._is_late = False
        self._body: StreamReader | None = None

    async def __aenter__(self) -> Self:
        """Make the connection, or take one that is kept.

        Raises:
            aiohttp.ClientConnectorError: no connection; nothing was sent.
            aiohttp.ConnectionTimeoutError: not in time; nothing was sent.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._total_s
        try:
            self._connection = await self._connect()
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        # A timer of its own: `asyncio.timeout` takes 5.5 µs, 3 % of a delivery.
        self._timer = loop.call_at(until, self._end)
        return self

    async def _connect(self) -> Connection:
        """Take a connection on which nothing lies that nobody asked for.

        The pool looks for that when a connection is given back, but not when it is taken; and an
        answer that came meanwhile would be taken for the answer to the next request.
        """
        while True:
            connection = await self._connector.connect(self._place.request, [], self._timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()

    def _end(self) -> None:
        """Cut the connection, and tell whoever waits on it.

        aiohttp's `abort` forgets the body: who reads it would never hear of it, or take what there
        is for the whole.
        """
        self._is_late = True
        protocol = self._connection.protocol
        waited_for = protocol if self._body is None else self._body
        if waited_for is not None:
            waited_for.set_exception(TimeoutError())
        if protocol is not None:
            protocol.abort()

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Keep the connection or close it; the connector knows whether all was read.

        Raises:
            TimeoutError: it took longer than it may.
        """
        self._timer.cancel()
        if kind is None:
            self._connection.release()
            return
        self._connection.close()
        if self._is_late and kind is not asyncio.CancelledError:
            raise TimeoutError from None

    async def send(self, request: bytes, *, limit: int) -> Head:
        """Write a whole request, and wait for the head of its answer.

        Args:
            request: request line, headers and body, as they go out.
            limit: how much of the body is kept in memory before it is read, bytes.

        Raises:
            ConnectionDropped: the connection ended before an answer.
            NotHttp: what came is no answer.
            TooLate: it may not leave any more; nothing was sent.
        """
        protocol = self._connection.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionDropped("connection dropped before an answer")
        protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_bufsize=limit
        )
        if not self._may_leave():
            raise TooLate
        protocol.transport.write(request)
        try:
            message, body = await _answer(protocol)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise ConnectionDropped("connection dropped before an answer") from error
        except HttpProcessingError as error:
            raise NotHttp("the answer is not HTTP") from error
        self._body = body
        return Head(message.code, message.headers, body)


async def _answer(protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
    """Return the first message that is an answer; others only say that it will take a while."""
    while True:
        message, body = await protocol.read()
        if message.code not in _INFORMATIONAL or message.code == _SWITCHING:
            return message, body
