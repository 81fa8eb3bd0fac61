"""OtomaX's own dialect (contract §9): what is bought, and what its panel reads of it."""

import asyncio
from typing import Any

import pytest

from gateway.domain.reseller import Reseller
from gateway.flow.intake import Wish
from gateway.flow.submission import Told
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    after,
    drops,
    eventually,
    invoice,
    refuses,
    responds,
    says,
)
from tests.web.native import NATIVE, balance, native, posted, trx

HEAD = "R#T1 S1_1187.123456789"
PENDING = "R#{trx_id} S1_1187.123456789|1234, status PENDING. RefId : ML_1 . Sisa saldo 12345"
SN = "Budi - 123456789(1234) . RefId: ML_1"
SOLD = f"R#{{trx_id}} S1_1187.123456789|1234, status SUCCESS. {SN} . Sisa saldo 12345"


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway with a reseller who has pin and password; it looks nothing up by itself."""
    house = await open_house(upstream.url, reseller=NATIVE, recheck={"schedule_s": [3600]})
    house.secrets |= set(NATIVE.values())
    return house


@pytest.mark.parametrize("post", [False, True])
async def test_an_order_goes_to_the_upstream_as_a_text_order_does(
    house: House,
    upstream: FakeUpstream,
    post: bool,  # noqa: FBT001
) -> None:
    upstream.order = says(PENDING)
    assert await native(house, post=post) == f"{HEAD} akan diproses. Saldo 12345"
    (asked,) = upstream.orders
    assert asked.request.method == "GET"
    assert asked.query == {
        "apikey": "upstream-key-of-toko",
        "product_code": "S1_1187",
        "user_id": "123456789",
        "trx_id": "toko-T1",
        "callback_url": f"{house.url}/callback/{house.token('toko-T1')}",
    }
    shown = await house.shown()
    assert shown["dialect"] == "otomax"
    method = "POST" if post else "GET"
    assert shown["timeline"][0]["text"] == (f"{method} /trx S1_1187 to 123456789 from 127.0.0.1")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (SOLD, f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"),
        (
            SOLD.replace("SUCCESS", "PARTIAL_SUCCESS"),
            f"{HEAD} SUKSES SEBAGIAN. SN: {SN}. Saldo 12345",
        ),
        (PENDING.replace("PENDING", "PAID"), f"{HEAD} akan diproses. Saldo 12345"),
        (
            "R#{trx_id} S1_1187.1, status FAILED. Stok SUKSES habis . Sisa saldo 0",
            f"{HEAD} GAGAL. Stok S-UKSES habis. Saldo 0",
        ),
        ("R#{trx_id} S1_1187.1, status SUCCESS. ", f"{HEAD} SUKSES. SN: -"),
    ],
)
async def test_every_word_of_the_upstream_in_the_dialects_own(
    house: House, upstream: FakeUpstream, said: str, line: str
) -> None:
    upstream.order = says(said)
    assert await native(house) == line
    assert await native(house, post=True) == line, "asked again it reads the same"
    assert len(upstream.orders) == 1


async def test_a_refusal_is_said_with_its_code_and_no_saldo_is_invented(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = refuses("PRODUCT_NOT_FOUND")
    line = f"{HEAD} GAGAL. PRODUCT_NOT_FOUND - Kode produk tidak ditemukan."
    assert await native(house) == line
    upstream.order = says(SOLD)
    await native(house, "T2")
    assert await native(house) == f"{line}. Saldo 12345"


async def test_what_is_uncertain_will_be_processed(house: House, upstream: FakeUpstream) -> None:
    upstream.order = drops
    assert await native(house) == f"{HEAD} akan diproses"


async def test_a_repeat_of_an_open_order_looks_it_up_and_buys_nothing(
    house: House, upstream: FakeUpstream
) -> None:
    await native(house)
    upstream.look_up = invoice("SUCCESS", SN)
    assert await native(house) == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert (len(upstream.orders), len(upstream.look_ups)) == (1, 1)
    upstream.look_up = invoice("FAILED", "x")
    assert await native(house) == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert len(upstream.look_ups) == 1, "a final order asks nobody"


async def test_a_used_ref_id_with_another_purchase_is_a_duplicate(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await native(house)
    duplicate = "ERROR. DUPLICATE_TRX_ID - trx_id telah digunakan sebelumnya."
    for check in (None, "1"):
        other = await native(house, dest="123456780", check=check)
        assert other == f"R#T1 S1_1187.123456780 {duplicate}"
        assert await native(house, product="S4", check=check) == f"R#T1 S4.123456789 {duplicate}"
    assert len(upstream.asked) == 1
    assert len(await house.orders()) == 1


async def test_a_destination_in_two_parts_is_the_same_purchase_in_any_form(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    answers = {
        await native(house, dest=dest)
        for dest in ("1234567891234", "123456789|1234", "123456789(1234)")
    }
    assert answers == {f"R#T1 S1_1187.1234567891234 SUKSES. SN: {SN}. Saldo 12345"}
    assert [asked.query["user_id"] for asked in upstream.orders] == ["1234567891234"]


async def test_equal_requests_at_the_same_time_share_one_purchase(
    house: House, upstream: FakeUpstream
) -> None:
    goes_on = asyncio.Event()
    upstream.order = after(goes_on, says(SOLD))
    asking = [asyncio.create_task(native(house, post=bool(n % 2))) for n in range(6)]
    asking.append(asyncio.create_task(house.order()))
    await eventually(lambda: upstream.orders)
    goes_on.set()
    lines = await asyncio.gather(*asking)
    assert set(lines[:-1]) == {f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"}
    assert f", status SUCCESS. {SN}" in lines[-1]
    assert len(upstream.orders) == 1


# -- check=1


async def test_a_check_never_buys(house: House, upstream: FakeUpstream) -> None:
    missing = "ERROR. INVOICE_NOT_FOUND - "
    for post in (False, True):
        line = await native(house, check="1", post=post)
        assert line.startswith(f"{HEAD} {missing}")
    assert (await native(house, check="1", qty="2", max_price="x")).startswith(f"{HEAD} {missing}")
    assert await house.orders() == []
    assert upstream.asked == []


async def test_a_check_looks_up_what_is_open_and_asks_nobody_about_what_is_final(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(PENDING)
    await native(house)
    upstream.look_up = invoice("SUCCESS", SN)
    for _ in range(2):
        assert await native(house, check="1") == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert (len(upstream.orders), len(upstream.look_ups)) == (1, 1)


async def test_a_check_that_names_neither_product_nor_destination_asks_about_the_ref_id(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SOLD)
    await native(house)
    line = await native(house, product=None, dest=None, check="1")
    assert line == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"


# -- one journal, whatever the dialect


async def test_a_native_order_repeated_in_the_text_dialect_is_the_same_order(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(PENDING)
    assert await native(house) == f"{HEAD} akan diproses. Saldo 12345"
    upstream.look_up = invoice("SUCCESS", SN)
    assert await house.order() == (
        f"R#T1 S1_1187.123456789|1234, status SUCCESS. {SN} . Sisa saldo 12345"
    )
    assert await native(house) == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert await house.status() == (
        f"R#T1 APIKUY_ML_1_0001 S1_1187.123456789(1234), status SUCCESS. {SN} . Sisa saldo 12345"
    )
    for version in (1, 2):
        assert "status ERROR. DUPLICATE_TRX_ID" in await house.order(version=version)
    assert "status ERROR. DUPLICATE_TRX_ID" in await house.order(dest="9")
    assert len(upstream.orders) == 1
    (shown,) = await house.orders()
    assert shown["dialect"] == "otomax"


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_a_text_order_repeated_natively_is_the_same_order(
    house: House, upstream: FakeUpstream, version: int
) -> None:
    upstream.order = says(PENDING)
    await house.order(version=version)
    assert await native(house, check="1") == f"{HEAD} akan diproses. Saldo 12345"
    await house.call_back("SUCCESS", sn=SN)
    assert await native(house) == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert "ERROR. DUPLICATE_TRX_ID" in await native(house, dest="9")
    assert len(upstream.orders) == 1
    (shown,) = await house.orders()
    assert shown["dialect"] == "text"


async def test_two_members_may_use_the_same_ref_id(house: House, upstream: FakeUpstream) -> None:
    await house.add("kios", **NATIVE)
    upstream.order = says("R#{trx_id} S1_1187.1, status SUCCESS. {buyer}")
    assert await native(house) == f"{HEAD} SUKSES. SN: toko"
    assert (await native(house, member="Kios", check="1")).startswith(
        f"{HEAD} ERROR. INVOICE_NOT_FOUND"
    )
    assert await native(house, member="Kios") == f"{HEAD} SUKSES. SN: kios"
    assert [asked.trx_id for asked in upstream.orders] == ["toko-T1", "kios-T1"]


async def test_after_a_restart_the_same_pin_signs_and_the_same_ref_id_is_the_same_order(
    open_house: OpenHouse, house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(PENDING)
    await native(house)
    await house.stop()
    again = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    again.keys |= house.keys
    upstream.look_up = invoice("SUCCESS", SN)
    assert await native(again, post=True) == f"{HEAD} SUKSES. SN: {SN}. Saldo 12345"
    assert ", status SUCCESS. " in await again.order()
    assert len(upstream.orders) == 1


# -- what is wrong with an order is journaled before it is said


@pytest.mark.parametrize(
    ("changes", "head", "what"),
    [
        ({"product": None}, "R#T1 -.123456789", "product kosong atau tidak sah"),
        ({"product": "a b"}, "R#T1 -.123456789", "product kosong atau tidak sah"),
        ({"dest": None}, "R#T1 S1_1187.-", "dest kosong atau tidak sah"),
        ({"dest": "1,2"}, "R#T1 S1_1187.-", "dest kosong atau tidak sah"),
        ({"qty": "2"}, HEAD, "qty hanya boleh 1"),
        ({"max_price": "1.500"}, HEAD, "max_price tidak sah"),
    ],
)
async def test_a_bad_field_under_a_new_ref_id_fails_for_good(
    house: House, upstream: FakeUpstream, changes: dict[str, Any], head: str, what: str
) -> None:
    line = f"{head} GAGAL. INVALID_PARAMETER - Parameter {what}."
    assert await native(house, **changes) == line
    assert await native(house, **changes, post=True) == line
    shown = await house.shown()
    assert (shown["status"], shown["sends"], shown["dialect"]) == ("FAILED", 0, "otomax")
    assert await native(house, **changes, check="1") == line
    assert upstream.asked == []
    if head == HEAD:
        assert await native(house) == line, "and is not bought later under that refID"


async def test_max_price_is_handed_on(
    house: House, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = []
    place = house.gateway.intake.place

    async def look(reseller: Reseller, wish: Wish, *, repeat_asks: bool) -> Told:
        wishes.append((wish.max_price, wish.fault))
        return await place(reseller, wish, repeat_asks=repeat_asks)

    monkeypatch.setattr(house.gateway.intake, "place", look)
    await native(house, "T1", max_price="1511")
    await native(house, "T2", MAX_PRICE="0")
    await native(house, "T3")
    assert wishes == [(1511, None), (0, None), (None, None)]


# -- /balance


@pytest.mark.parametrize("post", [False, True])
async def test_a_balance_is_the_upstreams_and_is_remembered(
    house: House,
    upstream: FakeUpstream,
    post: bool,  # noqa: FBT001
) -> None:
    upstream.user = responds("Toko. Saldo 9. a@b.id. plan Gold. balance 4321")
    answer = await (
        posted(house, balance(), "/balance") if post else house.get(f"/balance?{balance()}")
    )
    assert (answer.status, answer.text) == (200, "Saldo 4321")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    upstream.order = refuses("PRODUCT_NOT_FOUND")
    assert (await native(house)).endswith(". Saldo 4321")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (refuses("API_KEY_NOT_FOUND"), "API_KEY_NOT_FOUND - Apikey tidak valid atau tidak"),
        (responds("nonsense"), "SERVER_ERROR - Server mengalami error"),
        (drops, "UPSTREAM_UNREACHABLE - Server supplier tidak dapat dihubungi"),
    ],
)
async def test_a_balance_that_the_upstream_does_not_give_is_an_error(
    house: House, upstream: FakeUpstream, said: object, line: str
) -> None:
    upstream.user = said  # type: ignore[assignment]
    answer = await house.get(f"/balance?{balance()}")
    assert answer.status == 200
    assert answer.text.startswith(f"ERROR. {line}")


# -- the journal, the limits, the log


async def test_a_journal_that_can_not_write_answers_503_and_never_fails_an_order(
    house: House, upstream: FakeUpstream
) -> None:
    await house.break_journal()
    for answer in (await house.get(f"/trx?{trx()}"), await posted(house, trx())):
        assert answer.status == 503
        assert answer.text == f"{HEAD} ERROR. BUSY - Server sedang sibuk, coba lagi sebentar."
    assert upstream.orders == []
    await house.break_journal(broken=False)
    assert await native(house) == f"{HEAD} akan diproses. Saldo 12345"


async def test_who_goes_down_takes_nothing_any_more(house: House, upstream: FakeUpstream) -> None:
    house.gateway.gate.draining = True
    for target in (f"/trx?{trx()}", f"/trx?{trx(check='1')}", f"/balance?{balance()}"):
        answer = await house.get(target)
        assert answer.status == 503
        assert "ERROR. BUSY - " in answer.text
    assert upstream.asked == []


async def test_the_limits_hold_in_every_dialect(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, reseller=NATIVE, limits={"orders_per_s": 1})
    await house.order("T1")
    assert await native(house, "T2") == (
        "R#T2 S1_1187.123456789 ERROR. RATE_LIMITED - Terlalu banyak transaksi per detik, "
        "coba lagi sebentar."
    )
    assert (await native(house, "T1")).startswith(f"{HEAD} akan diproses"), "a repeat is answered"
    assert len(upstream.orders) == 1


async def test_one_event_a_request_says_who_and_what_without_secrets(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.user = responds("Toko. a@b.id. plan Gold. balance 4321")
    await native(house)
    await native(house, "T2", check="1", post=True)
    await native(house, "T3", pin="PIN-OF-A-STRANGER", sign="SIGN-OF-A-STRANGER")
    await house.get(f"/balance?{balance()}")
    orders, balances = house.log.events("order.answered"), house.log.events("balance.answered")
    assert [
        (event["reseller"], event["trx_id"], event["outcome"].partition(" ")[0])
        for event in orders
    ] == [
        ("toko", "T1", "PENDING"),
        ("toko", "T2", "INVOICE_NOT_FOUND"),
        (None, "T3", "API_KEY_NOT_FOUND"),
    ]
    assert [(event["reseller"], event["outcome"]) for event in balances] == [("toko", "found")]
    assert "OF-A-STRANGER" not in house.log.text
    assert "sign" not in house.log.text
    assert house.secrets  # none of them was logged: `House.stop` looks
