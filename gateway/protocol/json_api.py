"""The upstream's "API" routes as a program speaks them: what it asks, and errors (contract §8).

Forms and HTTP codes are those of the upstream's document. The object of an order stands in
`protocol.invoice`; here is what is around it. A body is read strictly, for it buys something: a
name that came twice, or a value of a wrong type, is not guessed at.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order
from gateway.protocol.fields import glue, is_destination, is_identifier
from gateway.protocol.invoice import invoice_of
from gateway.protocol.strict_json import read_object

# The document shows 404 alone, for what is not found; the others are what the words mean in HTTP.
_STATUS = {
    Code.API_KEY_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.IP_NOT_WHITELISTED: HTTPStatus.FORBIDDEN,
    Code.INVOICE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.NICKNAME_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.PRODUCT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.DUPLICATE_TRX_ID: HTTPStatus.CONFLICT,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.RESELLER_SUSPENDED: HTTPStatus.FORBIDDEN,
    Code.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.UPSTREAM_UNREACHABLE: HTTPStatus.BAD_GATEWAY,
    Code.SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_MAX_PRICE = 10**15  # Rupiah; beyond it is no price
_NAMES = ("product_code", "user_id", "server_id", "trx_id", "callback_url", "max_price")


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An answer: HTTP code and JSON body."""

    status: int
    body: bytes


def refusal(code: Code) -> Answer:
    """Return the document's error body for a code."""
    return error_body(_STATUS.get(code, HTTPStatus.BAD_REQUEST), code)


def error_body(status: HTTPStatus, message: str) -> Answer:
    """Return an error body: `{"statusCode": 404, "message": "…", "error": "Not Found"}`."""
    body = {"statusCode": status.value, "message": message, "error": status.phrase}
    return Answer(status, msgspec.json.encode(body))


def success(data: Any, status: int = HTTPStatus.OK) -> Answer:  # noqa: ANN401  any JSON
    """Return the document's body around what was asked for."""
    # 200 stands in the body also where the HTTP code is 201, as in the document.
    return Answer(
        status, msgspec.json.encode({"statusCode": 200, "message": "success", "data": data})
    )


def order_success(order: Order, said: str | None = None, status: int = HTTPStatus.OK) -> Answer:
    """Return the body that tells an order; `said` as in `invoice_of`."""
    return success(invoice_of(order, said), status)


def code_of(note: str) -> Code | None:
    """Return the code that a note `<CODE> - <kalimat>` begins with, or None."""
    word = note.partition(" - ")[0]
    return Code(word) if word in Code.__members__ else None


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a program orders. Fields that are missing or unsafe are None.

    Attributes:
        names_trx_id: it gave a trx_id, be it an unsafe one.
        fault: what is wrong with the order itself; under a new trx_id it fails for it, or None.
    """

    trx_id: str | None
    names_trx_id: bool
    product_code: str | None
    user_id: str | None
    server_id: str | None
    callback_url: str | None
    max_price: int | None
    fault: str | None

    @property
    def dest(self) -> str | None:
        """The destination that the order is known by, or None."""
        return None if self.user_id is None else glue(self.user_id, self.server_id)


def parse_order_body(raw: bytes) -> OrderBody | None:
    """Read the body of an order route. None where it is no JSON object that can be relied on."""
    values = read_object(raw)
    if values is None:
        return None
    given = {name: values.get(name) for name in _NAMES}
    texts = {name: as_text(value) for name, value in given.items()}
    product_code, user_id, server_id = texts["product_code"], texts["user_id"], texts["server_id"]
    return OrderBody(
        trx_id=texts["trx_id"] if is_identifier(texts["trx_id"]) else None,
        names_trx_id=given["trx_id"] is not None,
        product_code=product_code if is_identifier(product_code) else None,
        user_id=user_id if is_destination(user_id) else None,
        server_id=server_id if is_destination(server_id) else None,
        callback_url=texts["callback_url"],
        max_price=_price(given["max_price"]),
        fault=_fault(given, texts),
    )


def as_text(value: object) -> str | None:
    """Return a text, or a whole number as one: programs write ids in both ways."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else None


def _price(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _MAX_PRICE else None


def _fault(given: dict[str, Any], texts: dict[str, str | None]) -> str | None:
    """Return what is wrong with an order; the codes are those by which the upstream refuses it."""
    if not is_identifier(texts["product_code"]):
        return explain(Code.PRODUCT_NOT_FOUND)
    if not is_destination(texts["user_id"]):
        return explain(Code.INVALID_USER_ID)
    if given["server_id"] is not None and not is_destination(texts["server_id"]):
        return explain(Code.INVALID_USER_ID)
    if given["callback_url"] is not None and texts["callback_url"] is None:
        return explain(Code.INVALID_CALLBACK_URL)
    if given["max_price"] is not None and _price(given["max_price"]) is None:
        return explain(Code.INVALID_PARAMETER, "Parameter max_price tidak sah.")
    return None
