"""The lists that are kept, and the calls for them: every bound, and who leaves first."""

import asyncio
from collections import Counter

import pytest

from gateway.flow import catalog, shelf
from gateway.flow.shared import Shared
from gateway.flow.shelf import Held, Shelf
from gateway.protocol.json_api import Answer
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    after,
    answers,
    drops,
    eventually,
    prices,
    stays,
)

TARGET = "/v1/product?product_code={}"
STALE = '110 - "Response is Stale"'


def held(body: bytes = b"{}", asked_at: int = 0) -> Held:
    return Held(Answer(200, body), asked_at)


# -- what is kept


def test_what_was_used_longest_ago_leaves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_KEPT", 3)
    kept = Shelf()
    for name in "abc":
        kept.put((name, "/"), held())
    kept.get(("a", "/"))
    kept.put(("b", "/"), held(asked_at=7))
    kept.put(("d", "/"), held())
    assert [bool(kept.get((name, "/"))) for name in "abcd"] == [True, True, False, True]
    found = kept.get(("b", "/"))
    assert found is not None
    assert found.asked_at == 7


def test_one_account_takes_no_place_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_OF_ACCOUNT", 2)
    kept = Shelf()
    kept.put(("kios", "/"), held())
    for number in range(5):
        kept.put(("toko", f"/{number}"), held())
    assert kept.get(("kios", "/"))
    assert [bool(kept.get(("toko", f"/{n}"))) for n in range(5)] == [False] * 3 + [True] * 2


def test_bytes_are_counted_of_each_account_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_BYTES", 40_000)
    monkeypatch.setattr(shelf, "MAX_BYTES_OF_ACCOUNT", 20_000)
    kept, large = Shelf(), b"x" * 8_000
    for account in ("a", "b", "c"):
        for number in range(3):
            kept.put((account, f"/{number}"), held(large))
    left = [bool(kept.get((account, f"/{n}"))) for account in "abc" for n in range(3)]
    assert left == [False] * 3 + [False, True, True] * 2
    # What is dropped or replaced is not counted any more.
    for _ in range(10):
        kept.put(("b", "/1"), held(large))
        kept.drop(("c", "/1"))
        kept.drop(("c", "/1"))
        kept.put(("c", "/1"), held(large))
    assert kept.get(("b", "/2"))
    assert kept.get(("c", "/2"))
    # One that is larger than it may be is alone, and does not stay for the next one.
    kept.put(("b", "/0"), held(b"x" * 50_000))
    assert kept.get(("b", "/0"))
    assert not kept.get(("c", "/2"))
    kept.put(("c", "/0"), held())
    assert not kept.get(("b", "/0"))
    assert kept._bytes_of.total() == sum(one.weight_bytes for one in kept._held.values())
    assert kept._count_of.total() == len(kept._held) == 1


def test_prices_weigh_as_well() -> None:
    bare, priced = held(), Held(Answer(200, b"{}"), 0, {"A": 1, "B": 2})
    assert priced.weight_bytes > bare.weight_bytes > len(b"{}")


