"""Questions about products, and what an answer to one is worth (contract §8)."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.catalog import (
    ALL_PRODUCTS,
    CATEGORIES,
    MAX_LIST_BYTES,
    USER,
    Product,
    Question,
    balance_in,
    prices_in,
    product_question,
    products_in,
    products_question,
    read_reply,
)
from gateway.protocol.upstream import MAX_BODY_BYTES, Reply

JSON = "application/json"
ID = "dca1a711-b6e2-4158-98da-014eb5caf458"
LIST = b'{"statusCode":200,"message":"success","data":[{"product_code":"A","product_price":5}]}'
OBJECT = b'{"statusCode":200,"message":"success","data":{"user_balance":123123}}'
OF_ONE = Question("/v1/products?category_id=1", MAX_LIST_BYTES, b"[")
REFUSAL = b'{"statusCode": 404, "message": "PRODUCT_NOT_FOUND", "error": "Not Found"}'


# -- questions


@pytest.mark.parametrize(
    ("query", "body", "path"),
    [
        ("", b"", "/v1/products"),
        ("category_id=", b"", "/v1/products"),
        ("x=1&x=2&category=9", b" \r\n", "/v1/products"),
        (f"category_id={ID}", b"", f"/v1/products?category_id={ID}"),
        ("", b"{}", "/v1/products"),
        ("", b'{"category_id": null}', "/v1/products"),
        ("", b'{"category_id": ""}', "/v1/products"),
        ("", b'{"category_id": "a b&c", "x": []}', "/v1/products?category_id=a%20b%26c"),
        ("", b'{"category_id": 17}', "/v1/products?category_id=17"),
        ("category_id=17", b'{"category_id": 17}', "/v1/products?category_id=17"),
        ("category_id=17", b"{}", "/v1/products?category_id=17"),
        ("category_id=%E7%8E%8B", b"", "/v1/products?category_id=%E7%8E%8B"),
        # What cannot be read, or says two things, is not guessed at.
        ("category_id=1&category_id=1", b"", None),
        ("category_id=%FF", b"", None),
        ("category_id=%00", b"", None),
        ("category_id=" + "x" * 129, b"", None),
        ("category_id=17", b'{"category_id": 18}', None),
        ("", b'{"category_id": 17, "category_id": 17}', None),
        ("", b'{"category_id": [1]}', None),
        ("", b'{"category_id": 1.5}', None),
        ("", b'{"category_id": false}', None),
        ("", b'{"category_id": "a\\u0000"}', None),
        ("", b"[]", None),
        ("", b"category_id=17", None),
        ("", b"\xff", None),
        ("", b"[" * 100_000, None),
    ],
)
def test_products_are_asked_for_by_query_or_body(
    query: str, body: bytes, path: str | None
) -> None:
    question = products_question(query, body)
    assert (None if question is None else question.path) == path
    if path == "/v1/products":
        assert question == ALL_PRODUCTS
    if question is not None:
        call = question.call("the-key")
        assert (call.method, call.path, call.authorization, call.body) == (
            *("GET", path),
            *("the-key", None),
        )
        assert call.limit_bytes == MAX_LIST_BYTES


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("product_code=S1_1187", "/v1/product?product_code=S1_1187"),
        (f"product_id={ID}", f"/v1/product?product_id={ID}"),
        ("product_id=1&product_code=A&x=1", "/v1/product?product_code=A&product_id=1"),
        ("product_code=a%26product_id%3D2", "/v1/product?product_code=a%26product_id%3D2"),
        ("product_code=%2F..%2F%23", "/v1/product?product_code=%2F..%2F%23"),
        ("", "/v1/product"),
        ("product_code=A&product_code=A", None),
        ("product_id=%FF", None),
        ("product_code=a%0D%0AX", None),
    ],
)
def test_a_product_is_asked_for_by_code_or_id(query: str, path: str | None) -> None:
    question = product_question(query)
    assert (None if question is None else question.path) == path
    assert question is None or question.limit_bytes == MAX_BODY_BYTES


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_request_breaks_the_reader_or_ends_the_target(words: str, raw: bytes) -> None:
    query = f"category_id={words}&product_code={raw.decode('ascii', 'surrogateescape')}"
    for question in (products_question(query, raw), product_question(query)):
        assert question is None or (question.path.isascii() and question.path.isprintable())
        assert question is None or " " not in question.path


# -- answers


def reply(body: bytes | None, status: int = 200, content_type: str = JSON) -> Reply:
    return Reply(status=status, content_type=content_type, body=body)


PARTICULAR = Question("/v1/products?category_id=x", MAX_LIST_BYTES, b"[")


@pytest.mark.parametrize(
    ("said", "question", "is_found"),
    [
        (reply(LIST), ALL_PRODUCTS, True),
        (reply(LIST), CATEGORIES, True),
        (reply(b'{"data": []}'), ALL_PRODUCTS, True),
        (reply(OBJECT), USER, True),
        # Refusals are told on, whatever HTTP code below 500 they come with.
        (reply(REFUSAL, 404), ALL_PRODUCTS, False),
        (reply(REFUSAL), ALL_PRODUCTS, False),
        (reply(REFUSAL, 404, "text/plain"), USER, False),
        (reply(b'{"message":["category_id must be a UUID"]}', 400), PARTICULAR, False),
        (reply(LIST, 404), PARTICULAR, False),
        # A whole list is refused to nobody, but by the document's own codes.
        (reply(b'{"message":["too many"]}', 400), ALL_PRODUCTS, None),
        (reply(LIST, 404), ALL_PRODUCTS, None),
        (reply(REFUSAL.replace(b"PRODUCT_NOT_FOUND", b"SERVER_ERROR"), 404), ALL_PRODUCTS, None),
        (reply(b'{"message":["later"]}', 429), PARTICULAR, None),
        (reply(b'{"message":["late"]}', 408), PARTICULAR, None),
        # As good as down.
        (reply(LIST), USER, None),
        (reply(OBJECT), ALL_PRODUCTS, None),
        (reply(LIST, 500), ALL_PRODUCTS, None),
        (reply(REFUSAL, 500), ALL_PRODUCTS, None),
        (reply(REFUSAL, 503), ALL_PRODUCTS, None),
        (reply(LIST, 302), ALL_PRODUCTS, None),
        (reply(REFUSAL, 301), ALL_PRODUCTS, None),
        (reply(LIST, content_type="text/html"), ALL_PRODUCTS, None),
        (reply(LIST[:-1]), ALL_PRODUCTS, None),
        (reply(LIST + b"x"), ALL_PRODUCTS, None),
        (reply(b'{"data": [nan]}'), ALL_PRODUCTS, None),
        (reply(b'{"data": null}'), ALL_PRODUCTS, None),
        (reply(b"{}"), ALL_PRODUCTS, None),
        (reply(b"[]"), ALL_PRODUCTS, None),
        (reply(b"[]", 404), ALL_PRODUCTS, None),
        (reply(b"", 404), ALL_PRODUCTS, None),
        (reply(b"<html>", 404, "text/html"), ALL_PRODUCTS, None),
        (reply(b"<html>", 404), ALL_PRODUCTS, None),
        (reply(None), ALL_PRODUCTS, None),
        (reply(None, 404), ALL_PRODUCTS, None),
        (reply(b"[" * 100_000), ALL_PRODUCTS, None),
        (reply(b"\xff\xfe"), ALL_PRODUCTS, None),
        # What one asker asked for may be refused in other words, if they are the upstream's own.
        (reply(b'{"reason": "new"}', 404), OF_ONE, False),
        (reply(b'{"reason": "new"}', 429), OF_ONE, None),
        (reply(b"<html>", 404, "text/html"), OF_ONE, None),
        (reply(b"[", 404), OF_ONE, None),
    ],
)
def test_an_answer_is_told_on_byte_for_byte_or_is_none(
    said: Reply, question: Question, *, is_found: bool | None
) -> None:
    heard = read_reply(said, question)
    if is_found is None:
        assert heard is None
    else:
        assert heard is not None
        assert heard.is_found == is_found
        assert (heard.answer.status, heard.answer.body) == (said.status, said.body)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([200, 201, 204, 301, 404, 429, 500]))
def test_no_answer_breaks_the_reader(raw: bytes, status: int) -> None:
    for body in (raw, b'{"data":' + raw + b"}", b'{"data":[{"product_price":' + raw + b"}]}"):
        for question in (ALL_PRODUCTS, USER):
            read_reply(reply(body, status), question)
        prices_in(body)
        balance_in(body)


def body_of(*products: object) -> bytes:
    return json.dumps({"statusCode": 200, "data": products}).encode()


def priced(price: object, code: object = "A") -> dict[str, object]:
    return {"product_code": code, "product_price": price}


@pytest.mark.parametrize(
    ("price", "rupiah"),
    [
        (18624, 18624),
        (0, 0),
        (18624.0, 18624),
        # Rounded up, so that a price a little above a limit is above it.
        (18624.01, 18625),
        (1.8e4, 18000),
        (-1, None),
        (10**15, None),
        (10**400, None),
        ("18624", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_price_is_whole_rupiah_or_none(price: object, rupiah: int | None) -> None:
    found = prices_in(body_of(priced(price), priced(7, "B")))
    assert found.get("A") == rupiah
    assert found["B"] == 7


def test_the_prices_of_a_list_are_found_by_their_codes() -> None:
    assert prices_in(body_of(priced(5), priced(9), priced(7))) == {"A": 9}
    assert prices_in(body_of(priced(5, 17), priced(5, None), {})) == {}
    assert prices_in(body_of()) == {}
    for garbage in (b"", b"{}", b'{"data":{}}', b'{"data":[1]}', b"[" * 100_000, b"\xff"):
        assert prices_in(garbage) == {}


@pytest.mark.parametrize(
    ("said", "saldo"),
    [
        (b'{"data":{"user_balance":123123,"user_name":"TopupKuy"}}', 123123),
        (b'{"data":{"user_balance":-5}}', -5),
        (b'{"data":{"user_balance":12.4}}', 12),
        (b'{"data":{"user_balance":"123"}}', None),
        (b'{"data":{"user_balance":true}}', None),
        (b'{"data":{"user_balance":1e300}}', None),
        (b'{"data":{}}', None),
        (b'{"data":[]}', None),
        (b"", None),
    ],
)
def test_a_balance_is_a_number_or_none(said: bytes, saldo: int | None) -> None:
    assert balance_in(said) == saldo


def test_a_list_is_read_as_far_as_people_look_at_it() -> None:
    body = (
        b'{"data":[{"product_code":"B","product_name":"<b>","product_price":1.2,"is_active":1,'
        b'"category_title":"ML","category_subtitle":"Montoon"},'
        b'{"product_code":"A","product_price":"x","is_active":false},{"product_code":7},'
        b'{"product_code":"B","product_price":9}]}'
    )
    assert products_in(body) == [
        Product(code="A", name="", price=None, category="", is_active=False),
        Product(code="B", name="<b>", price=9, category="ML · Montoon", is_active=True),
    ]
    assert products_in(b"[") == products_in(b'{"data":{}}') == []
