"""What an operator may do about orders and alerts, in the running gateway."""

import asyncio

import pytest

from gateway.domain.errors import NotDone
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    drops,
    eventually,
    invoice,
    refuses,
    says,
    stays,
)

SLOW = {"schedule_s": [600], "settle_s": 40}


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway that looks nothing up by itself for ten minutes."""
    return await open_house(upstream.url, reseller={"callback_url": panel.url}, recheck=SLOW)


async def test_a_recheck_asks_now_and_applies_what_is_said(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await house.order()
    upstream.look_up = invoice("SUCCESS", "Budi")
    shown = await house.gateway.desk.do("order.recheck", {"name": "toko-T1"})
    assert (shown["status"], shown["note"]) == ("SUCCESS", "Budi")
    assert shown["said"].startswith("SUCCESS. Budi")
    await eventually(lambda: panel.statuses == ["SUCCESS"])


async def test_a_recheck_corrects_what_was_final(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = refuses("PRODUCT_INACTIVE")
    assert ", status FAILED. " in await house.order()
    upstream.look_up = invoice("SUCCESS", "Budi")
    shown = await house.gateway.desk.orders.recheck("toko-T1")
    assert shown["status"] == "SUCCESS"
    await eventually(lambda: panel.statuses[-1:] == ["SUCCESS"])
    assert await house.alerts() == ["lookup said SUCCESS while the order is FAILED"]


async def test_a_recheck_without_an_answer_says_so(house: House, upstream: FakeUpstream) -> None:
    await house.order()
    upstream.look_up = drops
    with pytest.raises(NotDone, match="said nothing about order toko-T1: the connection dropped"):
        await house.gateway.desk.orders.recheck("toko-T1")
    assert (await house.shown())["status"] == "PENDING"


async def test_two_rechecks_keep_the_pace(house: House, upstream: FakeUpstream) -> None:
    await house.order()
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    orders = house.gateway.desk.orders
    loop = asyncio.get_running_loop()
    began = loop.time()
    await orders.recheck("toko-T1")
    await orders.recheck("toko-T1")
    assert len(upstream.look_ups) == 2
    assert loop.time() - began >= 1.9


@pytest.mark.parametrize("word", ["SUCCESS", "FAILED", "REFUNDED", "PARTIAL_SUCCESS"])
async def test_an_operator_decides_what_is_open(
    house: House, upstream: FakeUpstream, panel: Panel, word: str
) -> None:
    await house.order()
    values = {"name": "toko-T1", "status": word, "reason": "seen in the supplier's dashboard"}
    shown = await house.gateway.desk.do("order.settle", {**values, "note": "SN-77"})
    assert (shown["status"], shown["note"]) == (word, "SN-77")
    step = next(s for s in shown["timeline"] if s["kind"] == "overruled")
    assert step["text"] == f"{word}: seen in the supplier's dashboard"
    await eventually(lambda: panel.statuses == [word])
    assert f", status {word}. SN-77 ." in await house.order()
    assert len(upstream.orders) == 1
    assert house.gateway.settlement.open_orders == 0


async def test_without_a_note_the_panel_reads_something_that_fits(
    house: House, upstream: FakeUpstream
) -> None:
    for trx_id, word in (("T1", "SUCCESS"), ("T2", "FAILED"), ("T3", "REFUNDED")):
        await house.order(trx_id)
        await house.gateway.desk.orders.settle(f"toko-{trx_id}", word, "because")
    notes = {order["status"]: order["note"] for order in await house.orders()}
    assert notes == {
        "SUCCESS": "RefId : ML_1",
        "FAILED": "Dibatalkan oleh operator.",
        "REFUNDED": "Dana dikembalikan oleh operator.",
    }


async def test_what_an_operator_let_fail_is_watched_and_corrected(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = drops
    await house.order()
    await house.gateway.desk.orders.settle("toko-T1", "FAILED", "the customer waits")
    upstream.look_up = invoice("SUCCESS", "Budi")
    house.skip(61)
    await house.becomes("SUCCESS")
    await eventually(lambda: panel.statuses == ["FAILED", "SUCCESS"])
    assert len(upstream.orders) == 1


async def test_what_is_final_is_not_decided_again(house: House, upstream: FakeUpstream) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5")
    await house.order()
    with pytest.raises(NotDone, match=r"is final \(SUCCESS\).*order recheck toko-T1"):
        await house.gateway.desk.orders.settle("toko-T1", "FAILED", "a complaint")
    assert (await house.shown())["status"] == "SUCCESS"
    assert "overruled" not in await house.kinds()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "toko-T9", "status": "FAILED", "reason": "x"}, "there is no order toko-T9"),
        ({"name": "toko-T1", "status": "PENDING", "reason": "x"}, "wanted one of SUCCESS"),
        ({"name": "toko-T1", "status": "FAILED", "reason": "  "}, "needs a reason"),
    ],
)
async def test_a_decision_that_is_none(house: House, values: dict[str, str], why: str) -> None:
    await house.order()
    with pytest.raises(NotDone, match=why):
        await house.gateway.desk.do("order.settle", values)
    assert (await house.shown())["status"] == "PENDING"


async def test_alerts_are_listed_until_somebody_takes_note(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5")
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.order()
    assert await house.call_back("FAILED") == 200
    desk = house.gateway.desk
    (alert,) = await desk.do("alert.list", {})
    assert alert["order"] == "toko-T1"
    assert alert["text"] == "callback said FAILED while the order is SUCCESS"
    with pytest.raises(NotDone, match="no open alert 99; 1 others were"):
        await desk.do("alert.ack", {"ids": [alert["id"], 99]})
    assert await desk.do("alert.list", {}) == []
    (noted,) = await desk.do("alert.list", {"with_acked": True})
    assert noted["acked_at"] is not None


async def test_a_callback_that_is_replayed_a_thousand_times_fills_nothing(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5")
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.order()
    for status in ("FAILED", "REFUNDED", "SUCCESS", "PENDING", "FAILED"):
        assert await house.call_back(status) == 200
    await eventually(lambda: len(upstream.look_ups) >= 1)
    before = await house.kinds()
    for number in range(1000):
        status = ("FAILED", "REFUNDED", "SUCCESS", "PENDING")[number % 4]
        assert await house.call_back(status) == 200
    assert len(await house.kinds()) <= len(before) + 2
    assert len(upstream.look_ups) <= 12, "one order is not asked about more than once in 2 s"
    assert len(await house.alerts()) <= 2
    await stays(lambda: len(upstream.orders), 1)
