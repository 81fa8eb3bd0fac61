"""What an order request asks for, read from a query or from a JSON body.

Pure. A query is what it is; a body can also be wrong by its form. That stands in `flaw` and is not
raised: whose request it was has to be known all the same, and a trx_id that came is counted.
"""

from dataclasses import dataclass, field

import msgspec

from gateway.sandbox.exchange import Asked
from gateway.sandbox.refusals import (
    INVALID_CALLBACK_URL,
    INVALID_TRX_ID,
    INVALID_USER_ID,
    MALFORMED_JSON,
    NO_PRODUCT_CODE,
    Refusal,
    RefusedError,
)

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as it was asked for; what was left out is empty, a trx_id None."""

    apikey: str = field(repr=False)
    product_code: str = ""
    user_id: str = ""
    server_id: str = ""
    trx_id: str | None = None
    callback_url: str = ""
    flaw: Refusal | None = None


def apikey_in_query(asked: Asked) -> str:
    """The apikey of a text route, or an empty string."""
    return asked.query.get("apikey", "")


def apikey_in_header(asked: Asked) -> str:
    """The apikey of a JSON route: the whole Authorization header, or an empty string."""
    return asked.headers.get("authorization", "")


def wanted_in_query(asked: Asked) -> Wanted:
    """The order of a text route."""
    query = asked.query
    return Wanted(
        apikey_in_query(asked),
        query.get("product_code", ""),
        query.get("user_id", ""),
        query.get("server_id", ""),
        query.get("trx_id") or None,
        query.get("callback_url", ""),
    )


def wanted_in_body(asked: Asked) -> Wanted:
    """The order of a JSON route; a null is the same as a field that is left out."""
    apikey = apikey_in_header(asked)
    try:
        body = json_body(asked)
    except RefusedError as error:
        return Wanted(apikey, flaw=error.refusal)
    return Wanted(
        apikey,
        _text(body, "product_code"),
        _text(body, "user_id"),
        _text(body, "server_id"),
        _text(body, "trx_id") or None,
        _text(body, "callback_url"),
        _flaw(body),
    )


def json_body(asked: Asked) -> dict[str, object]:
    """The JSON object of a request; an empty one where the body is none by its Content-Type.

    Raises:
        RefusedError: MALFORMED_JSON.
    """
    media_type = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON or not asked.body:
        return {}
    try:
        return msgspec.json.decode(asked.body, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        raise RefusedError(MALFORMED_JSON) from None


def _flaw(body: dict[str, object]) -> Refusal | None:
    """What is wrong first: a field that must be there and is not, or one that is no string."""
    if not _text(body, "product_code"):
        return NO_PRODUCT_CODE
    if not _text(body, "user_id"):
        return INVALID_USER_ID
    for name, refusal in (
        ("server_id", INVALID_USER_ID),
        ("trx_id", INVALID_TRX_ID),
        ("callback_url", INVALID_CALLBACK_URL),
    ):
        if not isinstance(body.get(name, ""), str | None):
            return refusal
    return None


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
