"""What is refused: as ERROR, which decides nothing, or as FAILED, which is journaled first."""

import asyncio
from typing import Any

import pytest

from tests.support import (
    FakeUpstream,
    House,
    LogLines,
    OpenHouse,
    Panel,
    eventually,
    reserved_port,
    says,
)

INVALID = "INVALID_PARAMETER - "
BAD_TRX_ID = (
    f"R#- S1_1187.123456789, status ERROR. {INVALID}Parameter trx_id kosong atau tidak sah."
)
LONG = "a" * 65


async def nothing_happened(house: House, upstream: FakeUpstream) -> None:
    assert await house.orders() == []
    assert await house.deliveries() == []
    assert upstream.asked == []


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("key", ["", None, "wrong", "ÿ", "otg_toko_wrong"])
async def test_without_a_known_key_nothing_is_decided(
    house: House, upstream: FakeUpstream, version: int, key: str | None
) -> None:
    answer = await house.order(version=version, apikey=key)
    assert answer == (
        "R#T1 S1_1187.123456789, status ERROR. "
        "API_KEY_NOT_FOUND - Apikey tidak valid atau tidak ditemukan."
    )
    await nothing_happened(house, upstream)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "trx_id",
    [
        None,
        "",
        LONG,
        "a b",
        "a/b",
        "a#b",
        "é",
        "\u0661\u0662",
        "1\n",
        "1\r\nX",
        "a\x00",
        "a,b",
        "*",
    ],
)
async def test_without_a_valid_trx_id_nothing_is_decided_and_it_is_never_echoed(
    house: House, upstream: FakeUpstream, version: int, trx_id: str | None
) -> None:
    assert await house.order(trx_id, version=version) == BAD_TRX_ID
    await nothing_happened(house, upstream)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "name", ["apikey", "product_code", "user_id", "server_id", "trx_id", "callback_url"]
)
async def test_a_parameter_given_twice_decides_nothing(
    house: House, upstream: FakeUpstream, version: int, name: str
) -> None:
    target = house.order_target(
        version=version, server_id="1234", callback_url="https://panel.example/cb"
    )
    value = target.partition(f"{name}=")[2].partition("&")[0]
    for again in (f"&{name}={value}", f"&{name}=", f"&{name}", f"&%{ord(name[0]):x}{name[1:]}=x"):
        answer = await house.get(target + again)
        assert (answer.status, answer.headers["Content-Type"]) == (
            200,
            "text/plain; charset=utf-8",
        )
        assert answer.text.endswith(
            f", status ERROR. {INVALID}Parameter {name} tertulis dua kali."
        )
        head = answer.text.partition(",")[0]
        dest = (
            "-" if name == "user_id" else "123456789" if name == "server_id" else "1234567891234"
        )
        assert head == (
            f"R#{'-' if name == 'trx_id' else 'T1'}"
            f" {'-' if name == 'product_code' else 'S1_1187'}.{dest}"
        )
    await nothing_happened(house, upstream)


async def test_unknown_parameters_are_ignored_twice_too(
    house: House, upstream: FakeUpstream
) -> None:
    target = house.order_target() + "&pin=1&pin=2&&=&%FF=%FE&user_id[]=9&User_Id=9"
    assert ", status PENDING. " in (await house.get(target)).text
    assert upstream.orders[0].query["user_id"] == "123456789"


BAD_FIELDS = [
    ({"product_code": None}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"product_code": ""}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"product_code": "a b"}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"product_code": "S1\u0661"}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"product_code": LONG}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"product_code": "S1\n"}, "R#T1 -.123456789", f"{INVALID}Parameter product_code "),
    ({"user_id": None}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": ""}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": "1,2"}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": "1\n2"}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": "1\x002"}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": "1\u202e2"}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"user_id": "x" * 129}, "R#T1 S1_1187.-", f"{INVALID}Parameter user_id "),
    ({"server_id": "1,2"}, "R#T1 S1_1187.123456789", f"{INVALID}Parameter server_id "),
    ({"server_id": "1\r2"}, "R#T1 S1_1187.123456789", f"{INVALID}Parameter server_id "),
    ({"server_id": "x" * 129}, "R#T1 S1_1187.123456789", f"{INVALID}Parameter server_id "),
]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(("fields", "head", "note"), BAD_FIELDS)
async def test_a_bad_field_under_a_new_trx_id_is_journaled_as_failed(
    open_house: OpenHouse,
    upstream: FakeUpstream,
    panel: Panel,
    version: int,
    fields: dict[str, Any],
    head: str,
    note: str,
) -> None:
    house = await open_house(upstream.url)
    said = f"{head}, status FAILED. {note}kosong atau tidak sah."
    assert await house.order(version=version, callback_url=panel.url, **fields) == said
    shown = await house.shown()
    assert (shown["status"], shown["sends"], shown["first_sent_at"]) == ("FAILED", 0, None)
    assert shown["final_at"] is not None
    # It is final: whoever repeats it hears the same, and what would be good comes too late.
    assert await house.order(callback_url=panel.url, **fields) == said
    for old in (1, 2):
        repeated = await house.order(version=old, **fields)
        assert repeated.startswith(f"{head}, status ERROR. DUPLICATE_TRX_ID - ")
    assert upstream.asked == []
    assert len(await house.orders()) == 1
    await eventually(lambda: panel.targets)
    (told,) = panel.told
    assert told["status"] == "FAILED"
    assert told["trx_id"] == "T1"
    assert told["sn"] == f"{note}kosong atau tidak sah."
    assert told["msg"].endswith(f", status FAILED. {note}kosong atau tidak sah.")


