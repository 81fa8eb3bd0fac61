"""The sandbox's JSON orders in virtual time: what they buy and hear, and what goes wrong."""

import asyncio
import hmac
import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from gateway.sandbox.books import books
from gateway.sandbox.core import Answer, Asked, HangUp
from gateway.sandbox.refusals import REFUSALS
from tests.sandbox.world import EPOCH, KEY, World, body, code, in_virtual_time, said, status

PATHS = pytest.mark.parametrize("path", ["/v1/order", "/v2/order"])


@PATHS
def test_an_order_is_created_and_found_by_both_its_names(path: str) -> None:
    async def play(world: World) -> tuple[Answer | HangUp, list[Any]]:
        answer = world.buy_as_json(path, user_id="123456789", server_id="1234")
        (purchase,) = world.ledger.purchases
        headers = {"authorization": KEY}
        by_invoice = Asked("GET", f"/v1/status/{purchase.invoice_number}", headers=headers)
        return answer, [body(world.upstream.ask(by_invoice)), body(world.look_up("t-1"))]

    (answer, found), world = in_virtual_time(play)
    (purchase,) = world.ledger.purchases
    assert status(answer) == 201
    assert found == [body(answer), body(answer)]
    assert body(answer) == {
        "statusCode": 200,
        "message": "success",
        "data": {
            "invoice_number": purchase.invoice_number,
            "trx_id": "t-1",
            "response_note": f"RefId : {purchase.ref_id}",
            "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
            "product": {"name": "5 (5+0) Diamonds", "code": "S1_1187", "price": 1511},
            "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": None},
            "amount": 1511,
            "status": "PENDING",
            "voucher": None,
            "created_at": "2026-11-18T11:06:40.000Z",
        },
    }


@PATHS
def test_orders_without_a_trx_id_are_a_purchase_each(path: str) -> None:
    async def play(world: World) -> list[Answer | HangUp]:
        return [world.buy_as_json(path, trx_id=none) for none in (None, None, "")]

    answers, world = in_virtual_time(play)
    assert [status(answer) for answer in answers] == [201] * 3
    assert [body(answer)["data"]["trx_id"] for answer in answers] == [None] * 3
    assert len({body(answer)["data"]["invoice_number"] for answer in answers}) == 3
    told: Any = books(world.ledger)
    assert told["orders"] == {}
    assert len(told["unnamed"]) == 3
    assert told["requests"] == {f"POST {path}": 3}


def test_v1_refuses_a_used_trx_id_and_v2_answers_its_present_status() -> None:
    async def play(world: World) -> list[Answer | HangUp]:
        first = world.buy_as_json("/v1/order")
        refused = world.buy_as_json("/v1/order")
        await asyncio.sleep(5)
        return [first, refused, world.buy_as_json("/v2/order", product_code="other")]

    (first, refused, again), world = in_virtual_time(play)
    assert (status(first), status(refused), status(again)) == (201, 400, 200)
    assert body(refused) == {
        "statusCode": 400,
        "message": "DUPLICATE_TRX_ID",
        "error": "Bad Request",
    }
    data = body(again)["data"]
    assert data["invoice_number"] == body(first)["data"]["invoice_number"]
    assert (data["status"], data["user_input"]["nickname"]) == ("SUCCESS", "Nickname")
    assert len(world.ledger.purchases) == 1
    assert world.ledger.order_requests("t-1") == 3


def test_a_trx_id_is_used_for_text_and_json_alike() -> None:
    async def play(world: World) -> tuple[Answer | HangUp, str]:
        world.buy("t-1")
        again = world.buy_as_json()
        world.buy_as_json(trx_id="t-2")
        return again, said(world.buy("t-2"))

    (again, line), world = in_virtual_time(play)
    assert (status(again), body(again)["data"]["trx_id"]) == (200, "t-1")
    assert line.startswith("R#t-2 S1_1187.55002, status PENDING. ")
    assert len(world.ledger.purchases) == 2


@PATHS
def test_a_glued_destination_stays_as_it_came(path: str) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json(path, user_id="1234567891234")

    answer, _ = in_virtual_time(play)
    user = {"user_id": "1234567891234", "server_id": None, "nickname": None}
    assert body(answer)["data"]["user_input"] == user


