"""Looking for orders, one order with all that happened to it, what is done there, its receipt."""

import html
import re

import pytest

from gateway.store import OrderFilter, sqlite_search
from gateway.web.dashboard import orders as orders_page
from gateway.web.dashboard.shapes import Shapes
from tests.support import FakeUpstream, House, Panel, drops, eventually, invoice, says
from tests.support.browser import Browser, Page
from tests.web.native import PASSWORD, PIN, native

SOLD = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi - RefId: ML_1 . Sisa saldo 5"
HOSTILE = "<script>alert(1)</script> \u202egnp.exe\x9b31m\" onload='x' {{ 7*7 }}"


def listed(page: Page) -> list[str]:
    """The trx_ids that a page lists."""
    return re.findall(r'<th scope="row"><a href="/orders/\d+">([^<]+)</a>', page.text)


async def numbered(house: House, name: str = "toko-T1") -> str:
    return f"/orders/{(await house.shown(name))['id']}"


# -- the list


async def test_every_filter_lives_in_the_address(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await house.add("kios")
    await house.order("A1")
    await house.order("A2", dest="98765", reseller="kios", product_code="S2_50")
    upstream.order = drops
    upstream.look_up = invoice("PENDING", "RefId : ML_9")
    await house.order("A3")
    (first,) = [row for row in await house.orders() if row["trx_id"] == "A3"]
    assert first["status"] == "PENDING"
    for query, wanted in {
        "": ["A3", "A2", "A1"],
        "reseller=KIOS": ["A2"],
        "trx_id=A1": ["A1"],
        "trx_id=kios-A2": ["A2"],
        "trx_id=++A1++": ["A1"],
        "product=S2": ["A2"],
        "dest=876": ["A2"],
        "sn=refid%3A+ml_1": ["A2", "A1"],
        "status=sold": ["A2", "A1"],
        "status=open": ["A3"],
        "status=lost": [],
        "status=PENDING": ["A3"],
        "dialect=json": [],
        "dialect=text&reseller=toko&status=SUCCESS": ["A1"],
        "invoice=none": [],
        "from=2000-01-01": ["A3", "A2", "A1"],
        "to=2000-01-01": [],
    }.items():
        page = await operator.get(f"/orders?{query}")
        assert (page.status, listed(page)) == (200, wanted), query
    page = await operator.get("/orders?reseller=kios&status=sold")
    assert 'value="kios"' in page.text
    assert '<option value="sold" selected>' in page.text
    assert "1 transaksi" in page.words


@pytest.mark.parametrize(
    "query", ["status=FUNNY", "dialect=x", "from=yesterday", "to=2026-02-31", "from=0000-00-00"]
)
async def test_what_is_not_understood_is_named_and_not_ignored(
    operator: Browser, query: str
) -> None:
    page = await operator.get(f"/orders?{query}")
    assert page.status == 200
    assert f"tidak bisa dibaca: {query.partition('=')[0]}" in page.words


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1.5", "0"])
async def test_a_place_that_is_none_breaks_nothing(operator: Browser, before: str) -> None:
    assert (await operator.get(f"/orders?before={before}")).status == 200


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(
    house: House, operator: Browser, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_page, "ROWS", 3)
    upstream.order = says(SOLD)
    names = [f"P{n}" for n in range(8)]
    for name in names:
        await house.order(name)
    found: list[str] = []
    target, pages = "/orders?status=sold", 0
    while target:
        page = await operator.get(target)
        found += listed(page)
        pages += 1
        assert "8 transaksi" in page.words, "totals are of all that is filtered"
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        target = html.unescape(older[1]) if older else ""
        assert not target or "status=sold" in target
    assert (found, pages) == (names[::-1], 3)


async def test_a_page_that_has_not_seen_everything_says_so(
    house: House, operator: Browser, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.order = says(SOLD)
    await house.order("OLD", dest="777")
    for n in range(5):
        await house.order(f"N{n}")
    for name in ("PART", "TALLY_PART"):
        monkeypatch.setattr(sqlite_search, name, 2)
    for name in ("_FIND_S", "_TOTAL_S"):
        monkeypatch.setattr(orders_page, name, 0.0)
    page = await operator.get("/orders?dest=777")
    assert listed(page) == []
    assert "belum ketemu lebih banyak" in page.words
    assert "Tidak ada transaksi" not in page.words
    assert "≥ 0 transaksi" in page.words
    for _ in range(2):
        further = re.search(r'rel="next" href="([^"]+)"', page.text)
        assert further is not None
        page = await operator.get(html.unescape(further[1]))
    assert listed(page) == ["OLD"]
    assert 'rel="next"' not in page.text
    whole = await operator.get("/orders?dest=777&totals=all")
    assert "1 transaksi" in whole.words
    assert "≥" not in whole.words


async def test_a_day_is_that_of_the_visitors_zone(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await house.order("A1")
    placed = (await house.gateway.store.orders(OrderFilter(limit=1)))[0].placed_at
    for zone in ("wib", "wita", "wit"):
        day = Shapes("id", zone).day(placed)
        page = await operator.get(f"/orders?from={day}&to={day}&zone={zone}")
        assert listed(page) == ["A1"], zone
    before = Shapes("id", "wib").day(placed - 86_400_000)
    assert listed(await operator.get(f"/orders?to={before}&zone=wib")) == []


# -- strangers' words


async def test_what_strangers_wrote_is_shown_and_acts_nowhere(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = invoice("SUCCESS", HOSTILE)
    await house.order(user_id="1<b>2", callback_url="http://127.0.0.1:9/<i>?password=geheim")
    await house.becomes("SUCCESS")
    for target in ("/orders", await numbered(house), f"{await numbered(house)}/receipt", "/"):
        page = await operator.get(target)
        assert "<script>alert" not in page.text, target
        assert "<b>2" not in page.text
        assert "\u202e" not in page.text
        assert "\x9b" not in page.text
        assert " onload='" not in re.sub(r">[^<]*<", "><", page.text)
        assert "49" not in page.words.partition("{{")[2][:9]
    page = await operator.get(await numbered(house))
    assert "<script>alert(1)</script>" in page.words
    assert "geheim" not in page.text
    # What is looked for comes back in the form, and acts nowhere either.
    asked = "/orders?trx_id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&status=%3Cb%3E&done=%3Ci%3E"
    page = await operator.get(asked)
    assert "<script>alert" not in page.text
    assert "&#34;&gt;&lt;script&gt;" in page.text


# -- one order


async def test_one_order_shows_its_whole_way(
    house: House, operator: Browser, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SOLD)
    await house.order(callback_url=f"{panel.url}/cb?a=1")
    await eventually(lambda: panel.targets)
    await eventually(lambda: _is_told(house))
    page = await operator.get(await numbered(house))
    words = page.words
    for text in (
        "Transaksi toko-T1 Sukses",
        "Diminta panel GET /v3/otomax/order S1_1187 to 123456789 from 127.0.0.1",
        "Dikirim ke supplier",
        "Dijawab supplier HTTP 200 text/plain: R#toko-T1 S1_1187.123456789, status SUCCESS.",
        "Diputuskan",
        "Panel menerima SUCCESS: HTTP 200",
        "Kiriman 1 · SUCCESS Diterima",
        f"GET {panel.url}/cb?a=1&invoice_number=&trx_id=T1&status=SUCCESS",
    ):
        assert text in words, text
    (delivery,) = await house.deliveries()
    assert f"Permintaan: {len(delivery['url'])} byte" in words


async def _is_told(house: House) -> bool:
    return [row["state"] for row in await house.deliveries()] == ["delivered"]


async def test_the_reply_to_copy_is_what_a_panel_reads(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await house.gateway.desk.do("reseller.set", {"code": "toko", "pin": PIN, "password": PASSWORD})
    await house.order("A1")
    await house.order_json("A2")
    said_native = await native(house, "A3", member="toko")
    json = (await house.ask_json("GET", "/v1/status/trx-id/A2")).text
    for name, said in {"A1": await house.order("A1"), "A2": json, "A3": said_native}.items():
        page = await operator.get(await numbered(house, f"toko-{name}"))
        found = re.search(r'<textarea id="reply"[^>]*>([^<]*)</textarea>', page.text)
        assert found is not None
        assert html.unescape(found[1]) == said, name


async def test_a_viewer_sees_an_order_and_no_button(
    house: House, viewer: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    await house.order()
    page = await viewer.get(await numbered(house))
    assert "Transaksi toko-T1" in page.words
    assert re.findall(r'<form[^>]*action="(/orders[^"]*)"', page.text) == []
    assert "/settle" not in page.text


@pytest.mark.parametrize("name", ["99", "0", "x", "1%27", "9" * 40, "-1"])
async def test_an_order_that_is_none_is_said_to_be_none(operator: Browser, name: str) -> None:
    page = await operator.get(f"/orders/{name}")
    assert page.status == 409
    assert "Transaksi itu tidak ada" in page.words


async def test_an_order_is_looked_up_in_the_operators_name(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.order()
    house.skip(10)
    upstream.look_up = invoice("SUCCESS", "Budi - RefId: ML_1")
    page = await operator.post(f"{await numbered(house)}/recheck")
    assert "Supplier sudah ditanya" in page.words
    assert "Transaksi toko-T1 Sukses" in page.words
    (row,) = await house.gateway.store.audit(about="toko-T1")
    assert (row.who, row.command, row.outcome) == ("operator", "order.recheck", "done")


async def test_a_delivery_is_sent_again_byte_for_byte(
    house: House, operator: Browser, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SOLD)
    await house.order(callback_url=panel.url)
    await eventually(lambda: _is_told(house))
    (delivery,) = await house.deliveries()
    target = f"{await numbered(house)}/resend"
    page = await operator.post(target, {"delivery": str(delivery["id"])})
    assert "dijadwalkan lagi" in page.words
    await eventually(lambda: len(panel.targets) == 2)
    assert panel.targets[0] == panel.targets[1]
    await house.order("T2", callback_url=panel.url)
    await eventually(lambda: len(panel.targets) == 3)
    other = await operator.post(f"{await numbered(house, 'toko-T2')}/resend", {"delivery": "1"})
    assert other.status == 409, "that is another order's"


async def test_a_decision_is_confirmed_before_it_is_made(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.order()
    target = f"{await numbered(house)}/settle"
    assert "Jangan gagalkan yang masih PENDING" in (await operator.get(target)).words
    reason = 'said by <the> "supplier"'
    decision = {"status": "FAILED", "reason": reason, "note": "Gagal di supplier"}
    page = await operator.post(target, decision)
    assert "Ya, putuskan sebagai FAILED" in page.words
    assert (await house.shown())["status"] == "PENDING", "nothing is decided yet"
    for name, value in {**decision, "confirmed": "yes"}.items():
        assert (
            f'name="{name}" value="{html.escape(value).replace("&quot;", "&#34;")}"' in page.text
        )
    page = await operator.post(target, {**decision, "confirmed": "yes"})
    assert "Sudah diputuskan" in page.words
    shown = await house.shown()
    assert shown["status"] == "FAILED"
    (row,) = await house.gateway.store.audit(about="toko-T1")
    assert (row.who, row.command) == ("operator", "order.settle")
    assert "supplier" in row.details
    again = await operator.post(target, {**decision, "confirmed": "yes"})
    assert again.status == 409
    assert "is final" in again.words


@pytest.mark.parametrize(
    "sent",
    [{}, {"status": "FAILED"}, {"status": "PENDING", "reason": "x"}, {"reason": "x"}],
    ids=str,
)
async def test_a_decision_needs_a_final_word_and_a_reason(
    house: House, operator: Browser, upstream: FakeUpstream, sent: dict[str, str]
) -> None:
    upstream.order = drops
    await house.order()
    page = await operator.post(f"{await numbered(house)}/settle", {**sent, "confirmed": "yes"})
    assert page.status == 409
    assert (await house.shown())["status"] == "PENDING"


# -- the receipt


async def test_a_receipt_tells_a_buyer_no_price_of_ours(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = invoice("SUCCESS", "Budi - RefId: ML_1")
    await house.gateway.desk.do("reseller.set", {"code": "toko", "name": "Toko Budi"})
    await house.order()
    await house.becomes("SUCCESS")
    assert "1.511" in (await operator.get(await numbered(house))).words
    target = f"{await numbered(house)}/receipt"
    page = await operator.get(target)
    for text in ("Toko Budi", "T1", "S1_1187", "123456789", "Budi - RefId: ML_1", "Sukses"):
        assert text in page.words
    for text in ("1.511", "1511", "Rp", "toko-T1", "APIKUY"):
        assert text not in page.words.partition("Cetak")[2].partition("Bahasa")[0], text
    assert 'class="receipt mm58"' in page.text
    assert 'class="receipt mm80"' in (await operator.get(f"{target}?width=80")).text
    assert 'class="receipt mm58"' in (await operator.get(f"{target}?width=1;x")).text


async def test_a_receipt_of_what_is_not_sold_is_no_proof(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    await house.order()
    page = await operator.get(f"{await numbered(house)}/receipt")
    assert "bukan bukti pembelian" in page.words
    assert "Terima kasih" not in page.words
