"""The client of notices: a POST to a channel that the operator chose, and what came of it.

The address is the operator's own, so it may be private or local, unlike a reseller's. Still no
redirect is followed, little of an answer is read, and a time is kept. An address may hold a token
(Telegram's does), so nothing of it is ever part of what is said here.
"""

import errno
import os
from collections.abc import Mapping

import aiohttp
from yarl import URL

from gateway.clients.exchange import Exchanges, Place, Times
from gateway.clients.wire import Answer, ConnectionDropped, NotHttp

MAX_ANSWER_BYTES = 65_536
"""How much of an answer is read. Telegram's repeats the message, six bytes a character; cut, it
would not be understood, and the message be sent again."""

_KEEPALIVE_S = 30.0

_HEADERS = {
    "User-Agent": "otomax-gateway",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}


class NotPosted(Exception):  # noqa: N818  the name says what is known
    """No answer came; the text is one short line without a word of the address."""


class NoticeClient:
    """Posts notices; one for the whole process, to be made inside its running loop.

    Args:
        timeout_s: seconds for one call in all.
    """

    def __init__(self, timeout_s: float) -> None:
        self._exchanges = Exchanges(
            aiohttp.TCPConnector(limit=0),
            Times(timeout_s, timeout_s),
            keepalive_s=_KEEPALIVE_S,
        )

    @property
    def timeout_s(self) -> float:
        """Seconds for one call in all."""
        return self._exchanges.times.total_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        self._exchanges.times = Times(seconds, seconds)

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
            answer = await self._exchanges.carry(place, request, limit=MAX_ANSWER_BYTES)
            if answer.broke is not None:
                raise answer.broke  # noqa: TRY301  said below, as any other
        except Exception as error:  # noqa: BLE001  what strange bytes make a parser raise is open
            raise NotPosted(self._why(error)) from None
        return answer

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
        await self._exchanges.close()
