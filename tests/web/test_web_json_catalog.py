"""Lists and the user in the upstream's JSON: whose bytes, how old, how often asked (§8)."""

import asyncio
import json
from typing import Any, cast

import pytest

from gateway.flow import account, catalog
from gateway.protocol.catalog import MAX_LIST_BYTES
from gateway.protocol.upstream import MAX_BODY_BYTES
from tests.support import (
    Answerer,
    Asked,
    FakeUpstream,
    House,
    OpenHouse,
    after,
    answers,
    drops,
    eventually,
    in_turn,
    prices,
    product,
    refuses,
    responds,
    stays,
)
from tests.support.house import Answer

JSON = "application/json; charset=utf-8"
STALE = '110 - "Response is Stale"'
ROUTES = {
    "/v1/products": "/v1/products",
    "/v1/products?category_id=c-1": "/v1/products",
    "/v1/category": "/v1/category",
    "/v1/product?product_code=S4_ML86": "/v1/product",
    "/v1/product?product_id=p-1": "/v1/product",
}
ONE = answers(product("S4_ML86", 18624))
LISTS = {
    "/v1/products": prices(S4_ML86=18624, S1_1187=1511),
    "/v1/category": answers([{"category_id": "c-1", "category_title": "Mobile Legends"}]),
    "/v1/product": ONE,
    "/v1/user": answers({"user_name": "TopupKuy", "user_balance": 123123}),
}
route = pytest.mark.parametrize("target", ROUTES)
DOWN: dict[str, Answerer] = {
    "dropped": drops,
    "500": responds(b'{"data":[]}', 500, JSON),
    "an envelope with 500": refuses("SERVER_ERROR", 500),
    "502 html": responds("<html>", 502, "text/html"),
    "html": responds("<html>", 200, "text/html"),
    "cut": responds(b'{"statusCode":200,"data":[', 200, JSON),
    "no data": responds(b'{"statusCode":200}', 200, JSON),
    "redirect": responds(b'{"data":[]}', 302, JSON, Location="/"),
    "too long": responds(b'{"data":["' + b"x" * MAX_LIST_BYTES + b'"]}', 200, JSON),
}
down = pytest.mark.parametrize("trouble", DOWN.values(), ids=DOWN.keys())


@pytest.fixture
def listing(upstream: FakeUpstream) -> FakeUpstream:
    """An upstream with the document's lists."""
    upstream.lists = dict(LISTS)
    return upstream


def envelope(answer: Answer, http: int, code: str, error: str) -> None:
    assert answer.headers["Content-Type"] == JSON
    assert answer.status == http
    assert json.loads(answer.text) == {"statusCode": http, "message": code, "error": error}


def unreachable(answer: Answer) -> None:
    envelope(answer, 502, "UPSTREAM_UNREACHABLE", "Bad Gateway")
    assert "Warning" not in answer.headers


async def body_of(answerer: Answerer) -> str:
    response: Any = await answerer(cast("Asked", None))  # it does not look at who asks
    return bytes(response.body).decode()


# -- whose bytes


@route
async def test_a_list_is_the_upstreams_own(
    house: House, listing: FakeUpstream, target: str
) -> None:
    answer = await house.ask_json("GET", target)
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert answer.text == await body_of(LISTS[ROUTES[target]])
    assert "Warning" not in answer.headers
    (asked,) = listing.asked
    assert (asked.request.method, asked.target) == ("GET", target)
    assert asked.headers["Authorization"] == "upstream-key-of-toko"


@pytest.mark.parametrize(
    ("target", "body", "asked_for"),
    [
        ("/v1/products", b"", "/v1/products"),
        ("/v1/products?category_id=c-1", b"", "/v1/products?category_id=c-1"),
        ("/v1/products", b'{"category_id": "c-1"}', "/v1/products?category_id=c-1"),
        ("/v1/products?x=1", b"{}", "/v1/products"),
    ],
)
async def test_a_posted_question_is_asked_with_get(
    house: House, listing: FakeUpstream, target: str, body: bytes, asked_for: str
) -> None:
    answer = await house.ask_json("POST", target, raw=body)
    assert answer.text == await body_of(LISTS["/v1/products"])
    (asked,) = listing.asked
    assert (asked.request.method, asked.target, asked.body) == ("GET", asked_for, b"")
    # It is the same question as with GET, and known by now.
    assert (await house.ask_json("GET", asked_for)).text == answer.text
    assert len(listing.asked) == 1


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/v1/products?category_id=1&category_id=2", None),
        ("GET", "/v1/products?category_id=%FF", None),
        ("GET", "/v1/product?product_code=%0A", None),
        ("GET", "/v1/product?product_code=" + "x" * 129, None),
        ("POST", "/v1/products", b"category_id=1"),
        ("POST", "/v1/products?category_id=1", b'{"category_id": "2"}'),
    ],
)
async def test_a_question_that_can_not_be_read_is_not_asked(
    house: House, listing: FakeUpstream, method: str, target: str, body: bytes | None
) -> None:
    answer = await house.ask_json(method, target, raw=body)
    envelope(answer, 400, "INVALID_PARAMETER", "Bad Request")
    assert listing.asked == []


