"""One connection to another server, and what comes back on it.

Nearly every answer is the same few lines: a head with a length, the body behind it, one packet.
Such a one is read here, by one pattern. Whatever is not exactly that, from chunks to a body that
comes in two pieces, goes to aiohttp's own parser, byte for byte, as does the rest of it. So what
is read here is a part of what aiohttp reads, and means the same to it (`tests/clients/test_plain`
compares the two). Measured by turns, five runs each: a call of the upstream's client takes 34 to
39 µs of CPU where aiohttp's session took 54 to 67 (25 to 33 for 59 to 71 on asyncio's own loop).

aiohttp's connector makes the connection; with it come the look-up of names, TLS and the address
guard. Public parts of aiohttp and asyncio only.
"""

import asyncio
import re
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader

_READ_AHEAD_BYTES = 64 * 1024  # of a body that aiohttp reads, before it stops to take more
_MAX_HEAD_BYTES = 4 * 1024  # some are remembered
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101

# A status line and whole header lines, each a token, a colon, and no control character (RFC 9112,
# 4 and 5). What has no body whatever its length says is left to aiohttp.
_HEAD = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n")
_KEPT = re.compile(rb"\r\nconnection:[ \t]*keep-alive[ \t]*\r\n")
# Each of these decides how the rest is read.
_DECIDING = (
    b"\r\ntransfer-encoding:",
    b"\r\nupgrade:",
    b"\r\nconnection:",
    b"\r\nproxy-connection:",  # to aiohttp's parser it means the same
    b"\r\ntrailer:",
)


class ConnectionDropped(aiohttp.ClientError):
    """The connection ended after the request may have left and before its answer came.

    Whether the other side saw the request is unknown. It is never raised when no connection was
    made: those errors (`aiohttp.ClientConnectorError`) keep their type, because they prove that
    not one byte of the request left.
    """


class NotHttp(aiohttp.ClientError):
    """Something came, and it is no HTTP."""


class Answer(NamedTuple):
    """An answer, or the beginning of one.

    Attributes:
        status: the HTTP code.
        content_type: as it came; empty where it did not.
        retry_after: the same.
        body: not more than was asked for.
        is_whole: that is all of it.
        broke: what ended it before its end; None where it was whole, or too long.
    """

    status: int
    content_type: str
    retry_after: str
    body: bytes
    is_whole: bool = True
    broke: Exception | None = None


def plain_answer(data: bytes, limit: int) -> Answer | None:
    """Read an answer that is plain and whole, and may be followed by another on its connection.

    Args:
        data: everything that came.
        limit: of its body, bytes.

    Returns:
        None where aiohttp has to read it.
    """
    end = data.find(b"\r\n\r\n") + 4
    if not len(b"\r\n\r\n") <= end <= _MAX_HEAD_BYTES:
        return None
    head = _read_head(data[:end])
    if head is None or head.length != len(data) - end or head.length > limit:
        return None
    return Answer(head.status, head.content_type, head.retry_after, data[end:])


class _Head(NamedTuple):
    status: int
    content_type: str
    retry_after: str
    length: int


# Within a second a server's heads are the same bytes, but for a few lengths: reading one costs
# 8 µs, and 0.5 again.
@lru_cache(maxsize=256)
def _read_head(head: bytes) -> _Head | None:
    """Return what a plain answer says before its body; None where it is not plain."""
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    fields = b"\r\n" + found[2].lower()
    length = _LENGTH.search(fields)
    if length is None or fields.count(b"\r\ncontent-length:") != 1:
        return None
    for name in _DECIDING:
        if name in fields and not _only_keeps(fields, name):
            return None
    return _Head(
        int(found[1]),
        _value(found[2], fields, b"\r\ncontent-type:"),
        _value(found[2], fields, b"\r\nretry-after:"),
        int(length[1]),
    )


def _only_keeps(fields: bytes, name: bytes) -> bool:
    """Whether a header only says that the connection is kept, which goes without saying."""
    return (
        name == b"\r\nconnection:" and fields.count(name) == 1 and _KEPT.search(fields) is not None
    )


def _value(lines: bytes, fields: bytes, name: bytes) -> str:
    """Return the first value of a header as it came, or nothing."""
    begin = fields.find(name)
    if begin < 0:
        return ""
    begin += len(name) - 2  # the line break before the first line is not in `lines`
    return lines[begin : lines.find(b"\r\n", begin)].strip().decode("utf-8", "surrogateescape")


