"""The sandbox over real HTTP, with a real receiver for its callbacks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.sandbox import Sandbox, SandboxOptions, Status, start_sandbox
from gateway.sandbox.ledger import OPENING_BALANCE_RP
from gateway.sandbox.refusals import REFUSALS

KEY = "kunci-rahasia-1"
DELAY_S = 0.04


class Receiver:
    """A panel's server: keeps what arrives and answers with the next of `answers`, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.BaseRequest] = []
        self.answers: list[int] = []

    async def start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._receive))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/cb/secret-token"
        return runner

    @property
    def statuses(self) -> list[str]:
        return [request.query["status"] for request in self.requests]

    async def _receive(self, request: web.BaseRequest) -> web.Response:
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(text="OK", status=status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = await receiver.start()
    yield receiver
    await runner.cleanup()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def sandbox(told: list[str]) -> AsyncIterator[Sandbox]:
    options = SandboxOptions(
        delay_s=DELAY_S, slow_s=0.3, callback_repeats_s=(0.02, 0.02, 0.02), report=told.append
    )
    async with Sandbox.start("127.0.0.1", 0, options) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def order(sandbox: Sandbox, receiver: Receiver, http: aiohttp.ClientSession) -> Callable[..., Any]:
    """Place an order: `(status, content type, text)`; keyword arguments replace parameters."""

    async def place(dest: str, *, version: int = 3, **other: str) -> tuple[int, str, str]:
        query = {"apikey": KEY, "product_code": "S1_1187", "user_id": dest, "trx_id": "toko-1"}
        query |= {"callback_url": receiver.url} | other
        url = URL(f"{sandbox.url}/v{version}/otomax/order").with_query(query)
        async with http.get(url) as response:
            return response.status, response.headers["Content-Type"], await response.text()

    return place


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task brings about; 5 s are far more than any of it takes."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come about")


