"""What was found by looking twice: each of these was wrong once, and costs somebody money."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.order import Silence
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    eventually,
    invoice,
    refuses,
    responds,
    says,
)
from tests.web.native import NATIVE, native, trx
from tests.web.test_web_json_orders import data, refused
from tests.web.webhooks import door, send, webhook_body

FIELDS = {"product_code": "S1_1187", "user_id": "123456789"}


def hang(house: House) -> Callable[[], None]:
    """Let the journal's disk hang; returns what makes it go on."""
    leave, real = threading.Event(), house._sqlite._writing_thread.run

    async def run(work: Any) -> Any:
        def when_it_may(connection: Any) -> Any:
            leave.wait(9)
            return work(connection)

        return await real(when_it_may)

    house._sqlite._writing_thread.run = run  # type: ignore[method-assign]
    return leave.set


async def test_what_nobody_can_ask_for_is_not_bought_after_a_503(
    house: House, upstream: FakeUpstream
) -> None:
    go_on = hang(house)
    answer = await house.ask_json("POST", "/v2/order", FIELDS)
    refused(answer, 503, "BUSY", "Service Unavailable")
    go_on()
    await eventually(lambda: house.gateway.intake._flights == {})
    (order,) = await house.orders()
    assert (order["status"], order["note"].partition(" ")[0]) == ("FAILED", "UPSTREAM_UNREACHABLE")
    assert upstream.json_orders == []
    assert house.gateway.settlement.open_orders == 0


async def test_nor_when_the_journal_is_away_for_longer_than_a_send_may_take(
    house: House, upstream: FakeUpstream
) -> None:
    house.errors_expected = True
    settle, away = house.gateway.submission._settlement.settle, asyncio.Event()

    async def when_it_is_back(order_id: int, evidence: Any, said: str, **how: Any) -> Any:
        if evidence.verdict is Silence.UNSENT:
            await away.wait()
        return await settle(order_id, evidence, said, **how)

    house.gateway.submission._settlement.settle = when_it_is_back  # type: ignore[method-assign]
    go_on = hang(house)
    answer = await house.ask_json("POST", "/v2/order", FIELDS)
    refused(answer, 503, "BUSY", "Service Unavailable")
    go_on()
    await eventually(house.orders)
    for _ in range(5):  # long past its lease, and looked at each time
        house.skip(200)
        await asyncio.sleep(0.15)
    assert upstream.asked == []
    away.set()
    await eventually(lambda: house.gateway.intake._flights == {})
    assert upstream.asked == []
    (order,) = await house.orders()
    assert order["status"] == "FAILED"


@pytest.mark.parametrize("dialect", ["json", "text", "otomax"])
async def test_an_order_on_its_way_in_is_not_said_to_be_unknown(
    open_house: OpenHouse, upstream: FakeUpstream, dialect: str
) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    go_on = hang(house)
    ordering = asyncio.create_task(house.order_json("T1"))
    await eventually(lambda: house.gateway.intake._flights)
    asking = asyncio.create_task(
        {
            "json": lambda: house.ask_json("GET", "/v1/status/trx-id/T1"),
            "text": lambda: house.get(f"/v1/otomax/status/T1?apikey={house.keys['toko']}"),
            "otomax": lambda: house.get(f"/trx?{trx(check='1')}"),
        }[dialect]()
    )
    await asyncio.sleep(0.2)
    assert not asking.done()
    go_on()
    answer = await asking
    assert answer.status == 200
    assert "INVOICE_NOT_FOUND" not in answer.text
    await ordering
    assert len(upstream.json_orders) == 1


