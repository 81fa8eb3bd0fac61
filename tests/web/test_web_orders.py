"""Order answers of the text dialect: whose bytes they are, and what a used trx_id is told."""

from typing import Any

import pytest

from tests.support import (
    Answerer,
    FakeUpstream,
    House,
    OpenHouse,
    drops,
    invoice,
    refuses,
    responds,
    says,
)

DUPLICATE = "status ERROR. DUPLICATE_TRX_ID - trx_id telah digunakan sebelumnya."
# The document's own sample, with the trx_id that we send in its place.
SAMPLE = (
    "R#{trx_id} S1_1187.123456789|1234, status PENDING. RefId : ML_1680405885_1234 . "
    "Sisa saldo 12345"
)
PANEL_READS = (
    "R#123424324 S1_1187.123456789|1234, status PENDING. RefId : ML_1680405885_1234 . "
    "Sisa saldo 12345"
)


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_the_answer_is_the_upstreams_own_with_the_trx_id_turned_back(
    house: House, upstream: FakeUpstream, version: int
) -> None:
    upstream.order = says(SAMPLE)
    target = house.order_target("123424324", "123456789", version=version, server_id="1234")
    answer = await house.get(target)
    assert answer.text == PANEL_READS
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    (asked,) = upstream.orders
    assert asked.query == {
        "apikey": "upstream-key-of-toko",
        "product_code": "S1_1187",
        "user_id": "1234567891234",
        "trx_id": "toko-123424324",
        "callback_url": f"{house.url}/callback/{house.token('toko-123424324')}",
    }


@pytest.mark.parametrize(
    "line",
    [
        "R#{trx_id} S1_1187.123456789, status SUCCESS. Budi - 1() . RefId: ML_1 . Sisa saldo 123",
        "R#{trx_id} S1_1187.123456789, status SUCCESS. Nickname - 123456789() . RefId: ML_1",
        "R#{trx_id} S1_1187.123456789, status PARTIAL_SUCCESS. 3 dari 5 . Sisa saldo 0",
        "R#{trx_id} S1_1187.123456789, status PAID. RefId : ML_1 . Sisa saldo -50",
        "R#{trx_id} S1_1187.123456789, status FAILED. Transaksi ditolak . Sisa saldo 999",
        "R#{trx_id} S1_1187.123456789|, status PENDING.  . Sisa saldo 5",
        "R#{trx_id} lain.tujuan, status PENDING. Ñandú 玩家 ★ . Sisa saldo 5",
    ],
)
async def test_every_word_of_the_upstream_is_passed_on_byte_for_byte(
    house: House, upstream: FakeUpstream, line: str
) -> None:
    upstream.order = says(line)
    assert await house.order() == line.replace("{trx_id}", "T1")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (
            "R#{trx_id} S1_1187.SUKSESor, status PENDING. GaGaL SUCCESSful refunded",
            "R#T1 S1_1187.S-UKSESor, status PENDING. G-aGaL S-UCCESSful r-efunded",
        ),
        (
            "R#{trx_id} S1_1187.1, status SUCCESS. xSaldo 9 . Sisa saldo 7 SUCCESS . Sisa saldo 5",
            "R#T1 S1_1187.1, status SUCCESS. xS-aldo 9 . Sisa s-aldo 7 SUCCESS . Sisa saldo 5",
        ),
        (
            "R#{trx_id} S1_1187.1, status SUCCESS. a\tb\x1bc\u202ed\u2028e . Sisa saldo 5",
            "R#T1 S1_1187.1, status SUCCESS. a bcd e . Sisa saldo 5",
        ),
    ],
)
async def test_what_a_player_chose_never_reads_as_a_status_or_a_saldo(
    house: House, upstream: FakeUpstream, sent: str, read: str
) -> None:
    upstream.order = says(sent)
    assert await house.order() == read


