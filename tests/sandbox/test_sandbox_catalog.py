"""The sandbox's shop over real HTTP: its lists, its details, and what changes while it runs."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from gateway.sandbox import Sandbox, SandboxOptions, start_sandbox
from gateway.sandbox.catalog import Catalog, product_table
from gateway.sandbox.goods import CATEGORIES, PRODUCTS

KEY = "kunci-rahasia-1"
MOBILE_LEGENDS = "dca1a711-b6e2-4158-98da-014eb5caf458"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    running = await start_sandbox(options=SandboxOptions(accounts={KEY: 100_000}))
    yield running
    await running.close()


async def asked(
    sandbox: Sandbox, method: str, target: str, key: str = KEY, **given: Any
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": key}) as http,
        http.request(method, sandbox.url + target, **given) as response,
    ):
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        return response.status, await response.json()


async def ordered(sandbox: Sandbox, code: str) -> str:
    query = {"apikey": KEY, "product_code": code, "user_id": "55001", "trx_id": code}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{sandbox.url}/v3/otomax/order", params=query) as response,
    ):
        text = await response.text()
        return str(json.loads(text)["message"]) if text.startswith("{") else "bought"


async def test_the_products_are_listed_inactive_ones_too(sandbox: Sandbox) -> None:
    status, body = await asked(sandbox, "GET", "/v1/products")
    assert (status, body["statusCode"], body["message"]) == (200, 200, "success")
    by_code = {product["product_code"]: product for product in body["data"]}
    assert len(by_code) == len(body["data"]) == len(PRODUCTS)
    assert by_code["S4_ML86"] == {
        "product_id": "d8ccc4ea-e19d-4255-a7d0-f85d6fad0d77",
        "product_name": "86 Diamonds",
        "product_code": "S4_ML86",
        "product_price": 18624,
        "is_active": True,
        "category_type": "game",
        "category_title": "Mobile Legends",
        "category_subtitle": None,
    }
    assert [code for code, one in by_code.items() if not one["is_active"]] == ["S4_MLWDP"]
    assert (await asked(sandbox, "POST", "/v1/products"))[1] == body


@pytest.mark.parametrize(
    ("method", "target", "given"),
    [
        ("GET", f"/v1/products?category_id={MOBILE_LEGENDS}", {}),
        ("POST", f"/v1/products?category_id={MOBILE_LEGENDS}", {}),
        ("POST", "/v1/products", {"json": {"category_id": MOBILE_LEGENDS}}),
    ],
)
async def test_the_products_of_one_category(
    sandbox: Sandbox, method: str, target: str, given: dict[str, Any]
) -> None:
    _, body = await asked(sandbox, method, target, **given)
    codes = [product["product_code"] for product in body["data"]]
    assert codes == ["S1_1187", "S4_ML86", "S4_ML172", "S4_MLWDP"]


async def test_a_category_that_is_not_there_has_no_products(sandbox: Sandbox) -> None:
    assert (await asked(sandbox, "GET", "/v1/products?category_id=17"))[1]["data"] == []


@pytest.mark.parametrize(
    ("given", "status"),
    [({"json": {"category_id": None}}, 200), ({"json": {"category_id": 17}}, 200)],
)
async def test_a_category_id_that_is_none_leaves_all(
    sandbox: Sandbox, given: dict[str, Any], status: int
) -> None:
    found, body = await asked(sandbox, "POST", "/v1/products", **given)
    assert (found, len(body["data"])) == (status, len(PRODUCTS))


async def test_a_broken_body_is_refused_by_the_list_too(sandbox: Sandbox) -> None:
    headers = {"Content-Type": "application/json"}
    status, body = await asked(sandbox, "POST", "/v1/products", data=b"{", headers=headers)
    assert (status, body["message"]) == (400, "Unexpected token in JSON")


async def test_the_categories(sandbox: Sandbox) -> None:
    _, body = await asked(sandbox, "GET", "/v1/category")
    assert body["data"][0] == {
        "category_id": MOBILE_LEGENDS,
        "category_type": "game",
        "category_title": "Mobile Legends",
        "category_subtitle": "Montoon",
        "category_banner": None,
        "category_photo": "http://res.cloudinary.com/dk2yxqi3y/image/upload/v1700591984/logo/"
        "tnxifn7hdnpuz5ufgvzd.webp",
        "category_slug": "mobile-legends",
        "is_active": 1,
        "is_server": 1,
        "is_popular": 1,
        "is_hotsale": 0,
        "category_order": 1,
    }
    assert [category["category_order"] for category in body["data"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "query", ["product_code=S1_10835", "product_id=00116691-900f-4753-a5d2-62f11a43469d"]
)
async def test_one_product_by_either_of_its_names(sandbox: Sandbox, query: str) -> None:
    status, body = await asked(sandbox, "GET", f"/v1/product?{query}")
    assert status == 200
    assert body["data"] == {
        "product_id": "00116691-900f-4753-a5d2-62f11a43469d",
        "product_name": "60 + 1 Gems",
        "product_code": "S1_10835",
        "product_logo": None,
        "product_price": 11327,
        "is_active": 1,
        "category_type": "game",
        "category_title": "Goddess of Victory: Nikke",
        "category_subtitle": "Level Infinite",
    }


@pytest.mark.parametrize(
    "query", ["product_code=aaaaa", "product_id=aaaaa", "product_id=", "", "product_id=S1_1187"]
)
async def test_a_product_that_is_in_no_list_is_not_found(sandbox: Sandbox, query: str) -> None:
    missing = {"statusCode": 404, "message": "PRODUCT_NOT_FOUND", "error": "Not Found"}
    assert await asked(sandbox, "GET", f"/v1/product?{query}") == (404, missing)


async def test_a_code_that_is_in_no_list_is_sold_all_the_same(sandbox: Sandbox) -> None:
    assert await ordered(sandbox, "aaaaa") == "bought"
    assert await ordered(sandbox, "S4_MLWDP") == "PRODUCT_INACTIVE"
    assert await ordered(sandbox, "S5_GP10") == "PAYMENT_METHOD_NOT_ALLOWED"
    assert [purchase.product_code for purchase in sandbox.ledger.purchases] == ["aaaaa"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/products"),
        ("POST", "/v1/products"),
        ("GET", "/v1/category"),
        ("GET", "/v1/product?product_code=S1_1187"),
    ],
)
async def test_only_an_account_is_shown_anything(
    sandbox: Sandbox, method: str, target: str
) -> None:
    unknown = {"statusCode": 404, "message": "API_KEY_NOT_FOUND", "error": "Not Found"}
    assert await asked(sandbox, method, target, "other") == (404, unknown)


async def test_prices_and_what_is_sold_change_while_it_runs(sandbox: Sandbox) -> None:
    sandbox.catalog.set_price("S4_ML86", 20_000)
    sandbox.catalog.set_active("S4_ML86", False)
    sandbox.catalog.set_active("S4_MLWDP", True)
    _, body = await asked(sandbox, "GET", "/v1/products")
    by_code = {product["product_code"]: product for product in body["data"]}
    changed = by_code["S4_ML86"]
    assert (changed["product_price"], changed["is_active"]) == (20_000, False)
    _, detail = await asked(sandbox, "GET", "/v1/product?product_code=S4_ML86")
    assert (detail["data"]["product_price"], detail["data"]["is_active"]) == (20_000, 0)
    assert await ordered(sandbox, "S4_ML86") == "PRODUCT_INACTIVE"
    assert await ordered(sandbox, "S4_MLWDP") == "bought"
    assert sandbox.ledger.balance(KEY) == 100_000 - 28_150


def test_each_sandbox_has_its_own_prices() -> None:
    changed, other = Catalog(), Catalog()
    changed.set_price("S1_1187", 1)
    assert (changed.sold("S1_1187").price_rp, other.sold("S1_1187").price_rp) == (1, 1511)
    with pytest.raises(ValueError, match="no product is listed as X10"):
        changed.set_price("X10", 1)
    with pytest.raises(ValueError, match="no product is listed as X10"):
        changed.set_active("X10", False)


async def test_requests_are_counted_by_their_route(sandbox: Sandbox) -> None:
    for method, target in (
        ("GET", "/v1/products?category_id=17"),
        ("GET", "/v1/products"),
        ("POST", "/v1/products"),
        ("GET", "/v1/status/trx-id/t-1"),
        ("GET", "/v1/status/APIKUY_1"),
        ("GET", "/v1/otomax/status/t-1?apikey=x"),
    ):
        await asked(sandbox, method, target)
    _, books = await asked(sandbox, "GET", "/sandbox/ledger")
    assert books["requests"] == {
        "GET /v1/products": 2,
        "POST /v1/products": 1,
        "GET /v1/status/trx-id/{trx_id}": 1,
        "GET /v1/status/{invoice_number}": 1,
        "GET /v1/otomax/status/{invoice_number}": 1,
    }


def test_every_id_is_a_uuid_of_its_own_and_every_product_is_in_the_help() -> None:
    ids = [category.category_id for category in CATEGORIES]
    ids += [product.product_id for product in PRODUCTS]
    assert len({UUID(one) for one in ids}) == len(ids)
    assert {product.category for product in PRODUCTS} == set(CATEGORIES)
    for product in PRODUCTS:
        assert product.code in product_table()
        assert product.name in product_table()