@PATHS
@pytest.mark.parametrize(
    ("fields", "http", "message"),
    [
        ({"product_code": None}, 400, "PRODUCT_NOT_FOUND"),
        ({"product_code": ""}, 400, "PRODUCT_NOT_FOUND"),
        ({"product_code": 1187}, 400, "PRODUCT_NOT_FOUND"),
        ({"product_code": "no such"}, 404, "PRODUCT_NOT_FOUND"),
        ({"product_code": "S4_MLWDP"}, 400, "PRODUCT_INACTIVE"),
        ({"product_code": "S5_GP10"}, 400, "PAYMENT_METHOD_NOT_ALLOWED"),
        ({"user_id": None}, 400, "INVALID_USER_ID"),
        ({"user_id": 55002}, 400, "INVALID_USER_ID"),
        ({"user_id": "a\nb"}, 400, "INVALID_USER_ID"),
        ({"server_id": 1234}, 400, "INVALID_USER_ID"),
        ({"trx_id": 17}, 400, "trx_id must be a string"),
        ({"callback_url": 17}, 400, "INVALID_CALLBACK_URL"),
        ({"callback_url": "ftp://h/"}, 400, "INVALID_CALLBACK_URL"),
    ],
)
def test_a_wrong_field_is_refused_in_the_envelope(
    path: str, fields: dict[str, object], http: int, message: str
) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json(path, **fields)

    answer, world = in_virtual_time(play)
    assert status(answer) == http
    error = {400: "Bad Request", 404: "Not Found"}[http]
    assert body(answer) == {"statusCode": http, "message": message, "error": error}
    assert world.ledger.purchases == []


@pytest.mark.parametrize(
    ("sent", "content_type", "message"),
    [
        (b"{", "application/json", "Unexpected token in JSON"),
        (b"[]", "application/json", "Unexpected token in JSON"),
        (b'"x"', "application/json", "Unexpected token in JSON"),
        (b"\xff", "application/json; charset=utf-8", "Unexpected token in JSON"),
        (b'{"product_code": ' + b"[" * 100_000, "application/json", "Unexpected token in JSON"),
        (b'{"product_code": "\\ud800"}', "application/json", "Unexpected token in JSON"),
        (b"", "application/json", "PRODUCT_NOT_FOUND"),
        (b"{}", "application/json", "PRODUCT_NOT_FOUND"),
        (b'{"product_code": "S1_1187", "user_id": "55001"}', "text/plain", "PRODUCT_NOT_FOUND"),
        (b'{"product_code": "S1_1187", "user_id": "55001"}', "", "PRODUCT_NOT_FOUND"),
    ],
)
def test_a_body_that_is_no_order_is_refused(sent: bytes, content_type: str, message: str) -> None:
    async def play(world: World) -> list[Answer | HangUp]:
        asked = world.order_as_json()
        headers = {**asked.headers, "content-type": content_type}
        return [
            world.upstream.ask(replace(asked, path=path, headers=headers, body=sent))
            for path in ("/v1/order", "/v2/order")
        ]

    answers, world = in_virtual_time(play)
    for answer in answers:
        assert status(answer) == 400
        assert body(answer) == {"statusCode": 400, "message": message, "error": "Bad Request"}
    assert world.ledger.purchases == []


def test_without_a_known_key_nothing_else_is_looked_at() -> None:
    async def play(world: World) -> list[str]:
        asked = world.order_as_json(product_code=None)
        headers = [{}, {"authorization": "other"}, {"authorization": f"Bearer {KEY}"}]
        return [code(world.upstream.ask(replace(asked, headers=one))) for one in headers]

    codes, world = in_virtual_time(play)
    assert codes == ["API_KEY_NOT_FOUND"] * 3
    assert world.ledger.purchases == []


@pytest.mark.parametrize("number", range(101, 113))
def test_the_destination_chooses_the_refusal(number: int) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json(user_id="123456789", server_id=f"0{number}")

    answer, world = in_virtual_time(play)
    refusal = REFUSALS[number - 101]
    assert (status(answer), code(answer)) == (refusal.status, refusal.code)
    assert world.ledger.purchases == []


