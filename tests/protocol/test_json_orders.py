"""Orders in the upstream's JSON, both directions, byte for byte (contract §5, §8)."""

import json as standard_json
from typing import Any

import pytest

from gateway.domain.errors import Code, explain
from gateway.domain.order import Dialect, Order, Silence, Source, Status
from gateway.protocol.deliveries import message_for, signature
from gateway.protocol.invoice import called_back, invoice_of
from gateway.protocol.json_api import (
    OrderBody,
    code_of,
    order_success,
    parse_order_body,
    refusal,
)
from gateway.protocol.upstream import Call, JsonAnswer, order_call, read_order_reply
from tests.protocol.wire import T0, envelope, json, order, sold, text

INVOICE = {
    "invoice_number": "APIKUY_ML_1_0001",
    "trx_id": "toko-123424324",
    "response_note": "RefId : ML_1_0001",
    "category": {"title": "x", "subtitle": None, "type": "game"},
    "product": {"name": "x", "code": "S1_1187", "price": 1511},
    "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": None},
    "amount": 1511,
    "status": "PENDING",
    "voucher": None,
    "created_at": "2023-11-14T22:13:20.000Z",
}


def of_json(**changes: Any) -> Order:
    return order(dialect=Dialect.JSON, **changes)


def said(**changes: Any) -> str:
    return standard_json.dumps({**INVOICE, **changes})


def body(**changes: Any) -> str:
    return f'{{"statusCode":200,"message":"success","data":{said(**changes)}}}'


# -- what is asked of us


def parsed(**fields: object) -> OrderBody:
    given = {"product_code": "S1_1187", "user_id": "123456789", "trx_id": "T1", **fields}
    form = parse_order_body(standard_json.dumps(given).encode())
    assert form is not None
    return form


def test_an_order_is_read() -> None:
    form = parsed(server_id=1234, callback_url="https://p.example/cb", max_price=20_000)
    assert form.fault is None
    assert (form.trx_id, form.names_trx_id, form.dest) == ("T1", True, "1234567891234")
    assert (form.callback_url, form.max_price) == ("https://p.example/cb", 20_000)
    assert parsed(user_id=123456789).dest == "123456789"
    assert parsed(trx_id=None).names_trx_id is False
    assert parsed(user_id="").dest is None


@pytest.mark.parametrize("trx_id", ["", "a b", 1.5, True, []])
def test_an_unsafe_trx_id_is_named_and_none(trx_id: object) -> None:
    assert (parsed(trx_id=trx_id).trx_id, parsed(trx_id=trx_id).names_trx_id) == (None, True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"product_code": None}, Code.PRODUCT_NOT_FOUND),
        ({"product_code": ["S1"]}, Code.PRODUCT_NOT_FOUND),
        ({"user_id": "1,2"}, Code.INVALID_USER_ID),
        ({"server_id": ""}, Code.INVALID_USER_ID),
        ({"callback_url": 7.5}, Code.INVALID_CALLBACK_URL),
        ({"max_price": -1}, Code.INVALID_PARAMETER),
        ({"max_price": True}, Code.INVALID_PARAMETER),
        ({"max_price": "20000"}, Code.INVALID_PARAMETER),
    ],
)
def test_what_is_wrong_with_an_order_is_said_by_its_code(
    fields: dict[str, object], code: Code
) -> None:
    fault = parsed(**fields).fault
    assert fault is not None
    assert code_of(fault) is code


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"a":', b"\xff", b'{"trx_id":"1","trx_id":"2"}', b"[" * 100_000]
)
def test_what_can_not_be_relied_on_is_no_order(raw: bytes) -> None:
    assert parse_order_body(raw) is None


def test_a_note_without_a_code_has_none() -> None:
    assert code_of("Saldo tidak cukup") is None
    assert refusal(Code.PRICE_CHANGED).status == 400
    assert refusal(Code.PRODUCT_NOT_FOUND).body == (
        b'{"statusCode":404,"message":"PRODUCT_NOT_FOUND","error":"Not Found"}'
    )


# -- what we ask of the upstream, and what it answers


def test_the_order_call_names_us_and_nothing_is_in_its_path() -> None:
    parts = of_json(user_id="123456789", server_id="1234")
    assert order_call(parts, "the-key", "https://g/callback/t") == Call(
        "POST",
        "/v2/order",
        "the-key",
        b'{"product_code":"S1_1187","user_id":"123456789","server_id":"1234",'
        b'"trx_id":"toko-123424324","callback_url":"https://g/callback/t"}',
    )
    whole = order_call(of_json(), "the-key", "https://g/callback/t").body or b""
    assert b'"user_id":"1234567891234","trx_id"' in whole
    assert order_call(order(), "the-key", "https://g/c").method == "GET"


