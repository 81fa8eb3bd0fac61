"""A connection as aiohttp serves it, with what a stranger may do on it, and our own few words.

aiohttp's own answers to what it does not like repeat the request line, key included, in the body
and in the log, and each tells its version; here every answer that no handler gave is one plain
line. What proxies and servers are known to read in different ways (a request smuggled behind
another) is refused, and ends its connection. Public parts of aiohttp only.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.http import (
    HttpProcessingError,
    HttpRequestParser,
    HttpVersion10,
    HttpVersion11,
    RawRequestMessage,
)
from aiohttp.http_exceptions import LineTooLong

from gateway.web.door import Door, Guest
from gateway.web.strangers import Strangers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TEXT_TYPE = "text/plain; charset=utf-8"
SERVER = "otomax-gateway"  # no versions: they only tell which holes to try
# A callback_url of 2,000 characters, every one percent-encoded as three bytes of UTF-8, and the
# rest.
MAX_LINE_BYTES = 24 * 1024
MAX_FIELD_BYTES = 8 * 1024  # what proxies let through
MAX_FIELDS = 64  # a browser sends some 20, and two proxies ten more
# The line and as many long fields as nobody sends: what one connection can make us hold.
MAX_HEAD_BYTES = 64 * 1024

_SAID = {
    400: "permintaan tidak sah / bad request",
    404: "tidak ditemukan / not found",
    405: "metode tidak didukung / method not allowed",
    413: "permintaan terlalu besar / request too large",
    414: "alamat terlalu panjang / request line too long",
    417: "expect tidak didukung / expectation failed",
    431: "header terlalu besar / request header too large",
    500: "kesalahan pada server / server error",
    505: "versi HTTP tidak didukung / HTTP version not supported",
}
BROKEN = _SAID[500]
_REFUSED = "permintaan ditolak / request refused"
_TOO_MANY = "Too many headers"  # how aiohttp's text of that mistake begins


def said(status: int, **headers: str) -> web.Response:
    """Return the one plain line of a status that no handler gave."""
    return web.Response(
        text=_SAID.get(status, _REFUSED),
        status=status,
        content_type="text/plain",
        headers={hdrs.SERVER: SERVER, **headers},
    )


def has_strict_parser() -> bool:
    """Whether aiohttp reads requests with its compiled parser, which refuses what is doubtful."""
    return HttpRequestParser.__module__ != "aiohttp.http_parser"


class Connection(web.RequestHandler):
    """A connection with the limits of its door, whose errors say nothing of what was asked.

    Args:
        door: for how long it may stay.
        server: aiohttp's.
        guest: who was let in.
        how: what aiohttp's own connection takes.
    """

    __slots__ = ("_door", "_guest", "_head_bytes", "_is_served")

    def __init__(self, door: Door, server: web.Server, guest: Guest, **how: Any) -> None:  # noqa: ANN401  aiohttp's own
        super().__init__(server, **how)
        self._door = door
        self._guest = guest
        self._head_bytes = 0
        self._is_served = False

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give its place to others."""
        self._door.see_off(self._guest)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; whoever begins a request has to come to the end of its head."""
        super().data_received(data)
        if self._is_served or not data:
            return
        if not self._head_bytes:
            self._door.heard(self._guest)
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            # A head that is whole is taken up before this: aiohttp was woken up before.
            asyncio.get_running_loop().call_soon(self._refuse_long_head)

    def _refuse_long_head(self) -> None:
        if self._head_bytes <= MAX_HEAD_BYTES or self.transport is None:
            return
        text = _SAID[HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE]
        self.transport.write(
            f"HTTP/1.1 431 Request Header Fields Too Large\r\nServer: {SERVER}\r\n"
            f"Content-Type: {TEXT_TYPE}\r\nContent-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{text}".encode()
        )
        self.force_close()

    def begin(self) -> None:
        """Note that a request is whole, its head at least, and is being answered."""
        self._is_served = True
        self._head_bytes = 0
        self._guest.says_by = math.inf

    def end(self) -> None:
        """Note that the answer is there; what comes now is another request."""
        self._is_served = False

    def pause_writing(self) -> None:
        """The system's buffers are full: who asks has to take his answers."""
        super().pause_writing()
        self._door.unread(self._guest)

    def resume_writing(self) -> None:
        """They are being taken."""
        super().resume_writing()
        self._door.taken(self._guest)

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401  aiohttp's own
        """Log what broke; a malformed request is its sender's mistake, and wakes nobody."""
        if isinstance(kw.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            self.logger.info(*args, **kw)
        else:
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it holds the request line
    ) -> web.StreamResponse:
        """Answer with one plain line and close; the log gets the kind of error alone."""
        super().handle_error(request, status, exc, None)
        response = said(_status_of(exc) or status)
        response.force_close()
        return response


