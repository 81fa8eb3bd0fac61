"""The link that shows a reseller its own orders: what it shows, to whom, and for how long."""

import re
from html import unescape

import pytest

from gateway.web.dashboard import link
from tests.support import FakeUpstream, House, OpenHouse, Panel, says
from tests.support.browser import Browser

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi <b>x</b> . Sisa saldo 4321"
DAY_S = 86_400


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway that buys with success at once, for two resellers."""
    upstream.order = says(SUCCESS)
    opened = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    await opened.add("kios")
    return opened


async def made(house: House, code: str = "toko", days: int = 7) -> str:
    """The path of a new link."""
    values = {"code": code, "days": days}
    url = (await house.gateway.desk.do("link.make", values))["url"]
    path = url.removeprefix(house.gateway.settings.server.public_url)
    house.secrets.add(path.rpartition("/")[2])
    return str(path)


async def test_a_link_shows_that_resellers_orders_alone(house: House, panel: Panel) -> None:
    await house.order("T1", callback_url=panel.url)
    await house.order("K1", reseller="kios")
    path = await made(house)
    page = await house.get(path)
    assert page.status == 200
    assert "T1" in page.text
    assert "Rp 4.321" in page.text
    assert "Budi &lt;b&gt;x&lt;/b&gt;" in page.text
    for secret in (
        path.rpartition("/")[2],
        "K1",
        "kios",
        house.keys["toko"],
        "upstream-key-of-toko",
        "1511",
        panel.url,
    ):
        assert secret not in page.text
    assert "K1" in (await house.get(await made(house, "kios"))).text


async def test_an_order_is_found_by_its_trx_id_and_no_strangers(house: House) -> None:
    await house.order("T1")
    await house.order("SAME")
    await house.order("K1", reseller="kios")
    path = await made(house)
    page = await house.get(f"{path}?q=T1")
    assert ">T1<" in page.text
    assert "SAME" not in page.text
    for other in ("K1", "kios-K1", "T", "%25", "'%20OR%201=1"):
        assert "Tidak ada transaksi" in (await house.get(f"{path}?q={other}")).text


async def test_orders_are_paged(house: House) -> None:
    for n in range(35):
        await house.order(f"T{n:02}")
    path = await made(house)
    first = await house.get(path)
    assert ">T34<" in first.text
    assert ">T04<" not in first.text
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    second = await house.get(path + unescape(older[1]))
    assert ">T04<" in second.text
    assert ">T34<" not in second.text
    assert 'rel="next"' not in second.text
    for digits in (30, 5000):
        assert (await house.get(f"{path}?before={'9' * digits}")).status == 200


async def test_it_ends_by_itself_and_when_it_is_taken_away(
    house: House, operator: Browser
) -> None:
    path, other = await made(house, days=2), await made(house, days=9)
    nothing = await house.get("/nowhere")
    house.clock.skip(2 * DAY_S)
    ended = await house.get(path)
    assert (ended.status, ended.text) == (nothing.status, nothing.text) == (404, nothing.text)
    assert (await house.get(other)).status == 200
    (row,) = await house.gateway.links.living("toko")
    assert row.seen_at is not None
    await house.gateway.desk.do("link.revoke", {"link_id": row.id})
    assert (await house.get(other)).status == 404
    assert (await house.get("/lihat/style.css")).status == 404, "there is no link any more"


async def test_a_reseller_who_is_suspended_sees_nothing_until_it_is_resumed(house: House) -> None:
    path, other = await made(house), await made(house, "kios")
    await house.gateway.desk.do("reseller.set", {"code": "toko", "suspended": True})
    assert (await house.get(path)).status == 404
    assert (await house.get(other)).status == 200
    await house.gateway.desk.do("reseller.set", {"code": "toko", "suspended": False})
    assert (await house.get(path)).status == 200


async def test_a_journal_that_can_not_write_can_still_be_looked_at(house: House) -> None:
    path = await made(house)
    await house.break_journal()
    assert (await house.get(path)).status == 200
    await house.break_journal(broken=False)
    assert (await house.get(path)).status == 200
    (link_row,) = await house.gateway.links.living("toko")
    assert link_row.seen_at is not None


async def test_without_a_right_token_nothing_is_there(house: House) -> None:
    path = await made(house)
    nothing = (await house.get("/nowhere")).text
    for wrong in (
        path[:-1],
        f"{path}x",
        "/lihat/",
        "/lihat/x",
        f"/lihat/{'a' * 200}",
        "/lihat/%00",
    ):
        answer = await house.get(wrong)
        assert (answer.status, answer.text) == (404, nothing), wrong
    for name in ("live.js", "x.css", "..%2fstyle.css"):
        assert (await house.get(f"/lihat/{name}")).status == 404
    style = await house.get("/lihat/style.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")


async def test_it_sets_no_cookie_and_says_nothing_to_others(house: House) -> None:
    page = await house.get(await made(house))
    assert "Set-Cookie" not in page.headers
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text


async def test_a_link_can_not_do_anything(house: House) -> None:
    path = await made(house)
    answer = await house.post(path, b"x=1", {})
    assert answer.status == 405
    assert (await house.get(path, method="HEAD")).status == 405


async def test_looks_are_bounded_for_a_household(house: House) -> None:
    path = await made(house)
    answers = [(await house.get(path)).status for _ in range(link._LOOKS + 2)]
    assert answers[0] == 200
    assert answers[-1] == 429
    now = [0.0]
    looks = link.Looks(lambda: now[0])
    assert [looks.may("a") for _ in range(link._LOOKS + 1)][-2:] == [True, False]
    assert looks.may("b")
    now[0] = 61
    assert looks.may("a")


async def test_an_operator_makes_lists_and_takes_away(house: House, operator: Browser) -> None:
    page = await operator.post("/resellers/toko/link", {"days": "3"})
    assert page.headers["Cache-Control"] == "no-store"
    found = re.search(r'/lihat/([\w-]{43})"', page.text)
    assert found is not None
    house.secrets.add(found[1])
    assert (await house.get(f"/lihat/{found[1]}")).status == 200
    (row,) = await house.gateway.links.living()
    assert (row.who, row.reseller) == ("operator", "toko")
    shown = await operator.get("/resellers/toko")
    assert "Cabut" in shown.words
    assert found[1] not in shown.text + (await operator.get("/audit")).text
    assert row.hash not in (found[1].encode(), found[1].encode()[:32])
    other = await operator.post("/resellers/kios/link/revoke", {"id": str(row.id)})
    assert other.status == 409
    await operator.post("/resellers/toko/link/revoke", {"id": str(row.id)})
    assert (await house.get(f"/lihat/{found[1]}")).status == 404
    for days in ("0", "91", "x", ""):
        assert (await operator.post("/resellers/toko/link", {"days": days})).status == 409
    assert (await operator.post("/resellers/nobody/link", {"days": "3"})).status == 409


async def test_links_of_one_reseller_are_bounded(house: House) -> None:
    for _ in range(20):
        await made(house)
    with pytest.raises(Exception, match="toko has 20 links"):
        await made(house)
    await made(house, "kios")