async def test_a_good_order_after_a_bad_one_with_its_trx_id_is_a_duplicate(
    house: House, upstream: FakeUpstream
) -> None:
    await house.order(dest="1,2")
    assert ", status ERROR. DUPLICATE_TRX_ID - " in await house.order()
    assert upstream.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://panel.example/cb",
        "panel.example/cb",
        "//panel.example/cb",
        "http://",
        "http:///cb",
        "https://user:pw@panel.example/cb",
        "https://user@panel.example/cb",
        "https://panel.example:99999/cb",
        "https://panel.example:x/cb",
        "https://panel.example/\n",
        "https://panel.example/a b",
        "https://panel.example\\@evil.example/",
        "javascript:alert(1)",
        "https://panel.example/" + "a" * 2000,
        "http://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://127.0.0.1:{admin}/x",
    ],
)
async def test_a_bad_callback_url_is_journaled_as_failed(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, url: str
) -> None:
    with reserved_port() as admin:
        house = await open_house(
            upstream.url,
            reseller={"callback_url": panel.url},
            admin={"listen": f"127.0.0.1:{admin}"},
        )
    url = url.format(port=house.port, admin=admin)
    said = (
        "R#T1 S1_1187.123456789, status FAILED. INVALID_CALLBACK_URL - Callback url tidak valid."
    )
    assert await house.order(callback_url=url) == said
    assert (await house.shown())["status"] == "FAILED"
    assert await house.order() == said
    assert upstream.asked == []
    # The reseller's own address is good, and hears of it.
    await eventually(lambda: panel.targets)
    assert panel.statuses == ["FAILED"]


async def test_only_hosts_on_the_resellers_list_are_taken(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url, reseller={"callback_hosts": ["panel.example", "127.0.0.1"]}
    )
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status PENDING. a")
    for number, url in enumerate(["https://panel.example/cb", "http://PANEL.example:81/", None]):
        assert ", status PENDING. " in await house.order(f"good{number}", callback_url=url)
    bad = ["https://evil.example/", "https://sub.panel.example/", "https://panel.example.evil/"]
    for number, url in enumerate(bad):
        answer = await house.order(f"bad{number}", callback_url=url)
        assert ", status FAILED. INVALID_CALLBACK_URL - " in answer
    assert len(upstream.orders) == 3


async def test_a_failed_order_without_a_callback_url_is_told_to_nobody(house: House) -> None:
    await house.order(dest="1,2")
    assert await house.deliveries() == []


async def test_what_is_said_failed_is_durable_before_it_is_said(
    house: House, upstream: FakeUpstream
) -> None:
    """With a journal that cannot write there is no FAILED, whatever is wrong with the order."""
    await house.break_journal()
    bad: list[dict[str, Any]] = [
        {"dest": "1,2"},
        {"callback_url": "ftp://x/"},
        {"product_code": "a b"},
    ]
    for fields in bad:
        answer = await house.get(house.order_target(**fields))
        assert answer.status == 503
        assert ", status ERROR. BUSY - " in answer.text
    await house.break_journal(broken=False)
    await nothing_happened(house, upstream)


async def test_a_suspended_reseller_gets_an_error_and_what_it_ordered_goes_on(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, recheck={"schedule_s": [60]})
    await house.order("1", callback_url=panel.url)
    await house.gateway.desk.resellers.change("toko", suspended=True)
    said = "RESELLER_SUSPENDED - Akun reseller sedang tidak dapat bertransaksi, hubungi operator."
    for version in (1, 2, 3):
        for trx_id in ("1", "2"):
            answer = await house.order(trx_id, version=version)
            assert answer.startswith(f"R#{trx_id} S1_1187.123456789, status ERROR. {said}")
    assert f", status ERROR. {said}" in await house.status("1")
    assert await house.user() == f"status ERROR. {said}"
    assert len(upstream.asked) == 1
    assert len(await house.orders()) == 1
    assert await house.call_back("SUCCESS", "toko-1") == 200
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    await house.gateway.desk.resellers.change("toko", suspended=False)
    assert ", status SUCCESS. " in await house.order("1")