async def test_a_question_that_was_pushed_out_is_asked_anew(
    house: House, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MAX_OF_ACCOUNT", 2)
    upstream.lists["/v1/product"] = answers({})
    for code in "ABCBCA":
        assert (await house.ask_json("GET", TARGET.format(code))).status == 200
    codes = Counter(asked.query["product_code"] for asked in upstream.asked)
    assert codes == {"A": 2, "B": 1, "C": 1}


# -- calls


async def test_calls_have_their_places_and_the_others_wait(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_CALLS", 3)
    monkeypatch.setattr(catalog, "MAX_CALLS_OF_ACCOUNT", 2)
    house = await open_house(upstream.url)
    await house.add("kios")
    gate = asyncio.Event()
    upstream.lists["/v1/product"] = after(gate, answers({}))
    asking = [asyncio.create_task(house.ask_json("GET", TARGET.format(n))) for n in range(10)]
    await eventually(lambda: upstream.now == 2)
    await stays(lambda: upstream.now, 2, 0.1)
    # Another's question is not behind the ten.
    asking += [
        asyncio.create_task(house.ask_json("GET", TARGET.format(n), reseller="kios"))
        for n in range(3)
    ]
    await eventually(lambda: upstream.now == 3)
    await stays(lambda: upstream.now, 3, 0.1)
    assert upstream.asked[2].headers["Authorization"] == "upstream-key-of-kios"
    gate.set()
    assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
    assert (len(upstream.asked), upstream.at_once) == (13, 3)


async def test_one_account_asks_for_half_of_what_is_left(
    house: House, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_QUESTIONS", 8)
    await house.add("kios")
    upstream.lists["/v1/product"] = answers({"product_code": "old"})
    assert (await house.ask_json("GET", TARGET.format("kept"))).status == 200
    house.clock.skip(61)
    gate = asyncio.Event()
    upstream.lists["/v1/product"] = after(gate, answers({}))
    asking = [asyncio.create_task(house.ask_json("GET", TARGET.format(n))) for n in range(10)]
    done, waiting = await asyncio.wait(asking, timeout=0.4)
    assert (len(done), len(waiting)) == (6, 4)
    assert {task.result().status for task in done} == {503}
    assert all('"BUSY"' in task.result().text for task in done)
    # What is known is told all the same, and another asks for half of the rest.
    assert (await house.ask_json("GET", TARGET.format("kept"))).headers["Warning"] == STALE
    others = [
        asyncio.create_task(house.ask_json("GET", TARGET.format(n), reseller="kios"))
        for n in range(5)
    ]
    done, _ = await asyncio.wait(others, timeout=0.4)
    assert len(done) == 3
    gate.set()
    said = await asyncio.gather(*waiting, *others)
    assert Counter(answer.status for answer in said) == {200: 6, 503: 3}
    assert len(house.gateway.catalog._fetching) == 0
    assert (await house.ask_json("GET", TARGET.format("9"))).status == 200, "there is room again"


async def test_a_stop_does_not_wait_for_ever(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, server={"reply_timeout_s": 0.5})
    upstream.lists["/v1/products"] = after(asyncio.Event(), prices(A=1))
    answer = await house.ask_json("GET", "/v1/products")
    assert answer.status == 502
    loop = asyncio.get_running_loop()
    began = loop.time()
    await house.stop()
    assert loop.time() - began < 3


# -- what is shared


async def test_who_waits_no_longer_ends_nothing() -> None:
    shared: Shared[str, int] = Shared()
    gate = asyncio.Event()

    async def work() -> int:
        await gate.wait()
        return 7

    loop = asyncio.get_running_loop()
    running = shared.begin("x", work())
    assert shared.get("x") is running
    assert (len(shared), list(shared), shared.get("y")) == (1, ["x"], None)
    for until in (loop.time() - 1, loop.time() + 0.02):
        with pytest.raises(TimeoutError):
            await running.outcome(until)
    waiting = asyncio.create_task(running.outcome(loop.time() + 5))
    gone = asyncio.create_task(running.outcome(loop.time() + 5))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    assert await waiting == 7
    assert gone.cancelled()
    assert await running.outcome(loop.time() - 1) == 7, "what is done needs no time"
    assert len(shared) == 0


async def test_work_that_is_ended_with_the_house_is_late() -> None:
    shared: Shared[str, None] = Shared()
    running = shared.begin("x", asyncio.sleep(60))
    waiting = asyncio.create_task(running.outcome(asyncio.get_running_loop().time() + 5))
    await asyncio.sleep(0)
    await shared.finish(0)
    with pytest.raises(TimeoutError):
        await waiting


# -- prices


async def test_a_price_is_asked_for_once_and_known_for_its_time(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.lists["/v1/products"] = prices(A=5, B=6.5)
    reseller = house.gateway.directory.by_code("toko")
    assert reseller is not None
    assert reseller.account is not None
    price = house.gateway.catalog.price
    found = await asyncio.gather(*(price(reseller.account, code, 1) for code in "ABX" * 10))
    assert found == [5, 7, None] * 10
    assert len(upstream.asked) == 1
    house.clock.skip(61)
    upstream.lists["/v1/products"] = prices(A=9)
    assert await price(reseller.account, "A", 1) == 9
    assert await price(reseller.account, "B", 1) is None
    house.clock.skip(61)
    upstream.lists["/v1/products"] = drops
    assert await price(reseller.account, "A", 1) == 9, "a stale price is better than none"
    assert await price("nobody", "A", 1) is None
