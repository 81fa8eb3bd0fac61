"""HTTP/1.1 on bare protocols, just enough for the counterparty: some 10 µs a message.

Requests are GETs without a body, answers have a Content-Length; both sides keep their connections.
Everything else is a fault, and counted as one by who asked.
"""

import asyncio
import re
from collections.abc import Callable
from typing import cast

END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_GET = len(b"GET ")
OK = b"HTTP/1.1 200"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n"


def get(target: str, host: str, port: int) -> bytes:
    """Return the request for a path with its query, as a panel would write it."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n\r\n".encode()


def plain(body: bytes) -> bytes:
    """Return an answer of text."""
    return _HEAD % len(body) + body


class Answerer(asyncio.Protocol):
    """One connection of somebody who asks us.

    Args:
        answer: makes the whole answer out of a request's path and query.
        delay_s: says after how many seconds it goes out.
    """

    def __init__(
        self, answer: Callable[[bytes], bytes], delay_s: Callable[[], float] = float
    ) -> None:
        self._answer = answer
        self._delay_s = delay_s
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        data = self._rest + data
        while (end := data.find(END)) >= 0:
            target = data[_GET : data.find(b" ", _GET)]
            self._send(self._answer(target))
            data = data[end + len(END) :]
        self._rest = data

    def _send(self, answer: bytes) -> None:
        delay_s = self._delay_s()
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._transport.write, answer)
        else:
            self._transport.write(answer)


class Asker(asyncio.Protocol):
    """One connection on which we ask, one request at a time.

    Args:
        heard: is called with this connection and a whole answer, head and body; with None where
            the connection was lost.
    """

    def __init__(self, heard: Callable[["Asker", bytes | None], None]) -> None:
        self._heard = heard
        self._rest = b""
        self.begun = 0.0  # when the request under way was due, for who measures

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def ask(self, request: bytes) -> None:
        """Send a request; the one before must have been answered."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Tell a whole answer to who asked."""
        data = self._rest + data if self._rest else data
        self._rest = data
        end = data.find(END)
        if end < 0:
            return
        length = _LENGTH.search(data, 0, end)
        if length is None:
            self._transport.abort()
            return
        if len(data) >= end + len(END) + int(length[1]):
            self._rest = b""
            self._heard(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell it to who asked."""
        del exc
        self._heard(self, None)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()
