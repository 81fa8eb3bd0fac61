"""After a restore: nothing is sold before it was asked, or bought twice, and nobody is lied to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.domain.errors import JournalUnavailable
from gateway.domain.restored import LOOK_MS
from gateway.flow import restoring
from tests.support import FakeUpstream, House, OpenHouse, Panel, after, invoice, refuses, says
from tests.support.panel import answers
from tests.support.upstream import Asked, drops
from tests.support.wait import eventually
from tests.web.native import NATIVE, native

NOT_FOUND = refuses("INVOICE_NOT_FOUND")
SETTLE_S = 0.3


async def restored(
    open_house: OpenHouse, upstream: FakeUpstream, *orders: str, **reseller: Any
) -> House:
    """Return a gateway on a journal that was just brought back, with these orders in it."""
    house = await open_house(upstream.url, reseller=reseller)
    for name in orders:
        await house.order(name)
    await house.gateway.store.mark_restored(house.clock())
    await house.stop()
    again = await open_house(upstream.url)
    again.keys, again.secrets = house.keys, house.secrets
    return again


async def sells(house: House) -> None:
    await eventually(house.gateway.restoring.tells.is_set, within_s=60)


async def readyz(house: House) -> tuple[int, str]:
    answer = await house.get("/readyz")
    return answer.status, answer.text


async def test_nothing_is_sold_until_what_was_open_is_looked_up(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    lets = asyncio.Event()
    house = await restored(open_house, upstream, "T1", "T2")
    sent = len(upstream.orders)
    upstream.look_up = after(lets, invoice("SUCCESS", "SN1"))
    await asyncio.sleep(2 * SETTLE_S)
    assert await readyz(house) == (503, "restoring")
    assert any("was restored" in alert for alert in await house.alerts())
    answer = await house.get(house.order_target("T3"))
    assert answer.status == 503
    assert "FAILED" not in answer.text
    lets.set()
    await sells(house)
    assert await readyz(house) == (200, "ok")
    upstream.look_up = NOT_FOUND
    assert "status PENDING" in await house.order("T3")
    assert len(upstream.orders) == sent + 1
    for name in ("T1", "T2"):
        assert (await house.shown(f"toko-{name}"))["status"] == "SUCCESS"


async def test_an_upstream_that_does_not_answer_keeps_it_shut(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_FIRST_PAUSE_S", 0.05)
    upstream.look_up = drops
    house = await restored(open_house, upstream, "T1")
    await asyncio.sleep(1)
    assert await readyz(house) == (503, "restoring")
    upstream.look_up = invoice("PENDING")
    await sells(house)
    assert await readyz(house) == (200, "ok")


async def test_one_order_without_an_answer_does_not_shut_out_all(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_FIRST_PAUSE_S", 0.05)

    async def one_hangs(asked: Asked) -> Any:
        return await (drops if asked.trx_id == "toko-T2" else invoice("SUCCESS", "SN"))(asked)

    upstream.look_up = drops  # else the gateway of before may have heard of two, and no other asks
    house = await restored(open_house, upstream, "T1", "T2", "T3")
    upstream.look_up = one_hangs
    await sells(house)
    assert (await house.shown("toko-T2"))["status"] == "PENDING"
    asked = [one for one in upstream.look_ups if one.trx_id == "toko-T2"]
    assert len(asked) >= restoring.PATIENT_ROUNDS


async def test_not_found_means_nothing_before_the_last_send_of_before_has_settled(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """What the gateway of before sent a moment before its end may arrive only now."""
    house = await restored(open_house, upstream)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await sells(house)
    assert loop.time() - began >= SETTLE_S * 0.8


async def test_no_order_that_was_open_is_sent_again_before_all_are_looked_up(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    lets = asyncio.Event()
    upstream.order = drops
    house = await restored(open_house, upstream, "T1", "T2")
    sent = len(upstream.orders)

    async def one_waits(asked: Asked) -> Any:
        if asked.trx_id == "toko-T2":
            await lets.wait()
        return await NOT_FOUND(asked)

    upstream.look_up = one_waits
    await asyncio.sleep(2 * SETTLE_S)
    house.clock.skip(3)  # one order is not asked about more than once in two seconds
    assert "status PENDING" in await house.status("T1")
    await asyncio.sleep(SETTLE_S)
    assert len(upstream.orders) == sent
    lets.set()
    await sells(house)
    await eventually(lambda: len(upstream.orders) >= sent + 2)


async def test_what_the_upstream_has_is_taken_over_and_told_and_not_bought(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = invoice(
        "SUCCESS", "SN7", user_input={"user_id": "12345", "server_id": "6789", "nickname": None}
    )
    line = await house.order("T1", callback_url=f"{panel.url}/T1")
    assert "status SUCCESS. SN7" in line
    assert upstream.orders == []
    shown = await house.shown()
    assert shown["invoice_number"] == "APIKUY_ML_1_0001"
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert await house.order("T1") == line, "a repeat hears the same"
    v1 = await house.order("T1", version=1)
    assert "ERROR. DUPLICATE_TRX_ID" in v1


async def test_v1_hears_that_the_trx_id_was_used_even_the_first_time(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = invoice("SUCCESS", "SN7", user_input={"user_id": "123456789"})
    assert "ERROR. DUPLICATE_TRX_ID" in await house.order("T1", version=1)
    assert (await house.shown())["status"] == "SUCCESS"
    assert upstream.orders == []


async def test_it_is_the_same_in_every_dialect(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream, **NATIVE)
    await sells(house)
    upstream.look_up = invoice("SUCCESS", "SN", user_input={"user_id": "123456789"})
    answer = await house.order_json("J1")
    assert (answer.status, '"status":"SUCCESS"' in answer.text.replace(" ", "")) == (200, True)
    assert "SUKSES. SN: SN" in await native(house, "N1")
    checked = await native(house, "N2", check="1")
    assert "SUKSES" in checked, "a question is enough"
    assert upstream.orders == upstream.json_orders == []
    made = await house.order_json(None)
    assert made.status in {200, 201}
    assert len(upstream.json_orders) == 1, "a name that was made just now can not be lost"


@pytest.mark.parametrize(
    "more",
    [
        {"product": {"name": "x", "code": "S1_9999", "price": 1}},
        {"user_input": {"user_id": "987654321", "server_id": None}},
    ],
)
async def test_another_purchase_under_this_name_is_no_purchase_of_this_one(
    open_house: OpenHouse, upstream: FakeUpstream, more: dict[str, Any]
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = invoice("SUCCESS", "SN", **{"user_input": {"user_id": "123456789"}, **more})
    assert "ERROR. DUPLICATE_TRX_ID" in await house.order("T1")
    assert upstream.orders == []
    assert await house.orders() == []


async def test_what_is_not_answered_is_pending_and_the_look_up_decides(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = drops
    assert "status PENDING" in await house.order("T1")
    await asyncio.sleep(0.5)
    assert upstream.orders == [], "nothing is sent upon a silence"
    upstream.look_up = invoice("SUCCESS", "SN", user_input={"user_id": "123456789"})
    await house.becomes("SUCCESS")
    assert upstream.orders == []


async def test_what_is_not_answered_and_then_not_found_is_sent_once(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = drops
    assert "status PENDING" in await house.order("T1")
    upstream.look_up = NOT_FOUND
    await eventually(lambda: len(upstream.orders) == 1)


async def test_what_could_not_be_sold_is_not_failed_upon_a_silence(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """FAILED is for ever, and the trx_id may be one that was bought."""
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = drops
    said = await house.order("T1", callback_url="ftp://nobody/")
    assert "ERROR. BUSY" in said
    assert await house.orders() == []
    upstream.look_up = NOT_FOUND
    assert "FAILED. INVALID_CALLBACK_URL" in await house.order("T1", callback_url="ftp://nobody/")


async def test_what_has_a_price_limit_is_not_sold_later_at_any_price(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.look_up = drops
    assert "ERROR. BUSY" in await house.order("T1", max_price="1000")
    assert await house.orders() == []


async def test_a_new_order_is_an_ordinary_one_once_it_was_not_found(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    upstream.order = says(
        "R#{trx_id} {product_code}.{user_id}, status FAILED. INSUFFICIENT_BALANCE . Sisa saldo 1"
    )
    assert "status FAILED" in await house.order("T1"), "its refusal is believed (T4)"
    assert len(upstream.look_ups) == 1


async def test_after_a_week_nobody_is_asked_any_more(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    house.clock.skip(LOOK_MS / 1000 + 1)
    await house.order("T1")
    assert upstream.look_ups == []
    assert len(upstream.orders) == 1


async def test_a_status_of_what_was_lost_is_found_and_of_nothing_is_not(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    assert "INVOICE_NOT_FOUND" in await house.status("T1")
    upstream.look_up = drops
    answer = await house.get(f"/v1/otomax/status/T2?apikey={house.keys['toko']}")
    assert answer.status == 503, "that nobody knows it can not be said"
    upstream.look_up = invoice("SUCCESS", "SN", user_input={"user_id": "123456789"})
    assert "status SUCCESS" in await house.status("T2")
    assert (await house.shown("toko-T2"))["product_code"] == "S1_1187"
    assert "status SUCCESS" in await house.order("T2")
    assert upstream.orders == []


async def test_a_callback_of_what_was_lost_is_enough(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await restored(open_house, upstream, callback_url=f"{panel.url}/own")
    await sells(house)
    upstream.look_up = invoice("SUCCESS", "SN", user_input={"user_id": "123456789"})
    assert await house.call_back("SUCCESS", "toko-T5") == 200
    house.gateway.inbox.bell.ring()
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert upstream.orders == []


async def test_nobody_is_told_an_older_status_than_he_was_told_before(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    """SUCCESS was due when the backup was made; in the time that is lost it was refunded."""
    upstream.look_up = invoice("SUCCESS", "SN")
    panel.reply = answers(500)
    house = await open_house(upstream.url, reseller={"callback_url": f"{panel.url}/own"})
    await house.order("T1")
    await house.status("T1")
    await eventually(lambda: panel.targets)
    await house.gateway.store.mark_restored(house.clock())
    await house.stop()
    panel.reply = answers(200)
    panel.targets.clear()
    upstream.look_up = invoice("REFUNDED", "SN")
    again = await open_house(upstream.url)
    await again.becomes("REFUNDED")
    await eventually(lambda: panel.targets)
    assert panel.statuses == ["REFUNDED"]


async def test_the_asking_is_not_repeated_at_the_next_start(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await restored(open_house, upstream)
    await sells(house)
    await house.stop()
    again = await open_house(upstream.url)
    again.keys, again.secrets = house.keys, house.secrets
    assert not again.gateway.restoring.is_asking
    upstream.look_up = invoice("SUCCESS", "SN", user_input={"user_id": "123456789"})
    assert "status SUCCESS" in await again.order("T1"), "new names are looked up all the same"
    assert upstream.orders == []


async def test_a_journal_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "AFTER_TROUBLE_S", 0.01)
    tried = 0

    async def find() -> AsyncIterator[int]:
        nonlocal tried
        tried += 1
        yield 7
        if tried < 3:
            raise JournalUnavailable("the disk is away")
        yield 8

    assert await restoring.listed(find) == [7, 8]
    assert tried == 3
