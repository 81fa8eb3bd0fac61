"""Status in the upstream's JSON, and deliveries of JSON orders: its object, turned back."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.support import FakeUpstream, House, Panel, eventually, invoice, refuses, says
from tests.web.test_web_json_orders import JSON, data, refused
from tests.web.webhooks import SN, door, send, webhook_body

PATHS = pytest.mark.parametrize("path", ["/v1/status/trx-id/T1", "/v1/status/APIKUY_ML_1_0001"])


@PATHS
async def test_a_final_order_is_told_from_the_journal_and_nobody_is_asked(
    house: House, upstream: FakeUpstream, path: str
) -> None:
    upstream.json_order = invoice("SUCCESS", "SN", http=201, voucher="V-1")
    ordered = data(await house.order_json(), 201)
    assert data(await house.ask_json("GET", path)) == ordered
    assert upstream.look_ups == []


@PATHS
async def test_an_open_order_is_looked_up_first(
    house: House, upstream: FakeUpstream, path: str
) -> None:
    data(await house.order_json(), 201)
    upstream.look_up = invoice("SUCCESS", "SN-5")
    told = data(await house.ask_json("GET", path))
    assert (told["status"], told["response_note"]) == ("SUCCESS", "SN-5")


async def test_a_text_order_is_told_whole_after_one_look_up(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789|1234, status SUCCESS. SN . Sisa saldo 5")
    await house.order()
    upstream.look_up = invoice("SUCCESS", "SN", voucher="V-2")
    for _ in range(2):
        told = data(await house.ask_json("GET", "/v1/status/trx-id/T1"))
        assert (told["voucher"], told["category"]["title"]) == ("V-2", "Mobile Legends")
    assert len(upstream.look_ups) == 1


async def test_a_text_order_is_told_as_far_as_it_is_known_while_the_upstream_is_silent(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789|1234, status SUCCESS. SN . Sisa saldo 5")
    await house.order()
    upstream.look_up = refuses("SERVER_ERROR", 500)
    told = data(await house.ask_json("GET", "/v1/status/trx-id/T1"))
    assert (told["status"], told["response_note"], told["voucher"]) == ("SUCCESS", "SN", None)


async def test_the_journals_word_wins_over_an_object_that_is_older(
    house: House, upstream: FakeUpstream
) -> None:
    data(await house.order_json(), 201)  # its object says PENDING
    assert await house.call_back("SUCCESS", sn="SN-6") == 200
    await house.becomes("SUCCESS")
    told = data(await house.ask_json("GET", "/v1/status/trx-id/T1"))
    assert (told["status"], told["response_note"]) == ("SUCCESS", "SN-6")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/status/trx-id/T2",
        "/v1/status/APIKUY_2",
        "/v1/status/T1",
        "/v1/status/trx-id/%00",
        "/v1/status/%0A",
        "/v1/status/trx-id/" + "x" * 65,
    ],
)
async def test_what_is_not_there_or_anothers_is_not_found(
    house: House, upstream: FakeUpstream, path: str
) -> None:
    await house.add("warung")
    data(await house.order_json(), 201)
    refused(await house.ask_json("GET", path), 404, "INVOICE_NOT_FOUND", "Not Found")
    mine = await house.ask_json("GET", "/v1/status/trx-id/T1", reseller="warung")
    refused(mine, 404, "INVOICE_NOT_FOUND", "Not Found")


def told_to(panel: Panel) -> list[dict[str, Any]]:
    return [json.loads(body) for body in panel.bodies]


def check_signatures(house: House, panel: Panel) -> None:
    for body, headers in zip(panel.bodies, panel.headers, strict=True):
        key = house.keys["toko"].encode()
        assert headers["x-signature"] == hmac.new(key, body, hashlib.sha256).hexdigest()
        assert headers["Content-Type"] == "application/json"


async def test_a_callback_is_told_on_with_the_trx_id_turned_back(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    data(await house.order_json(callback_url=f"{panel.url}?mine=1#top"), 201)
    body = webhook_body("SUCCESS")
    assert await send(house, door(house, "token"), body) == 200
    await eventually(lambda: panel.bodies)
    (told,) = told_to(panel)
    assert told == {**json.loads(body), "trx_id": "T1"}
    assert list(told) == list(json.loads(body))
    assert panel.methods == ["POST"]
    assert panel.targets == ["/report?mine=1"]
    check_signatures(house, panel)


async def test_what_no_callback_told_is_told_in_the_documents_shape(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.json_order = refuses("INSUFFICIENT_BALANCE", 400, "Bad Request")
    await house.order_json(None, callback_url=panel.url)
    await eventually(lambda: panel.bodies)
    (told,) = told_to(panel)
    assert (told["status"], told["trx_id"], told["amount"]) == ("FAILED", None, None)
    assert told["response_note"].startswith("INSUFFICIENT_BALANCE - ")
    check_signatures(house, panel)


async def test_a_refund_after_success_is_told_as_a_correction(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    data(await house.order_json(callback_url=panel.url), 201)
    assert await send(house, door(house, "webhook"), webhook_body("SUCCESS")) == 200
    await eventually(lambda: panel.bodies)
    upstream.look_up = invoice("REFUNDED", "dana kembali")
    assert await send(house, door(house, "webhook"), webhook_body("REFUNDED")) == 200
    await eventually(lambda: len(panel.bodies) == 2)
    first, second = told_to(panel)
    assert (first["status"], first["response_note"]) == ("SUCCESS", SN)
    assert (second["status"], second["response_note"]) == ("REFUNDED", "dana kembali")
    assert second["balance"] == 987654
    check_signatures(house, panel)


async def test_a_repeat_is_the_same_body_and_is_signed_under_the_key_of_now(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.json_order = invoice("SUCCESS", "SN", http=201)
    await house.order_json(callback_url=panel.url)
    await eventually(lambda: panel.bodies)
    rotated = await house.gateway.desk.resellers.rotate_key("toko")
    house.secrets.add(rotated["key"])
    (delivery,) = await house.deliveries()
    await house.gateway.desk.delivery_resend(delivery["id"])
    await eventually(lambda: len(panel.bodies) == 2)
    assert panel.bodies[0] == panel.bodies[1]
    key = rotated["key"].encode()
    signed = hmac.new(key, panel.bodies[1], hashlib.sha256).hexdigest()
    assert panel.headers[1]["x-signature"] == signed


async def test_a_bad_callback_url_is_refused_and_nobody_is_told(
    house: House, upstream: FakeUpstream
) -> None:
    answer = await house.order_json(callback_url=f"{house.url}/callback/x")
    refused(answer, 400, "INVALID_CALLBACK_URL", "Bad Request")
    assert answer.headers["Content-Type"] == JSON
    assert await house.deliveries() == []


async def test_an_order_is_found_by_its_invoice_as_soon_as_that_is_told(
    house: House, upstream: FakeUpstream
) -> None:
    for number in range(20):
        upstream.json_order = invoice("PENDING", http=201, invoice_number=f"APIKUY_{number}")
        fields = {"product_code": "S1_1187", "user_id": "1", "trx_id": f"N{number}"}
        told = data(await house.ask_json("POST", "/v2/order", fields), 201)
        upstream.look_up = invoice("PENDING", invoice_number=f"APIKUY_{number}")
        found = await house.ask_json("GET", f"/v1/status/{told['invoice_number']}")
        assert data(found)["trx_id"] == f"N{number}"