def _status_of(error: BaseException | None) -> int | None:
    """Return the status that says more than aiohttp's 400."""
    if isinstance(error, LineTooLong):
        is_line = error.args[1] == MAX_LINE_BYTES
        return HTTPStatus.REQUEST_URI_TOO_LONG if is_line else _FIELDS_TOO_LARGE
    if isinstance(error, HttpProcessingError) and error.message.startswith(_TOO_MANY):
        return _FIELDS_TOO_LARGE
    return None


_FIELDS_TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class Reception:
    """Stands between aiohttp's server and its application: looks at each request and answer.

    Args:
        server: aiohttp's; its two public hooks are taken over.
        strangers: who keep answers to wrong keys back.
    """

    def __init__(self, server: web.Server, strangers: Strangers) -> None:
        self._strangers = strangers
        self._make_request, self._handle = server.request_factory, server.request_handler
        server.request_factory = self.make_request  # type: ignore[assignment]  # all are ours
        server.request_handler = self.answer

    def make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: Connection,
        *rest: Any,  # noqa: ANN401  aiohttp's own
    ) -> web.BaseRequest:
        """Make a request of what was read, and tell its connection that it is being answered."""
        protocol.begin()
        return self._make_request(message, payload, protocol, *rest)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, one that nobody has to answer with a plain line."""
        connection: Connection = request.protocol  # type: ignore[assignment]  # all are ours
        strangers = self._strangers
        try:
            response = await self._judged(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST or error.content_type != "text/plain":
                error.headers[hdrs.SERVER] = SERVER
                raise  # a page of ours, or another address
            response = _instead_of(error)
        except BaseException:
            strangers.forget(id(request))
            raise
        finally:
            connection.end()
        if strangers.late:
            await strangers.keep_back(id(request))
        headers = response.headers
        if hdrs.SERVER not in headers:
            headers[hdrs.SERVER] = SERVER
        # What stands behind an upgrade, asked for as it should be or not, or behind a body that
        # nobody reads, is no request.
        if hdrs.UPGRADE in request.headers or not request.content.is_eof():
            response.force_close()
        return response

    async def _judged(self, request: web.BaseRequest) -> web.StreamResponse:
        status = _refusal(request)
        if status is None:
            return await self._handle(request)
        response = said(status)
        response.force_close()
        return response


def _instead_of(error: web.HTTPException) -> web.Response:
    """Return our line instead of aiohttp's page."""
    allow = error.headers.get(hdrs.ALLOW)
    return said(error.status, **({} if allow is None else {hdrs.ALLOW: allow}))


def _refusal(request: web.BaseRequest) -> int | None:
    """Return the status of a request that is no business of any handler."""
    if request.version not in _VERSIONS:
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    coding = request.headers.get(hdrs.TRANSFER_ENCODING, "chunked")
    if coding.lower() != "chunked":  # packed, or in a coding that others may read otherwise
        return HTTPStatus.BAD_REQUEST
    if request.version == HttpVersion10 and hdrs.TRANSFER_ENCODING in request.headers:
        return HTTPStatus.BAD_REQUEST  # it knows none, so where this one ends is a matter of taste
    return HTTPStatus.METHOD_NOT_ALLOWED if request.method == hdrs.METH_CONNECT else None


_VERSIONS = (HttpVersion11, HttpVersion10)