async def test_a_posted_body_has_a_limit(house: House, listing: FakeUpstream) -> None:
    answer = await house.ask_json("POST", "/v1/products", raw=b" " * (64 * 1024 + 1))
    envelope(answer, 413, "INVALID_PARAMETER", "Request Entity Too Large")
    assert listing.asked == []


@route
async def test_a_refusal_is_told_on_with_its_code_and_never_kept(
    house: House, listing: FakeUpstream, target: str
) -> None:
    path = ROUTES[target]
    body = '{\n "statusCode": 404,\n "message": "PRODUCT_NOT_FOUND",\n "error": "Not Found"\n}'
    listing.lists[path] = in_turn(responds(body, 404, JSON), refuses("IP_NOT_WHITELISTED", 403))
    answer = await house.ask_json("GET", target)
    assert (answer.status, answer.text) == (404, body)
    assert answer.headers["Content-Type"] == JSON
    envelope(await house.ask_json("GET", target), 403, "IP_NOT_WHITELISTED", "Not Found")
    listing.lists[path] = LISTS[path]
    assert (await house.ask_json("GET", target)).status == 200


async def test_what_is_refused_now_does_not_come_back_when_the_upstream_is_down(
    house: House, listing: FakeUpstream
) -> None:
    target = "/v1/product?product_code=S4_ML86"
    listing.lists["/v1/product"] = in_turn(ONE, refuses("PRODUCT_NOT_FOUND"), drops)
    assert (await house.ask_json("GET", target)).status == 200
    house.clock.skip(61)
    assert (await house.ask_json("GET", target)).status == 404
    unreachable(await house.ask_json("GET", target))


async def test_a_list_of_ten_thousand_products_comes_whole(
    house: House, listing: FakeUpstream
) -> None:
    many = [product(f"S1_{number}", number) for number in range(10_000)]
    listing.lists["/v1/products"] = answers(many)
    answer = await house.ask_json("GET", "/v1/products")
    assert answer.text == await body_of(listing.lists["/v1/products"])
    assert len(answer.text) > 3_000_000
    assert answer.headers["Content-Length"] == str(len(answer.text))
    again = await house.ask_json("GET", "/v1/products")
    assert (again.text, len(listing.asked)) == (answer.text, 1)


# -- how often asked


@route
async def test_fifty_equal_questions_at_once_are_one(
    house: House, listing: FakeUpstream, target: str
) -> None:
    held = asyncio.Event()
    listing.lists[ROUTES[target]] = after(held, LISTS[ROUTES[target]])
    asking = [asyncio.create_task(house.ask_json("GET", target)) for _ in range(50)]
    await eventually(lambda: listing.asked)
    await stays(lambda: len(listing.asked), 1, 0.2)
    held.set()
    said = await asyncio.gather(*asking)
    assert {(answer.status, answer.text) for answer in said} == {
        (200, await body_of(LISTS[ROUTES[target]]))
    }
    assert len(listing.asked) == 1


@route
async def test_a_list_is_known_for_its_time(
    open_house: OpenHouse, listing: FakeUpstream, target: str
) -> None:
    house = await open_house(listing.url, catalog={"ttl_s": 30})
    for skipped, calls in ((0, 1), (29, 1), (1.5, 2), (29, 2), (1.5, 3)):
        house.clock.skip(skipped)
        answer = await house.ask_json("GET", target)
        assert (answer.status, len(listing.asked)) == (200, calls)
        assert "Warning" not in answer.headers


async def test_without_a_time_every_question_is_asked(
    open_house: OpenHouse, listing: FakeUpstream
) -> None:
    house = await open_house(listing.url, catalog={"ttl_s": 0})
    for calls in (1, 2, 3):
        assert (await house.ask_json("GET", "/v1/category")).status == 200
        assert len(listing.asked) == calls


