"""The client of deliveries: one HTTP request to a URL that a reseller chose, and what came of it.

Both the URL and the server behind it are hostile until shown otherwise, so nothing that the other
side does gets out of here as an exception, costs more than `timeout_s` or more than 4 KiB, leads
to another place (redirects, proxies, cookies), or reaches a forbidden address (`guard`). Whether
and when to try again is not decided here; what is sent is not written here.
"""

import errno
import os
import re
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import aiohttp
import msgspec
from yarl import URL

from gateway.clients.exchange import (
    Exchanges,
    MayLeave,
    Place,
    Times,
    TooLate,
    at_any_time,
    is_target,
)
from gateway.clients.guard import NameLookup, guarded_connector
from gateway.clients.wire import ConnectionDropped, NotHttp

MAX_REPLY_BYTES = 4096
"""How much of a reply's body is read (contract, "Deliveries out"); what has more is hung up on."""

MAX_REPLY_SHOWN = 200
"""Characters of the reply that are kept: an error page's title fits, a timeline stays readable."""

_KEEPALIVE_S = 15.0  # shorter than most panels' servers keep theirs

_MAX_HOST_SHOWN = 100  # characters of a host in a reason; DNS allows 253

_SEVERAL = "Multiple exceptions: "  # how aiohappyeyeballs begins a joint error

# Scheme and authority, path and query, fragment (RFC 3986, appendix B).
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_MAX_PLACES = 1000  # hosts whose way is remembered, some 2 KiB each; beyond it all are made anew
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_OWN_HEADERS = {
    "User-Agent": "otomax-gateway",
    # Nothing is ever unpacked, so that a few kilobytes cannot become gigabytes.
    "Accept-Encoding": "identity",
}


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What one attempt to tell a reseller came to.

    Attributes:
        status: The HTTP code, or None when no answer came.
        accepted: Whether the code was 2xx, which alone ends a delivery.
        reason: One short line for the timeline; never holds the URL's path or query.
        reply: The beginning of the reply's body, at most `MAX_REPLY_SHOWN` characters, everything
            unprintable escaped as in a Python string; empty when there was none.
        elapsed_ms: From the call to its end, in milliseconds.
        made: Whether it was an attempt at all; not where it may not leave any more.
    """

    status: int | None
    accepted: bool
    reason: str
    reply: str
    elapsed_ms: int
    made: bool = True


class ResellerClient:
    """Sends deliveries; one for the whole process, built inside its running loop.

    How many calls run at a time, in all and to one host, is the caller's to limit: here a call
    would spend its own time-out waiting for its turn.

    Args:
        timeout_s: Seconds for one delivery in all, the look-up of the name included.
        allow_private: True lets deliveries go to any address: for tests and the demo.
        lookup: Looks names up; stays the caller's to close. Default: the system's resolver.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        allow_private: bool,
        lookup: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._own_lookup = NameLookup() if lookup is None else None
        self._exchanges = Exchanges(
            guarded_connector(allow_private=allow_private, resolver=lookup or self._own_lookup),
            Times(timeout_s, timeout_s),
            keepalive_s=_KEEPALIVE_S,
        )
        self._places: dict[str, Place] = {}

    async def deliver(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
        *,
        may_leave: MayLeave = at_any_time,
    ) -> Attempt:
        """Send one request, and hear what the other side says.

        It is one request on the wire at most. Nothing that the URL or the other side does raises.

        Args:
            method: `GET` or `POST`.
            url: Sent byte for byte, without its fragment: whoever made it has encoded it.
            headers: What goes out besides our own; none of the same name.
            body: Of a `POST`.
            may_leave: Asked in the very step that writes the first byte.

        Returns:
            What came of it. An answer whose body stops midway is an answer all the same.

        Raises:
            RuntimeError: The client was closed.
            asyncio.CancelledError: The caller was cancelled; the connection is closed.
        """
        if self._exchanges.is_closed:
            raise RuntimeError("the client of deliveries is closed")
        started = time.monotonic()
        status: int | None = None
        reply = b""
        reason, made = "", True
        try:
            place, target = self._way(url)
            request = place.ask(method, target, headers, body)
            answer = await self._exchanges.carry(
                place, request, limit=MAX_REPLY_BYTES, may_leave=may_leave
            )
        except Exception as error:  # noqa: BLE001 - what hostile bytes make a parser raise is open
            reason = _why(error, self._timeout_s)
            made = not isinstance(error, TooLate)
        else:
            status, reply, reason = answer.status, answer.body, _said(answer.status)
        return Attempt(
            status=status,
            accepted=status is not None and _is_success(status),
            reason=reason,
            reply=_shown(reply, headers.get("x-signature")),
            elapsed_ms=round((time.monotonic() - started) * 1000),
            made=made,
        )

    def _way(self, url: str) -> tuple[Place, str]:
        """Return the place of a URL, and what is asked for there; some hundred are kept."""
        origin, target = _parted(url)
        place = self._places.get(origin)
        if place is None:
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            place = self._places[origin] = Place(_checked(origin), _OWN_HEADERS)
        return place, target

    async def close(self) -> None:
        """Close every connection and let the look-up threads end."""
        await self._exchanges.close()
        if self._own_lookup is not None:
            await self._own_lookup.close()