async def bytes_answered(sandbox: Sandbox, path: str) -> bytes:
    """All that comes back for one request, sent once: aiohttp's client would send it again."""
    url = URL(sandbox.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def get_json(http: aiohttp.ClientSession, url: str, key: str = KEY) -> tuple[int, Any]:
    async with http.get(url, headers={"Authorization": key}) as response:
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        return response.status, await response.json()


async def test_an_order_is_answered_in_the_documents_line(sandbox: Sandbox, order: Any) -> None:
    status, content_type, line = await order("1234567891234")
    assert (status, content_type) == (200, "text/plain; charset=utf-8")
    (purchase,) = sandbox.ledger.purchases
    assert line == (
        f"R#toko-1 S1_1187.123456789|1234, status PENDING. RefId : {purchase.ref_id}"
        f" . Sisa saldo {OPENING_BALANCE_RP - 1511}"
    )


@pytest.mark.parametrize(
    ("suffix", "first", "called_back", "paid"),
    [
        ("001", "SUCCESS", ["SUCCESS"], 1511),
        ("002", "PENDING", ["SUCCESS"], 1511),
        ("777", "PENDING", ["SUCCESS"], 1511),
        ("003", "PENDING", ["FAILED"], 0),
        ("004", "SUCCESS", ["SUCCESS", "REFUNDED"], 0),
        ("005", "PENDING", ["PARTIAL_SUCCESS"], 756),
    ],
)
async def test_the_destination_chooses_what_becomes_of_an_order(
    sandbox: Sandbox,
    receiver: Receiver,
    order: Any,
    suffix: str,
    first: str,
    called_back: list[str],
    paid: int,
) -> None:
    _, _, line = await order(f"55{suffix}")
    assert f", status {first}. " in line
    await until(lambda: len(receiver.requests) == len(called_back))
    assert receiver.statuses == called_back
    (purchase,) = sandbox.ledger.purchases
    assert purchase.status == called_back[-1]
    assert sandbox.ledger.balance(KEY) == OPENING_BALANCE_RP - paid
    await asyncio.sleep(2 * DELAY_S)
    assert len(receiver.requests) == len(called_back)


async def test_a_slow_order_is_bought_at_once_answered_late_and_succeeds_after(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    started = time.monotonic()
    placing = asyncio.create_task(order("55006"))
    await until(lambda: len(sandbox.ledger.purchases) == 1)
    assert time.monotonic() - started < 0.2
    _, _, line = await placing
    assert time.monotonic() - started >= 0.3
    assert ", status PENDING. " in line
    await until(lambda: receiver.statuses == ["SUCCESS"])


async def test_a_lost_reply_is_bought_and_found_by_the_next_v3(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    path = f"/v3/otomax/order?apikey={KEY}&product_code=S1_1187&user_id=55007&trx_id=toko-1"
    assert await bytes_answered(sandbox, f"{path}&callback_url={receiver.url}") == b""
    assert (len(sandbox.ledger.purchases), sandbox.ledger.order_requests("toko-1")) == (1, 1)
    await until(lambda: receiver.statuses == ["SUCCESS"])
    _, _, line = await order("55007")
    assert ", status SUCCESS. " in line
    assert (len(sandbox.ledger.purchases), sandbox.ledger.order_requests("toko-1")) == (1, 2)


@pytest.mark.parametrize(
    ("suffix", "status", "content_type", "start"),
    [
        ("008", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("009", 500, "application/json; charset=utf-8", '{"statusCode":500,"message":"SERVER_ERR'),
    ],
)
async def test_an_unusable_reply_is_bought_and_succeeds(
    receiver: Receiver, order: Any, suffix: str, status: int, content_type: str, start: str
) -> None:
    answer = await order(f"55{suffix}")
    assert answer[:2] == (status, content_type)
    assert answer[2].startswith(start)
    await until(lambda: receiver.statuses == ["SUCCESS"])


async def test_a_connection_closed_before_buying_buys_nothing(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    path = f"/v3/otomax/order?apikey={KEY}&product_code=S1_1187&user_id=55010&trx_id=toko-1"
    assert await bytes_answered(sandbox, f"{path}&callback_url={receiver.url}") == b""
    await asyncio.sleep(2 * DELAY_S)
    assert sandbox.ledger.purchases == []
    assert sandbox.ledger.order_requests("toko-1") == 1
    assert receiver.requests == []


@pytest.mark.parametrize(("suffix", "end"), [("011", Status.SUCCESS), ("012", Status.PENDING)])
async def test_some_orders_are_never_called_back(
    sandbox: Sandbox, receiver: Receiver, order: Any, suffix: str, end: Status
) -> None:
    await order(f"55{suffix}")
    await asyncio.sleep(4 * DELAY_S)
    assert sandbox.ledger.purchases[0].status is end
    assert receiver.requests == []


@pytest.mark.parametrize("number", range(101, 113))
async def test_each_refusal_has_its_envelope_and_buys_nothing(
    sandbox: Sandbox, receiver: Receiver, order: Any, number: int
) -> None:
    refusal = REFUSALS[number - 101]
    status, content_type, text = await order(f"55{number}")
    assert (status, content_type) == (refusal.status, "application/json; charset=utf-8")
    assert json.loads(text) == {
        "statusCode": status,
        "message": refusal.code,
        "error": {
            400: "Bad Request",
            403: "Forbidden",
            404: "Not Found",
            500: "Internal Server Error",
        }[status],
    }
    await asyncio.sleep(2 * DELAY_S)
    assert sandbox.ledger.purchases == []
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"apikey": ""}, "API_KEY_NOT_FOUND"),
        ({"product_code": "no such"}, "PRODUCT_NOT_FOUND"),
        ({"user_id": ""}, "INVALID_USER_ID"),
        ({"callback_url": "ftp://x/"}, "INVALID_CALLBACK_URL"),
    ],
)
async def test_what_is_really_wrong_is_refused_too(
    sandbox: Sandbox, order: Any, wrong: dict[str, str], code: str
) -> None:
    _, _, text = await order("55001", **wrong)
    assert json.loads(text)["message"] == code
    assert sandbox.ledger.purchases == []


@pytest.mark.parametrize("version", [1, 2])
async def test_v1_and_v2_refuse_a_used_trx_id(sandbox: Sandbox, order: Any, version: int) -> None:
    await order("55002", version=version)
    status, _, text = await order("55002", version=version)
    assert (status, json.loads(text)["message"]) == (400, "DUPLICATE_TRX_ID")
    assert len(sandbox.ledger.purchases) == 1
    assert sandbox.ledger.order_requests("toko-1") == 2


async def test_v3_answers_a_used_trx_id_with_its_present_line(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    _, _, first = await order("123456789002")
    _, _, again = await order("123456789002")
    assert again == first
    await until(lambda: receiver.statuses == ["SUCCESS"])
    _, _, later = await order("55103", product_code="other")
    ref_id = sandbox.ledger.purchases[0].ref_id
    assert later == (
        "R#toko-1 S1_1187.12345678|9002, status SUCCESS. Nickname - 12345678(9002) . RefId: "
        f"{ref_id} . Sisa saldo {OPENING_BALANCE_RP - 1511}"
    )
    assert len(sandbox.ledger.purchases) == 1


async def test_only_v2_and_v3_split_a_glued_destination(sandbox: Sandbox, order: Any) -> None:
    for version in (1, 2, 3):
        await order("1234567891234", version=version, trx_id=f"t{version}")
    assert [p.server_id for p in sandbox.ledger.purchases] == ["", "1234", "1234"]


async def test_the_callback_as_its_receiver_sees_it(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    await order("123456789001", trx_id="a.b_c-1")
    await until(lambda: len(receiver.requests) == 1)
    (request,) = receiver.requests
    (purchase,) = sandbox.ledger.purchases
    assert request.method == "GET"
    assert list(request.query.items()) == [
        ("invoice_number", purchase.invoice_number),
        ("trx_id", "a.b_c-1"),
        ("status", "SUCCESS"),
        ("product_price", "1511"),
        ("sn", f"Nickname - 12345678(9001) . RefId: {purchase.ref_id}"),
        ("msg", "R"),
    ]
    assert request.path_qs.endswith(
        f"&sn=Nickname%20-%2012345678(9001)%20.%20RefId:%20{purchase.ref_id}&msg=R"
    )


async def test_a_callback_is_repeated_unchanged_until_200_and_no_redirect_is_followed(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    receiver.answers = [500, 302, 204]
    await order("55001")
    await until(lambda: sandbox.ledger.purchases[0].callbacks_acknowledged == 1)
    await asyncio.sleep(0.1)
    assert len({request.path_qs for request in receiver.requests}) == 1
    assert len(receiver.requests) == sandbox.ledger.purchases[0].callback_attempts == 4


async def test_a_callback_that_nobody_takes_is_given_up(
    sandbox: Sandbox, receiver: Receiver, order: Any, told: list[str]
) -> None:
    receiver.answers = [500] * 100
    await order("55001")
    await until(lambda: any("given up" in line for line in told))
    await asyncio.sleep(0.1)
    assert len(receiver.requests) == 4
    assert sandbox.ledger.purchases[0].callbacks_acknowledged == 0


async def test_a_receiver_that_is_not_there_does_no_harm(
    sandbox: Sandbox, order: Any, told: list[str]
) -> None:
    await order("55001", callback_url="http://127.0.0.1:1/cb")
    await until(lambda: any("given up" in line for line in told))
    assert sandbox.ledger.purchases[0].callback_attempts == 4


async def test_without_a_callback_url_nobody_is_called(
    sandbox: Sandbox, receiver: Receiver, order: Any
) -> None:
    await order("55001", callback_url="")
    await asyncio.sleep(3 * DELAY_S)
    assert sandbox.ledger.purchases[0].callback_attempts == 0
    assert receiver.requests == []


async def test_the_text_status_by_both_names(
    sandbox: Sandbox, order: Any, http: aiohttp.ClientSession
) -> None:
    await order("55001")
    (purchase,) = sandbox.ledger.purchases
    for name in ("toko-1", purchase.invoice_number):
        async with http.get(f"{sandbox.url}/v1/otomax/status/{name}?apikey={KEY}") as response:
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert await response.text() == (
                f"R#toko-1 {purchase.invoice_number} S1_1187.55001(), status SUCCESS."
                f" Nickname - 55001() . RefId: {purchase.ref_id}"
                f" . Sisa saldo {OPENING_BALANCE_RP - 1511}"
            )


async def test_the_json_status_by_both_names(
    sandbox: Sandbox, receiver: Receiver, order: Any, http: aiohttp.ClientSession
) -> None:
    await order("123456789003")
    (purchase,) = sandbox.ledger.purchases
    by_invoice = f"{sandbox.url}/v1/status/{purchase.invoice_number}"
    by_trx_id = f"{sandbox.url}/v1/status/trx-id/toko-1"
    status, body = await get_json(http, by_invoice)
    assert (status, body) == await get_json(http, by_trx_id)
    assert status == 200
    created_at = body["data"].pop("created_at")
    assert len(created_at) == len("2023-03-22T23:38:05.000Z")
    assert created_at.endswith("Z")
    assert body == {
        "statusCode": 200,
        "message": "success",
        "data": {
            "invoice_number": purchase.invoice_number,
            "trx_id": "toko-1",
            "response_note": f"RefId : {purchase.ref_id}",
            "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
            "product": {"name": "5 (5+0) Diamonds", "code": "S1_1187", "price": 1511},
            "user_input": {"user_id": "12345678", "server_id": "9003", "nickname": None},
            "amount": 1511,
            "status": "PENDING",
            "voucher": None,
        },
    }
    await until(lambda: receiver.statuses == ["FAILED"])
    assert (await get_json(http, by_trx_id))[1]["data"]["status"] == "FAILED"


async def test_the_user_as_text_and_as_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{sandbox.url}/v1/otomax/user?apikey={KEY}") as response:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        line = await response.text()
    assert line == "TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 10000000"
    status, body = await get_json(http, f"{sandbox.url}/v1/user")
    assert status == 200
    assert (body["data"]["user_balance"], body["data"]["role_code"]) == (10_000_000, "platinum")


async def test_a_key_sees_its_own_orders_only(
    sandbox: Sandbox, order: Any, http: aiohttp.ClientSession
) -> None:
    await order("55001")
    (purchase,) = sandbox.ledger.purchases
    missing = {"statusCode": 404, "message": "INVOICE_NOT_FOUND", "error": "Not Found"}
    for path in (
        f"/v1/status/{purchase.invoice_number}",
        "/v1/status/trx-id/toko-1",
        f"/v1/otomax/status/{purchase.invoice_number}?apikey=other",
        "/v1/otomax/status/toko-1?apikey=other",
    ):
        assert await get_json(http, sandbox.url + path, "other") == (404, missing), path
    _, _, line = await order("55003", apikey="other")
    assert ", status PENDING. " in line
    assert len(sandbox.ledger.purchases_of("toko-1")) == 2


async def test_an_unknown_key_is_refused_where_accounts_are_listed(
    http: aiohttp.ClientSession,
) -> None:
    unknown = {"statusCode": 404, "message": "API_KEY_NOT_FOUND", "error": "Not Found"}
    async with Sandbox.start(options=SandboxOptions(accounts={KEY: 5})) as sandbox:
        assert (await get_json(http, f"{sandbox.url}/v1/user"))[1]["data"]["user_balance"] == 5
        for path in ("/v1/user", "/v1/otomax/user?apikey=other", "/v1/status/trx-id/x"):
            assert await get_json(http, sandbox.url + path, "other") == (404, unknown), path


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
async def test_only_get_buys(sandbox: Sandbox, http: aiohttp.ClientSession, method: str) -> None:
    query = {"apikey": KEY, "product_code": "S1_1187", "user_id": "55001", "trx_id": "h-1"}
    for version in (1, 2, 3):
        url = f"{sandbox.url}/v{version}/otomax/order"
        async with http.request(method, url, params=query) as response:
            assert response.status == 405
    assert sandbox.ledger.purchases == []
    assert sandbox.ledger.order_requests("h-1") == 0


async def test_what_is_told_holds_no_secret_and_stays_on_its_line(
    receiver: Receiver, order: Any, told: list[str]
) -> None:
    await order("55001", trx_id="a\x1b[2J\nb")
    await order("55101")
    await until(lambda: len(told) == 3)
    assert told[0].startswith("order R#a?[2J?b v3: APIKUY_ML_")
    assert any("callback APIKUY_ML_" in line and line.endswith(": 200") for line in told)
    for line in told:
        assert KEY not in line
        assert "secret-token" not in line
        assert line.isprintable()


async def test_close_is_quick_and_ends_callbacks_timers_and_slow_orders(
    receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    sandbox = await start_sandbox(options=SandboxOptions(delay_s=0.3, slow_s=60))
    receiver.answers = [500] * 100
    base = f"{sandbox.url}/v3/otomax/order?apikey=k&product_code=P&callback_url={receiver.url}"
    async with http.get(f"{base}&user_id=55001&trx_id=1") as response:
        assert response.status == 200
    async with http.get(f"{base}&user_id=55002&trx_id=2") as response:
        assert response.status == 200
    slow = asyncio.create_task(http.get(f"{base}&user_id=55006&trx_id=3").__aenter__())
    await until(lambda: len(receiver.requests) == 1 and len(sandbox.ledger.purchases) == 3)
    started = time.monotonic()
    await sandbox.close()
    assert time.monotonic() - started < 5
    with suppress(aiohttp.ClientError):
        await slow
    calls = len(receiver.requests)
    await asyncio.sleep(0.6)
    assert len(receiver.requests) == calls
    assert sandbox.ledger.purchases[1].status is Status.PENDING
    await sandbox.close()


async def test_a_taken_port_is_an_os_error_and_leaves_nothing_open(sandbox: Sandbox) -> None:
    port = URL(sandbox.url).port
    assert port is not None
    with pytest.raises(OSError, match="address already in use"):
        await start_sandbox("127.0.0.1", port)


async def test_connections_are_kept_alive(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    for _ in range(3):
        async with http.get(f"{sandbox.url}/v1/user", headers={"Authorization": KEY}) as response:
            await response.read()
    assert http.connector is not None
    assert sum(map(len, http.connector._conns.values())) == 1
