"""The upstream's lists and its user, as its JSON routes speak of them (contract §8).

What a program asks, what is asked of the upstream for it, and what an answer is worth. Bodies are
told on byte for byte; no more is read of them than a product's price and a user's balance. Forms
are those of the upstream's document ("Get user detail", "Get products", "Get category", "Get
product detail by code").
"""

import math
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.domain.errors import UPSTREAMS, Code
from gateway.protocol.json_api import Answer, as_text
from gateway.protocol.query import Query, parse_query
from gateway.protocol.strict_json import read_object
from gateway.protocol.upstream import MAX_BODY_BYTES, Call, Reply, read_envelope

# A list of 10,000 products has 3 MB, and the document's sample of categories 24 KB.
MAX_LIST_BYTES: Final = 16 * 1024 * 1024
MAX_ID_CHARACTERS: Final = 128  # the document's ids are UUIDs, with 36
_MAX_RUPIAH = 10**15  # beyond it is no price and no balance
_ANSWERS = range(HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR)
_REDIRECTS = range(300, 400)
_CLIENTS_ERRORS = range(400, 500)
_IN_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_REFUSALS = frozenset(UPSTREAMS) - {Code.SERVER_ERROR}
_JSON = "application/json"
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is asked of the upstream, with GET.

    Attributes:
        path: path and query, encoded as they go out. Equal ones are equal questions.
        limit_bytes: of the answer's body.
        opens: with which character `data` begins in the answer.
    """

    path: str
    limit_bytes: int
    opens: bytes

    def call(self, upstream_key: str) -> Call:
        """Return the request."""
        return Call("GET", self.path, upstream_key, limit_bytes=self.limit_bytes)


class Heard(msgspec.Struct, frozen=True, gc=False):
    """An answer of the upstream, to be told on.

    Attributes:
        answer: its HTTP code and its body, byte for byte.
        is_found: it is what was asked for, and may be kept; else the upstream refused.
    """

    answer: Answer
    is_found: bool


USER: Final = Question("/v1/user", MAX_BODY_BYTES, b"{")
CATEGORIES: Final = Question("/v1/category", MAX_LIST_BYTES, b"[")
ALL_PRODUCTS: Final = Question("/v1/products", MAX_LIST_BYTES, b"[")


def products_question(raw_query: str, body: bytes = b"") -> Question | None:
    """Return what `/v1/products` asks; None where it can not be read.

    Args:
        raw_query: as it came.
        body: of a POST: nothing, or a JSON object that may hold the category_id, too.
    """
    asked = _asked(parse_query(raw_query), "category_id")
    if asked is None:
        return None
    if body.strip():
        values = read_object(body)
        if values is None:
            return None
        named = values.get("category_id")
        category_id = as_text(named) or None
        if (named not in (None, "") and not _is_id(category_id)) or (
            asked and category_id not in (None, asked["category_id"])
        ):
            return None
        if category_id is not None:
            asked = {"category_id": category_id}
    return Question(_path("/v1/products", asked), MAX_LIST_BYTES, b"[")


def product_question(raw_query: str) -> Question | None:
    """Return what `/v1/product` asks; None where it can not be read.

    One that names no product is asked, too: what it is worth is the upstream's to say.
    """
    asked = _asked(parse_query(raw_query), "product_code", "product_id")
    return None if asked is None else Question(_path("/v1/product", asked), MAX_BODY_BYTES, b"{")


def _asked(query: Query, *names: str) -> dict[str, str] | None:
    """Return those of these parameters that were given, or None where one can not be read."""
    if (query.repeated | query.unreadable) & set(names):
        return None
    asked = {name: value for name in names if (value := query.get(name)) is not None}
    return asked if all(map(_is_id, asked.values())) else None


def _is_id(text: str | None) -> bool:
    return text is not None and 0 < len(text) <= MAX_ID_CHARACTERS and text.isprintable()


def _path(path: str, asked: dict[str, str]) -> str:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    return f"{path}?{query}" if query else path


class Product(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product of a list, as far as people look at it.

    Attributes:
        code: by which it is ordered.
        name: as the upstream calls it.
        price: whole Rupiah, rounded up; None where there is none that can be read.
        category: title and subtitle.
        is_active: it can be bought, by the upstream's word; None where it says nothing.
    """

    code: str
    name: str
    price: int | None
    category: str
    is_active: bool | None


class _Answer(msgspec.Struct):
    data: msgspec.Raw


class _Product(msgspec.Struct):
    product_code: Any = None
    product_price: Any = None