async def test_a_reseller_without_an_upstream_key_can_not_order_but_hears_of_old_orders(
    house: House, upstream: FakeUpstream
) -> None:
    await house.add("kios", upstream_key=None)
    answer = await house.order("1", reseller="kios")
    assert answer.startswith("R#1 S1_1187.123456789, status ERROR. RESELLER_SUSPENDED - ")
    assert (await house.user("kios")).startswith("status ERROR. RESELLER_SUSPENDED - ")
    await nothing_happened(house, upstream)


async def test_over_the_rate_only_new_orders_are_refused(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, limits={"orders_per_s": 1})
    await house.add("kios")
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. a")
    answers = [await house.order(str(number)) for number in range(4)]
    limited = "RATE_LIMITED - Terlalu banyak transaksi per detik, coba lagi sebentar."
    assert [", status SUCCESS" in answer for answer in answers] == [True, False, False, False]
    assert answers[3] == f"R#3 S1_1187.123456789, status ERROR. {limited}"
    assert ", status SUCCESS" in await house.order("0"), "a repeat is answered"
    assert "DUPLICATE_TRX_ID" in await house.order("0", version=1)
    assert ", status SUCCESS" in await house.status("0")
    assert ", status SUCCESS" in await house.order("3", reseller="kios"), "each has its own rate"
    assert [asked.trx_id for asked in upstream.orders] == ["toko-0", "kios-3"]
    assert len(await house.orders()) == 2
    await asyncio.sleep(1.05)
    assert ", status SUCCESS" in await house.order("3"), "it was never decided, so it may come"


async def test_the_rate_holds_for_a_burst(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, limits={"orders_per_s": 10})
    answers = await asyncio.gather(*(house.order(str(number)) for number in range(40)))
    taken = sum(", status PENDING" in answer for answer in answers)
    assert 10 <= taken <= 20
    assert taken == len(upstream.orders)
    assert sum("RATE_LIMITED" in answer for answer in answers) == 40 - taken


async def test_repeats_do_not_use_up_the_rate_of_new_orders(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, limits={"orders_per_s": 3})
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. a")
    await house.order("1")
    for _ in range(5):
        assert ", status SUCCESS" in await house.order("1")
    assert ", status SUCCESS" in await house.order("2")


async def test_over_the_open_orders_only_new_orders_are_refused(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url,
        limits={"max_open_orders": 2, "orders_per_s": 0},
        recheck={"schedule_s": [60]},
    )
    await house.order("1")
    await house.order("2")
    answer = await house.order("3")
    assert answer.startswith(
        "R#3 S1_1187.123456789, status ERROR. BUSY - Server sedang sibuk, coba lagi sebentar."
    )
    assert ", status PENDING. " in await house.order("1")
    assert "DUPLICATE_TRX_ID" in await house.order("1", version=1)
    assert len(upstream.orders) == 2
    await house.call_back("SUCCESS", "toko-1")
    assert ", status PENDING. " in await house.order("3")


async def test_the_limit_of_open_orders_holds_for_a_burst(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url,
        limits={"max_open_orders": 5, "orders_per_s": 0},
        recheck={"schedule_s": [60]},
    )
    answers = await asyncio.gather(*(house.order(str(number)) for number in range(30)))
    assert sum(", status PENDING" in answer for answer in answers) == 5
    assert sum(", status ERROR. BUSY - " in answer for answer in answers) == 25
    assert len(upstream.orders) == len(await house.orders()) == 5


@pytest.mark.parametrize("key", [None, "kunci-lama-toko-0123"])
async def test_a_key_in_the_place_of_an_id_is_not_repeated(
    house: House, key: str | None, log: LogLines
) -> None:
    """A panel that was set up with two placeholders in each other's place."""
    added = await house.add("lain", key=key, pin="483920", password="kata-sandi")
    mine = house.keys["toko"]
    for secret in (added, mine):
        for apikey in (mine, "T1"):
            answer = await house.get(f"/v1/otomax/status/{secret}?apikey={apikey}")
            assert answer.text.startswith("R#- - -.-(-), status ERROR. ")
        wrong = house.order_target(secret, apikey="T1")
        assert (await house.get(wrong)).text.startswith("R#- S1_1187.123456789, status ERROR. ")
        native = f"/trx?memberID=LAIN&product=S1&dest=1&refID={secret}&sign=x"
        assert (await house.get(native)).text.startswith("R#- S1.1 ERROR. ")
    assert added not in log.text
    assert mine not in log.text
