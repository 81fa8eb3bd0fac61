"""The overview: what is sold, open and failed today, who was told, saldo, alerts, charts."""

import re

import pytest

from gateway.domain.saldo import Seen
from gateway.flow.ledger import Ledger, Totals, together
from gateway.store import OrderSearch, TalliedOrders, Tally
from gateway.web.dashboard.chart import Slot, lasting, volume
from gateway.web.dashboard.saldo import WIDTH, line
from tests.support import FakeUpstream, House, OpenHouse, drops, eventually, invoice, refuses, says
from tests.support.browser import Browser, browsing
from tests.web.dashboard.test_dashboard_orders import SOLD


async def test_today_is_counted_and_valued(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    house.clock.stay_in_the_hour()
    upstream.order = drops
    upstream.look_up = invoice("SUCCESS", "Budi - RefId: ML_1")
    for name in ("S1", "S2"):
        await house.order(name)
        await house.becomes("SUCCESS", f"toko-{name}")
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.order("P1")
    upstream.order = refuses("INVALID_USER_ID")
    await house.order("F1")
    house.clock.skip(1)
    page = await operator.get("/")
    assert "Sukses 2 Rp 3.022" in page.words
    assert "Pending 1" in page.words
    assert "Gagal 1" in page.words
    assert "66,7 % sukses" in page.words
    assert "toko-P1" in page.words.partition("Paling lama terbuka")[2]
    house.clock.skip(2 * 86_400)
    page = await operator.get("/login")
    async with browsing(house, "viewer") as later:
        page = await later.get("/")
    assert "Sukses 0 Rp 0" in page.words, "another day"


async def test_saldo_is_told_by_key_without_the_key(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await house.order()
    await house.add("kios", upstream_key="upstream-key-of-toko")
    page = await operator.get("/")
    saldo = page.words.partition("Saldo ")[2]
    assert "toko, kios" in saldo or "kios, toko" in saldo
    assert "Rp 5" in saldo
    for secret in house.secrets:
        assert secret not in page.text


async def test_saldo_shows_its_day_and_when_it_is_used_up(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD.replace("saldo 5", "saldo 100000"))
    await house.order()
    (account,) = house.gateway.directory.accounts()
    now = house.clock()
    for hours, saldo in ((20, 500_000), (10, 300_000)):
        await house.gateway.store.add_saldi(now - hours * 3_600_000, {account.id: saldo})
    page = await operator.get("/")
    assert "habis dalam 5 jam" in page.words, "400,000 in 20 hours"
    assert "dari Rp 100.000 sampai Rp 500.000" in page.text


def test_a_line_of_balances_has_steps_and_few_points() -> None:
    day = 24 * 3_600_000
    assert line([Seen(0, 5), Seen(day, 5)], day) == "", "nothing happened"
    assert line([Seen(day // 2, 10), Seen(day, 0)], day) == "60,1.0 120,1.0 120,23.0"
    many = [Seen(n * 60_000, n % 7) for n in range(1440)]
    assert len(line(many, day).split()) <= 2 * (WIDTH + 1)


async def test_a_dead_delivery_is_counted_and_its_alert_noted(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    house = await open_house(upstream.url, delivery={"schedule_s": [0], "timeout_s": 0.2})
    await house.order(callback_url="http://127.0.0.1:9/")
    await eventually(lambda: _dead(house))
    async with browsing(house) as operator, browsing(house, "viewer") as viewer:
        page = await operator.get("/")
        assert "0 menunggu 1 gagal total" in page.words
        assert "Callback ke panel gagal total toko-T1" in page.words
        assert "kiriman 1 (SUCCESS) gagal total" in page.words
        number = re.search(r'action="/alerts/ack"><input[^>]*value="(\d+)"', page.text)
        assert number is not None
        assert "/alerts/ack" not in (await viewer.get("/")).text
        page = await operator.post("/alerts/ack", {"id": number[1], "from": "overview"})
        assert page.url.path == "/"
        assert "Peringatan ditandai" in page.words
        assert "Tidak ada peringatan" in page.words
        assert (await operator.post("/alerts/ack", {"id": "x"})).status == 409
        assert (await operator.post("/alerts/ack", {"id": number[1]})).status == 409


async def _dead(house: House) -> bool:
    return bool(await house.deliveries("dead")) and bool(await house.alerts())


async def test_what_is_not_counted_yet_is_said(house: House, operator: Browser) -> None:
    page = await operator.get("/")
    assert "masih dihitung" not in page.words
    ledger = Ledger(house.gateway.store, house.clock)
    hours = await ledger.hours(house.clock() - 3 * 3_600_000, house.clock(), within_s=-1)
    assert len(hours) >= 3
    assert not together(hours).is_whole
    hours = await ledger.hours(house.clock() - 3 * 3_600_000, house.clock(), within_s=5)
    assert together(hours).is_whole


async def test_an_hour_that_is_over_is_not_counted_again(
    house: House, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.order = says(SOLD)
    store, clock = house.gateway.store, house.clock
    clock.stay_in_the_hour()
    begin = clock()
    await house.order()
    counted: list[OrderSearch] = []
    count = store.tally_orders

    async def noted(wanted: OrderSearch) -> TalliedOrders:
        counted.append(wanted)
        return await count(wanted)

    monkeypatch.setattr(store, "tally_orders", noted)
    ledger = Ledger(store, clock)
    clock.skip(2 * 3_600)
    assert together(await ledger.hours(begin, begin + 1, 5)).count() == 1
    assert together(await ledger.hours(begin, begin + 1, 5)).count() == 1
    assert len(counted) == 1
    clock.skip(600)
    assert together(await ledger.hours(begin, begin + 1, 5)).count() == 1
    assert len(counted) == 2, "a look-up may have changed what is final"


async def test_the_hour_that_runs_is_counted_as_often_as_it_is_quick(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    ledger, clock = Ledger(house.gateway.store, house.clock), house.clock
    begin = clock()
    for number in (1, 2):
        await house.order(f"T{number}")
        clock.skip(1)
        assert together(await ledger.hours(begin, clock(), 5)).count() == number


# -- pure


def totals(*rows: tuple[str, int, int]) -> Totals:
    return Totals([Tally(status, span, count, count * 100) for status, span, count in rows])


def test_a_share_of_spans_is_spread_evenly_in_its_class() -> None:
    some = totals(("SUCCESS", 1, 50), ("SUCCESS", 2, 50), ("FAILED", 8, 900))
    assert some.span_ms(0.25) == 1500
    assert some.span_ms(0.5) == 2000
    assert some.span_ms(1) == 5000
    assert totals(("FAILED", 3, 5)).span_ms(0.5) is None
    assert totals(("SUCCESS", 8, 5)).span_ms(0.5) == 1_800_000, "longer than any class"


def test_a_chart_shows_each_part_in_its_place() -> None:
    slots = [
        Slot("a", totals(("SUCCESS", 0, 8), ("FAILED", 0, 2))),
        Slot("b", Totals()),
        Slot("c", totals(("SUCCESS", 0, 5), ("PENDING", 8, 5))),
    ]
    chart = volume(slots)
    assert [box.kind for box in chart.boxes] == ["good", "bad", "good", "warn"]
    good, bad, *_ = chart.boxes
    assert good.y + good.height == 128
    assert bad.y + bad.height == good.y
    assert bad.y == 8
    assert good.height == 4 * bad.height
    assert [mark.text for mark in chart.scale] == ["0", "5", "10"]
    assert [kind for kind, _ in chart.lines] == ["rate", "rate"], "broken where nothing was"
    assert [mark.text for mark in chart.labels] == ["a", "b", "c"]
    assert volume([]).boxes == ()
    assert lasting([]).lines == ()
    assert len(lasting(slots).lines) == 4


def test_labels_do_not_touch() -> None:
    slots = [Slot(str(n), Totals()) for n in range(24)]
    assert [mark.text for mark in volume(slots).labels] == [str(n) for n in range(0, 24, 3)]


async def test_a_search_between_two_times_keeps_its_place(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    for name in ("A", "B", "C"):
        await house.order(name)
    ledger = Ledger(house.gateway.store, house.clock)
    wanted = await ledger.between(OrderSearch(before_id=2), 0, house.clock() + 1)
    assert (wanted.from_id, wanted.before_id) == (1, 2)
    wanted = await ledger.between(OrderSearch(), 0, house.clock() + 1)
    assert (wanted.from_id, wanted.before_id) == (1, 4)
