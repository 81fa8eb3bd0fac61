"""The price guard: what costs more than it may is never sent, and is FAILED in the journal."""

import asyncio
import json
from typing import Any

import pytest

from gateway.flow import catalog, intake
from gateway.protocol.catalog import MAX_LIST_BYTES
from tests.support import (
    Answerer,
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    drops,
    eventually,
    invoice,
    prices,
    refuses,
    responds,
    says,
)

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
TOO_DEAR = "PRICE_CHANGED - Harga produk sekarang 1511 di atas batas {}, transaksi tidak dikirim."
UNKNOWN = "PRICE_CHANGED - Harga produk tidak diketahui, transaksi tidak dikirim."
FAILED = "R#T1 S1_1187.123456789, status FAILED. {}"
LIST = "/v1/products"
REFUSE = {"unknown_price": "refuse"}


@pytest.fixture
def shop(upstream: FakeUpstream) -> FakeUpstream:
    """An upstream that sells S1_1187 for 1511, as its document says."""
    upstream.lists[LIST] = prices(S1_1187=1511, S4_ML86=18624)
    upstream.order = says(SUCCESS)
    upstream.json_order = invoice("SUCCESS", "Budi", http=201)
    return upstream


def bought(shop: FakeUpstream) -> int:
    return len(shop.orders) + len(shop.json_orders)


def refused(answer: Any, code: str = "PRICE_CHANGED") -> None:
    assert json.loads(answer.text) == {
        "statusCode": 400,
        "message": code,
        "error": "Bad Request",
    }
    assert answer.status == 400


# -- below, equal, above


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    ("limit", "is_sent"),
    [("1510", False), ("0", False), ("1511", True), ("001511", True), ("999999999999999", True)],
)
async def test_a_line_is_sent_up_to_its_limit(
    house: House, shop: FakeUpstream, version: int, limit: str, *, is_sent: bool
) -> None:
    answer = await house.order(version=version, max_price=limit)
    if is_sent:
        assert ", status SUCCESS. " in answer
    else:
        assert answer == FAILED.format(TOO_DEAR.format(int(limit)))
    assert len(shop.orders) == is_sent
    assert "max_price" not in "".join(asked.target for asked in shop.asked)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("limit", "is_sent"), [(1510, False), (1511, True), (20_000, True)])
async def test_a_json_order_is_sent_up_to_its_limit(
    house: House, shop: FakeUpstream, version: int, limit: int, *, is_sent: bool
) -> None:
    answer = await house.order_json(version=version, max_price=limit)
    if is_sent:
        assert json.loads(answer.text)["data"]["status"] == "SUCCESS"
        assert "max_price" not in shop.json_orders[0].fields
    else:
        refused(answer)
        assert (await house.shown())["note"] == TOO_DEAR.format(limit)
    assert len(shop.json_orders) == is_sent


@pytest.mark.parametrize(("price", "is_sent"), [(1511.0, True), (1511.01, False), (15.11, True)])
async def test_a_price_may_have_a_fraction(
    house: House, shop: FakeUpstream, price: float, *, is_sent: bool
) -> None:
    shop.lists[LIST] = prices(S1_1187=price)
    answer = await house.order(max_price="1511")
    assert (", status SUCCESS. " in answer) == is_sent
    assert is_sent or " sekarang 1512 di atas batas 1511, " in answer
    assert len(shop.orders) == is_sent


@pytest.mark.parametrize(
    ("ceiling", "limit", "said"),
    [
        (1510, None, 1510),
        (1510, "99999", 1510),
        (99_999, "1509", 1509),
        (1509, "1510", 1509),
        (1511, None, None),
        (1511, "1511", None),
        (99_999, "1511", None),
        (0, None, None),
    ],
)
async def test_the_lower_of_ceiling_and_parameter_counts(
    house: House, shop: FakeUpstream, ceiling: int, limit: str | None, said: int | None
) -> None:
    await house.gateway.desk.resellers.change("toko", max_price=ceiling)
    answer = await house.order(max_price=limit)
    number = None if limit is None else int(limit)
    other = await house.order_json("T2", max_price=number)
    if said is None:
        assert ", status SUCCESS. " in answer
        assert other.status == 201
        assert bought(shop) == 2
    else:
        assert answer == FAILED.format(TOO_DEAR.format(said))
        refused(other)
        assert bought(shop) == 0


