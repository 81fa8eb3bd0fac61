"""Files for spreadsheets: whole, streamed, and nothing in them that a program runs or bends."""

import csv
import io
import re
from datetime import timedelta, timezone

import aiohttp
import pytest

from gateway.store import OrderSearch
from gateway.web.dashboard import exports
from gateway.web.dashboard.sheet import MARK, Moment, guarded, line
from tests.support import FakeUpstream, House, OpenHouse, Panel, eventually, says
from tests.support.browser import Browser, Page

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway that buys with success at once."""
    upstream.order = says(SUCCESS)
    return await open_house(upstream.url, recheck={"schedule_s": [3600]})


def rows_of(page: Page) -> list[dict[str, str]]:
    """What a program reads of a file."""
    assert page.status == 200, page.text
    assert page.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert page.text.startswith(MARK)
    return list(csv.DictReader(io.StringIO(page.text[1:], newline=""), delimiter=";", strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://x";"y")',
        "+62812",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "\uff1d1",
        "00123",
        "123456789012",
        "1234567890123456789",
        "1E5",
        "1,5",
        "12/5",
        "2026-11-26",
        "1-2",
        "08:15",
        "MAR1",
        "1 mei",
        "SEPT-12",
        "5 %",
    ],
)
def test_what_a_program_would_run_or_bend_begins_with_an_apostrophe(text: str) -> None:
    assert guarded(text).startswith("'")
    assert not set(guarded(text)) & set("\r\n\t\0")


@pytest.mark.parametrize(
    "text",
    ["", "T1", "0", "123456789", "123456789(1234)", "Budi - 1 . RefId: ML_1", "S1_1187", "R#1"],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


def test_a_line_is_read_back_as_it_was() -> None:
    cells = ["a;b", 'say "x"', None, 15_000, Moment(1_795_655_703_000), "00123"]
    written = line(cells, timezone(timedelta(hours=7)))
    assert written.endswith(';15000;2026-11-26 08:15:03;"\'00123"\r\n')
    (read,) = csv.reader(io.StringIO(written, newline=""), delimiter=";", strict=True)
    assert read == ["a;b", 'say "x"', "", "15000", "2026-11-26 08:15:03", "'00123"]


async def test_orders_are_written_with_the_filters_of_their_page(
    house: House, operator: Browser
) -> None:
    await house.add("kios")
    await house.order("12345678901234567890")
    await house.order("T2", "=cmd()")
    await house.order("K1", reseller="kios")
    every = rows_of(await operator.get("/export/orders"))
    assert [row["trx_id"] for row in every] == ["K1", "T2", "'12345678901234567890"]
    assert every[1]["Tujuan"] == "'=cmd()"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", every[0]["Waktu masuk (WIB)"])
    mine = rows_of(await operator.get("/export/orders?reseller=kios&lang=en&zone=wit"))
    assert [row["trx_id"] for row in mine] == ["K1"]
    assert "Placed (WIT)" in mine[0]
    assert rows_of(await operator.get("/export/orders?status=FAILED")) == []
    page = await operator.get("/export/orders?trx_id=T2")
    assert len(rows_of(page)) == 1
    assert re.search(r'filename="\w+-\d{4}-\d\d-\d\d\.csv"', page.headers["Content-Disposition"])


async def test_more_rows_than_are_held_at_a_time_are_all_written_once(
    house: House, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PART", 4)
    for n in range(11):
        await house.order(f"T{n:02}")
    names = [row["trx_id"] for row in rows_of(await operator.get("/export/orders"))]
    assert names == [f"T{n:02}" for n in range(10, -1, -1)]
    for n in range(9):
        await house.gateway.desk.do("reseller.set", {"code": "toko", "name": f"n{n}"})
    numbers = [int(row["No."]) for row in rows_of(await operator.get("/export/audit"))]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) >= 9


async def test_deliveries_alerts_resellers_and_the_log_are_written_without_secrets(
    house: House, operator: Browser, panel: Panel
) -> None:
    await house.order("T1", callback_url=f"{panel.url}?password=hidden-in-url")
    await eventually(lambda: panel.targets)
    await eventually(lambda: house.deliveries("delivered"))
    (told,) = rows_of(await operator.get("/export/deliveries"))
    assert (told["trx_id"], told["Keadaan"]) == ("T1", "delivered")
    assert rows_of(await operator.get("/export/deliveries?state=dead")) == []
    day, week = rows_of(await operator.get("/export/resellers"))
    assert (day["Reseller"], day["Transaksi"], week["Sukses"]) == ("toko", "1", "1")
    assert rows_of(await operator.get("/export/alerts")) == []
    log = await operator.get("/export/audit?who=operator")
    assert {row["Siapa"] for row in rows_of(log)} == {"operator"}
    for what in ("orders", "deliveries", "resellers", "alerts", "audit"):
        text = (await operator.get(f"/export/{what}")).text
        for secret in (house.keys["toko"], "upstream-key-of-toko", "hidden-in-url"):
            assert secret not in text


async def test_a_file_that_breaks_off_is_seen_to(
    house: House, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PART", 1)
    for n in range(5):
        await house.order(f"T{n}")
    store = house.gateway.store
    found = store.find_orders

    async def breaks(wanted: OrderSearch, limit: int) -> object:
        if wanted.before_id is not None and wanted.before_id < 4:
            house.gateway.gate.draining = True
        return await found(wanted, limit)

    monkeypatch.setattr(store, "find_orders", breaks)
    with pytest.raises(Exception, match=r"."):
        await operator.get("/export/orders")
    house.gateway.gate.draining = False


async def test_a_file_breaks_off_when_its_session_ends(
    house: House, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PART", 2)
    for n in range(5):
        await house.order(f"T{n}")
    store = house.gateway.store
    found = store.find_orders

    async def revokes(wanted: OrderSearch, limit: int) -> object:
        await store.end_sessions(admin="operator")
        return await found(wanted, limit)

    monkeypatch.setattr(store, "find_orders", revokes)
    with pytest.raises(aiohttp.ClientError):
        await operator.get("/export/orders")


async def test_files_at_one_time_are_bounded_and_others_are_not_there(
    house: House, operator: Browser, nobody: Browser
) -> None:
    pages = [route for route in house.gateway.dashboard.routes if route.path == "/export/{what}"]
    page = pages[0].handler.__self__  # type: ignore[attr-defined]  # a bound method
    page._under_way = exports.AT_ONCE
    assert (await operator.get("/export/orders")).status == 503
    page._under_way = 0
    assert (await operator.get("/export/orders")).status == 200
    assert (await operator.get("/export/keys")).status == 404
    assert (await nobody.get("/export/orders")).url.path == "/login"
