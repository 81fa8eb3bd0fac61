"""Orders in the upstream's JSON: whose bytes they are, what is refused, what is bought once."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.support import (
    Answerer,
    FakeUpstream,
    House,
    OpenHouse,
    drops,
    eventually,
    invoice,
    refuses,
    responds,
    says,
)
from tests.support.house import Answer
from tests.support.upstream import Asked

# The document's own shape ("Create api order v2").
NAMES = [
    "invoice_number",
    "trx_id",
    "response_note",
    "category",
    "product",
    "user_input",
    "amount",
    "status",
    "voucher",
    "created_at",
]
JSON = "application/json; charset=utf-8"


def data(answer: Answer, http: int = 200) -> dict[str, Any]:
    assert answer.status == http, answer
    assert answer.headers["Content-Type"] == JSON
    body = json.loads(answer.text)
    assert (body["statusCode"], body["message"]) == (200, "success")
    told: dict[str, Any] = body["data"]
    assert list(told) == NAMES
    return told


def refused(answer: Answer, http: int, code: str, error: str) -> None:
    assert answer.headers["Content-Type"] == JSON
    assert json.loads(answer.text) == {"statusCode": http, "message": code, "error": error}
    assert answer.status == http


@pytest.mark.parametrize("version", [1, 2])
async def test_the_answer_is_the_upstreams_own_with_the_trx_id_turned_back(
    house: House, upstream: FakeUpstream, version: int
) -> None:
    upstream.json_order = invoice("SUCCESS", "SN-1", http=201, voucher="ABC-1")
    answer = await house.order_json("A-1", "123456789", version=version, server_id="1234")
    told = data(answer, 201)
    assert told == {
        "invoice_number": "APIKUY_ML_1_0001",
        "trx_id": "A-1",
        "response_note": "SN-1",
        "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
        "product": {"name": "5 Diamonds", "code": "S1_1187", "price": 1511},
        "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": None},
        "amount": 1511,
        "status": "SUCCESS",
        "voucher": "ABC-1",
        "created_at": "2023-03-22T23:38:05.000Z",
    }
    (asked,) = upstream.json_orders
    assert asked.request.method == "POST"
    assert asked.headers["Authorization"] == "upstream-key-of-toko"
    assert asked.fields == {
        "product_code": "S1_1187",
        "user_id": "123456789",
        "server_id": "1234",
        "trx_id": "toko-A-1",
        "callback_url": f"{house.url}/callback/{house.token('toko-A-1')}",
    }
    assert upstream.orders == []


async def test_the_upstreams_refusal_is_told_byte_for_byte_and_is_final(
    house: House, upstream: FakeUpstream
) -> None:
    body = '{"statusCode":404, "message":"PRODUCT_NOT_FOUND","error":"Not Found"}'
    upstream.json_order = responds(body, 404, JSON)
    answer = await house.order_json()
    assert (answer.status, answer.text) == (404, body)
    assert (await house.shown())["status"] == "FAILED"
    told = data(await house.order_json())  # the same trx_id asks for the status
    assert (told["status"], told["trx_id"]) == ("FAILED", "T1")
    assert told["response_note"] == "PRODUCT_NOT_FOUND - Kode produk tidak ditemukan."
    assert len(upstream.json_orders) == 1


@pytest.mark.parametrize(
    "answerer",
    [
        drops,
        refuses("SERVER_ERROR", 500, "Internal Server Error"),
        refuses("DUPLICATE_TRX_ID", 409, "Conflict"),
        refuses("INVOICE_NOT_FOUND"),
        refuses("SOMETHING_NEW", 400, "Bad Request"),
        responds("<html>", 200, "text/html"),
        responds("{", 201, JSON),
        responds('{"statusCode":200,"message":"success","data":[]}', 201, JSON),
        responds("", 302, JSON, Location="/elsewhere"),
        invoice("SUCCESS", trx_id=None, http=201),  # the document's sample: it names no order
        invoice("SUCCESS", trx_id="toko-T2", http=201),
        invoice("FAILED", trx_id="toko-T2", http=201),
        invoice("FAILED", "SERVER_ERROR", http=201),
        invoice("DONE", http=201),
        invoice("SUCCESS", http=500),
    ],
)
async def test_what_proves_nothing_is_pending_in_the_documents_shape(
    house: House, upstream: FakeUpstream, answerer: Answerer
) -> None:
    upstream.json_order = answerer
    told = data(await house.order_json(server_id="1234"))
    assert told["status"] == "PENDING"
    assert told["trx_id"] == "T1"
    assert told["product"] == {"name": None, "code": "S1_1187", "price": None}
    assert told["user_input"] == {"user_id": "123456789", "server_id": "1234", "nickname": None}
    for unknown in ("invoice_number", "response_note", "amount", "voucher"):
        assert told[unknown] is None
    upstream.look_up = invoice("SUCCESS", "SN-9")  # and the look-up decides
    await house.becomes("SUCCESS")
    assert data(await house.order_json(server_id="1234"))["response_note"] == "SN-9"
    assert len(upstream.json_orders) == 1


async def test_the_order_and_its_send_are_durable_before_the_first_byte(
    house: House, upstream: FakeUpstream
) -> None:
    seen = []

    async def look_first(asked: Asked) -> web.StreamResponse:
        shown = await house.shown()
        seen.append((shown["status"], shown["sends"], shown["sending"]))
        return await invoice("SUCCESS", "SN", http=201)(asked)

    upstream.json_order = look_first
    data(await house.order_json(), 201)
    assert seen == [("PENDING", 1, True)]


async def test_an_unreachable_upstream_fails_the_order(open_house: OpenHouse) -> None:
    house = await open_house("http://127.0.0.1:1")
    told = data(await house.order_json())
    assert told["status"] == "FAILED"
    assert told["response_note"].startswith("UPSTREAM_UNREACHABLE - ")


async def test_a_used_trx_id_is_refused_by_v1_and_answered_by_v2(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = invoice("PENDING", "RefId : ML_1", http=201)
    assert data(await house.order_json(version=1), 201)["status"] == "PENDING"
    upstream.look_up = invoice("SUCCESS", "SN-2")
    refused(await house.order_json(version=1), 409, "DUPLICATE_TRX_ID", "Conflict")
    assert data(await house.order_json(version=2))["response_note"] == "SN-2"
    for other in ({"dest": "987"}, {"product_code": "S9"}, {"server_id": "1"}):
        answer = await house.order_json(version=2, **other)
        refused(answer, 409, "DUPLICATE_TRX_ID", "Conflict")
    assert len(upstream.json_orders) == 1


async def test_without_a_trx_id_each_order_is_one_of_its_own_and_answers_null(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = invoice("SUCCESS", "SN", http=201)
    for _ in range(2):
        assert data(await house.order_json(None), 201)["trx_id"] is None
    first, second = (asked.trx_id for asked in upstream.json_orders)
    assert first != second
    assert first.startswith("toko-")
    status = await house.ask_json("GET", "/v1/status/APIKUY_ML_1_0001")
    assert data(status)["trx_id"] is None
    line = await house.status("APIKUY_ML_1_0001")
    assert line.startswith("R#- APIKUY_ML_1_0001 S1_1187.123456789(1234), status SUCCESS. SN"), (
        line
    )


@pytest.mark.parametrize("trx_id", ["", " ", "a b", "x" * 65, "ä", 1.5, True, [], {}])
async def test_an_unsafe_trx_id_decides_nothing(
    house: House, upstream: FakeUpstream, trx_id: object
) -> None:
    answer = await house.ask_json(
        "POST", "/v2/order", {"product_code": "S1", "user_id": "1", "trx_id": trx_id}
    )
    refused(answer, 400, "INVALID_PARAMETER", "Bad Request")
    assert await house.orders() == []
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("fields", "code", "http"),
    [
        ({"product_code": None}, "PRODUCT_NOT_FOUND", 404),
        ({"product_code": "a/b"}, "PRODUCT_NOT_FOUND", 404),
        ({"dest": None}, "INVALID_USER_ID", 400),
        ({"dest": "1,2"}, "INVALID_USER_ID", 400),
        ({"server_id": "x" * 129}, "INVALID_USER_ID", 400),
        ({"server_id": [1]}, "INVALID_USER_ID", 400),
        ({"callback_url": "ftp://x/"}, "INVALID_CALLBACK_URL", 400),
        ({"callback_url": 5.5}, "INVALID_CALLBACK_URL", 400),
        ({"max_price": "cheap"}, "INVALID_PARAMETER", 400),
        ({"max_price": -1}, "INVALID_PARAMETER", 400),
        ({"max_price": 1.5}, "INVALID_PARAMETER", 400),
    ],
)
async def test_a_bad_order_is_journaled_as_failed_and_then_refused(
    house: House, upstream: FakeUpstream, fields: dict[str, Any], code: str, http: int
) -> None:
    answer = await house.order_json(**fields)
    assert json.loads(answer.text)["message"] == code
    assert answer.status == http
    shown = await house.shown()
    assert (shown["status"], shown["dialect"]) == ("FAILED", "json")
    assert shown["note"].startswith(f"{code} - ")
    assert upstream.asked == []
    status = data(await house.ask_json("GET", "/v1/status/trx-id/T1"))
    assert status["status"] == "FAILED"
    assert upstream.asked == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"trx_id":"A","trx_id":"B","product_code":"S1","user_id":"1"}',
        b"{" * 20_000,
        b'{"a":' + b"[" * 20_000,
    ],
)
@pytest.mark.parametrize("version", [1, 2])
async def test_a_body_that_can_not_be_read_decides_nothing(
    house: House, upstream: FakeUpstream, raw: bytes, version: int
) -> None:
    answer = await house.ask_json("POST", f"/v{version}/order", raw=raw)
    refused(answer, 400, "INVALID_PARAMETER", "Bad Request")
    assert await house.orders() == []
    assert upstream.asked == []


async def test_a_body_over_the_limit_is_not_read(house: House) -> None:
    answer = await house.ask_json("POST", "/v2/order", raw=b" " * 70_000)
    refused(answer, 413, "INVALID_PARAMETER", "Request Entity Too Large")


@pytest.mark.parametrize("key", ["", "wrong", "ä"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/order"),
        ("POST", "/v2/order"),
        ("GET", "/v1/status/APIKUY_1"),
        ("GET", "/v1/status/trx-id/T1"),
    ],
)
async def test_a_wrong_key_reads_what_the_document_says(
    house: House, method: str, path: str, key: str
) -> None:
    answer = await house.ask_json(method, path, raw=b"{}", Authorization=key)
    refused(answer, 404, "API_KEY_NOT_FOUND", "Not Found")


async def test_another_address_and_a_suspended_reseller_are_refused(open_house: OpenHouse) -> None:
    house = await open_house("http://127.0.0.1:1")
    await house.add("far", allow_ips=["203.0.113.7"])
    await house.add("gone", suspended=True)
    far = await house.order_json(reseller="far")
    refused(far, 403, "IP_NOT_WHITELISTED", "Forbidden")
    refused(await house.order_json(reseller="gone"), 403, "RESELLER_SUSPENDED", "Forbidden")
    assert await house.orders() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/order", "/v2/order", "/v1/status/x", "/v1/status/trx-id/x"])
async def test_other_methods_buy_nothing(
    house: House, upstream: FakeUpstream, method: str, path: str
) -> None:
    answer = await house.ask_json(method, path, raw=b'{"product_code":"S1","user_id":"1"}')
    assert answer.status == 405
    if method != "HEAD":
        refused(answer, 405, "METHOD_NOT_ALLOWED", "Method Not Allowed")
    assert upstream.asked == []


async def test_over_a_limit_nothing_is_decided(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, limits={"orders_per_s": 1})
    answers = [await house.order_json(f"T{n}") for n in range(2)]
    refused(answers[1], 429, "RATE_LIMITED", "Too Many Requests")
    assert len(await house.orders()) == 1


async def test_a_journal_that_can_not_write_sells_nothing(
    house: House, upstream: FakeUpstream
) -> None:
    await house.break_journal()
    refused(await house.order_json(), 503, "BUSY", "Service Unavailable")
    await house.break_journal(broken=False)
    assert upstream.asked == []


async def test_equal_requests_at_the_same_time_share_one_purchase(
    house: House, upstream: FakeUpstream
) -> None:
    go = asyncio.Event()

    async def slowly(asked: Any) -> Any:
        await go.wait()
        return await invoice("SUCCESS", "SN", http=201)(asked)

    upstream.json_order = slowly
    asking = [asyncio.create_task(house.order_json()) for _ in range(5)]
    await eventually(lambda: len(upstream.json_orders) == 1)
    text = asyncio.create_task(house.order())  # and a panel of the same reseller
    await asyncio.sleep(0.1)
    go.set()
    answers = await asyncio.gather(*asking)
    assert {(answer.status, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert (await text).startswith("R#T1 S1_1187.123456789|1234, status SUCCESS. SN")
    assert len(upstream.json_orders) == 1
    assert upstream.orders == []


async def test_the_same_order_in_two_dialects_is_bought_once_and_reads_the_same(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789|1234, status PENDING. RefId : ML_1")
    await house.order("T1", "1234567891234")
    upstream.look_up = invoice("SUCCESS", "Budi - 1(2) . RefId: ML_1")
    told = data(await house.order_json("T1", "123456789", server_id="1234"))
    assert (told["status"], told["response_note"]) == ("SUCCESS", "Budi - 1(2) . RefId: ML_1")
    await house.order_json("T2")
    assert (await house.order("T2")).startswith("R#T2 S1_1187.")
    assert (len(upstream.orders), len(upstream.json_orders)) == (1, 1)


async def test_a_second_send_is_one_more_post_and_only_after_a_look_up_found_nothing(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = drops
    assert data(await house.order_json())["status"] == "PENDING"
    upstream.json_order = invoice("SUCCESS", "SN-3", http=201)
    await house.becomes("SUCCESS")  # the default look-up says INVOICE_NOT_FOUND
    first, second = upstream.json_orders
    assert first.body == second.body
    looked_up_between = upstream.asked[upstream.asked.index(first) + 1 : -1]
    assert looked_up_between
    assert all(asked in upstream.look_ups for asked in looked_up_between)
