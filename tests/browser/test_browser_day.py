"""An operator's day in a real browser: wide, on a phone at night, and without scripts."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.chromium import Visitor, visiting
from tests.browser.examining import examine
from tests.support import House, Panel, eventually
from tests.support.browser import PASSWORD
from tests.support.panel import answers

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOLD = "123456001"  # a destination that the simulator sells to at once
LATER = "123456002"  # and one that it sells to a moment later


async def sold(house: House, trx_id: str = "T1") -> str:
    """Sell something; returns where its page is."""
    await house.order(trx_id, SOLD)
    await house.becomes("SUCCESS", f"toko-{trx_id}")
    await eventually(lambda: house.deliveries("delivered"))
    return f"/orders/{(await house.shown(f'toko-{trx_id}'))['id']}"


# -- coming and going


async def test_only_the_right_password_opens(chrome: Browser, house: House) -> None:
    async with visiting(chrome, house.admin_url) as visitor:
        await visitor.open("/orders")
        assert visitor.page.url.endswith("/login"), "who is not logged in is asked to"
        with visitor.expects_a_refusal():
            await visitor.log_in("sari", "salah")
            await expect(visitor.page.get_by_role("alert")).to_have_text(
                "Nama atau kata sandi salah."
            )
        await examine(visitor)
        await visitor.log_in("sari", PASSWORD)
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Ringkasan")


async def test_who_logs_out_is_out(sari: Visitor) -> None:
    await sari.page.get_by_role("button", name="Keluar").click()
    await expect(sari.page.get_by_role("heading", level=1)).to_have_text("Masuk")
    await sari.page.go_back()
    await sari.page.reload()
    await expect(sari.page.get_by_label("Kata sandi")).to_be_visible()


# -- orders


async def test_an_order_arrives_while_somebody_looks(sari: Visitor, house: House) -> None:
    await sari.open("/orders")
    await expect(sari.page.get_by_text("Tidak ada transaksi yang cocok.")).to_be_visible()
    if sari.has_scripts:
        await sari.page.evaluate("window.isTheSamePage = true")
        await expect(sari.page.locator("#live")).to_have_class("live on")
    await house.order("LIVE1", LATER)
    if not sari.has_scripts:
        await house.becomes("SUCCESS", "toko-LIVE1")
        await sari.page.reload()
    row = sari.page.get_by_role("row").filter(has_text="LIVE1")
    await expect(row).to_contain_text(LATER)
    await expect(row.locator(".tag")).to_have_text("Sukses")
    if sari.has_scripts:
        assert await sari.page.evaluate("window.isTheSamePage"), "it was not loaded again"


async def test_an_order_is_found_and_opened(sari: Visitor, house: House) -> None:
    await house.order("DICARI7", SOLD)
    await sold(house, "LAIN8")
    await sari.open("/orders")
    await expect(sari.page.get_by_role("row")).to_have_count(3)
    await sari.page.get_by_label("ID transaksi").fill("DICARI7")
    await sari.page.get_by_role("button", name="Cari").click()
    await expect(sari.page.get_by_role("row")).to_have_count(2)
    await sari.page.get_by_role("link", name="DICARI7", exact=True).click()
    await expect(sari.page.get_by_role("heading", level=1)).to_have_text(
        "Transaksi toko-DICARI7 Sukses"
    )
    await expect(
        sari.page.get_by_role("listitem").filter(has_text="Diminta panel")
    ).to_be_visible()
    await examine(sari)


async def test_an_order_is_decided_after_a_second_look(sari: Visitor, house: House) -> None:
    await house.order("GANTUNG", "123456012")
    await sari.open(f"/orders/{(await house.shown('toko-GANTUNG'))['id']}")
    await sari.page.get_by_role("link", name="Putuskan").click()
    await sari.page.get_by_role("radio", name="SUCCESS", exact=False).first.check()
    await sari.page.get_by_label("Alasan").fill("kata CS supplier, tiket 8812")
    await examine(sari)
    await sari.page.get_by_role("button", name="Lanjut").click()
    await expect(sari.page.get_by_text("Periksa sekali lagi:")).to_be_visible()
    await examine(sari)
    assert (await house.shown("toko-GANTUNG"))["status"] == "PENDING"
    await sari.page.get_by_role("button", name="Ya, putuskan").click()
    await expect(sari.page.get_by_role("status").filter(has_text="Sudah")).to_be_visible()
    assert (await house.shown("toko-GANTUNG"))["status"] == "SUCCESS"


async def test_a_receipt_prints_as_a_strip_of_paper(sari: Visitor, house: House) -> None:
    await sari.open(await sold(house))
    await sari.page.get_by_role("link", name="Struk").click()
    receipt = sari.page.locator(".receipt")
    await expect(receipt).to_contain_text("Toko Budi")
    await examine(sari)
    await sari.page.emulate_media(media="print")
    await expect(receipt).to_contain_text("SN")
    await expect(receipt).to_be_visible()
    for part in (".top", ".foot", ".no-print"):
        await expect(sari.page.locator(part)).to_be_hidden()
    paper = await sari.page.pdf(prefer_css_page_size=True)
    assert paper.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+)", paper)
    assert [round(float(box) / 72 * 25.4) for box in boxes] == [58], "millimetres, one sheet"


async def test_what_is_filtered_is_a_file_for_a_spreadsheet(
    sari: Visitor, house: House, tmp_path: Path
) -> None:
    await sold(house, "MASUK")
    await house.order("TIDAK", LATER)
    await sari.open("/orders?trx_id=MASUK")
    async with sari.page.expect_download() as download:
        await sari.page.get_by_role("link", name="Unduh CSV").click()
    file = await download.value
    assert file.suggested_filename.endswith(".csv")
    await file.save_as(tmp_path / "orders.csv")
    head, row = (tmp_path / "orders.csv").read_text(encoding="utf-8-sig").splitlines()
    assert "Tujuan" in head
    assert "MASUK" in row
    assert SOLD in row


# -- deliveries


async def test_a_delivery_is_sent_again(sari: Visitor, house: House, panel: Panel) -> None:
    await sari.open(await sold(house))
    await sari.page.get_by_role("button", name="Kirim ulang kiriman 1").click()
    await expect(sari.page.get_by_text("Kiriman dijadwalkan lagi sekarang.")).to_be_visible()
    await eventually(lambda: len(panel.targets) == 2)
    assert panel.targets[0] == panel.targets[1]


async def test_a_host_is_paused_and_told_later(sari: Visitor, house: House, panel: Panel) -> None:
    await sold(house, "SEBELUM")
    await sari.open("/deliveries")
    host = panel.url.split("/")[2]
    await sari.page.get_by_role("link", name=host).click()
    await sari.page.get_by_label("Alasan").fill("panel sedang diperbaiki")
    await examine(sari)
    await sari.page.get_by_role("button", name="Jeda host ini").click()
    await expect(sari.page.get_by_text("panel sedang diperbaiki")).to_be_visible()
    await house.order("SELAMA", SOLD)
    await house.becomes("SUCCESS", "toko-SELAMA")
    await eventually(lambda: house.deliveries("due"))
    assert len(panel.targets) == 1
    await sari.page.get_by_role("button", name="Lanjutkan").click()
    await expect(sari.page.get_by_text("Host dilanjutkan.")).to_be_visible()
    await eventually(lambda: len(panel.targets) == 2)


async def test_all_since_a_time_are_counted_before_they_go(
    sari: Visitor, house: House, panel: Panel
) -> None:
    await sold(house)
    await sari.open("/deliveries/list")
    await sari.page.get_by_label("Status kiriman").last.select_option("delivered")
    await sari.page.get_by_role("button", name="Hitung dulu").click()
    await expect(sari.page.get_by_text("1 kiriman", exact=True)).to_be_visible()
    await examine(sari)
    assert len(panel.targets) == 1
    await sari.page.get_by_role("button", name="Kirim ulang 1 kiriman").click()
    await eventually(lambda: len(panel.targets) == 2)


async def test_a_dead_delivery_is_an_alert_that_is_taken_note_of(
    sari: Visitor, house: House, panel: Panel
) -> None:
    panel.reply = answers(500)
    await house.order("MATI", SOLD)
    await eventually(lambda: house.deliveries("dead"), within_s=20)
    await sari.open("/alerts")
    await expect(sari.page.get_by_role("article")).to_have_count(1)
    await sari.page.get_by_role("button", name="Tandai peringatan").click()
    await expect(sari.page.get_by_text("Peringatan ditandai.")).to_be_visible()
    await expect(sari.page.get_by_role("article")).to_have_count(0)


# -- resellers


async def test_a_new_key_is_shown_once(sari: Visitor, house: House) -> None:
    old = house.keys["toko"]
    await sari.open("/resellers/toko")
    await sari.page.get_by_role("button", name="Ganti kunci").click()
    field = sari.page.get_by_label("Kunci reseller", exact=True)
    new = house.keys["toko"] = await field.input_value()
    house.secrets.add(new)
    assert new not in {"", old}
    await examine(sari)
    assert "status SUCCESS" in await house.order("BARU", SOLD), "it is the new key that buys"
    with sari.expects_a_refusal():
        await sari.page.reload()
    assert new not in await sari.page.content()
    await expect(field).to_have_count(0)
    assert "status SUCCESS" in await house.order("MASIH", SOLD), "reloading changes no key"


async def test_a_reseller_is_added_and_suspended(sari: Visitor, house: House) -> None:
    await sari.open("/resellers")
    await sari.page.get_by_role("link", name="Tambah reseller").click()
    await sari.page.get_by_label("Kode").fill("kios")
    await sari.page.get_by_label("Nama").fill("Kios Ani")
    await sari.page.get_by_label("Kunci supplier").fill("kunci-supplier-kios-ani")
    house.secrets.add("kunci-supplier-kios-ani")
    await examine(sari)
    await sari.page.get_by_role("button", name="Simpan").click()
    house.secrets.add(await sari.page.get_by_label("Kunci reseller", exact=True).input_value())
    await sari.open("/resellers/kios")
    await sari.page.get_by_role("button", name="Hentikan").click()
    await expect(sari.page.get_by_role("heading", level=1)).to_contain_text("dihentikan")
    await sari.page.get_by_role("button", name="Aktifkan lagi").click()
    await expect(sari.page.get_by_role("heading", level=1)).to_contain_text("aktif")


async def test_a_reseller_looks_through_its_link(
    sari: Visitor, chrome: Browser, house: House
) -> None:
    await sold(house, "PUNYAKU")
    await sari.open("/resellers/toko")
    await sari.page.get_by_role("button", name="Buat tautan").click()
    link = await sari.page.get_by_label("Tautan", exact=True).input_value()
    house.secrets.add(link.rpartition("/")[2])
    await examine(sari)
    async with visiting(chrome, house.url, size=(390, 844)) as reseller:
        await reseller.open(link.removeprefix(house.url))
        await expect(reseller.page.get_by_role("row").filter(has_text="PUNYAKU")).to_be_visible()
        await examine(reseller)
