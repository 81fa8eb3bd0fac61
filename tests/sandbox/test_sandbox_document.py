"""The sandbox is all of the upstream's document, and the walk that shows it sees what is not.

The walk is judged by servers that stand before a sandbox and spoil one answer.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.sandbox import Sandbox, SandboxOptions, start_sandbox
from gateway.sandbox.catalog import Catalog
from gateway.sandbox.faults import Faults
from gateway.sandbox.ledger import Ledger, Order
from gateway.sandbox.refusals import REFUSALS
from gateway.sandbox.server import Sandbox as Server
from gateway.sandbox.wire import callback_body
from tests.support.collection import calls, documented_callback, documented_codes, walk
from tests.support.shape import differences

KEY = "kunci-rahasia-1"
STATUS_LINE = "R#1 APIKUY_1 S1.123(12), status SUCCESS. Nick - 123(12) . RefId: 1 . Sisa saldo 5"
USER_LINE = "TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 1234344"

Spoil = Callable[[str, int, str, Any], web.Response | None]
"""Takes method and path, HTTP code, Content-Type and what is answered; None leaves it alone."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    options = SandboxOptions(accounts={KEY: 10_000_000}, delay_s=0.05, callback_repeats_s=())
    running = await start_sandbox(options=options)
    yield running
    await running.close()


@asynccontextmanager
async def spoiling(sandbox: Sandbox, spoil: Spoil) -> AsyncIterator[str]:
    """Run a server that answers as the sandbox does, but for what it spoils."""
    async with aiohttp.ClientSession() as http:

        async def answer(request: web.BaseRequest) -> web.Response:
            names = ("Authorization", "Content-Type")
            headers = {name: request.headers[name] for name in names if name in request.headers}
            async with http.request(
                request.method,
                sandbox.url + request.path_qs,
                headers=headers,
                data=await request.read(),
            ) as whole:
                body, content_type = await whole.text(), whole.headers["Content-Type"]
                data = json.loads(body) if "json" in content_type else body
                asked = f"{request.method} {request.path}"
                spoiled = spoil(asked, whole.status, content_type, data)
                headers = {"Content-Type": content_type}
                return spoiled or web.Response(status=whole.status, text=body, headers=headers)

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def changing(asked: str, change: Callable[[Any], object]) -> Spoil:
    """Change what one request is answered with, where that is a success."""

    def spoil(came: str, status: int, content_type: str, body: Any) -> web.Response | None:
        if not came.startswith(asked) or status >= 400:
            return None
        change(body)
        return web.Response(
            status=status, body=json.dumps(body), headers={"Content-Type": content_type}
        )

    return spoil


def replacing(asked: str, status: int, body: str, content_type: str = "text/plain") -> Spoil:
    """Answer one request in another way, where it would have been a success."""

    def spoil(came: str, whole: int, _: str, __: Any) -> web.Response | None:
        if not came.startswith(asked) or whole >= 400:
            return None
        headers = {"Content-Type": f"{content_type}; charset=utf-8"}
        return web.Response(status=status, text=body, headers=headers)

    return spoil


async def test_every_request_and_every_example_of_the_document_is_answered_as_it_says(
    sandbox: Sandbox,
) -> None:
    walked = await walk(sandbox.url, KEY)
    assert [str(step) for step in walked if step.differences] == []
    assert len(walked) == 37
    documented = {
        f"{call.method} {call.path}".replace(":invoice_number", "{invoice_number}").replace(
            ":trx_id", "{trx_id}"
        )
        for call in calls()
    }
    assert set(sandbox.ledger.requests) == documented
    assert len(documented) == 14


async def test_the_walk_leaves_nobody_elses_address_behind(sandbox: Sandbox) -> None:
    await walk(sandbox.url, KEY, callback_url="http://127.0.0.1:9/mine")
    urls = {purchase.order.callback_url for purchase in sandbox.ledger.purchases}
    assert urls == {"http://127.0.0.1:9/mine", None}
    assert len({purchase.trx_id for purchase in sandbox.ledger.purchases}) == 11


def test_the_documents_codes_are_the_sandboxes() -> None:
    assert documented_codes() == [refusal.code for refusal in REFUSALS]