class _BadUrlError(ValueError):
    """A URL that is not even tried; its text is the reason."""


def _parted(url: str) -> tuple[str, str]:
    """Cut a URL into where it leads and what is asked for there, byte for byte."""
    if not is_target(url):
        raise _BadUrlError("the URL holds a space or a control character")
    origin = _ORIGIN.match(url)
    if origin is None:
        raise _BadUrlError("the URL is not http:// or https:// with a host")
    target = url[origin.end() :].partition("#")[0]
    return origin[0], target if target.startswith("/") else f"/{target}"


def _checked(origin: str) -> URL:
    """Take a scheme and a host as they are, if they can be connected to."""
    try:
        place = URL(origin, encoded=True)
        port = place.port  # read only when it is asked for
    except ValueError as error:
        raise _BadUrlError("the URL cannot be read") from error
    if place.scheme not in {"http", "https"} or not place.raw_host or not port:
        raise _BadUrlError("the URL is not http:// or https:// with a host")
    if place.raw_user is not None or place.raw_password is not None:
        raise _BadUrlError("the URL holds a user name or a password")
    return place


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _said(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"HTTP {status}, redirects are not followed"
    return f"HTTP {status}"


def _shown(reply: bytes, signature: str | None) -> str:
    """Make bytes of a stranger safe to store and to look at; a signature is not repeated."""
    text = reply.decode("utf-8", "backslashreplace")
    return _visible(text if signature is None else text.replace(signature, "***"), MAX_REPLY_SHOWN)


def _visible(text: str, limit: int) -> str:
    """Cut a stranger's text, and escape what a terminal or a page would obey instead of show."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return "".join(shown)[:limit]


def _why(error: Exception, timeout_s: float) -> str:
    """Say in one line why no answer came, without a word of the URL but its host."""
    match error:
        case _BadUrlError() | ConnectionDropped() | NotHttp():
            return str(error)
        case aiohttp.ClientConnectorDNSError():
            return f"name {_visible(error.host, _MAX_HOST_SHOWN)} does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            return f"TLS certificate refused: {_tls_words(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed: {_tls_words(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return _connect_words(error.os_error)
        case TimeoutError():
            return f"no answer within {timeout_s:g} s"
        case aiohttp.InvalidURL():
            return "the URL's host is an odd spelling of an address and not allowed"
        case _:
            return f"no answer ({type(error).__name__})"


def _connect_words(error: OSError) -> str:
    """Turn the error of a connect into words; the system's own carry address tuples with them."""
    if error.errno not in {None, errno.EACCES}:
        return os.strerror(error.errno).lower()
    # A ForbiddenAddress, or what several addresses of a name came to, when these differ.
    # Without any words it is asyncio's, for a peer that hangs up on the TLS handshake.
    words = (error.strerror or str(error)).removeprefix(_SEVERAL)
    return _visible(words, MAX_REPLY_SHOWN) or "connection dropped while it was made"


def _tls_words(error: Exception) -> str:
    """OpenSSL's own words, without its numbers and file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _visible(error.verify_message, MAX_REPLY_SHOWN)
    reason = getattr(error, "reason", None) or "handshake failed"
    return str(reason).replace("_", " ").lower()