async def test_a_used_trx_id_is_refused_by_v1_and_v2_and_answered_by_v3(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SAMPLE.replace("PENDING", "SUCCESS"))
    first = await house.order("123424324", "123456789", server_id="1234")
    again = await house.order("123424324", "123456789", server_id="1234")
    assert first == again == PANEL_READS.replace("PENDING", "SUCCESS")
    for version in (1, 2):
        assert await house.order("123424324", "1234567891234", version=version) == (
            f"R#123424324 S1_1187.1234567891234, {DUPLICATE} . Sisa saldo 12345"
        )
    assert len(upstream.asked) == 1, "a final order asks nobody"


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("second", [1, 2, 3])
@pytest.mark.parametrize("other", [{"dest": "123456780"}, {"product_code": "S4_ML86"}])
async def test_a_used_trx_id_with_another_purchase_is_a_duplicate_and_changes_nothing(
    house: House, upstream: FakeUpstream, first: int, second: int, other: dict[str, Any]
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5")
    await house.order(version=first)
    before = await house.shown()
    answer = await house.order(version=second, **other)
    dest = other.get("dest", "123456789")
    product = other.get("product_code", "S1_1187")
    assert answer == f"R#T1 {product}.{dest}, {DUPLICATE} . Sisa saldo 5"
    assert {**await house.shown(), "deliveries": []} == {**before, "deliveries": []}
    assert len(upstream.asked) == 1


async def test_trx_ids_are_compared_by_bytes(house: House, upstream: FakeUpstream) -> None:
    for trx_id in ("00123", "123", "a", "A", "1.0", "1-0", "1_0"):
        assert (await house.order(trx_id)).startswith(f"R#{trx_id} ")
    assert [asked.trx_id for asked in upstream.orders] == [
        "toko-00123",
        "toko-123",
        "toko-a",
        "toko-A",
        "toko-1.0",
        "toko-1-0",
        "toko-1_0",
    ]


@pytest.mark.parametrize(
    ("user_id", "server_id", "sent"),
    [
        ("123", "45", "12345"),
        ("123|45", None, "12345"),
        ("123/45", None, "12345"),
        ("123(45)", None, "12345"),
        ("123 45", None, "12345"),
        ("123", "", "123"),
        ("Budi|45", None, "Budi|45"),
        ("123|45|6", None, "123|45|6"),
        ("a b#c&d=e%f+g?h/i", None, "a b#c&d=e%f+g?h/i"),
        ("玩家☃", None, "玩家☃"),
        ("\u0661\u0662|\u0663", None, "\u0661\u0662|\u0663"),
    ],
)
async def test_both_parts_of_a_destination_are_glued_and_reach_the_upstream_whole(
    house: House, upstream: FakeUpstream, user_id: str, server_id: str | None, sent: str
) -> None:
    await house.order(dest=user_id, server_id=server_id)
    assert upstream.orders[0].query["user_id"] == sent
    assert "server_id" not in upstream.orders[0].query


async def test_a_panel_may_write_the_destination_in_another_form_when_it_asks_again(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SAMPLE.replace("PENDING", "SUCCESS"))
    answers = {
        await house.order("1", "123456789", server_id="1234"),
        await house.order("1", "1234567891234"),
        await house.order("1", "123456789|1234"),
        await house.order("1", "123456789(1234)"),
    }
    assert len(answers) == 1
    assert len(upstream.orders) == 1


async def test_an_open_order_is_looked_up_before_a_repeat_is_answered(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck={"schedule_s": [60]})
    upstream.order = says(SAMPLE)
    upstream.look_up = invoice("SUCCESS", "Budi - 123456789(1234) . RefId: ML_1")
    await house.order("1", "123456789", server_id="1234")
    assert await house.order("1", "1234567891234") == (
        "R#1 S1_1187.123456789|1234, status SUCCESS. Budi - 123456789(1234) . RefId: ML_1 . "
        "Sisa saldo 12345"
    )
    (asked,) = upstream.look_ups
    assert asked.target == "/v1/status/trx-id/toko-1"
    assert asked.headers["Authorization"] == "upstream-key-of-toko"
    assert len(upstream.orders) == 1


async def test_an_uncertain_order_is_pending_with_our_own_note(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck={"settle_s": 60})
    upstream.order = drops
    assert await house.order() == "R#T1 S1_1187.123456789, status PENDING. Sedang diproses"


async def test_no_saldo_is_invented_and_the_last_one_seen_is_told(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = refuses("PRODUCT_NOT_FOUND")
    failed = "status FAILED. PRODUCT_NOT_FOUND - Kode produk tidak ditemukan."
    assert await house.order("1") == f"R#1 S1_1187.123456789, {failed}"
    upstream.order = says("R#{trx_id} S1_1187.1, status SUCCESS. a . Sisa saldo 777")
    assert (await house.order("2", "1")).endswith(" . Sisa saldo 777")
    assert await house.order("1") == f"R#1 S1_1187.123456789, {failed} . Sisa saldo 777"
    upstream.order = says("R#{trx_id} S1_1187.1, status SUCCESS. a . Sisa saldo 0")
    await house.order("3", "1")
    assert await house.order("1") == f"R#1 S1_1187.123456789, {failed} . Sisa saldo 0"
    upstream.user = responds("Toko. a@b.id. plan Gold. balance 4321")
    await house.user()
    assert await house.order("1") == f"R#1 S1_1187.123456789, {failed} . Sisa saldo 4321"
    assert await house.order("2", "9") == f"R#2 S1_1187.9, {DUPLICATE} . Sisa saldo 4321"
    assert (await house.status("1")).endswith(" . Sisa saldo 4321")


async def test_a_saldo_belongs_to_its_upstream_key(house: House, upstream: FakeUpstream) -> None:
    upstream.order = says("R#{trx_id} S1_1187.1, status SUCCESS. a . Sisa saldo 777")
    await house.order("1", "1")
    await house.add("kios")
    assert "saldo" not in await house.order("1", None, reseller="kios")
    await house.gateway.desk.resellers.change("toko", upstream_key="another-upstream-key")
    assert await house.order("1", "1") == "R#1 S1_1187.1, status SUCCESS. a"


async def test_two_resellers_may_use_the_same_trx_id(house: House, upstream: FakeUpstream) -> None:
    await house.add("kios")
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. {buyer}")
    assert await house.order("1", "111") == "R#1 S1_1187.111, status SUCCESS. toko"
    told = await house.order("1", "222", reseller="kios")
    assert told == "R#1 S1_1187.222, status SUCCESS. kios"
    assert [asked.trx_id for asked in upstream.orders] == ["toko-1", "kios-1"]
    assert (await house.status("1")).startswith("R#1 - S1_1187.111(")
    assert (await house.status("1", "kios")).startswith("R#1 - S1_1187.222(")
    assert {shown["dest"] for shown in await house.orders()} == {"111", "222"}


@pytest.mark.parametrize(
    "reply",
    [
        refuses("INVALID_USER_ID", 400),
        refuses("INVALID_USER_ID", 200),
        responds("INVALID_USER_ID"),
        says("R#{trx_id} S1_1187.1, status FAILED. INVALID_USER_ID"),
    ],
)
async def test_a_definite_refusal_is_failed_in_every_form_that_the_upstream_may_use(
    house: House, upstream: FakeUpstream, reply: Answerer
) -> None:
    upstream.order = reply
    answer = await house.order()
    assert ", status FAILED. INVALID_USER_ID" in answer
    shown = await house.shown()
    assert (shown["status"], shown["sends"]) == ("FAILED", 1)
    assert shown["final_at"] is not None
    assert len(upstream.asked) == 1