async def test_the_price_is_that_of_the_resellers_own_key(
    house: House, shop: FakeUpstream
) -> None:
    await house.add("kios")

    async def by_key(asked: Any) -> Any:
        is_toko = asked.headers["Authorization"] == "upstream-key-of-toko"
        return await prices(S1_1187=1000 if is_toko else 2000)(asked)

    shop.lists[LIST] = by_key
    assert ", status SUCCESS. " in await house.order(max_price="1500")
    answer = await house.order(max_price="1500", reseller="kios")
    assert ", status FAILED. PRICE_CHANGED - Harga produk sekarang 2000 " in answer
    assert [asked.trx_id for asked in shop.orders] == ["toko-T1"]


# -- without a limit


async def test_an_order_without_a_limit_asks_for_no_price(
    house: House, shop: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(*_: object) -> None:
        raise AssertionError("a price was asked for")

    monkeypatch.setattr(house.gateway.intake, "_priced", asked)
    assert ", status SUCCESS. " in await house.order()
    assert ", status SUCCESS. " in await house.order("T2", max_price="")
    assert (await house.order_json("T3")).status == 201
    # What can not be sent anyway needs no price.
    assert ", status FAILED. INVALID_PARAMETER - " in await house.order(
        "T4", product_code="a b", max_price="1"
    )
    assert shop.listed(LIST) == []


# -- what can not be read


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", " 1", "1" * 16, "\u0661", "\x00"])
async def test_a_limit_that_can_not_be_read_fails_the_order(
    house: House, shop: FakeUpstream, value: str
) -> None:
    said = FAILED.format("INVALID_PARAMETER - Parameter max_price tidak sah.")
    assert await house.order(max_price=value) == said
    assert (await house.shown())["status"] == "FAILED"
    assert shop.asked == []


async def test_a_limit_that_is_no_text_fails_the_order(house: House, shop: FakeUpstream) -> None:
    answer = await house.get(house.order_target() + "&max_price=%FF")
    assert answer.text == FAILED.format("INVALID_PARAMETER - Parameter max_price tidak sah.")
    assert shop.asked == []


async def test_a_limit_given_twice_decides_nothing(house: House, shop: FakeUpstream) -> None:
    answer = await house.get(house.order_target() + "&max_price=9999&max_price=9999")
    assert answer.text == (
        "R#T1 S1_1187.123456789, status ERROR. INVALID_PARAMETER - "
        "Parameter max_price tertulis dua kali."
    )
    assert await house.orders() == []
    assert shop.asked == []


@pytest.mark.parametrize("value", ["1511", -1, 1511.0, True, [], 10**15])
async def test_a_json_limit_that_is_no_whole_number_fails_the_order(
    house: House, shop: FakeUpstream, value: object
) -> None:
    refused(await house.order_json(max_price=value), "INVALID_PARAMETER")
    assert (await house.shown())["status"] == "FAILED"
    assert shop.asked == []


# -- the journal, the panel, and who repeats


async def test_it_is_journaled_told_and_never_sent(
    open_house: OpenHouse, shop: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(shop.url)
    note = TOO_DEAR.format(1510)
    assert await house.order(max_price="1510", callback_url=panel.url) == FAILED.format(note)
    shown = await house.shown()
    assert (shown["status"], shown["note"], shown["sends"]) == ("FAILED", note, 0)
    assert (shown["first_sent_at"], shown["final_at"] is None) == (None, False)
    assert (await house.kinds())[:2] == ["asked", "decided"]
    await eventually(lambda: panel.targets)
    (told,) = panel.told
    assert (told["status"], told["trx_id"], told["sn"]) == ("FAILED", "T1", note)
    assert [asked.target for asked in shop.asked] == [LIST]
    assert house.gateway.settlement.open_orders == 0


async def test_a_guarded_json_order_is_told_by_json(
    open_house: OpenHouse, shop: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(shop.url)
    refused(await house.order_json(max_price=1, callback_url=panel.url))
    await eventually(lambda: panel.bodies)
    told = json.loads(panel.bodies[0])
    assert (told["trx_id"], told["status"]) == ("T1", "FAILED")
    assert told["response_note"] == TOO_DEAR.format(1)


async def test_who_repeats_hears_the_same_or_is_refused_as_ever(
    house: House, shop: FakeUpstream
) -> None:
    said = await house.order(max_price="1510")
    shop.lists[LIST] = prices(S1_1187=1)
    house.clock.skip(61)
    # Neither a lower price nor a higher limit opens it again; that wants a new trx_id.
    for limit in ("1510", "99999", None):
        assert await house.order(max_price=limit) == said
    for version in (1, 2):
        answer = await house.order(version=version, max_price="99999")
        assert ", status ERROR. DUPLICATE_TRX_ID - " in answer
    refused(await house.order_json(max_price=99_999))
    assert bought(shop) == 0
    assert len(shop.listed(LIST)) == 1, "a used trx_id asks for no price"
    assert ", status SUCCESS. " in await house.order("T2", max_price="99999")


async def test_a_bought_order_is_answered_whatever_it_costs_now(
    house: House, shop: FakeUpstream
) -> None:
    said = await house.order(max_price="1511")
    shop.lists[LIST] = prices(S1_1187=99_999)
    house.clock.skip(61)
    assert await house.order(max_price="1511") == said
    assert len(shop.listed(LIST)) == 1
    assert len(shop.orders) == 1


async def test_fifty_guarded_requests_share_one_look_and_one_purchase(
    house: House, shop: FakeUpstream
) -> None:
    answers = await asyncio.gather(*(house.order(max_price="1511") for _ in range(50)))
    assert set(answers) == {"R#T1 S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5"}
    assert (len(shop.listed(LIST)), len(shop.orders)) == (1, 1)
    answers = await asyncio.gather(*(house.order("T2", max_price="1") for _ in range(50)))
    assert set(answers) == {f"R#T2{FAILED.format(TOO_DEAR.format(1))[4:]} . Sisa saldo 5"}
    assert len(await house.orders()) == 2
    assert (len(shop.listed(LIST)), len(shop.orders)) == (1, 1)


async def test_what_may_be_wrong_comes_before_the_price(house: House, shop: FakeUpstream) -> None:
    assert ", status ERROR. API_KEY_NOT_FOUND - " in await house.order(apikey="x", max_price="1")
    await house.gateway.desk.resellers.change("toko", suspended=True)
    assert ", status ERROR. RESELLER_SUSPENDED - " in await house.order(max_price="1")
    assert shop.asked == []
    assert await house.orders() == []


# -- prices that nobody knows


NO_PRICE: dict[str, Answerer] = {
    "not in the list": prices(S4_ML86=18624),
    "down": drops,
    "500": refuses("SERVER_ERROR", 500),
    "html": responds("<html>", 200, "text/html"),
    "refused": refuses("API_KEY_NOT_FOUND"),
    "too long": responds(b'{"data":["' + b"x" * MAX_LIST_BYTES + b'"]}', 200, "application/json"),
    "no prices": responds(b'{"data":[1, 2]}', 200, "application/json"),
    "words": prices(S1_1187="1511"),
    "a product without a price": prices(S1_1187=None),
}
no_price = pytest.mark.parametrize("listed", NO_PRICE.values(), ids=NO_PRICE.keys())


@no_price
async def test_without_a_price_it_is_sent_unless_told_otherwise(
    house: House, shop: FakeUpstream, listed: Answerer
) -> None:
    shop.lists[LIST] = listed
    assert ", status SUCCESS. " in await house.order(max_price="1")
    assert (await house.order_json("T2", max_price=1)).status == 201
    assert bought(shop) == 2


@no_price
async def test_without_a_price_it_is_refused_where_that_is_wanted(
    open_house: OpenHouse, shop: FakeUpstream, listed: Answerer
) -> None:
    house = await open_house(shop.url, catalog=REFUSE)
    shop.lists[LIST] = listed
    assert await house.order(max_price="99999") == FAILED.format(UNKNOWN)
    refused(await house.order_json("T2", max_price=99_999))
    assert (await house.shown())["status"] == "FAILED"
    assert bought(shop) == 0
    assert ", status SUCCESS. " in await house.order("T3"), "an order without a limit is not asked"


async def test_the_setting_can_be_changed_while_it_runs(house: House, shop: FakeUpstream) -> None:
    shop.lists[LIST] = drops
    settings = house.gateway.settings
    strict = settings.catalog.model_copy(update=REFUSE)
    house.gateway.reload(settings.model_copy(update={"catalog": strict}))
    assert await house.order(max_price="99999") == FAILED.format(UNKNOWN)
    (reloaded,) = house.log.events("config.reloaded")
    assert reloaded["changed"] == ["catalog.unknown_price"]


@pytest.mark.parametrize("setting", ["send", "refuse"])
async def test_a_stale_price_counts_while_the_upstream_is_down(
    open_house: OpenHouse, shop: FakeUpstream, setting: str
) -> None:
    house = await open_house(shop.url, catalog={"unknown_price": setting})
    assert (await house.ask_json("GET", LIST)).status == 200
    house.clock.skip(3600)
    shop.lists[LIST] = drops
    assert await house.order(max_price="1510") == FAILED.format(TOO_DEAR.format(1510))
    assert ", status SUCCESS. " in await house.order("T2", max_price="1511")


async def test_a_price_that_is_new_enough_is_not_asked_for_again(
    house: House, shop: FakeUpstream
) -> None:
    assert (await house.ask_json("GET", LIST)).status == 200
    house.clock.skip(50)
    for number in range(3):
        assert ", status SUCCESS. " in await house.order(str(number), max_price="1511")
    assert len(shop.listed(LIST)) == 1
    house.clock.skip(11)
    shop.lists[LIST] = prices(S1_1187=1512)
    assert ", status FAILED. PRICE_CHANGED - " in await house.order("dear", max_price="1511")
    assert len(shop.listed(LIST)) == 2


# -- an upstream whose list hangs


async def test_a_slow_list_delays_an_order_a_little_and_the_next_one_not(
    house: House, shop: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "STALE_AFTER_S", 1.0)
    held = asyncio.Event()
    shop.lists[LIST] = after(held, prices(S1_1187=1511))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert ", status SUCCESS. " in await house.order(max_price="1")
    assert loop.time() - began > 0.95
    began = loop.time()
    assert ", status SUCCESS. " in await house.order("T2", max_price="1")
    assert loop.time() - began < 0.9
    held.set()
    await eventually(lambda: not len(house.gateway.catalog._fetching))
    assert ", status FAILED. PRICE_CHANGED - " in await house.order("T3", max_price="1")
    assert len(shop.listed(LIST)) == 1


async def test_an_order_that_waits_for_a_price_is_answered_in_time(
    open_house: OpenHouse, shop: FakeUpstream
) -> None:
    house = await open_house(
        shop.url, server={"reply_timeout_s": 1}, recheck={"schedule_s": [3600]}
    )
    gate = asyncio.Event()
    shop.lists[LIST] = after(asyncio.Event(), prices(S1_1187=1511))
    shop.order = after(gate, says(SUCCESS))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await house.get(house.order_target(max_price="1"))
    assert answer.text == "R#T1 S1_1187.123456789, status PENDING. Sedang diproses"
    assert loop.time() - began < 5, "not as long as the upstream may take"
    gate.set()
    await house.becomes("SUCCESS")


async def test_who_waits_for_a_price_counts_as_arriving(
    house: House, shop: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_ARRIVING", 2)
    held = asyncio.Event()
    shop.lists[LIST] = after(held, prices(S1_1187=1511))
    waiting = [asyncio.create_task(house.order(str(n), max_price="1511")) for n in range(2)]
    await eventually(lambda: house.gateway.intake._arriving == 2)
    assert ", status ERROR. BUSY - " in await house.order("more")
    held.set()
    assert all(", status SUCCESS. " in line for line in await asyncio.gather(*waiting))
    assert house.gateway.intake._arriving == 0
    assert ", status SUCCESS. " in await house.order("more")


async def test_a_panel_that_hangs_up_while_the_price_is_looked_for_changes_nothing(
    house: House, shop: FakeUpstream
) -> None:
    held = asyncio.Event()
    shop.lists[LIST] = after(held, prices(S1_1187=1511))
    asking = asyncio.create_task(house.get(house.order_target(max_price="1511")))
    await eventually(lambda: shop.listed(LIST))
    asking.cancel()
    await asyncio.sleep(0.05)
    held.set()
    await eventually(house.orders)
    await house.becomes("SUCCESS")
    assert len(shop.orders) == 1