async def test_an_object_that_says_failed_is_looked_up(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = invoice("FAILED", "RATE_LIMIT_REACHED", http=201)
    upstream.look_up = invoice("SUCCESS", "SN")
    assert data(await house.order_json())["status"] == "PENDING"
    await house.becomes("SUCCESS")


async def test_the_saldo_seen_last_is_told_whichever_reply_is_written_first(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status PENDING. x . Sisa saldo 1000")
    await house.get(house.order_target("T1"))
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. SN . Sisa saldo 900")
    await house.get(house.order_target("T2"))
    await house.replies_journaled()
    assert (await house.order("T2")).endswith(" . Sisa saldo 900")
    (reseller,) = await house.gateway.desk.resellers.show_all()
    assert reseller["saldo"] == 900


async def test_few_places_at_the_upstream_are_not_kept_for_nothing(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(house.get(house.order_target(f"T{n}")) for n in range(60)))
    assert asyncio.get_running_loop().time() - began < 2.7  # 60 times 50 ms are 3 s


@pytest.mark.parametrize(
    "answerer",
    [
        refuses("TOO_MANY_REQUESTS", 429, "Too Many Requests"),
        refuses("Cannot GET /v1/products"),
        refuses("SERVER_ERROR", 400, "Bad Request"),
    ],
)
async def test_a_list_that_is_refused_in_passing_does_not_lift_the_guard(
    open_house: OpenHouse, upstream: FakeUpstream, answerer: Any
) -> None:
    house = await open_house(upstream.url, catalog={"ttl_s": 1})
    sold = {"product_code": "S1_1187", "product_price": 1511}
    body = json.dumps({"statusCode": 200, "message": "success", "data": [sold]})
    upstream.lists["/v1/products"] = says_json(body)
    assert "PRICE_CHANGED" in await house.order("T1", max_price="100")
    upstream.lists["/v1/products"] = answerer
    house.skip(5)
    assert "PRICE_CHANGED" in await house.order("T2", max_price="100")
    assert upstream.orders == []
    stale = await house.ask_json("GET", "/v1/products")
    assert (stale.status, stale.text) == (200, body)
    assert stale.headers["Warning"].startswith("110 ")


def says_json(body: str) -> Any:
    return responds(body, 200, "application/json; charset=utf-8")


async def test_a_callback_right_after_the_reply_is_told_with_the_upstreams_object(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.json_order = invoice("PENDING", "RefId", http=201)
    await house.ask_json(
        "POST", "/v2/order", {**FIELDS, "trx_id": "T1", "callback_url": panel.url}
    )
    assert await house.call_back("SUCCESS") == 200
    await eventually(lambda: panel.bodies)
    told = json.loads(panel.bodies[0])
    assert told["category"]["title"] == "Mobile Legends"
    assert told["status"] == "SUCCESS"


async def test_another_sn_is_told_in_no_dialect(house: House, upstream: FakeUpstream) -> None:
    await house.order_json()
    assert await send(house, door(house, "token"), webhook_body("SUCCESS")) == 200
    await house.becomes("SUCCESS")
    other = webhook_body("SUCCESS", response_note="SN-TWO")
    assert await send(house, door(house, "token"), other) == 200
    told = data(await house.ask_json("GET", "/v1/status/trx-id/T1"))
    assert told["response_note"] == "Budi - 123456789(1234) . RefId: ML_1"
    assert "SN-TWO" not in await house.status()


async def test_a_final_order_is_not_asked_for_again_and_again(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1|2, status SUCCESS. SN . Sisa saldo 5")
    await house.order()
    upstream.look_up = refuses("SERVER_ERROR", 500)
    for _ in range(3):
        assert data(await house.ask_json("GET", "/v1/status/trx-id/T1"))["status"] == "SUCCESS"
    assert len(upstream.look_ups) == 1
    house.skip(61)
    upstream.look_up = invoice("SUCCESS", "SN", voucher="V-3")
    assert data(await house.ask_json("GET", "/v1/status/trx-id/T1"))["voucher"] == "V-3"


async def test_an_upstream_that_hangs_does_not_hold_up_what_is_known(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1|2, status SUCCESS. SN . Sisa saldo 5")
    await house.order()
    never = asyncio.Event()
    upstream.look_up = after(never, refuses("SERVER_ERROR", 500))
    began = asyncio.get_running_loop().time()
    assert data(await house.ask_json("GET", "/v1/status/trx-id/T1"))["status"] == "SUCCESS"
    assert asyncio.get_running_loop().time() - began < 2.6
    never.set()


async def test_what_the_upstream_repeats_of_our_request_is_not_told_on(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = refuses_with(trx_id="toko-T1", apikey="upstream-key-of-toko")
    answer = await house.order_json("T1")
    refused(answer, 404, "PRODUCT_NOT_FOUND", "Not Found")
    key, token = "upstream-key-of-toko", house.token("toko-T2")
    for number, extra in enumerate(
        ({"callback_url": f"https://x/callback/{token}"}, {"reference": token}, {"key": key})
    ):
        upstream.json_order = invoice("SUCCESS", "SN", http=201, **extra)
        told = await house.order_json(f"T{number + 2}")
        assert told.status == 201
        for secret in (key, house.token(f"toko-T{number + 2}"), "/callback/"):
            assert secret not in told.text


def refuses_with(**more: str) -> Any:
    body = {"statusCode": 404, "message": "PRODUCT_NOT_FOUND", "error": "Not Found", **more}
    return responds(json.dumps(body), 404, "application/json")


async def test_an_object_as_deep_as_a_well_is_told_without(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.json_order = invoice(
        "SUCCESS", "SN", http=201, deep=json.loads("[" * 500 + "]" * 500)
    )
    assert data(await house.order_json(), 201)["status"] == "SUCCESS"
    upstream.look_up = upstream.json_order
    assert data(await house.ask_json("GET", "/v1/status/trx-id/T1"))["response_note"] == "SN"


async def test_a_panel_with_an_empty_check_does_not_buy(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    assert "ERROR. INVALID_PARAMETER" in await native(house, check="")
    assert upstream.orders == []


async def test_a_callback_url_goes_out_encoded(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.json_order = invoice("SUCCESS", "SN", http=201)
    await house.order_json(callback_url=panel.url.replace("/report", '/é"<>?x=ü&y=1#top'))
    await eventually(lambda: panel.bodies)
    assert panel.targets == ["/%C3%A9%22%3C%3E?x=%C3%BC&y=1"]


@pytest.mark.parametrize("dialect", ["order", "status", "native", "json"])
async def test_who_asks_right_after_hears_no_less(
    open_house: OpenHouse, upstream: FakeUpstream, dialect: str
) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    for number in range(10):
        first = await house.get(house.order_target(f"T{number}"))
        assert "RefId : ML_1" in first.text
        again = await {
            "order": lambda name: house.get(house.order_target(name)),
            "status": lambda name: house.get(
                f"/v1/otomax/status/{name}?apikey={house.keys['toko']}"
            ),
            "native": lambda name: house.get(f"/trx?{trx(name, check='1')}"),
            "json": lambda name: house.ask_json("GET", f"/v1/status/trx-id/{name}"),
        }[dialect](f"T{number}")
        wanted = "akan diproses. Saldo 12345" if dialect == "native" else "RefId : ML_1"
        assert wanted in again.text