async def test_a_new_time_counts_at_once(open_house: OpenHouse, listing: FakeUpstream) -> None:
    house = await open_house(listing.url, catalog={"ttl_s": 3600})
    await house.ask_json("GET", "/v1/category")
    house.clock.skip(100)
    settings = house.gateway.settings
    shorter = settings.catalog.model_copy(update={"ttl_s": 60.0})
    house.gateway.reload(settings.model_copy(update={"catalog": shorter}))
    await house.ask_json("GET", "/v1/category")
    assert len(listing.asked) == 2


async def test_other_questions_do_not_wait_for_each_other(
    house: House, listing: FakeUpstream
) -> None:
    held = asyncio.Event()
    listing.lists["/v1/products"] = after(held, LISTS["/v1/products"])
    waiting = asyncio.create_task(house.ask_json("GET", "/v1/products"))
    await eventually(lambda: listing.asked)
    assert (await house.ask_json("GET", "/v1/category")).status == 200
    assert not waiting.done()
    held.set()
    assert (await waiting).status == 200


# -- whose list


async def test_a_list_belongs_to_the_key_under_which_it_was_heard(
    house: House, listing: FakeUpstream
) -> None:
    await house.add("kios")
    await house.add("cabang", upstream_key="upstream-key-of-toko")

    async def by_key(asked: Asked) -> Any:
        return await answers([product(f"of-{asked.buyer}", 1)])(asked)

    listing.lists["/v1/products"] = by_key
    for code, key in (("toko", "toko"), ("kios", "kios"), ("cabang", "toko"), ("toko", "toko")):
        answer = await house.ask_json("GET", "/v1/products", reseller=code)
        assert f'"of-{key}"' in answer.text
    assert len(listing.asked) == 2
    # A new key is a new customer of the upstream's, with prices of its own.
    await house.gateway.desk.resellers.change("toko", upstream_key="another-key")
    assert '"of-key"' in (await house.ask_json("GET", "/v1/products")).text
    listing.lists["/v1/products"] = drops
    answer = await house.ask_json("GET", "/v1/products", reseller="kios")
    assert '"of-kios"' in answer.text


async def test_another_key_does_not_see_a_stale_list_either(
    house: House, listing: FakeUpstream
) -> None:
    await house.ask_json("GET", "/v1/products")
    await house.add("kios")
    listing.lists["/v1/products"] = drops
    unreachable(await house.ask_json("GET", "/v1/products", reseller="kios"))


@pytest.mark.parametrize("target", [*ROUTES, "/v1/user"])
async def test_what_is_known_is_told_to_who_may_ask(
    house: House, listing: FakeUpstream, target: str
) -> None:
    assert (await house.ask_json("GET", target)).status == 200
    listing.asked.clear()
    for key in ("wrong", ""):
        answer = await house.ask_json("GET", target, Authorization=key)
        envelope(answer, 404, "API_KEY_NOT_FOUND", "Not Found")
    envelope(await house.get(target), 404, "API_KEY_NOT_FOUND", "Not Found")
    resellers = house.gateway.desk.resellers
    await resellers.change("toko", allow_ips=["203.0.113.7"])
    envelope(await house.ask_json("GET", target), 403, "IP_NOT_WHITELISTED", "Forbidden")
    await resellers.change("toko", allow_ips=[], suspended=True)
    envelope(await house.ask_json("GET", target), 403, "RESELLER_SUSPENDED", "Forbidden")
    assert listing.asked == []


async def test_who_has_no_upstream_key_is_told_so(
    open_house: OpenHouse, listing: FakeUpstream
) -> None:
    house = await open_house(listing.url, reseller={"upstream_key": None})
    for target in (*ROUTES, "/v1/user"):
        envelope(await house.ask_json("GET", target), 403, "RESELLER_SUSPENDED", "Forbidden")
    assert listing.asked == []


# -- while the upstream is down


@down
async def test_while_the_upstream_is_down_the_last_list_is_told_and_said_to_be_stale(
    house: House, listing: FakeUpstream, trouble: Answerer
) -> None:
    first = await house.ask_json("GET", "/v1/products")
    house.clock.skip(61)
    listing.lists["/v1/products"] = trouble
    for _ in range(2):
        answer = await house.ask_json("GET", "/v1/products")
        assert (answer.status, answer.text) == (200, first.text)
        assert answer.headers["Warning"] == STALE
    listing.lists["/v1/products"] = prices(NEW=1)
    answer = await house.ask_json("GET", "/v1/products")
    assert '"NEW"' in answer.text
    assert "Warning" not in answer.headers