@pytest.mark.parametrize(
    ("suffix", "first", "posted"),
    [
        ("001", "SUCCESS", ["SUCCESS"]),
        ("003", "PENDING", ["FAILED"]),
        ("004", "SUCCESS", ["SUCCESS", "REFUNDED"]),
        ("005", "PENDING", ["PARTIAL_SUCCESS"]),
        ("006", "PENDING", ["SUCCESS"]),
        ("011", "PENDING", []),
        ("012", "PENDING", []),
    ],
)
def test_the_destination_chooses_what_becomes_of_it_and_it_is_called_back_as_json(
    suffix: str, first: str, posted: list[str]
) -> None:
    async def play(world: World) -> Answer | HangUp:
        answer = world.buy_as_json(user_id=f"55{suffix}")
        await asyncio.sleep(60)
        return answer

    answer, world = in_virtual_time(play)
    assert (status(answer), body(answer)["data"]["status"]) == (201, first)
    assert answer.after_s == (20 if suffix == "006" else 0)
    assert world.sender.sent == []
    assert [json.loads(signed.body)["status"] for _, _, signed in world.sender.posted] == posted
    for _, target, signed in world.sender.posted:
        assert str(target) == "http://gateway/callback/t-1"
        assert json.loads(signed.body)["trx_id"] == "t-1"
        assert signed.signature == hmac.new(KEY.encode(), signed.body, sha256).hexdigest()


@pytest.mark.parametrize(
    ("suffix", "seen", "bought"),
    [("007", None, 1), ("008", 200, 1), ("009", 500, 1), ("010", None, 0)],
)
def test_an_unusable_reply(suffix: str, seen: int | None, bought: int) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json(user_id=f"55{suffix}")

    answer, world = in_virtual_time(play)
    assert (answer.status if isinstance(answer, Answer) else None) == seen
    assert len(world.ledger.purchases) == bought


@pytest.mark.parametrize(
    ("form", "text", "as_json"),
    [
        ("auto", ["sent"], ["posted"]),
        ("text", ["sent"], ["sent"]),
        ("json", ["posted"], ["posted"]),
        ("both", ["sent", "posted"], ["sent", "posted"]),
    ],
)
def test_the_form_of_a_callback_is_that_of_its_order_unless_one_is_set(
    form: str, text: list[str], as_json: list[str]
) -> None:
    async def play(world: World) -> list[list[str]]:
        told = []
        for asked in (world.order("t-1"), world.order_as_json(trx_id="t-2")):
            world.upstream.ask(asked)
            await asyncio.sleep(60)
            sender = world.sender
            told.append(["sent"] * len(sender.sent) + ["posted"] * len(sender.posted))
            sender.sent.clear()
            sender.posted.clear()
        return told

    told, _ = in_virtual_time(play, callbacks=form)
    assert told == [text, as_json]


def test_a_webhook_and_its_own_url_are_both_told_of_a_json_order() -> None:
    async def play(world: World) -> None:
        world.buy_as_json(trx_id=None)
        world.buy_as_json(trx_id=None, callback_url=None)
        await asyncio.sleep(60)

    _, world = in_virtual_time(play, webhook="http://gateway/callback")
    targets = [(str(target), json.loads(s.body)["trx_id"]) for _, target, s in world.sender.posted]
    webhook = ("http://gateway/callback", None)
    assert targets == [("http://gateway/callback/t-1", None), webhook, webhook]


def test_a_json_order_costs_what_its_invoice_says_also_after_a_new_price() -> None:
    async def play(world: World) -> list[int]:
        catalog, prices = world.ledger.catalog, []
        for price_rp in (1511, 2000, 1000):
            catalog.set_price("S1_1187", price_rp)
            data = body(world.buy_as_json(trx_id=f"t-{price_rp}"))["data"]
            assert data["amount"] == data["product"]["price"]
            prices.append(data["amount"])
        assert body(world.look_up("t-1511"))["data"]["amount"] == 1511
        return prices

    prices, world = in_virtual_time(play)
    assert prices == [1511, 2000, 1000]
    assert world.ledger.balance(KEY) == 900_000_000 - 4511
    assert {purchase.created_at for purchase in world.ledger.purchases} == {EPOCH}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_only_post_buys_as_json(method: str) -> None:
    async def play(world: World) -> list[int]:
        asked = [world.order_as_json(path) for path in ("/v1/order", "/v2/order")]
        answers = [world.upstream.ask(replace(one, method=method)) for one in asked]
        return [answer.status for answer in answers if isinstance(answer, Answer)]

    statuses, world = in_virtual_time(play)
    assert statuses == [405, 405]
    assert world.ledger.purchases == []
    assert world.ledger.order_requests("t-1") == 0
    assert not world.ledger.requests