def test_the_json_callback_is_the_documents() -> None:
    ledger = Ledger(lambda: 1_679_528_285.0)
    order = Order("t-1", Catalog().sold("S1_1187"), "123456789", "1234", as_json=True)
    purchase = ledger.buy(ledger.account(KEY), order)
    shown, said = documented_callback(), json.loads(callback_body(purchase))
    assert differences(shown, said) == []
    assert list(shown) == list(said)


@pytest.mark.parametrize(
    ("spoil", "where", "what"),
    [
        (
            changing("GET /v1/user", lambda body: body["data"].pop("role_code")),
            "GET /v1/user",
            "$.data.role_code is missing",
        ),
        (
            changing("GET /v1/category", lambda body: body["data"][2].update(rahasia=1)),
            "GET /v1/category",
            "$.data[2].rahasia is not in the document",
        ),
        (
            changing("POST /v1/products", lambda body: body["data"][1].update(is_active=1)),
            "POST /v1/products",
            "$.data[1].is_active is int, not bool",
        ),
        (
            changing("POST /v1/products", lambda body: body["data"].clear()),
            "POST /v1/products",
            "$.data is empty",
        ),
        (
            changing("GET /v1/category", lambda body: body.update(statusCode=201)),
            "GET /v1/category",
            "$.statusCode is 201, not 200",
        ),
        (
            replacing("POST /v1/products", 404, "404: Not Found"),
            "POST /v1/products",
            "HTTP 404, not 200",
        ),
        (
            replacing("POST /v1/order", 200, "{}", "application/json"),
            "POST /v1/order",
            "HTTP 200, not 201",
        ),
        (
            replacing("GET /v1/status/trx-id/", 200, "<html>", "application/json"),
            "GET /v1/status/trx-id/:trx_id",
            "is not JSON: '<html>'",
        ),
        (
            replacing("GET /v3/otomax/order", 200, STATUS_LINE),
            "GET /v3/otomax/order",
            f"is not an order's line: {STATUS_LINE!r}",
        ),
        (
            replacing("GET /v1/otomax/user", 200, USER_LINE, "text/html"),
            "GET /v1/otomax/user",
            "text/html; charset=utf-8, not text/plain; charset=utf-8",
        ),
    ],
)
async def test_the_walk_sees_what_is_not_as_documented_and_only_that(
    sandbox: Sandbox, spoil: Spoil, where: str, what: str
) -> None:
    async with spoiling(sandbox, spoil) as url:
        walked = await walk(url, KEY)
    wrong = [step for step in walked if step.differences]
    assert wrong
    for step in wrong:
        assert step.request == where
        assert what in step.differences


async def test_the_walk_sees_another_code_in_an_envelope(sandbox: Sandbox) -> None:
    def spoil(_: str, status: int, content_type: str, body: Any) -> web.Response | None:
        if status != 404 or body["message"] != "API_KEY_NOT_FOUND":
            return None
        body["message"] = "INVOICE_NOT_FOUND"
        return web.Response(
            status=404, body=json.dumps(body), headers={"Content-Type": content_type}
        )

    async with spoiling(sandbox, spoil) as url:
        wrong = [step for step in await walk(url, KEY) if step.differences]
    assert [step.name for step in wrong] == ["Get user detail, 404 - Apikey not found"]
    assert wrong[0].differences == ("$.message is 'INVOICE_NOT_FOUND', not 'API_KEY_NOT_FOUND'",)


async def test_the_walk_of_a_server_that_has_nothing_finds_nothing_as_documented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.collection._INVOICED_S", 0.0)

    async def nothing(_: web.BaseRequest) -> web.Response:
        return web.Response(status=404, text="404: Not Found")

    runner = web.ServerRunner(web.Server(nothing))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    walked = await walk(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY)
    await runner.cleanup()
    assert len(walked) == 37
    assert all(step.differences for step in walked)


async def test_the_walk_goes_on_where_a_connection_ends_without_an_answer() -> None:
    options = SandboxOptions(accounts={KEY: 10_000_000}, faults=Faults({"lost-reply": 1}))
    async with Server.start(options=options) as running:
        wrong = [step for step in await walk(running.url, KEY) if step.differences]
    assert {step.request for step in wrong} == {
        "POST /v1/order",
        "POST /v2/order",
        "GET /v1/otomax/order",
        "GET /v2/otomax/order",
        "GET /v3/otomax/order",
    }
    assert {step.differences for step in wrong} == {("no answer: ServerDisconnectedError",)}
