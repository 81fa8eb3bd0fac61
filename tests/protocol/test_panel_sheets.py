"""The sheets that panels are set up by: what is known of a reseller stands there, or its lack."""

from typing import Any

from gateway.protocol.panel import Place, Sheet, sheets

STATUSES = ["PENDING", "PAID", "SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"]
FINAL = ["SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"]


def made(**values: Any) -> dict[str, Sheet]:
    place = Place(code="toko", url="https://g.example", **values)
    return {sheet.kind: sheet for sheet in sheets(place)}


def test_each_kind_has_every_status_and_every_final_callback() -> None:
    for sheet in made().values():
        assert list(sheet.samples) == [*STATUSES, "ERROR"]
        assert list(sheet.callbacks) == FINAL


def test_what_the_operator_has_set_stands_there() -> None:
    kinds = made(
        addresses=("203.0.113.9", "2001:db8::9"),
        allow_ips=("198.51.100.0/24",),
        callback_url="https://panel.toko.id/cb",
        native=True,
        allow_pin=True,
    )
    settings = kinds["otomax"].settings
    assert settings["URL callback panel"] == "https://panel.toko.id/cb"
    assert settings["IP gateway (izinkan di panel)"] == "203.0.113.9, 2001:db8::9"
    assert settings["IP panel (diizinkan gateway)"] == "198.51.100.0/24"
    assert settings["URL transaksi"].endswith("&refID=[trxid]&pin=[pin]&password=[password]")
    assert kinds["otomax"].callbacks["SUCCESS"].startswith("GET https://panel.toko.id/cb?t=1001&")
    assert kinds["program"].callbacks["FAILED"].startswith("POST https://panel.toko.id/cb {")


def test_what_is_not_set_is_said() -> None:
    sheet = made()["otomax"]
    assert sheet.settings["URL callback panel"] == "belum diatur: minta operator mengisinya"
    assert sheet.settings["IP panel (diizinkan gateway)"] == "semua"
    assert sheet.settings["URL transaksi"].endswith("&sign=[sign]")
    assert sheet.notes[0].startswith("Belum aktif:")
    assert not made(native=True)["otomax"].notes[0].startswith("Belum aktif:")
