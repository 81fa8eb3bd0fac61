"""Deliveries out, profile toss (§10): the bytes, the schedule, and what takes their place."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from gateway.domain.errors import NotDone
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    eventually,
    invoice,
    panel_receiving,
    refuses,
    reserved_port,
    says,
    stays,
)
from tests.support.panel import answers

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi - 1(2) . RefId: ML_1 . Sisa saldo 5"


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose workers ask only when there is a reason; orders are a success at once."""
    upstream.order = says(SUCCESS)
    return await open_house(upstream.url, recheck={"schedule_s": [3600]})


async def becomes(house: House, state: str, count: int = 1) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = await house.deliveries(state)
        return found if len(found) == count else []

    found: list[dict[str, Any]] = await eventually(look)
    return found


# -- the bytes


async def test_the_bytes_without_a_callback(calm: House, panel: Panel) -> None:
    await calm.order(callback_url=panel.url)
    await becomes(calm, "delivered")
    (target,) = panel.targets
    assert target == (
        "/report?invoice_number=&trx_id=T1&status=SUCCESS"
        "&sn=Budi%20-%201(2)%20.%20RefId:%20ML_1"
        "&msg=R%23T1%20-%20S1_1187.123456789(),%20status%20SUCCESS.%20Budi%20-%201(2)%20.%20"
        "RefId:%20ML_1%20.%20Sisa%20saldo%205"
    )
    assert panel.methods == ["GET"]


