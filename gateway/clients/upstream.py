"""The upstream's client: kept-alive connections, one request a call, and no guess about failures.

It knows how to carry a request and what a broken call proves about it having left; what an answer
means is `protocol.upstream`, what follows from it `domain.truth`.
"""

import asyncio
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from gateway import __version__, metrics
from gateway.clients.exchange import ConnectionDropped, Exchange, Head, NotHttp, Place
from gateway.protocol.upstream import MAX_BODY_BYTES, Call, Reply, masked

# Shorter than any server's own patience (the document's server says `Keep-Alive: timeout=72`), so
# that we rarely send into a connection that is just being closed and then know nothing.
_KEEPALIVE_S: Final = 30
_HEADERS = {"User-Agent": f"otomax-gateway/{__version__}", "Accept-Encoding": "identity"}


class CallError(Exception):
    """A call that brought no answer; `reason` is one short line without secrets."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unsent(CallError):  # noqa: N818  the name says what is known
    """The request provably never left: name look-up, connect or TLS failed (contract T3)."""


class NoAnswer(CallError):  # noqa: N818  the name says what is known
    """The request may have arrived, and no whole answer came back (contract T5)."""


class Heard:
    """What was heard of the upstream lately, in the loop's seconds.

    Attributes:
        answered_at: when it last answered, and not with an error of its own (5xx).
        failing_since: when the first call after that failed; None where none did.
        failures: how many did since.
    """

    def __init__(self) -> None:
        self.answered_at: float | None = None
        self.failing_since: float | None = None
        self.failures = 0

    def answer(self, now: float) -> None:
        """Take note of an answer."""
        self.answered_at = now
        self.failing_since = None
        self.failures = 0

    def failure(self, now: float) -> None:
        """Take note of a call that brought none."""
        if self.failing_since is None:
            self.failing_since = now
        self.failures += 1


class UpstreamClient:
    """Carries requests to the upstream. To be made inside a running loop.

    Args:
        base_url: scheme, host, and path prefix, without a trailing slash.
        timeout_s: one call, from first byte to last.
        connect_s: the part of it that making a connection may take.
    """

    def __init__(self, base_url: str, *, timeout_s: float, connect_s: float) -> None:
        base = URL(base_url, encoded=True)
        self._prefix = base.raw_path.rstrip("/")
        self._timeout_s = timeout_s
        self._connect_s = connect_s
        self.heard = Heard()
        self._loop = asyncio.get_running_loop()
        self._connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S)
        self._place = Place(base, _HEADERS)

    async def get(
        self, path: str, *, authorization: str | None = None, secrets: tuple[str, ...] = ()
    ) -> Reply:
        """Send one GET, once.

        Args:
            path: path and query, encoded as they go out.
            authorization: the upstream key, where the route wants it in a header.
            secrets: what the answer is told without, should it repeat the request.

        Raises:
            Unsent: nothing left this machine.
            NoAnswer: something may have left, and no whole answer came.
        """
        return await self.send(Call("GET", path, authorization), secrets=secrets)

    async def send(self, call: Call, *, secrets: tuple[str, ...] = ()) -> Reply:
        """Send one request, once.

        Args:
            call: what is asked.
            secrets: what the answer is told without, should it repeat the request.

        Raises:
            Unsent: nothing left this machine.
            NoAnswer: something may have left, and no whole answer came.
        """
        began_at = self._loop.time()
        try:
            reply = await self._send(call, secrets)
        except CallError as error:
            self.heard.failure(self._loop.time())
            metrics.upstream_call("unsent" if isinstance(error, Unsent) else "no_answer").inc()
            raise
        now = self._loop.time()
        if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self.heard.answer(now)
            metrics.upstream_call("answered").inc()
        else:
            self.heard.failure(now)
            metrics.upstream_call("server_error").inc()
        metrics.UPSTREAM_LATENCY.observe(now - began_at)
        return reply

    async def _send(self, call: Call, secrets: tuple[str, ...]) -> Reply:
        headers = {} if call.authorization is None else {"Authorization": call.authorization}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        request = self._place.ask(call.method, self._prefix + call.path, headers, call.body)
        try:
            async with Exchange(
                self._connector, self._place, connect_s=self._connect_s, total_s=self._timeout_s
            ) as exchange:
                head = await exchange.send(request, limit=MAX_BODY_BYTES)
                return await _read(head, secrets, call.limit_bytes)
        except aiohttp.ConnectionTimeoutError:
            raise Unsent("no connection in time") from None
        except aiohttp.ClientConnectorError as error:
            raise Unsent(_reason(error)) from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(_reason(error)) from None

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()


async def _read(head: Head, secrets: tuple[str, ...], limit: int) -> Reply:
    """Read at most `limit` bytes; a longer answer is cut off with its connection."""
    body = await head.body.readany()
    if not head.body.at_eof():
        body = await _whole(head, body, limit)
    kind = head.headers.get("Content-Type", "")
    return Reply(
        status=head.status,
        content_type=kind.partition(";")[0].strip().lower(),
        body=masked(body, secrets) if len(body) <= limit else None,
        secrets=secrets,
    )


async def _whole(head: Head, begun: bytes, limit: int) -> bytes:
    """Return a body of which this is the beginning; more than `limit` bytes where it is longer."""
    body = bytearray(begun)  # adding bytes to bytes copies all of a long one with each piece
    while not head.body.at_eof() and len(body) <= limit:
        body += await head.body.readany()
    return bytes(body)


def _reason(error: Exception) -> str:
    """Say what broke, without aiohttp's text: that may hold the address, and so the key."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the upstream's name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the upstream's certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"connect failed: {error.os_error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, ConnectionDropped):
        return f"the {error}"
    if isinstance(error, NotHttp):
        return str(error)
    return type(error).__name__
