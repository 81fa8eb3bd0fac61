"""*Produk*: the catalogue, and how prices have moved."""

import pytest

from gateway.flow.pricewatch import differences, row_of
from gateway.protocol.catalog import Product
from gateway.web.dashboard.pricechart import chart_of
from tests.support import FakeUpstream, House, answers, prices, product, refuses
from tests.support.browser import Browser

PATH = "/v1/products"


def one(code: str, price: int | None = 1, *, is_active: bool | None = True) -> Product:
    return Product(code=code, name=f"n {code}", price=price, category="", is_active=is_active)


async def look(house: House, upstream: FakeUpstream, **price_of: object) -> int:
    """Let the gateway look at this list, some time later."""
    upstream.lists[PATH] = prices(**price_of)
    house.clock.skip(3600)
    return await house.gateway.price_watch.step()


def test_differences_say_what_is_new_gone_dearer_or_off() -> None:
    before = {row.code: row_of(row) for row in map(one, "ABCDE")}
    now = [
        one("A"),
        one("B", 2),
        one("C", is_active=False),
        one("E", 3, is_active=False),
        one("F"),
    ]
    seen, gone = differences("key", before, now, 5)
    told = [(change.product_code, change.kind) for _, change in seen if change is not None]
    assert told == [("B", "price"), ("C", "status"), ("E", "price"), ("F", "new")]
    assert [(change.product_code, change.kind) for change in gone] == [("D", "gone")]
    assert seen[0][1] is not None
    assert (seen[0][1].price_before, seen[0][1].price) == (1, 2)
    first, none = differences("key", {}, now, 5)
    assert (len(first), none) == (5, [])
    assert all(change is None for _, change in first), "at the first look all would be new"


async def test_prices_are_followed(
    house: House, upstream: FakeUpstream, operator: Browser
) -> None:
    assert await look(house, upstream, S1=1500, S2=9000) == 0
    assert await look(house, upstream, S1=1500, S2=9000) == 0
    assert await look(house, upstream, S1=1750, S3=70) == 3
    page = await operator.get("/products/changes")
    assert "S1 86 Diamonds harga Rp 1.500 Rp 1.750 +250" in page.words
    assert "S2 86 Diamonds hilang" in page.words
    assert "S3 86 Diamonds baru" in page.words
    page = await operator.get("/products/of/S1")
    assert "Rp 1.500 Rp 1.750 +250" in page.words
    assert "<polyline" in page.text
    assert (await operator.get("/products/of/NONE")).status == 404


async def test_a_list_that_is_empty_or_can_not_be_had_is_no_news(
    house: House, upstream: FakeUpstream
) -> None:
    await look(house, upstream, S1=1500)
    for answer in (answers([]), refuses("SERVER_ERROR", 500)):
        upstream.lists[PATH] = answer
        house.clock.skip(3600)
        assert await house.gateway.price_watch.step() == 0
    assert await look(house, upstream, S1=1500) == 0


async def test_only_keys_that_are_in_use_are_asked_for(
    house: House, upstream: FakeUpstream
) -> None:
    await house.add("kios")
    await house.add("same", upstream_key="upstream-key-of-kios")
    await look(house, upstream, S1=1)
    assert len(upstream.listed(PATH)) == 2
    await house.gateway.desk.do("reseller.set", {"code": "toko", "suspended": True})
    await look(house, upstream, S1=1)
    assert len(upstream.listed(PATH)) == 3


async def test_the_catalogue_is_searched_and_paged(
    house: House, upstream: FakeUpstream, operator: Browser
) -> None:
    listed = [product(f"S{n:03}", n) for n in range(120)]
    listed[7] |= {"is_active": False, "product_name": "Free <i>Fire</i>"}
    upstream.lists[PATH] = answers(listed)
    page = await operator.get("/products")
    assert "120 baris" in page.words
    assert "S099" in page.words
    assert "S100" not in page.words
    assert "S100" in (await operator.get("/products?page=2")).words
    page = await operator.get("/products?q=free%20fire")
    assert "0 baris" in page.words
    page = await operator.get("/products?q=%3Ci%3Efire")
    assert "S007 Free <i>Fire</i> Mobile Legends Rp 7 tidak aktif" in page.words
    assert "1 baris" in (await operator.get("/products?state=inactive")).words
    assert "119 baris" in (await operator.get("/products?state=active")).words


async def test_without_a_list_or_a_reseller_the_page_says_so(
    house: House, upstream: FakeUpstream, operator: Browser
) -> None:
    upstream.lists[PATH] = refuses("SERVER_ERROR", 500)
    page = await operator.get("/products")
    assert "Supplier tidak memberi daftar produk" in page.words
    await house.gateway.desk.do("reseller.set", {"code": "toko", "suspended": True})
    assert "Belum ada reseller aktif" in (await operator.get("/products")).words
    assert (await operator.get("/products/changes")).status == 200


def test_a_chart_goes_in_steps_and_needs_two_moments() -> None:
    made = chart_of([(0, 10), (5, 20), (10, 20)], label=str, amount=str)
    assert made is not None
    assert made.points == "62.0,126.0 62.0,126.0 267.0,126.0 267.0,12.0 472.0,12.0 472.0,12.0"
    assert {mark.text for mark in made.marks} == {"10", "20", "0"}
    assert chart_of([(5, 10)], label=str, amount=str) is None
    assert chart_of([(5, 10), (5, 11)], label=str, amount=str) is None
    flat = chart_of([(0, 7), (9, 7)], label=str, amount=str)
    assert flat is not None
    assert "69.0" in flat.points


@pytest.mark.parametrize("code", ["S1%2F2", "%3Cscript%3E", "..%2f..", "S1%20x"])
async def test_a_product_of_any_name_is_shown_escaped(
    house: House, upstream: FakeUpstream, operator: Browser, code: str
) -> None:
    upstream.lists[PATH] = answers([product("S1/2", 5), product("<script>", 6)])
    page = await operator.get(f"/products/of/{code}")
    assert page.status in (200, 404)
    assert "<script>" not in page.text.replace("<script src", "")
    listed = await operator.get("/products")
    assert "/products/of/S1%2F2?" in listed.text
