"""What every handler needs of HTTP: what was asked, an answer of one line, and its event."""

import time

from aiohttp import hdrs, web

from gateway.domain.backoff import MS_PER_S
from gateway.domain.reseller import Reseller
from gateway.log import get_logger
from gateway.protocol.fields import is_identifier
from gateway.web.ask import Answers, Ask
from gateway.web.connection import SERVER, TEXT_TYPE, Handler

log = get_logger(__name__)

_HEADERS = {hdrs.CONTENT_TYPE: TEXT_TYPE, hdrs.SERVER: SERVER}


def raw_query(request: web.Request) -> str:
    """Return what stands behind the first `?` of the request line, as it came."""
    return request.raw_path.partition("?")[2]


def ask_of(request: web.BaseRequest) -> Ask:
    """Return what is asked by a request of aiohttp's."""
    return Ask(
        id(request),
        request.method,
        request.raw_path,
        request.path,
        request.remote,
        ",".join(request.headers.getall("X-Forwarded-For", ())),
    )


def by_http(answers: Answers) -> Handler:
    """Return the handler of aiohttp's that says what `answers` does."""

    async def handle(request: web.Request) -> web.Response:
        said = await answers(ask_of(request))
        return line(said.text, said.status)

    return handle


def line(text: str, status: int = 200) -> web.Response:
    """Return one line of text, `text/plain; charset=utf-8`."""
    return web.Response(body=text.encode(), status=status, headers=_HEADERS)


def log_answered(
    event: str, reseller: Reseller | None, trx_id: str | None, outcome: str, began: float
) -> None:
    """Log the one event of a request.

    Args:
        event: what was answered, `noun.verb_past`.
        reseller: who asked, once that is proven.
        trx_id: the id that was asked for, as it came.
        outcome: the order's status, or why there is none.
        began: when the request came, in `time.monotonic`.
    """
    code = None if reseller is None else reseller.code
    is_safe = trx_id is not None and is_identifier(trx_id)
    log.info(
        event,
        reseller=code,
        trx_id=trx_id if is_safe or trx_id is None else "-",
        upstream_trx_id=f"{code}-{trx_id}" if is_safe and code is not None else None,
        outcome=outcome,
        ms=round((time.monotonic() - began) * MS_PER_S),
    )