class _Listed(msgspec.Struct):
    product_code: Any = None
    product_name: Any = None
    product_price: Any = None
    is_active: Any = None
    category_title: Any = None
    category_subtitle: Any = None


class _List(msgspec.Struct):
    data: list[_Listed]


class _Products(msgspec.Struct):
    data: list[_Product]


class _User(msgspec.Struct):
    user_balance: Any = None


class _UserAnswer(msgspec.Struct):
    data: _User


_ANSWER = msgspec.json.Decoder(_Answer)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(_List)
_PRODUCTS = msgspec.json.Decoder(_Products)
_USER_ANSWER = msgspec.json.Decoder(_UserAnswer)


def read_reply(reply: Reply, question: Question) -> Heard | None:
    """Return what may be told on, or None where the upstream is as good as down.

    It is down where it answers with no JSON, a server's error, a redirect, a body over the limit,
    or neither with what was asked for nor with a refusal.
    """
    if reply.body is None or reply.status not in _ANSWERS:
        return None
    answer = Answer(reply.status, reply.body)
    if _is_found(reply, question):
        return Heard(answer, is_found=True)
    return Heard(answer, is_found=False) if _is_refusal(reply, question) else None


def _is_refusal(reply: Reply, question: Question) -> bool:
    """Whether the upstream refuses: by one of its document's codes, or what one asker asked for.

    A whole list is refused to nobody for long: "too many requests", or a proxy's error, must not
    take the place of a list that is known, and of the prices in it.
    """
    envelope = None if reply.status in _REDIRECTS else read_envelope(reply)
    if envelope is not None and envelope.message in _REFUSALS:
        return True
    is_particular = "?" in question.path and reply.status not in _IN_PASSING
    return is_particular and reply.status in _CLIENTS_ERRORS and _is_object(reply)


def _is_found(reply: Reply, question: Question) -> bool:
    if reply.status != HTTPStatus.OK or reply.content_type != _JSON or reply.body is None:
        return False
    try:
        data = _ANSWER.decode(reply.body).data
    except _UNREADABLE:
        return False
    return bytes(memoryview(data)[:1]) == question.opens


def _is_object(reply: Reply) -> bool:
    if reply.content_type != _JSON or reply.body is None:
        return False
    try:
        _OBJECT.decode(reply.body)
    except _UNREADABLE:
        return False
    return True


def prices_in(body: bytes) -> dict[str, int]:
    """Return the price of each product in a list, by product_code, whole Rupiah, rounded up.

    What has no price that can be read is left out; of two of one product the higher counts.
    """
    try:
        products = _PRODUCTS.decode(body).data
    except _UNREADABLE:
        return {}
    prices: dict[str, int] = {}
    for product in products:
        code, price = product.product_code, _rupiah(product.product_price)
        if isinstance(code, str) and price is not None and price >= 0:
            prices[code] = max(price, prices.get(code, 0))
    return prices


def products_in(body: bytes) -> list[Product]:
    """Return the products of a list, by code; empty where it can not be read.

    What has no code is left out; of two of one code the first counts, but the higher price.
    """
    try:
        listed = _LIST.decode(body).data
    except _UNREADABLE:
        return []
    prices = prices_in(body)
    found: dict[str, Product] = {}
    for one in listed:
        code = one.product_code
        if isinstance(code, str) and 0 < len(code) <= MAX_ID_CHARACTERS and code not in found:
            category = (_text(one.category_title), _text(one.category_subtitle))
            found[code] = Product(
                code=code,
                name=_text(one.product_name),
                price=prices.get(code),
                category=" · ".join(filter(None, category)),
                is_active=_flag(one.is_active),
            )
    return [found[code] for code in sorted(found)]


def _text(value: object) -> str:
    return value[:MAX_ID_CHARACTERS] if isinstance(value, str) else ""


def _flag(value: object) -> bool | None:
    """Return what the document writes as true or as 1."""
    return bool(value) if isinstance(value, int) else None


def balance_in(body: bytes) -> int | None:
    """Return the balance in the answer to `/v1/user`, whole Rupiah, or None."""
    try:
        balance = _USER_ANSWER.decode(body).data.user_balance
    except _UNREADABLE:
        return None
    rupiah = _rupiah(balance)
    return round(balance) if rupiah is not None else None


def _rupiah(value: object) -> int | None:
    """Return a JSON number as whole Rupiah, rounded up; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if -_MAX_RUPIAH < value < _MAX_RUPIAH else None
