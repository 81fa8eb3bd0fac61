"""Each page of the dashboard: for everybody, on a phone and wide, by day and by night."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import PHONE, Visitor, visiting
from tests.browser.evening import Evening, evening
from tests.browser.examining import examine
from tests.support import captured_log
from tests.support.browser import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES: Final = {
    "/": ["/", "/?lang=en&zone=wit"],
    "/orders": ["/orders", "/orders?dest=7&status=sold", "/orders?trx_id=tidak-ada&from=x"],
    "/orders/{id}": ["/orders/{sold}", "/orders/{open}", "/orders/{dead}"],
    "/orders/{id}/receipt": ["/orders/{sold}/receipt", "/orders/{open}/receipt?width=80"],
    "/orders/{id}/settle": ["/orders/{open}/settle"],
    "/deliveries": ["/deliveries", "/deliveries?lang=en"],
    "/deliveries/list": [
        "/deliveries/list",
        "/deliveries/list?state=dead",
        "/deliveries/list?host=otomax.kiosani.com%3A80",
        "/deliveries/list?host=ujung.warnet.web.id%3A80",
    ],
    "/deliveries/resend-all": ["/deliveries/resend-all?since=2026-11-24T08:00&state=dead"],
    "/resellers": ["/resellers"],
    "/resellers/new": ["/resellers/new"],
    "/resellers/{code}": ["/resellers/budicell", "/resellers/ujung?lang=en"],
    "/resellers/{code}/change": ["/resellers/budicell/change"],
    "/resellers/{code}/panel": [
        "/resellers/budicell/panel",
        "/resellers/budicell/panel?kind=otomax",
    ],
    "/products": ["/products", "/products?q=tidak-ada"],
    "/products/changes": ["/products/changes", "/products/changes?reseller=raja"],
    "/products/of/{code}": ["/products/of/S1_1187"],
    "/alerts": ["/alerts", "/alerts?past=1&lang=en"],
    "/audit": ["/audit", "/audit?who=tidak-ada"],
    "/system": ["/system"],
    "/sessions": ["/sessions"],
}
"""Each route that shows a page, with addresses of it that look different."""

NO_PAGES: Final = {"/login", "/live", "/static/{name}", "/export/{what}"}
"""What is no page, and the one that is shown to who is not logged in."""

REFUSALS: Final = {
    "/orders/999999": 409,
    "/products/of/TIDAK_ADA": 404,
    "/export/tidak-ada": 404,
    "/static/tidak-ada": 404,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tonight(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evening]:
    """An evening with a few orders."""
    folder: Path = tmp_path_factory.mktemp("evening")
    with captured_log() as log:
        async with evening(folder, log, a_day=7, days=2) as one:
            yield one


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sari(chrome: Browser, tonight: Evening) -> AsyncIterator[Visitor]:
    """The operator, logged in for all these tests."""
    async with visiting(chrome, tonight.house.admin_url) as visitor:
        await visitor.log_in(tonight.operator, PASSWORD)
        await visitor.page.wait_for_url(f"{tonight.house.admin_url}/")
        yield visitor


async def look_both_ways(visitor: Visitor) -> None:
    """Look at the page that is open wide and at night, and on a phone by day."""
    await visitor.page.emulate_media(color_scheme="dark")
    await visitor.page.set_viewport_size({"width": 1280, "height": 800})
    await examine(visitor)
    await visitor.page.emulate_media(color_scheme="light")
    await visitor.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await examine(visitor)


async def test_the_list_of_pages_is_complete(tonight: Evening) -> None:
    routes = tonight.house.gateway.dashboard.routes
    shown = {route.path for route in routes if route.method == "GET"}
    assert shown == PAGES.keys() | NO_PAGES


@pytest.mark.parametrize("address", [address for group in PAGES.values() for address in group])
async def test_a_page_is_for_everybody(sari: Visitor, tonight: Evening, address: str) -> None:
    sari.faults.clear()
    assert await sari.open(await tonight.named(address)) == 200
    await look_both_ways(sari)
    assert not sari.faults, sari.faults


@pytest.mark.parametrize("address", REFUSALS)
async def test_a_refusal_is_a_page_too(sari: Visitor, address: str) -> None:
    with sari.expects_a_refusal():
        assert await sari.open(address) == REFUSALS[address]
    await look_both_ways(sari)


async def test_strangers_see_pages_for_everybody(chrome: Browser, tonight: Evening) -> None:
    async with visiting(chrome, tonight.house.admin_url) as nobody:
        assert await nobody.open("/login") == 200
        await look_both_ways(nobody)
    async with visiting(chrome, tonight.house.url) as reseller:
        assert await reseller.open(tonight.link) == 200
        await look_both_ways(reseller)


async def test_a_viewer_sees_pages_for_everybody(chrome: Browser, tonight: Evening) -> None:
    async with visiting(chrome, tonight.house.admin_url, size=PHONE) as joko:
        await joko.log_in("joko", PASSWORD)
        await joko.page.wait_for_url(f"{tonight.house.admin_url}/")
        for address in ("/", "/orders/{sold}", "/deliveries/list?host=otomax.kiosani.com%3A80"):
            await joko.open(await tonight.named(address))
            await examine(joko)


async def test_no_page_needs_a_script(chrome: Browser, tonight: Evening) -> None:
    url = tonight.house.admin_url
    async with visiting(chrome, url, size=PHONE, has_scripts=False) as plain:
        await plain.log_in(tonight.operator, PASSWORD)
        await plain.page.wait_for_url(f"{url}/")
        for addresses in PAGES.values():
            assert await plain.open(await tonight.named(addresses[0])) == 200
            await examine(plain)
            dead = plain.page.locator(
                "button[type=button]:visible, [onclick], a[href^='#']:visible"
            )
            assert await dead.evaluate_all("all => all.map(one => one.textContent)") == [
                "Langsung ke isi"
            ], addresses
