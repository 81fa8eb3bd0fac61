"""Each fault once over real HTTP: what a client's socket sees, and what the books hold."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.sandbox import Sandbox, SandboxOptions
from gateway.sandbox.answers import LOOKUP_SPOILERS, ORDER_SPOILERS
from gateway.sandbox.faults import ALL, Fault, Faults

KEY = "kunci-rahasia-1"
DELAY_S = 0.1
RESET = "reset"


class Receiver:
    """Takes callbacks of every form: `(seconds, method, query, body, headers)` of each."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[tuple[float, str, dict[str, str], bytes, Any]] = []

    async def take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        heard = (time.monotonic(), request.method, dict(request.query), body, request.headers)
        self.heard.append(heard)
        return web.Response(text="OK")

    @property
    def statuses(self) -> list[str]:
        return [query["status"] for _, method, query, _, _ in self.heard if method == "GET"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/cb"
    yield receiver
    await runner.cleanup()


@asynccontextmanager
async def sandbox(rates: dict[str, float], **options: Any) -> AsyncIterator[Sandbox]:
    given: dict[str, Any] = {"delay_s": DELAY_S, "hold_s": 0.4, "faults": Faults(rates)} | options
    async with Sandbox.start(options=SandboxOptions(**given)) as running:
        yield running


def order_path(trx_id: str = "toko-1", dest: str = "55002", callback_url: str = "") -> str:
    query = {"apikey": KEY, "product_code": "S1_1187", "user_id": dest, "trx_id": trx_id}
    return str(URL("/v3/otomax/order").with_query({**query, "callback_url": callback_url}))


async def call(base: str, path: str) -> bytes | str:
    """Return all bytes that come for one request, sent once; RESET where it ends with one."""
    url = URL(base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: s\r\nAuthorization: {KEY}\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(_whole_or_end(reader), 5)
    except ConnectionResetError:
        return RESET
    finally:
        writer.transport.abort()


async def _whole_or_end(reader: asyncio.StreamReader) -> bytes:
    """Read one answer to the length that it promises, or to the connection's end."""
    answer = b""
    while chunk := await reader.read(65536):
        answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length and len(body) >= int(length):
            return answer
    return answer


def parts(answer: bytes | str) -> tuple[int, int, str]:
    """Return HTTP code, promised length and body."""
    assert isinstance(answer, bytes)
    head, _, body = answer.decode().partition("\r\n\r\n")
    length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
    return int(head.split()[1]), int(length), body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task brings about; 5 s are far more than any of it takes."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come about")


async def test_reset_before_buys_nothing_and_resets() -> None:
    async with sandbox({"reset-before": 1}) as upstream:
        assert await call(upstream.url, order_path()) == RESET
        assert upstream.ledger.purchases == []
        assert upstream.ledger.order_requests("toko-1") == 1


@pytest.mark.parametrize(
    ("fault", "seen"), [("lost-reply", b""), ("held-reply", b""), ("reset-after", RESET)]
)
async def test_bought_and_no_answer(fault: str, seen: bytes | str) -> None:
    async with sandbox({fault: 1}) as upstream:
        started = time.monotonic()
        assert await call(upstream.url, order_path()) == seen
        took_s = time.monotonic() - started
        assert (took_s >= 0.4) is (fault == "held-reply")
        assert len(upstream.ledger.purchases_of("toko-1")) == 1


async def test_a_held_order_is_off_the_wire_when_its_client_hangs_up() -> None:
    async with sandbox({"held-reply": 1}, hold_s=60) as upstream:
        held = asyncio.create_task(call(upstream.url, order_path()))
        await until(lambda: len(upstream.ledger.purchases) == 1)
        held.cancel()
        await asyncio.wait([held])
        line = upstream.ledger.traffic._lines["toko-1"]
        await until(lambda: not line.open_until)


async def test_bought_and_answered_500() -> None:
    async with sandbox({"error-500": 1}) as upstream:
        status, _, body = parts(await call(upstream.url, order_path()))
        assert (status, json.loads(body)["message"]) == (500, "SERVER_ERROR")
        assert len(upstream.ledger.purchases) == 1


@pytest.mark.parametrize("fault", ["html", "lookup-html"])
async def test_pages_come_with_200_and_with_502(fault: str) -> None:
    async with sandbox({fault: 1}) as upstream:
        seen = set()
        for number in range(12):
            answer = await call(upstream.url, order_path(f"t{number}"))
            if fault == "lookup-html":
                answer = await call(upstream.url, f"/v1/status/trx-id/t{number}")
            status, _, body = parts(answer)
            assert body.startswith("<!DOCTYPE html>")
            seen.add(status)
        assert seen == {200, 502}
        assert len(upstream.ledger.purchases) == 12


@pytest.mark.parametrize("fault", ["cut", "lookup-cut"])
async def test_an_answer_breaks_off_with_its_connection_or_as_if_it_were_whole(fault: str) -> None:
    async with sandbox({fault: 1}) as upstream:
        seen = set()
        for number in range(12):
            answer = await call(upstream.url, order_path(f"t{number}"))
            if fault == "lookup-cut":
                answer = await call(upstream.url, f"/v1/status/trx-id/t{number}")
            status, length, body = parts(answer)
            assert status == 200
            assert body.startswith(("R#t", '{"statusCode":200'))
            assert not body.endswith(("}", "9998489"))
            seen.add(length > len(body))
        assert seen == {True, False}


async def test_a_strangers_line_and_a_strangers_invoice() -> None:
    async with sandbox({"stranger": 1, "lookup-stranger": 1}) as upstream:
        _, _, line = parts(await call(upstream.url, order_path()))
        assert line.startswith("R#")
        assert not line.startswith("R#toko-1 ")
        _, _, body = parts(await call(upstream.url, "/v1/status/trx-id/toko-1"))
        data = json.loads(body)["data"]
        assert data["trx_id"] != "toko-1"
        assert data["invoice_number"].startswith("APIKUY_ZZ_")
        assert len(upstream.ledger.purchases) == 1


async def test_refused_after_it_was_bought() -> None:
    async with sandbox({"refused-after": 1}) as upstream:
        assert ", status PENDING. " in parts(await call(upstream.url, order_path()))[2]
        again = parts(await call(upstream.url, order_path()))[2]
        assert ", status FAILED. " in again or '"error":' in again
        assert len(upstream.ledger.purchases) == 1


async def test_double_buy_over_two_connections_at_once() -> None:
    async with sandbox({"double-buy": 1}, latency_s=0.2) as upstream:
        await asyncio.gather(*(call(upstream.url, order_path()) for _ in range(2)))
        assert len(upstream.ledger.purchases_of("toko-1")) == 2
        assert upstream.ledger.traffic.most_at_once("toko-1") == 2


async def test_a_look_up_that_is_lost_failed_or_late() -> None:
    path = "/v1/status/trx-id/toko-1"
    async with sandbox({"lookup-lost": 1}) as upstream:
        await call(upstream.url, order_path())
        assert await call(upstream.url, path) == b""
    async with sandbox({"lookup-500": 1}) as upstream:
        assert parts(await call(upstream.url, path))[0] == 500
    async with sandbox({"lookup-late": 1}, late_s=0.3) as upstream:
        await call(upstream.url, order_path())
        assert parts(await call(upstream.url, path))[0] == 404
        await asyncio.sleep(0.35)
        assert parts(await call(upstream.url, path))[0] == 200


async def test_an_early_callback_is_there_before_the_answer(receiver: Receiver) -> None:
    async with sandbox({"callback-early": 1}) as upstream:
        answer = await call(upstream.url, order_path(callback_url=receiver.url))
        answered = time.monotonic()
        assert ", status PENDING. " in parts(answer)[2]
        assert receiver.statuses == ["SUCCESS"]
        assert receiver.heard[0][0] < answered


@pytest.mark.parametrize(
    ("fault", "dest", "words"),
    [
        ("callback-twice", "55002", ["SUCCESS", "SUCCESS", "SUCCESS"]),
        ("callback-backwards", "55002", ["PENDING", "SUCCESS"]),
        ("callback-false-failed", "55002", ["FAILED", "SUCCESS"]),
        ("callback-false-success", "55003", ["FAILED", "SUCCESS"]),
        ("callback-missing", "55002", []),
    ],
)
async def test_callbacks_go_wrong(
    receiver: Receiver, fault: str, dest: str, words: list[str]
) -> None:
    async with sandbox({fault: 1}) as upstream:
        await call(upstream.url, order_path(dest=dest, callback_url=receiver.url))
        await asyncio.sleep(3 * DELAY_S)
        await until(lambda: len(receiver.heard) >= len(words))
        assert sorted(receiver.statuses) == words
        assert upstream.ledger.purchases[0].callbacks_acknowledged == len(words)


async def test_a_strangers_callback(receiver: Receiver) -> None:
    async with sandbox({"callback-stranger": 1}) as upstream:
        await call(upstream.url, order_path(callback_url=receiver.url))
        await until(lambda: len(receiver.heard) == 2)
        assert {query["trx_id"] == "toko-1" for _, _, query, _, _ in receiver.heard} == {
            True,
            False,
        }


def test_every_fault_that_spoils_an_answer_stands_in_the_table() -> None:
    spoilers = {*ORDER_SPOILERS, *LOOKUP_SPOILERS}
    others = {Fault.RESET_BEFORE, Fault.REFUSED_AFTER, Fault.DOUBLE_BUY, Fault.LOOKUP_LATE}
    callbacks = {fault for fault in Fault if fault.label.startswith("callback-")}
    assert spoilers | others | callbacks == set(Fault)


@pytest.mark.parametrize("form", ["text", "json", "both"])
async def test_a_callback_comes_in_the_form_that_is_set(receiver: Receiver, form: str) -> None:
    async with sandbox({}, callbacks=form) as upstream:
        await call(upstream.url, order_path(callback_url=receiver.url))
        forms = {"text": ["GET"], "json": ["POST"], "both": ["GET", "POST"]}[form]
        await until(lambda: len(receiver.heard) == len(forms))
        assert sorted(method for _, method, _, _, _ in receiver.heard) == forms
        (purchase,) = upstream.ledger.purchases
        await until(lambda: purchase.callbacks_acknowledged == len(forms))


async def test_the_webhook_is_the_documents_json_signed_over_its_bytes(
    receiver: Receiver,
) -> None:
    async with sandbox({}, webhook=receiver.url) as upstream:
        await call(upstream.url, order_path(dest="123456789002"))
        await until(lambda: len(receiver.heard) == 1)
        ((_, method, _, body, headers),) = receiver.heard
        assert (method, headers["Content-Type"]) == ("POST", "application/json")
        assert headers["x-signature"] == hmac.new(KEY.encode(), body, sha256).hexdigest()
        (purchase,) = upstream.ledger.purchases
        data = json.loads(body)
        assert data.pop("created_at").endswith("Z")
        assert list(data) == [
            "invoice_number",
            "trx_id",
            "response_note",
            "category",
            "product",
            "user_input",
            "balance",
            "amount",
            "status",
            "voucher",
        ]
        assert data == {
            "invoice_number": purchase.invoice_number,
            "trx_id": "toko-1",
            "response_note": f"Nickname - 12345678(9002) . RefId: {purchase.ref_id}",
            "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
            "product": {"name": "5 (5+0) Diamonds", "code": "S1_1187", "price": 1511},
            "user_input": {"user_id": "12345678", "server_id": "9002", "nickname": "Nickname"},
            "balance": 9_998_489,
            "amount": 1511,
            "status": "SUCCESS",
            "voucher": None,
        }
        assert json.dumps(data, separators=(",", ":"))[:-1].encode() in body


async def test_the_books_tell_all_and_no_key(receiver: Receiver) -> None:
    async with sandbox({}) as upstream, aiohttp.ClientSession() as http:
        await call(upstream.url, order_path("t1", "55003", receiver.url))
        await call(upstream.url, order_path("t1", "55003", receiver.url))
        await call(upstream.url, order_path("t2", "55103"))
        await until(lambda: upstream.ledger.purchases[0].callbacks_acknowledged == 1)
        async with http.get(f"{upstream.url}/sandbox/ledger") as response:
            text = await response.text()
        assert KEY not in text
        books = json.loads(text)
        (purchase,) = books["orders"]["t1"].pop("purchases")
        assert books["orders"] == {
            "t1": {"requests": 2, "most_at_once": 1},
            "t2": {"requests": 1, "most_at_once": 1, "purchases": []},
        }
        (bought,) = upstream.ledger.purchases
        assert purchase["invoice_number"] == bought.invoice_number
        assert [step["status"] for step in purchase["history"]] == ["PENDING", "FAILED"]
        assert purchase["history"][1]["at"] - purchase["history"][0]["at"] >= DELAY_S * 0.9
        assert (purchase["price_rp"], purchase["returned_rp"]) == (1511, 1511)
        assert purchase["sn"] == bought.note
        assert (purchase["status"], purchase["callbacks_acknowledged"]) == ("FAILED", 1)
        assert [told["true"] for told in purchase["callbacks"]] == [True]
        assert books["accounts"] == [
            {
                "account": "TopupKuy",
                "apikey_sha256": sha256(KEY.encode()).hexdigest(),
                "opening_rp": 10_000_000,
                "prices_rp": 1511,
                "returned_rp": 1511,
                "balance_rp": 10_000_000,
                "adds_up": True,
            }
        ]


async def test_money_adds_up_when_everything_goes_wrong() -> None:
    accounts = {KEY: 5_000_000}
    options: dict[str, Any] = {"accounts": accounts, "hold_s": 0.0, "slow_s": 0.0, "early_s": 0.0}
    async with sandbox({ALL: 0.2}, **options) as upstream:
        for number in range(150):
            for _ in range(2):
                await call(upstream.url, order_path(f"t{number}", f"550{number % 12 + 1:02}"))
        await asyncio.sleep(2 * DELAY_S)
        money = upstream.ledger.money(KEY)
        assert money.adds_up
        assert money.opening_rp - money.prices_rp + money.returned_rp == money.balance_rp
        assert money.returned_rp > 0
        assert money.prices_rp == 1511 * len(upstream.ledger.purchases)
        double = [t for t in upstream.ledger.trx_ids() if len(upstream.ledger.purchases_of(t)) > 1]
        assert double
