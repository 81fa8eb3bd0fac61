"""*Peringatan* and *Sistem*."""

import json
import re
from html import unescape

import pytest

from gateway.domain.alert import KINDS, Alarm, Kind
from tests.support import House
from tests.support.browser import Browser


async def raised(house: House, kind: Kind, text: str, about: str | None = None) -> None:
    assert await house.gateway.store.raise_alert(Alarm(house.gateway._clock(), kind, text, about))


async def test_open_alerts_are_shown_with_what_to_do(house: House, operator: Browser) -> None:
    await raised(house, Kind.SALDO_LOW, "key x has <b>little</b>", "x")
    await raised(house, Kind.CLOCK_SET, "the clock was set")
    page = await operator.get("/alerts")
    assert "key x has <b>little</b>" in page.words
    assert KINDS[Kind.SALDO_LOW].todo.id in page.words
    assert KINDS[Kind.SALDO_LOW].todo.en in (await operator.get("/alerts?lang=en")).words
    await operator.get("/alerts?lang=id")
    only = await operator.get("/alerts?kind=clock_set")
    assert "the clock was set" in only.words
    assert "little" not in only.words
    assert (await operator.get("/alerts?kind=none")).status == 200


async def test_one_alert_is_noted_and_then_among_the_past(house: House, operator: Browser) -> None:
    await raised(house, Kind.CLOCK_SET, "the clock was set once")
    await raised(house, Kind.CLOCK_SET, "the clock was set twice")
    first = (await house.gateway.store.alerts())[-1]
    page = await operator.post("/alerts/ack", {"id": str(first.id)})
    assert "Peringatan ditandai." in page.words
    assert "set once" not in page.words
    assert "set twice" in page.words
    assert "set once" in (await operator.get("/alerts?past=1")).words
    assert (await operator.post("/alerts/ack", {"id": str(first.id)})).status == 409


async def test_all_that_the_page_showed_are_noted_and_no_newer_one(
    house: House, operator: Browser
) -> None:
    await raised(house, Kind.CLOCK_SET, "one")
    await raised(house, Kind.CLOCK_SET, "two")
    page = await operator.get("/alerts")
    meant = re.search(r'name="ids" value="([^"]+)"', page.text)
    assert meant is not None
    await raised(house, Kind.CLOCK_SET, "newer")
    await house.gateway.desk.do("alert.ack", {"ids": [int(meant[1].split()[0])]})
    page = await operator.post("/alerts/ack-all", {"ids": unescape(meant[1])})
    assert page.status == 200
    assert [alert.text for alert in await house.gateway.store.alerts()] == ["newer"]
    assert (await operator.post("/alerts/ack-all", {"ids": ""})).status == 409
    assert (await operator.post("/alerts/ack-all", {"ids": "1 x"})).status == 409


async def test_alerts_are_paged(house: House, operator: Browser) -> None:
    for n in range(60):
        await raised(house, Kind.CLOCK_SET if n % 2 else Kind.CONTRADICTION, f"alert {n:02}.")
    first = await operator.get("/alerts")
    assert "alert 59." in first.words
    assert "alert 09." not in first.words
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    second = await operator.get(unescape(older[1]))
    assert "alert 09." in second.words
    assert "alert 10." not in second.words
    assert 'rel="next"' not in second.text
    alone = await operator.get("/alerts?kind=clock_set")
    assert alone.text.count('class="card alert') == 30


async def test_a_viewer_notes_nothing(house: House, viewer: Browser) -> None:
    await raised(house, Kind.CLOCK_SET, "one")
    page = await viewer.get("/alerts")
    assert "one" in page.words
    assert 'action="/alerts/ack' not in page.text
    assert (await viewer.post("/alerts/ack", {"id": "1"})).status == 403
    assert (await viewer.post("/alerts/ack-all", {"ids": "1"})).status == 403
    assert len(await house.gateway.store.alerts()) == 1


async def test_the_system_says_how_it_stands(house: House, operator: Browser) -> None:
    await house.order("T1")
    await house.gateway.desk.do("delivery.pause", {"host": "p.test:80"})
    page = await operator.get("/system")
    assert page.status == 200
    for said in (
        "Versi 0.1.0",
        "Transaksi terbuka 1",
        "Host dijeda p.test:80",
        "delivery.allow_private Callback boleh ke alamat privat",
        "1 sesi sedang masuk",
        "Belum pernah ada backup",
    ):
        assert said in page.words, said
    assert re.search("Terakhir menjawab .* lalu", page.words)
    assert "without TLS" not in page.words


async def test_what_check_config_finds_in_the_files_is_a_mistake(
    house: House, operator: Browser
) -> None:
    house.gateway.mistakes = lambda: [("secrets.key_file", "wrong <key>")]
    page = await operator.get("/system")
    assert "secrets.key_file wrong <key> salah" in page.words


async def test_the_last_backup_and_reconciliation_are_shown(
    house: House, operator: Browser
) -> None:
    now = house.gateway._clock()
    kept = {"at": now - 3 * 86_400_000, "path": "/srv/b/gateway.gz", "bytes": 5_000_000}
    await house.gateway.store.put_meta("backup.last", json.dumps(kept).encode())
    one = {"order": "toko-1", "differences": ["status FAILED, upstream says SUCCESS"]}
    one |= {"status": "FAILED", "status_after": "SUCCESS"}
    done = {"at": now, "day": "2026-11-25", "orders": 12, "found": 101, "differences": [one]}
    await house.gateway.store.put_meta("reconcile.last", json.dumps(done).encode())
    page = await operator.get("/system")
    assert "Terakhir 3 hari lalu Ukuran 4,8 MiB" in page.words
    assert "lebih dari satu setengah hari" in page.words
    assert "Hari 2026-11-25 Transaksi 12 Selisih 101 toko-1 status FAILED" in page.words
    assert "upstream says SUCCESS · setelah dicek: Sukses" in page.words
    assert 'href="/orders?trx_id=toko-1"' in page.text
    assert "Lainnya ada di keluaran" in page.words


@pytest.mark.parametrize("kept", [b"x", b"[]", b'{"at": "x"}', b"{}"])
async def test_what_can_not_be_read_is_not_shown(
    house: House, operator: Browser, kept: bytes
) -> None:
    await house.gateway.store.put_meta("backup.last", kept)
    page = await operator.get("/system")
    assert "Belum pernah ada backup" in page.words
    assert (await operator.post("/system/backup")).status == 409


async def test_a_backup_is_begun_beside_the_last_one(house: House, operator: Browser) -> None:
    begun: list[object] = []

    async def begin(to: str, keep: int | None = None) -> dict[str, object]:
        begun.append((to, keep))
        return {}

    kept = {"at": house.gateway._clock(), "path": "/srv/b/gateway.gz", "bytes": 5}
    await house.gateway.store.put_meta("backup.last", json.dumps(kept).encode())
    house.gateway.desk.add({"backup.begin": begin})
    assert "Backup sekarang" in (await operator.get("/system")).words
    page = await operator.post("/system/backup")
    assert "Backup dimulai." in page.words
    assert begun == [("/srv/b", None)]