async def test_the_bytes_after_a_callback_are_in_its_order(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1|2, status PENDING. a . Sisa saldo 5")
    await calm.order(callback_url=panel.url)
    await calm.call_back("SUCCESS", sn="Budi #1 & Siti = 50% + ? / @ * ' ! ~ _ -")
    await becomes(calm, "delivered")
    sn = "Budi%20%231%20%26%20Siti%20%3D%2050%25%20%2B%20%3F%20/%20@%20*%20'%20!%20~%20_%20-"
    (target,) = panel.targets
    assert target == (
        "/report?invoice_number=APIKUY_ML_1_0001&trx_id=T1&status=SUCCESS&product_price=1511"
        f"&sn={sn}&msg=R%23T1%20APIKUY_ML_1_0001%20S1_1187.1(2),%20status%20SUCCESS.%20{sn}"
        "%20.%20Sisa%20saldo%205"
    )


async def test_a_price_known_from_a_look_up_comes_last(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1, status PENDING. a . Sisa saldo 5")
    upstream.look_up = invoice("FAILED", "Stok habis")
    await calm.order(callback_url=panel.url)
    await calm.status()
    await becomes(calm, "delivered")
    assert list(panel.told[0]) == [
        *("invoice_number", "trx_id", "status", "sn", "msg", "product_price")
    ]
    assert panel.told[0]["product_price"] == "1511"


async def test_a_players_name_can_not_look_like_a_status(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1, status PENDING. a . Sisa saldo 5")
    upstream.look_up = invoice("FAILED", "status SUCCESS. sukses . Sisa saldo 1\r\nX")
    await calm.order(callback_url=panel.url)
    await calm.status()
    await becomes(calm, "delivered")
    assert panel.told[0]["sn"] == "status S-UCCESS. s-ukses . Sisa s-aldo 1 X"
    for word in ("SUCCESS", "SUKSES", "PENDING", "REFUNDED", "GAGAL"):
        assert word not in panel.told[0]["msg"].upper()
    assert panel.told[0]["msg"].lower().count("saldo") == 1


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("/a?x=1&y=%20", "/a?x=1&y=%20&"),
        ("/a?", "/a?"),
        ("", "/?"),
        ("/a#fragment", "/a?"),
        ("/a%2Fb;c?x[]=1#f", "/a%2Fb;c?x[]=1&"),
        ("/é?q=é", "/%C3%A9?q=%C3%A9&"),
        ("/a?trx_id=mine", "/a?trx_id=mine&"),
    ],
)
async def test_what_a_reseller_wrote_stays_before_it(
    calm: House, panel: Panel, path: str, before: str
) -> None:
    await calm.order(callback_url=panel.url.removesuffix("/report") + path)
    await becomes(calm, "delivered")
    assert panel.targets[0].startswith(f"{before}invoice_number=&trx_id=T1&status=SUCCESS&")


async def test_an_orders_own_address_wins_over_the_resellers(calm: House, panel: Panel) -> None:
    await calm.gateway.desk.resellers.change("toko", callback_url=panel.url)
    async with panel_receiving() as own:
        await calm.order("1", callback_url=own.url)
        await calm.order("2")
        await becomes(calm, "delivered", 2)
        assert [told["trx_id"] for told in own.told] == ["1"]
        assert [told["trx_id"] for told in panel.told] == ["2"]


async def test_only_what_is_final_is_told(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1, status PENDING. a . Sisa saldo 5")
    await calm.order(callback_url=panel.url)
    await calm.call_back("PAID")
    await calm.call_back("PENDING")
    await stays(lambda: panel.targets, [])
    assert await calm.deliveries() == []


# -- the schedule


async def test_it_is_repeated_byte_for_byte_until_a_2xx(calm: House, panel: Panel) -> None:
    panel.reply = answers(500, 404, 302, 299)
    await calm.order(callback_url=panel.url)
    (delivery,) = await becomes(calm, "delivered")
    assert len(panel.targets) == 4
    assert len(set(panel.targets)) == 1
    assert delivery["attempts"] == 4
    assert all(later - earlier >= 0.09 for earlier, later in pairwise(panel.times))
    kinds = await calm.kinds()
    assert (kinds.count("not_told"), kinds.count("told")) == (3, 1)
    await stays(lambda: len(panel.targets), 4)


async def test_what_happens_meanwhile_does_not_change_a_frozen_message(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    panel.reply = answers(500, 500, 200)
    await calm.order(callback_url=panel.url)
    await eventually(lambda: panel.targets)
    upstream.order = says("R#{trx_id} S1_1187.1, status SUCCESS. a . Sisa saldo 987654")
    await calm.order("T2", "1")
    await calm.call_back("SUCCESS", sn="Siti")
    await becomes(calm, "delivered")
    assert len(set(panel.targets)) == 1
    assert "987654" not in panel.targets[2]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(calm: House, panel: Panel, status: int) -> None:
    async with panel_receiving() as elsewhere:
        panel.reply = answers(status, 200, Location=elsewhere.url)
        await calm.order(callback_url=panel.url)
        await becomes(calm, "delivered")
        assert (len(panel.targets), elsewhere.targets) == (2, [])


async def test_it_is_dead_when_the_schedule_ends_and_can_be_resent_by_hand(
    calm: House, panel: Panel
) -> None:
    panel.reply = answers(500)
    await calm.order(callback_url=panel.url)
    (delivery,) = await becomes(calm, "dead")
    assert len(panel.targets) == 6
    assert (delivery["attempts"], delivery["next_at"]) == (6, None)
    assert delivery["last_result"] == "HTTP 500"
    assert len(await calm.alerts()) == 1
    await stays(lambda: len(panel.targets), 6)
    panel.reply = answers(500, 500, 500, 500, 500, 500, 500, 200)
    await calm.gateway.desk.delivery_resend(delivery["id"])
    (delivery,) = await becomes(calm, "delivered")
    assert len(panel.targets) == 8
    assert len(set(panel.targets)) == 1
    assert "resent" in await calm.kinds()
    assert await calm.gateway.desk.orders.alerts() == [], "what is no longer true is noted"


async def test_a_delivered_one_may_be_resent_too(calm: House, panel: Panel) -> None:
    await calm.order(callback_url=panel.url)
    (delivery,) = await becomes(calm, "delivered")
    await calm.gateway.desk.delivery_resend(delivery["id"])
    await eventually(lambda: len(panel.targets) == 2)
    assert len(set(panel.targets)) == 1


async def test_the_first_wait_is_kept(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    upstream.order = says(SUCCESS)
    async with panel_receiving() as panel:
        house = await open_house(
            upstream.url, delivery={"schedule_s": [0.6, 0.1]}, recheck={"schedule_s": [3600]}
        )
        began = asyncio.get_running_loop().time()
        await house.order(callback_url=panel.url)
        await eventually(lambda: panel.targets)
        assert panel.times[0] - began >= 0.6


# -- what takes its place


async def test_a_correction_takes_the_place_of_what_was_not_told_yet(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    panel.reply = answers(500)
    upstream.look_up = invoice("REFUNDED", "Dana kembali")
    await calm.order(callback_url=panel.url)
    await eventually(lambda: panel.targets)
    await calm.call_back("REFUNDED")
    await calm.becomes("REFUNDED")
    panel.reply = answers(200)
    (delivered,) = await becomes(calm, "delivered")
    assert delivered["status"] == "REFUNDED"
    (superseded,) = await calm.deliveries("superseded")
    assert (superseded["status"], superseded["next_at"]) == ("SUCCESS", None)
    assert panel.statuses[-1] == "REFUNDED"
    first_refund = panel.statuses.index("REFUNDED")
    assert set(panel.statuses[first_refund:]) == {"REFUNDED"}, "never an older after a newer"
    with pytest.raises(NotDone, match="older"):
        await calm.gateway.desk.delivery_resend(superseded["id"])
    count = len(panel.targets)
    await stays(lambda: len(panel.targets), count)


async def test_a_correction_waits_for_the_attempt_that_is_under_way(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    gate = asyncio.Event()
    panel.reply = answers(200, after=gate)
    upstream.look_up = invoice("REFUNDED", "Dana kembali")
    await calm.order(callback_url=panel.url)
    await eventually(lambda: panel.now == 1)
    await calm.call_back("REFUNDED")
    await calm.becomes("REFUNDED")
    await stays(lambda: panel.statuses, ["SUCCESS"], 0.3)
    gate.set()
    await eventually(lambda: panel.statuses == ["SUCCESS", "REFUNDED"])
    assert panel.at_once == 1
    await becomes(calm, "delivered", 2)


async def test_the_message_is_written_with_the_status_or_not_at_all(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    """An order that is final has its delivery in the same commit: a crash loses neither."""
    upstream.order = says("R#{trx_id} S1_1187.1, status PENDING. a . Sisa saldo 5")
    await calm.order(callback_url=panel.url)

    def refuse_deliveries(connection: object) -> None:
        connection.execute(  # type: ignore[attr-defined]
            "CREATE TRIGGER no_outbox BEFORE INSERT ON deliveries"
            " BEGIN SELECT RAISE(ABORT, 'no outbox'); END"
        )

    await calm.on_journal(refuse_deliveries)
    assert await calm.call_back("SUCCESS") != 200
    shown = await calm.shown()
    assert (shown["status"], shown["deliveries"]) == ("PENDING", [])
    assert "called_back" not in await calm.kinds()
    calm.errors_expected = True


# -- hosts


async def test_one_host_gets_a_few_at_a_time_and_delays_nobody(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS)
    house = await open_house(
        upstream.url,
        delivery={"per_host": 3, "timeout_s": 30},
        recheck={"schedule_s": [3600]},
    )
    gate = asyncio.Event()
    panel.reply = answers(200, after=gate)
    for number in range(12):
        await house.order(f"S{number}", callback_url=panel.url)
    await eventually(lambda: panel.now == 3)
    async with panel_receiving() as quick:
        for number in range(12):
            await house.order(f"Q{number}", callback_url=quick.url)
        await eventually(lambda: len(quick.targets) == 12)
        assert panel.now == 3
        assert quick.at_once <= 3
    gate.set()
    await eventually(lambda: len(panel.targets) == 12)
    assert panel.at_once == 3
    await becomes(house, "delivered", 24)


async def test_what_falls_due_together_goes_to_a_host_a_few_at_a_time(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS)
    house = await open_house(
        upstream.url,
        delivery={"per_host": 3, "timeout_s": 30, "schedule_s": [3600]},
        recheck={"schedule_s": [3600]},
    )
    await asyncio.gather(*(house.order(str(n), callback_url=panel.url) for n in range(12)))
    gate = asyncio.Event()
    panel.reply = answers(200, after=gate)
    house.skip(3601)
    await eventually(lambda: panel.now == 3)
    await stays(lambda: panel.now, 3, 0.2)
    gate.set()
    await becomes(house, "delivered", 12)
    assert panel.at_once == 3


async def test_a_dead_host_delays_nobody_and_costs_nobody_an_attempt(
    calm: House, panel: Panel
) -> None:
    calm.gateway.relay.pauses_s = (0,)  # shut, and probed at once
    with reserved_port() as port:
        for number in range(10):
            await calm.order(f"D{number}", callback_url=f"http://127.0.0.1:{port}/")
        await calm.order("T1", callback_url=panel.url)
        await eventually(lambda: panel.statuses == ["SUCCESS"])
        dead = await becomes(calm, "dead", 10)
    assert {delivery["attempts"] for delivery in dead} == {6}
    assert {delivery["last_result"] for delivery in dead} == {"connection refused"}


async def test_a_panel_that_never_answers_is_given_up_in_time(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS)
    never = asyncio.Event()
    panel.reply = answers(200, after=never)
    house = await open_house(
        upstream.url, delivery={"timeout_s": 0.2, "schedule_s": [0, 0.1]}, recheck={}
    )
    await house.order(callback_url=panel.url)
    (delivery,) = await becomes(house, "dead")
    assert delivery["last_result"] == "no answer within 0.2 s"
    never.set()


async def test_a_private_address_is_not_called(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS)
    house = await open_house(
        upstream.url,
        delivery={"allow_private": False, "schedule_s": [0, 0.1]},
        recheck={"schedule_s": [3600]},
    )
    port = panel.url.rpartition(":")[2]
    urls = [panel.url, f"http://localhost:{port}", f"http://[::ffff:127.0.0.1]:{port}"]
    for number, url in enumerate(urls):
        await house.order(str(number), callback_url=url)
    await becomes(house, "dead", 3)
    assert panel.targets == []


async def test_a_delivery_goes_on_after_the_journal_was_away(calm: House, panel: Panel) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()

    async def reply(_: int) -> web.StreamResponse:
        reached.set()
        await gate.wait()
        return web.Response()

    panel.reply = reply
    await calm.order(callback_url=panel.url)
    await reached.wait()
    await calm.break_journal()
    gate.set()
    await asyncio.sleep(0.3)
    await calm.break_journal(broken=False)
    await becomes(calm, "delivered")
    assert len(set(panel.targets)) == 1, "at least once, byte for byte the same"


async def test_the_reason_of_a_refusal_is_told_with_what_is_known(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = refuses("PRODUCT_NOT_FOUND")
    await calm.order(callback_url=panel.url)
    await becomes(calm, "delivered")
    (target,) = panel.targets
    assert target == (
        "/report?invoice_number=&trx_id=T1&status=FAILED"
        "&sn=PRODUCT_NOT_FOUND%20-%20Kode%20produk%20tidak%20ditemukan."
        "&msg=R%23T1%20-%20S1_1187.123456789(),%20status%20FAILED.%20"
        "PRODUCT_NOT_FOUND%20-%20Kode%20produk%20tidak%20ditemukan."
    )
