"""The body of a request, with a limit of size and of time: who sends one may be anybody."""

import asyncio

from aiohttp import web
from aiohttp.client_exceptions import ClientError
from aiohttp.http import HttpProcessingError

MAX_BODY_BYTES = 64 * 1024  # the document's largest sample has 600
_BODY_S = 10.0  # everybody sends it in one piece; who takes longer will not end


class NoBody(Exception):  # noqa: N818  an ordinary answer, no error of ours
    """The body is not to be had; holds the HTTP code that says why."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


async def read_body(request: web.Request, most: int = MAX_BODY_BYTES) -> bytes:
    """Return the body, byte for byte as it came.

    Args:
        request: whose.
        most: bytes that are read of it.

    Raises:
        NoBody: it is too long, too slow, broken, or packed.
    """
    if "Content-Encoding" in request.headers:  # a few bytes could become gigabytes
        raise NoBody(415, "the body must not be packed")
    if (request.content_length or 0) > most:
        raise NoBody(413, "the body is too long")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            while some := await request.content.readany():
                body += some
                if len(body) > most:
                    raise NoBody(413, "the body is too long")
    except TimeoutError:
        raise NoBody(408, "the body took too long") from None
    except (web.RequestPayloadError, HttpProcessingError, ClientError, ConnectionError):
        raise NoBody(400, "the body is broken") from None
    return bytes(body)
