"""The upstream's client: kept-alive connections, one request a call, and no guess about failures.

It knows how to carry a request and what a broken call proves about it having left; what an answer
means is `protocol.upstream`, what follows from it `domain.truth`.
"""

from typing import Final

import aiohttp
from yarl import URL

from gateway import __version__
from gateway.clients.exchange import (
    ConnectionDropped,
    Exchange,
    Head,
    MayLeave,
    NotHttp,
    Place,
    TooLate,
    at_any_time,
)
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
    """The request provably never left (contract T3).

    Name look-up, connect or TLS failed, or it may not leave any more.
    """


class NoAnswer(CallError):  # noqa: N818  the name says what is known
    """The request may have arrived, and no whole answer came back (contract T5)."""


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
        headers = {} if call.authorization is None else {"Authorization": call.authorization}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        request = self._place.ask(call.method, self._prefix + call.path, headers, call.body)
        try:
            async with Exchange(
                self._connector,
                self._place,
                connect_s=self._connect_s,
                total_s=self._timeout_s,
                may_leave=may_leave,
            ) as exchange:
                head = await exchange.send(request, limit=MAX_BODY_BYTES)
                return await _read(head, secrets, call.limit_bytes)
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
