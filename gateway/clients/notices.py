"""The client of notices: a POST to a channel that the operator chose, and what came of it.

The address is the operator's own, so it may be private or local, unlike a reseller's. Still no
redirect is followed, little of an answer is read, and a time is kept. An address may hold a token
(Telegram's does), so nothing of it is ever part of what is said here.
"""

import errno
import os
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from gateway.clients.exchange import ConnectionDropped, Exchange, Head, NotHttp, Place

MAX_ANSWER_BYTES = 65_536
"""How much of an answer is read. Telegram's repeats the message, six bytes a character; cut, it
would not be understood, and the message be sent again."""

_HEADERS = {
    "User-Agent": "otomax-gateway",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}


class Answer(NamedTuple):
    """What a channel answered: the HTTP code, and the beginning of its body."""

    status: int
    body: bytes
    retry_after: str = ""


class NotPosted(Exception):  # noqa: N818  the name says what is known
    """No answer came; the text is one short line without a word of the address."""


class NoticeClient:
    """Posts notices; one for the whole process, to be made inside its running loop.

    Args:
        timeout_s: seconds for one call in all.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._connector = aiohttp.TCPConnector(limit=8, keepalive_timeout=30)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post once.

        Args:
            url: sent as it is written.
            body: JSON.
            headers: what goes out besides our own.

        Raises:
            NotPosted: no answer came; says why.
        """
        try:
            where = URL(url, encoded=True)
            place = Place(where, _HEADERS)
            request = place.ask("POST", where.raw_path_qs or "/", headers, body)
            async with Exchange(
                self._connector, place, connect_s=self.timeout_s, total_s=self.timeout_s
            ) as exchange:
                head = await exchange.send(request, limit=MAX_ANSWER_BYTES)
                return await _answer(head)
        except Exception as error:  # noqa: BLE001  what strange bytes make a parser raise is open
            raise NotPosted(self._why(error)) from None

    def _why(self, error: Exception) -> str:
        """Say why no answer came; aiohttp's own text holds the address."""
        match error:
            case TimeoutError():  # also aiohttp's, of a connection
                return f"no answer within {self.timeout_s:g} s"
            case aiohttp.ClientConnectorDNSError():
                return "its name does not resolve"
            case aiohttp.ClientConnectorCertificateError():
                return "its certificate is not valid"
            case aiohttp.ClientConnectorError():
                return os.strerror(error.os_error.errno or errno.ECONNREFUSED).lower()
            case ConnectionDropped() | NotHttp():
                return str(error)
            case _:
                return f"no answer ({type(error).__name__})"

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()


async def _answer(head: Head) -> Answer:
    """Read what is allowed to be read; a connection with more on it is not kept."""
    body = bytearray()
    while len(body) < MAX_ANSWER_BYTES:
        some = await head.body.read(MAX_ANSWER_BYTES - len(body))
        if not some:
            break
        body += some
    return Answer(head.status, bytes(body), head.headers.get("Retry-After", ""))