class Wire(asyncio.Protocol):
    """One connection. Who has asked on it waits for the answer before anybody asks again.

    Args:
        connection: as aiohttp's connector made it; closed with this.

    Attributes:
        idle_since: when it was last given back, in the loop's seconds.

    Raises:
        ConnectionDropped: it is none any more.
        NotHttp: something came already.
    """

    __slots__ = (
        "_aiohttps",
        "_body",
        "_connection",
        "_cut_for",
        "_is_through",
        "_limit",
        "_transport",
        "_waiter",
        "idle_since",
    )

    def __init__(self, connection: Connection) -> None:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionDropped("connection dropped before a request")
        if protocol.should_close:
            raise NotHttp("the other side speaks before it is asked")
        self._connection = connection
        self._aiohttps = protocol
        self._transport = protocol.transport
        self._waiter: asyncio.Future[Answer | None] | None = None
        self._limit = 0
        self._is_through = False  # aiohttp reads what comes
        self._body: StreamReader | None = None  # that aiohttp reads
        self._cut_for: Exception | None = None  # why we ended it ourselves
        self.idle_since = 0.0
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether a request may be written."""
        return not self._transport.is_closing()

    async def ask(self, request: bytes, limit: int) -> Answer:
        """Write a request, once, and wait for its answer.

        Args:
            request: as it goes out.
            limit: of the answer's body, bytes; one that has more is cut off.

        Raises:
            ConnectionDropped: the connection ended before an answer.
            NotHttp: what came is no answer.
            TimeoutError: `end` was called before an answer.
        """
        self._limit = limit
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await waiter
        return answer if answer is not None else await self._through()

    async def _through(self) -> Answer:
        """Have aiohttp read the answer."""
        try:
            message, body = await self._message()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if self._cut_for is not None:
                raise self._cut_for from None
            raise ConnectionDropped("connection dropped before an answer") from error
        except HttpProcessingError as error:
            raise NotHttp("the answer is not HTTP") from error
        self._body = body
        read, broke = bytearray(), None
        try:
            while not body.at_eof() and len(read) <= self._limit:
                read += await body.readany()
        except Exception as error:  # noqa: BLE001  what hostile bytes make a parser raise is open
            broke = error
        if self._cut_for is not None:  # a body without a length ends with its connection
            broke = self._cut_for
        return Answer(
            message.code,
            message.headers.get("Content-Type", ""),
            message.headers.get("Retry-After", ""),
            bytes(read[: self._limit]),
            broke is None and len(read) <= self._limit,
            broke,
        )

    async def _message(self) -> tuple[RawResponseMessage, StreamReader]:
        """Return the first message that is an answer; others only say that it will take long."""
        while True:
            message, body = await self._aiohttps.read()
            if message.code not in _INFORMATIONAL or message.code == _SWITCHING:
                return message, body

    def rest(self) -> bool:
        """Make it ready for the next request; False where none may follow."""
        if self._is_through:
            if self._aiohttps.should_close:
                return False
            self._is_through, self._body = False, None
        return self.is_open

    def close(self) -> None:
        """Close it, whatever is under way."""
        self._connection.close()

    def end(self) -> None:
        """Cut it, and tell who waits that the time is over."""
        self._cut(TimeoutError())

    def give_up(self) -> None:
        """Cut it, and tell who waits that we end."""
        self._cut(ConnectionDropped("connection was closed before the answer was whole"))

    def _cut(self, why: Exception) -> None:
        self._cut_for = why
        self._answered(why)
        self._transport.abort()  # who reads through aiohttp hears of it in `connection_lost`

    def _answered(self, what: Answer | Exception | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if isinstance(what, Exception):
            waiter.set_exception(what)
        else:
            waiter.set_result(what)

    def data_received(self, data: bytes) -> None:
        """Take what came; an answer that nobody asked for ends the connection."""
        if self._is_through:
            self._aiohttps.data_received(data)
        elif self._waiter is None:
            self._transport.abort()
        else:
            answer = plain_answer(data, self._limit)
            if answer is None:
                self._is_through = True
                self._aiohttps.set_response_params(
                    read_until_eof=True,
                    auto_decompress=False,
                    read_bufsize=min(self._limit, _READ_AHEAD_BYTES),
                )
                self._aiohttps.data_received(data)
            self._answered(answer)

    def eof_received(self) -> None:
        """Tell aiohttp, where it reads: a body may end so."""
        if self._is_through:
            self._aiohttps.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell aiohttp, and who waits.

        aiohttp's parser lets go of a body that it can not read further, and so does its `close`:
        who reads the body would wait for ever.
        """
        self._aiohttps.connection_lost(exc)
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(aiohttp.ClientPayloadError("the connection ended"))
        if self._waiter is not None:
            dropped = ConnectionDropped("connection dropped before an answer")
            dropped.__cause__ = exc
            self._answered(dropped)
