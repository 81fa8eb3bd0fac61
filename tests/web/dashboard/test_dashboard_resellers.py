"""*Reseller*: figures, changes, keys that are shown once, the panel sheet."""

import re
from html import unescape

import pytest

from gateway.protocol.panel import KINDS, Place, sheets
from tests.support import FakeUpstream, House, OpenHouse, says
from tests.support.browser import Browser, Page

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
FORM = {"name": "Kios Bu Tini", "callback_url": "https://p.test/cb", "delivery": "otomax"}


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway that buys with success at once."""
    upstream.order = says(SUCCESS)
    return await open_house(upstream.url, recheck={"schedule_s": [3600]})


def field(page: Page, name: str) -> str:
    """What stands in a field of a page."""
    found = re.search(rf'<input id="{name}"[^>]* value="([^"]*)"', page.text)
    assert found is not None, page.words
    return unescape(found[1])


async def test_a_reseller_is_added_and_its_key_shown_once(house: House, operator: Browser) -> None:
    fields = {
        "code": "kios",
        "upstream_key": "upstream-key-of-kios",
        "allow_ips": "10.0.0.0/8\n::1",
    }
    page = await operator.post("/resellers/new", {**FORM, **fields, "max_price": "500.000"})
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    key = field(page, "key")
    house.keys["kios"] = key
    house.secrets |= {key, "upstream-key-of-kios"}
    row = await house.gateway.desk.resellers.show("kios")
    assert row["allow_ips"] == ["10.0.0.0/8", "::1"]
    assert (row["max_price"], row["delivery"], row["name"]) == (500_000, "otomax", "Kios Bu Tini")
    for path in ("/resellers", "/resellers/kios", "/resellers/kios/change", "/audit"):
        shown = await operator.get(path)
        assert shown.status == 200
        assert key not in shown.text
        assert "upstream-key-of-kios" not in shown.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"code": "KIOS"}, "a reseller's code is"),
        ({"code": "toko"}, "exists already"),
        ({"code": "kios", "allow_ips": "1.2.3"}, "allow_ip"),
        ({"code": "kios", "callback_url": "ftp://x"}, "callback_url"),
        ({"code": "kios", "max_price": "1,5"}, "max_price"),
        ({"code": "kios", "delivery": "pigeon"}, "delivery"),
    ],
)
async def test_what_can_not_be_is_said_and_what_was_typed_stays(
    house: House, operator: Browser, fields: dict[str, str], said: str
) -> None:
    secret = "upstream-typed-secret"
    sent = {**FORM, "name": "<i>Toko", "upstream_key": secret, **fields}
    page = await operator.post("/resellers/new", sent)
    assert page.status == 409
    assert said in page.words
    assert 'value="&lt;i&gt;Toko"' in page.text
    assert secret not in page.text
    assert [row["code"] for row in await house.gateway.desk.resellers.show_all()] == ["toko"]


async def test_a_reseller_is_changed_suspended_and_resumed(
    house: House, operator: Browser
) -> None:
    form = await operator.get("/resellers/toko/change")
    assert "Simpan" in form.words
    page = await operator.post(
        "/resellers/toko/change", {**FORM, "callback_hosts": "P.Test, q.test", "max_price": ""}
    )
    assert "Tersimpan." in page.words
    row = await house.gateway.desk.resellers.show("toko")
    assert (row["callback_hosts"], row["max_price"]) == (["p.test", "q.test"], None)
    assert row["upstream_key"] is not None
    await operator.post("/resellers/toko/suspend")
    assert "RESELLER_SUSPENDED" in await house.order("T1")
    page = await operator.post("/resellers/toko/resume")
    assert "aktif lagi" in page.words
    assert "SUCCESS" in await house.order("T1")
    commands = [(one.who, one.command) for one in await house.gateway.store.audit(about="toko")]
    assert commands == [("operator", "reseller.set")] * 3


async def test_a_key_is_rotated_with_and_without_grace(house: House, operator: Browser) -> None:
    old = house.keys["toko"]
    page = await operator.post("/resellers/toko/rotate", {"grace_s": "3600"})
    assert "Kunci lama masih berlaku 1 jam" in page.words
    house.keys["toko"] = new = field(page, "key")
    house.secrets |= {new}
    assert new != old
    assert "SUCCESS" in await house.order("T1")
    assert "SUCCESS" in await house.order("T2", apikey=old)
    page = await operator.post("/resellers/toko/rotate", {"grace_s": "0"})
    house.secrets |= {field(page, "key")}
    assert "API_KEY_NOT_FOUND" in await house.order("T3")
    assert (await operator.post("/resellers/toko/rotate", {"grace_s": "-1"})).status == 409
    assert (await operator.post("/resellers/toko/rotate", {"grace_s": "9999999"})).status == 409
    assert not re.search(f"{new}|{old}", repr(await house.gateway.store.audit()))


@pytest.mark.parametrize("what", ["rotate", "link"])
async def test_an_answer_that_is_loaded_again_makes_nothing_again(
    house: House, operator: Browser, what: str
) -> None:
    shown = (await operator.get("/resellers/toko")).text.partition(f"/resellers/toko/{what}")[2]
    newest = re.search(r'name="newest" value="([^"]*)"', shown)
    assert newest is not None
    fields = {"newest": unescape(newest[1]), "grace_s": "0", "days": "1"}
    made = await operator.post(f"/resellers/toko/{what}", fields)
    assert made.status == 200
    house.secrets |= {field(made, "key" if what == "rotate" else "link")}
    before = await house.gateway.desk.resellers.show("toko")
    again = await operator.post(f"/resellers/toko/{what}", fields)
    assert again.status == 409
    assert "sejak halaman itu dibuka" in again.words
    assert await house.gateway.desk.resellers.show("toko") == before
    assert len(await house.gateway.links.living("toko")) == (what == "link")


async def test_upstream_key_pin_and_password_are_taken_and_never_shown(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    secrets = {"upstream-key-new", "924411", "otomax-password"}
    house.secrets |= secrets - {"924411"}
    await operator.post("/resellers/toko/upstream-key", {"upstream_key": "upstream-key-new"})
    await house.order("T1")
    assert upstream.orders[-1].query["apikey"] == "upstream-key-new"
    fields = {"pin": "924411", "password": "otomax-password", "allow_pin": "1"}
    page = await operator.post("/resellers/toko/native", fields)
    assert page.status == 200
    row = await house.gateway.desk.resellers.show("toko")
    assert (row["native"], row["allow_pin"]) == (True, True)
    shown = page.text + (await operator.get("/audit")).text
    assert not any(secret in shown for secret in secrets)
    assert (await operator.post("/resellers/toko/native", {"pin": "1"})).status == 200
    await operator.post("/resellers/toko/native", {"remove": "1"})
    assert (await house.gateway.desk.resellers.show("toko"))["native"] is False
    assert (await operator.post("/resellers/toko/native", {"pin": "1"})).status == 409
    assert (await operator.post("/resellers/toko/upstream-key", {})).status == 409


async def test_todays_figures_and_statistics_are_that_resellers_alone(
    house: House, operator: Browser
) -> None:
    await house.add("kios")
    for n in range(3):
        await house.order(f"T{n}")
    await house.order("K1", reseller="kios", product_code="S9")
    page = await operator.get("/resellers")
    assert "aktif 3 3 0 0" in page.words
    assert "aktif 1 1 0 0" in page.words
    page = await operator.get("/resellers/toko")
    assert "Transaksi 3 3 Sukses 3 3 Pending 0 0 Gagal 0 0 Tingkat sukses 100,0 %" in page.words
    assert "S1_1187 3 3" in page.words
    assert "S9" not in page.words


async def test_the_sheet_is_that_of_the_command(house: House, operator: Browser) -> None:
    await house.gateway.desk.do("reseller.set", {"code": "toko", "allow_ips": ["10.9.8.7"]})
    place = Place(
        code="toko",
        url=house.gateway.settings.server.public_url,
        addresses=("127.0.0.1",),
        allow_ips=("10.9.8.7",),
    )
    for kind, sheet in zip(KINDS, sheets(place), strict=True):
        page = await operator.get(f"/resellers/toko/panel?kind={kind}")
        assert page.status == 200
        text = unescape(page.text)
        for rows in (sheet.settings, sheet.samples, sheet.callbacks, sheet.expressions):
            assert all(value in text for value in rows.values()), kind
        assert house.keys["toko"] not in text


async def test_who_is_not_there_is_said_and_a_viewer_changes_nothing(
    house: House, operator: Browser, viewer: Browser
) -> None:
    for path in ("/resellers/nobody", "/resellers/nobody/panel", "/resellers/nobody/change"):
        assert (await operator.get(path)).status == 409
    page = await viewer.get("/resellers/toko")
    assert page.status == 200
    assert 'method="post" action="/resellers' not in page.text
    before = await house.gateway.desk.resellers.show("toko")
    for path in ("change", "suspend", "rotate", "upstream-key", "native", "link", "link/revoke"):
        assert (await viewer.post(f"/resellers/toko/{path}", {"pin": "1"})).status == 403
    assert (await viewer.post("/resellers/new", {"code": "kios"})).status == 403
    assert await house.gateway.desk.resellers.show("toko") == before
