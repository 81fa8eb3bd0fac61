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
from gateway.clients.exchange import Exchanges, MayLeave, Place, Times, TooLate, at_any_time
from gateway.clients.wire import Answer, ConnectionDropped, NotHttp
from gateway.protocol.upstream import Call, Reply, masked

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
    """The request provably never left (contract T3).

    Name look-up, connect or TLS failed, or it may not leave any more.
    """


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
        self.heard = Heard()
        self._loop = asyncio.get_running_loop()
        self._exchanges = Exchanges(
            aiohttp.TCPConnector(limit=0),
            Times(connect_s, timeout_s),
            keepalive_s=_KEEPALIVE_S,
        )
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

    async def send(
        self,
        call: Call,
        *,
        secrets: tuple[str, ...] = (),
        may_leave: MayLeave = at_any_time,
    ) -> Reply:
        """Send one request, once.

        Args:
            call: what is asked.
            secrets: what the answer is told without, should it repeat the request.
            may_leave: asked in the very step that writes the first byte.

        Raises:
            Unsent: nothing left this machine.
            NoAnswer: something may have left, and no whole answer came.
        """
        began_at = self._loop.time()
        try:
            reply = await self._send(call, secrets, may_leave)
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

    async def _send(self, call: Call, secrets: tuple[str, ...], may_leave: MayLeave) -> Reply:
        headers = {} if call.authorization is None else {"Authorization": call.authorization}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        request = self._place.ask(call.method, self._prefix + call.path, headers, call.body)
        try:
            answer = await self._exchanges.carry(
                self._place, request, limit=call.limit_bytes, may_leave=may_leave
            )
            if answer.broke is not None:
                raise answer.broke
        except aiohttp.ConnectionTimeoutError:
            raise Unsent("no connection in time") from None
        except TooLate:
            raise Unsent("its time was over before it left") from None
        except aiohttp.ClientConnectorError as error:
            raise Unsent(_reason(error)) from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(_reason(error)) from None
        return _reply(answer, secrets)

    async def close(self) -> None:
        """Close every connection."""
        await self._exchanges.close()


def _reply(answer: Answer, secrets: tuple[str, ...]) -> Reply:
    return Reply(
        status=answer.status,
        content_type=answer.content_type.partition(";")[0].strip().lower(),
        body=masked(answer.body, secrets) if answer.is_whole else None,
        secrets=secrets,
    )


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
