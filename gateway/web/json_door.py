"""The door of every JSON route: who asks, an answer in the dialect's own form, one event (§8).

What a route does stands with its dialect; here is what is the same for each of them, its errors
above all.
"""

import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from gateway import metrics
from gateway.domain.errors import Code, JournalUnavailable, Refused
from gateway.domain.order import Order
from gateway.domain.reseller import Reseller
from gateway.protocol.json_api import Answer, error_body, refusal
from gateway.web.body import NoBody
from gateway.web.connection import SERVER
from gateway.web.gate import Gate
from gateway.web.wire import ask_of, log_answered

_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Server": SERVER}
_ALLOWED = {
    "/v1/order": ("POST",),
    "/v2/order": ("POST",),
    "/v1/products": ("GET", "POST"),
}
_STALE = {"Warning": '110 - "Response is Stale"'}  # RFC 7234, section 5.5.1
# A longer body is written in pieces: to a client that does not read it, only a piece is held.
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """What a route answers.

    Attributes:
        answer: HTTP code and body.
        outcome: what became of the request, for the log.
        order: which order it was about.
        is_stale: it may be out of date.
    """

    answer: Answer
    outcome: str
    order: Order | None = None
    is_stale: bool = False


Work = Callable[[web.Request, Reseller], Awaitable[Answered]]


class JsonDoor:
    """Lets requests in, and answers whatever comes of them.

    Args:
        gate: who asks.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def answered(self, event: str, request: web.Request, work: Work) -> web.Response:
        """Do what is asked, and answer whatever comes of it in the dialect's own form."""
        began = time.monotonic()
        reseller: Reseller | None = None
        is_read = True
        try:
            reseller = self._who(request)
            said = await work(request, reseller)
        except Refused as refused:
            said = Answered(refusal(refused.code), refused.note)
        except NoBody as error:
            said = Answered(
                error_body(HTTPStatus(error.status), Code.INVALID_PARAMETER), str(error)
            )
            is_read = False
        except JournalUnavailable as error:
            said = Answered(refusal(Code.BUSY), str(error))
        metrics.request(event, said.answer.status).inc()
        trx_id = None if said.order is None else said.order.trx_id
        log_answered(f"{event}.answered", reseller, trx_id, said.outcome, began)
        answered = response(said.answer, is_stale=said.is_stale)
        if not is_read:
            answered.force_close()
        return answered

    def _who(self, request: web.Request) -> Reseller:
        self._gate.refuse_while_draining()
        keys = request.headers.getall("Authorization", [])
        return self._gate.reseller(ask_of(request), keys[0] if len(keys) == 1 else None)


async def wrong_method(request: web.Request) -> web.Response:
    """Answer a method that a route does not have."""
    answer = response(error_body(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"))
    answer.headers["Allow"] = ", ".join(_ALLOWED.get(request.path, ("GET",)))
    return answer


def response(answer: Answer, *, is_stale: bool = False) -> web.Response:
    """Return an answer as it goes out."""
    body = answer.body if len(answer.body) <= _PIECE_BYTES else io.BytesIO(answer.body)
    headers = {**_HEADERS, **_STALE} if is_stale else _HEADERS
    return web.Response(body=body, status=answer.status, headers=headers)
