"""A journey for each profile of deliveries: a panel orders, and is told, over real servers."""

from typing import Any

import pytest

from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    eventually,
    invoice,
    refuses,
    says,
)
from tests.web.native import NATIVE, native

SN = "Budi - 1(2) . RefId: ML_1"
SN_SENT = "Budi%20-%201(2)%20.%20RefId:%20ML_1"
SOLD = f"R#{{trx_id}} S1_1187.{{user_id}}, status SUCCESS. {SN} . Sisa saldo 5"
HEAD_SENT = "R%23T1%20S1_1187.123456789"
WAITS = {"schedule_s": [3600]}


async def opened(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, profile: str, path: str = ""
) -> House:
    reseller = {**NATIVE, "callback_url": panel.url + path, "delivery": profile}
    return await open_house(upstream.url, reseller=reseller, recheck=WAITS)


async def told(panel: Panel, count: int) -> list[str]:
    await eventually(lambda: len(panel.targets) == count)
    assert set(panel.methods) == {"GET"}
    return panel.targets


async def test_a_panel_that_reads_otomax_hears_of_success_and_of_the_refund_after_it(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await opened(open_house, upstream, panel, "otomax")
    head = "R#T1 S1_1187.123456789"
    assert await native(house) == f"{head} akan diproses. Saldo 12345"
    await house.call_back("SUCCESS", sn=SN)
    sold = (
        "/report?t=1&refid=T1&status=20&price=1511"
        f"&message={HEAD_SENT}%20SUKSES.%20SN:%20{SN_SENT}.%20Saldo%2012345"
    )
    assert await told(panel, 1) == [sold]
    assert await native(house, check="1") == f"{head} SUKSES. SN: {SN}. Saldo 12345"
    upstream.look_up = invoice("REFUNDED", "Stok habis")
    await house.gateway.desk.orders.recheck("toko-T1")
    refunded = (
        "/report?t=1&refid=T1&status=40&price=1511"
        f"&message={HEAD_SENT}%20GAGAL.%20Dana%20sudah%20dikembalikan%20-%20Stok%20habis"
        ".%20Saldo%2012345"
    )
    assert await told(panel, 2) == [sold, refunded]
    assert await native(house) == (
        f"{head} GAGAL. Dana sudah dikembalikan - Stok habis. Saldo 12345"
    )
    assert len(upstream.orders) == 1


async def test_a_panel_that_reads_reports_hears_of_failure_and_of_the_purchase_after_all(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await opened(open_house, upstream, panel, "report", "?x=1")
    upstream.order = refuses("PRODUCT_INACTIVE")
    head = "R#T1 S1_1187.123456789"
    said = "PRODUCT_INACTIVE - Produk sedang tidak aktif."
    assert await native(house, post=True) == f"{head} GAGAL. {said}"
    failed = (
        "/report?x=1&serverid=1&clientid=T1&statuscode=2&kp=S1_1187&msisdn=123456789&sn="
        f"&msg={HEAD_SENT}%20GAGAL.%20{said.replace(' ', '%20')}"
    )
    assert await told(panel, 1) == [failed]
    upstream.look_up = invoice("SUCCESS", SN)
    await house.gateway.desk.orders.recheck("toko-T1")
    sold = (
        "/report?x=1&serverid=1&clientid=T1&statuscode=1&kp=S1_1187&msisdn=123456789"
        f"&sn={SN_SENT}&msg={HEAD_SENT}%20SUKSES.%20SN:%20{SN_SENT}"
    )
    assert await told(panel, 2) == [failed, sold]
    assert await native(house) == f"{head} SUKSES. SN: {SN}"


@pytest.mark.parametrize(
    ("profile", "numbered", "sold", "failed"),
    [
        ("otomax", "t", {"status": "20"}, {"status": "40"}),
        ("report", "serverid", {"statuscode": "1"}, {"statuscode": "2"}),
    ],
)
async def test_each_order_is_told_under_its_own_number_also_one_that_was_never_sent(
    open_house: OpenHouse,
    upstream: FakeUpstream,
    panel: Panel,
    profile: str,
    numbered: str,
    sold: dict[str, str],
    failed: dict[str, str],
) -> None:
    house = await opened(open_house, upstream, panel, profile)
    upstream.order = says(SOLD)
    await native(house, "T1")
    await native(house, "T2", qty="2")
    await house.order("T3")  # a text order is told in its reseller's profile, too
    upstream.order = says(SOLD.replace("SUCCESS", "PARTIAL_SUCCESS"))
    await native(house, "T4")
    await told(panel, 4)
    numbers = {shown["trx_id"]: str(shown["id"]) for shown in await house.orders()}
    heard = {next(v for v in one.values() if v in numbers): one for one in panel.told}
    assert heard.keys() == {"T1", "T2", "T3", "T4"}
    for trx_id, one in heard.items():
        assert one[numbered] == numbers[trx_id]
        wanted = failed if trx_id == "T2" else sold
        assert one.items() >= wanted.items()
    line = heard["T4"].get("message") or heard["T4"]["msg"]
    assert " SUKSES SEBAGIAN. SN: " in line
    assert len(upstream.orders) == 3


async def test_a_repeat_is_byte_for_byte_the_same_though_the_saldo_has_changed(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await opened(open_house, upstream, panel, "otomax")
    upstream.order = says(SOLD)
    await native(house, "T1")
    await told(panel, 1)
    upstream.order = says(SOLD.replace("saldo 5", "saldo 4"))
    await native(house, "T2")
    await told(panel, 2)
    (first,) = [one["id"] for one in await house.deliveries() if "refid=T1&" in one["url"]]
    await house.gateway.desk.delivery_resend(first)
    targets = await told(panel, 3)
    assert targets[2] == targets[0]
    assert targets[1].endswith("Saldo%204")


async def test_a_players_name_decides_nothing_in_any_field(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await opened(open_house, upstream, panel, "report")
    upstream.order = says(SOLD.replace("Budi", "GAGAL akan diproses Saldo 9"))
    await native(house, dest="1 SUKSES. SN: 777")
    await told(panel, 1)
    (heard,) = panel.told
    tame: dict[str, Any] = {
        "msisdn": "1 S-UKSES. SN: 777",
        "sn": "G-AGAL a-kan diproses S-aldo 9 - 1(2) . RefId: ML_1",
    }
    assert heard.items() >= tame.items()
    assert heard["msg"] == (f"R#T1 S1_1187.{tame['msisdn']} SUKSES. SN: {tame['sn']}. Saldo 5")