@down
async def test_with_nothing_to_tell_the_upstream_is_unreachable(
    house: House, listing: FakeUpstream, trouble: Answerer
) -> None:
    for target, path in ROUTES.items():
        listing.lists[path] = trouble
        unreachable(await house.ask_json("GET", target))
    listing.lists["/v1/user"] = trouble
    unreachable(await house.ask_json("GET", "/v1/user"))


async def test_an_answer_about_one_product_has_the_limit_of_an_order(
    house: House, listing: FakeUpstream
) -> None:
    listing.lists["/v1/product"] = answers({"x": "x" * MAX_BODY_BYTES})
    unreachable(await house.ask_json("GET", "/v1/product?product_code=A"))
    listing.lists["/v1/user"] = answers({"x": "x" * MAX_BODY_BYTES})
    unreachable(await house.ask_json("GET", "/v1/user"))


async def test_a_stale_list_does_not_wait_long_and_the_call_goes_on(
    house: House, listing: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "STALE_AFTER_S", 0.8)
    await house.ask_json("GET", "/v1/products")
    house.clock.skip(61)
    held = asyncio.Event()
    listing.lists["/v1/products"] = after(held, prices(NEW=1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await house.ask_json("GET", "/v1/products")
    assert answer.headers["Warning"] == STALE
    assert loop.time() - began > 0.75
    # Who comes later does not begin to wait anew.
    began = loop.time()
    for _ in range(5):
        assert "Warning" in (await house.ask_json("GET", "/v1/products")).headers
    assert loop.time() - began < 2, "not five times as long"
    assert len(listing.asked) == 2
    held.set()

    async def is_new() -> bool:
        return "Warning" not in (await house.ask_json("GET", "/v1/products")).headers

    await eventually(is_new)
    assert len(listing.asked) == 2


async def test_with_nothing_to_tell_who_asks_waits_as_long_as_for_an_order(
    open_house: OpenHouse, listing: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "STALE_AFTER_S", 0.05)
    house = await open_house(listing.url, server={"reply_timeout_s": 0.6})
    held = asyncio.Event()
    listing.lists["/v1/products"] = after(held, LISTS["/v1/products"])
    loop = asyncio.get_running_loop()
    began = loop.time()
    unreachable(await house.ask_json("GET", "/v1/products"))
    assert 0.5 < loop.time() - began < 5
    asyncio.get_running_loop().call_later(0.2, held.set)
    assert (await house.ask_json("GET", "/v1/products")).status == 200
    assert len(listing.asked) == 1


async def test_who_hangs_up_takes_nothing_from_who_waits(
    house: House, listing: FakeUpstream
) -> None:
    held = asyncio.Event()
    listing.lists["/v1/products"] = after(held, LISTS["/v1/products"])
    gone = asyncio.create_task(house.ask_json("GET", "/v1/products"))
    await eventually(lambda: listing.asked)
    waiting = asyncio.create_task(house.ask_json("GET", "/v1/products"))
    await asyncio.sleep(0.05)
    gone.cancel()
    await asyncio.sleep(0.05)
    held.set()
    assert (await waiting).status == 200
    assert len(listing.asked) == 1


async def test_a_stop_waits_for_a_list_that_somebody_waits_for(
    house: House, listing: FakeUpstream
) -> None:
    held = asyncio.Event()
    listing.lists["/v1/products"] = after(held, LISTS["/v1/products"])
    waiting = asyncio.create_task(house.ask_json("GET", "/v1/products"))
    await eventually(lambda: listing.asked)
    stopping = asyncio.create_task(house.gateway.stop())
    await asyncio.sleep(0.1)
    held.set()
    assert (await waiting).status == 200
    await stopping
    house._stopped = True
    await house._client.close()


# -- the user


async def test_the_user_is_the_upstreams_own_and_its_saldo_is_seen(
    house: House, listing: FakeUpstream
) -> None:
    answer = await house.ask_json("GET", "/v1/user")
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert answer.text == await body_of(LISTS["/v1/user"])
    (asked,) = listing.asked
    assert asked.headers["Authorization"] == "upstream-key-of-toko"
    assert (await house.gateway.desk.resellers.show("toko"))["saldo"] == 123123
    assert house.gateway.directory.saldo("toko") == 123123
    # It is not kept: a balance of a minute ago is no balance.
    await house.ask_json("GET", "/v1/user")
    assert len(listing.asked) == 2


async def test_a_user_without_a_balance_is_told_on(house: House, listing: FakeUpstream) -> None:
    listing.lists["/v1/user"] = answers({"user_name": "x", "user_balance": None})
    assert (await house.ask_json("GET", "/v1/user")).status == 200
    assert (await house.gateway.desk.resellers.show("toko"))["saldo"] is None


async def test_a_user_that_is_refused_is_told_on(house: House, listing: FakeUpstream) -> None:
    listing.lists["/v1/user"] = refuses("API_KEY_NOT_FOUND")
    envelope(await house.ask_json("GET", "/v1/user"), 404, "API_KEY_NOT_FOUND", "Not Found")


async def test_equal_users_share_one_call_and_the_line_has_its_own(
    house: House, listing: FakeUpstream
) -> None:
    held = asyncio.Event()
    listing.lists["/v1/user"] = after(held, LISTS["/v1/user"])
    listing.user = after(held, responds("Budi. b@toko.id. plan GOLD. balance 123123"))
    asking = [asyncio.create_task(house.ask_json("GET", "/v1/user")) for _ in range(10)]
    lines = [asyncio.create_task(house.user()) for _ in range(10)]
    await eventually(lambda: listing.now == 2)
    await stays(lambda: len(listing.asked), 2, 0.1)
    held.set()
    assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
    assert set(await asyncio.gather(*lines)) == {"Budi. b@toko.id. plan GOLD. balance 123123"}
    assert len(listing.asked) == 2
    reseller = house.gateway.directory.by_code("toko")
    assert reseller is not None
    assert await house.gateway.account.saldo(reseller) == 123123


async def test_both_forms_of_the_user_count_together(
    house: House, listing: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "MAX_ASKING", 1)
    held = asyncio.Event()
    listing.user = after(held, responds("Budi. b@toko.id. plan GOLD. balance 1"))
    line = asyncio.create_task(house.user())
    await eventually(lambda: listing.now)
    envelope(await house.ask_json("GET", "/v1/user"), 503, "BUSY", "Service Unavailable")
    held.set()
    assert (await line).startswith("Budi")


async def test_a_journal_that_is_away_can_not_see_a_saldo(
    house: House, listing: FakeUpstream
) -> None:
    await house.break_journal()
    envelope(await house.ask_json("GET", "/v1/user"), 503, "BUSY", "Service Unavailable")
    assert (await house.ask_json("GET", "/v1/products")).status == 200, "a list needs no journal"
    await house.break_journal(broken=False)


# -- methods, log


@pytest.mark.parametrize("path", ["/v1/user", "/v1/products", "/v1/category", "/v1/product"])
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
async def test_other_methods_are_refused_in_the_dialects_form(
    house: House, listing: FakeUpstream, method: str, path: str
) -> None:
    if (method, path) == ("POST", "/v1/products"):
        return
    answer = await house.ask_json(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (405, JSON)
    if method != "HEAD":
        envelope(answer, 405, "METHOD_NOT_ALLOWED", "Method Not Allowed")
    assert listing.asked == []


async def test_each_request_is_one_event_and_holds_no_stranger_s_word(
    house: House, listing: FakeUpstream
) -> None:
    await house.ask_json("GET", f"/v1/products?category_id={house.keys['toko']}")
    await house.ask_json("GET", "/v1/category")
    listing.lists["/v1/category"] = drops
    house.clock.skip(61)
    await house.ask_json("GET", "/v1/category")
    listing.lists["/v1/product"] = drops
    await house.ask_json("GET", f"/v1/product?product_code={house.keys['toko']}")
    (products,) = house.log.events("products.answered")
    assert (products["reseller"], products["outcome"]) == ("toko", "HTTP 200")
    outcomes = [event["outcome"] for event in house.log.events("category.answered")]
    assert outcomes == ["HTTP 200", "stale"]
    (one,) = house.log.events("product.answered")
    assert one["outcome"].startswith("UPSTREAM_UNREACHABLE")
    paths = [event["path"] for event in house.log.events("catalog.unheard")]
    assert paths == ["/v1/category", "/v1/product"]