@pytest.mark.parametrize("http", [200, 201])
def test_the_object_that_names_this_order_is_proof(http: int) -> None:
    evidence, answer = read_order_reply(json(body(status="SUCCESS"), http), of_json())
    assert (evidence.source, evidence.verdict) == (Source.REPLY, Status.SUCCESS)
    assert evidence.invoice_number == "APIKUY_ML_1_0001"
    assert answer == JsonAnswer(status=http, invoice=said(status="SUCCESS"))


@pytest.mark.parametrize(
    "reply",
    [
        json(body(trx_id="toko-1234243240"), 201),
        json(body(trx_id="warung-123424324"), 201),
        json(body(trx_id=None), 201),
        json(body(status="DONE"), 201),
        json(body(), 202),
        json(body()[:-9], 201),
        text(body(), 201),
        text("R#toko-123424324 S1_1187.1, status SUCCESS. SN . Sisa saldo 1"),
        text("PRODUCT_NOT_FOUND"),
        json(body(status="FAILED", response_note="SERVER_ERROR"), 201),
        json(body(status="FAILED", response_note="ada DUPLICATE_TRX_ID"), 201),
        envelope("DUPLICATE_TRX_ID", 400),
        envelope("SERVER_ERROR", 500),
        envelope("SOMETHING_NEW", 400),
    ],
)
def test_everything_else_proves_nothing(reply: Any) -> None:
    evidence, answer = read_order_reply(reply, of_json())
    assert (evidence.verdict, answer) == (Silence.NO_ANSWER, None)


def test_a_refusal_is_proof_and_told_on_byte_for_byte() -> None:
    reply = envelope("NICKNAME_NOT_FOUND", 404)
    evidence, answer = read_order_reply(reply, of_json())
    assert evidence.verdict is Status.FAILED
    assert evidence.note == explain(Code.NICKNAME_NOT_FOUND)
    assert answer == JsonAnswer(status=404, envelope=reply.body)
    failed = read_order_reply(json(body(status="FAILED", response_note="Stok habis")), of_json())
    assert failed == (failed[0], None)
    assert failed[0].verdict is Silence.NO_ANSWER  # an object is no refusal: the look-up decides


# -- what its reseller reads


def test_the_upstreams_object_is_told_with_the_trx_id_turned_back() -> None:
    told = invoice_of(of_json(invoice=said(balance=98)))
    assert told == {**INVOICE, "trx_id": "123424324"}
    assert invoice_of(of_json(unnamed=True, invoice=said()))["trx_id"] is None
    assert invoice_of(of_json(), said(amount=7))["amount"] == 7


def test_the_journal_is_the_truth_where_it_knows_better() -> None:
    done = sold(dialect=Dialect.JSON, invoice=said())
    told = invoice_of(done)
    assert (told["status"], told["response_note"]) == ("SUCCESS", done.note)
    assert told["invoice_number"] == "APIKUY_XX_1679528285_4321"
    nameless = sold(dialect=Dialect.JSON, invoice=said(), invoice_number=None)
    assert invoice_of(nameless)["invoice_number"] == "APIKUY_ML_1_0001"


def test_what_is_not_known_is_null() -> None:
    told = invoice_of(of_json(invoice=None, placed_at=T0))
    assert list(told) == list(INVOICE)
    assert (told["invoice_number"], told["response_note"], told["amount"]) == (None, None, None)
    assert (told["status"], told["created_at"]) == ("PENDING", "2023-11-14T22:13:20.000Z")
    assert order_success(of_json(), status=201).status == 201


def test_a_delivery_has_the_balance_in_its_place() -> None:
    told = called_back(of_json(invoice=said()), 12345)
    assert list(told)[6:] == ["balance", "amount", "status", "voucher", "created_at"]
    assert told["balance"] == 12345
    assert called_back(of_json(invoice=said(balance=7)), 12345)["balance"] == 7
    assert "balance" not in called_back(of_json(invoice=None), None)


def test_a_delivery_is_a_post_of_the_object_whatever_the_profile() -> None:
    done = sold(dialect=Dialect.JSON, callback_url="https://p.example/cb?a=1#part")
    for profile in ("toss", "otomax", "report"):
        message = message_for(done, profile, 98)
        assert message is not None
        assert (message.method, message.url) == ("POST", "https://p.example/cb?a=1")
        assert standard_json.loads(message.body or "") == called_back(done, 98)
    assert message_for(sold(dialect=Dialect.JSON, callback_url=None), "toss", 98) is None


def test_a_body_is_signed_as_the_upstream_signs() -> None:
    # From RFC 4231, test case 2.
    wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature(b"what do ya want for nothing?", "Jefe") == wanted
