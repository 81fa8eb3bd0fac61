"""An upstream that hangs, and what waits for it: bounded, fair, bought once, answered soon."""

import asyncio
from collections import Counter
from itertools import pairwise

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.turns import Turn
from gateway.flow import submission
from tests.support import (
    Asked,
    FakeUpstream,
    House,
    OpenHouse,
    after,
    eventually,
    invoice,
    refuses,
    says,
    stays,
)

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
PENDING = "R#{trx_id} S1_1187.{user_id}, status PENDING. RefId : ML_1 . Sisa saldo 5"
WAITS = "R#{} S1_1187.123456789, status PENDING. Sedang diproses"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "TURN_S", 0.2)


def hold(upstream: FakeUpstream) -> asyncio.Event:
    """Let the upstream take orders and not answer, until the event is set."""
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    return gate


async def test_what_waits_for_its_turn_is_pending_soon_and_bought_once(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: upstream.orders)
    loop = asyncio.get_running_loop()
    began = loop.time()
    equal = await asyncio.gather(*(house.order("A2") for _ in range(10)))
    assert loop.time() - began < 5, "long before reply_timeout_s"
    assert set(equal) == {WAITS.format("A2")}
    assert house.gateway.submission.turns.pop() == (2, 1)
    house.gateway.submission.turns.add("toko", Turn(2, 1))
    # Used from now on: v3 hears the journal, v1 is refused, and nobody asks the upstream.
    assert await house.order("A2") == WAITS.format("A2")
    assert "DUPLICATE_TRX_ID" in await house.order("A2", version=1)
    assert ", status PENDING. " in await house.status("A2")
    assert upstream.look_ups == []
    gate.set()
    assert ", status SUCCESS. Budi" in await first
    await house.becomes("SUCCESS", "toko-A2")
    assert [asked.trx_id for asked in upstream.orders] == ["toko-A1", "toko-A2"]


async def test_a_turn_that_comes_soon_is_answered_with_the_reply(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    waiting = [asyncio.create_task(house.order("A1" if n else "A0")) for n in range(6)]
    await eventually(lambda: len(house.gateway.submission.turns) == 1)
    gate.set()
    for answer in await asyncio.gather(*waiting):
        assert ", status SUCCESS. Budi" in answer
    assert len(upstream.orders) == 2


async def test_a_hanging_upstream_is_waited_for_without_tasks_and_loses_no_order(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 3}, recheck={"expire_s": 60})
    waiting = [asyncio.create_task(house.order(str(number))) for number in range(150)]
    await asyncio.wait(waiting[3:])
    assert len(house.gateway.submission.turns) == 147
    assert len(house.gateway.submission.in_flight) == 3
    assert len(house.gateway.intake._flights) == 3, "the others have no task"
    assert house.gateway.submission._hopeful == {}
    assert len(house.gateway.submission._tasks._tasks) == 0
    assert len(upstream.orders) == 3
    gate.set()
    await eventually(lambda: house.gateway.settlement.open_orders == 0)
    assert set(Counter(asked.trx_id for asked in upstream.orders).values()) == {1}
    assert {shown["status"] for shown in await house.orders()} == {"SUCCESS"}
    assert len(upstream.orders) == 150
    assert upstream.at_once == 3


async def test_only_so_many_panels_are_kept_waiting_for_a_turn(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "TURN_S", 20)
    monkeypatch.setattr(submission, "MAX_HOPEFUL", 2)
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    waiting = [asyncio.create_task(house.order(str(number))) for number in range(10)]
    done, kept = await asyncio.wait(waiting, timeout=1)
    assert (len(done), len(kept)) == (7, 3)
    gate.set()
    assert all(", status SUCCESS. " in answer for answer in await asyncio.gather(*kept))


async def test_a_free_slot_goes_to_each_reseller_in_turn(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    await house.add("kios")
    await house.add("warung")
    turns = house.gateway.submission.turns
    asked = [asyncio.create_task(house.order("first"))]
    await eventually(lambda: upstream.orders)
    for number, reseller in enumerate(["toko"] * 6 + ["kios"] * 2 + ["warung"]):
        asked.append(asyncio.create_task(house.order(str(number), reseller=reseller, dest="1")))
        await eventually(lambda: len(turns) == len(asked) - 1)
    gate.set()
    await asyncio.gather(*asked)
    await eventually(lambda: len(upstream.orders) == 10)
    codes = [asked.trx_id.partition("-")[0] for asked in upstream.orders[1:]]
    assert codes == ["toko", "kios", "warung", "toko", "kios", "toko", "toko", "toko", "toko"]


async def test_a_send_that_waits_longer_than_a_send_may_take_is_not_taken_for_dead(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    upstream.look_up = refuses("INVOICE_NOT_FOUND")
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: upstream.orders)
    assert await house.order("A2") == WAITS.format("A2")
    # As if a slot had still been free when it was journaled: its date is that of any send.
    order = await house.gateway.desk.orders.find("toko-A2")
    sql = "UPDATE orders SET due_at = placed_at + 40000 WHERE id = ?"
    await house.on_journal(lambda connection: connection.execute(sql, (order.id,)))
    house.skip(300)  # more than any lease, less than expire_s

    async def put_off() -> bool:
        now = await house.gateway.store.order(order.id)
        return now.sending and (now.due_at or 0) > house.clock() + 600_000

    await eventually(put_off)
    await stays(lambda: len(upstream.look_ups), 0, 0.3)
    gate.set()
    await first
    shown = await house.becomes("SUCCESS", "toko-A2")
    assert shown["sends"] == 1
    assert [asked.trx_id for asked in upstream.orders] == ["toko-A1", "toko-A2"]


async def test_what_waits_beyond_its_time_is_failed_and_never_left(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: upstream.orders)
    for number in range(5):
        assert ", status PENDING. " in await house.order(f"B{number}")
    house.skip(601)
    gate.set()
    await first
    for number in range(5):
        shown = await house.becomes("FAILED", f"toko-B{number}")
        assert shown["note"].startswith("UPSTREAM_UNREACHABLE - ")
    assert [asked.trx_id for asked in upstream.orders] == ["toko-A1"]


async def test_a_further_send_waits_for_its_turn_too_and_leaves_once(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    calls: Counter[str] = Counter()

    async def order(asked: Asked) -> web.StreamResponse:
        calls[asked.trx_id] += 1
        if asked.trx_id == "toko-A1":
            await gate.wait()
        elif calls[asked.trx_id] == 1:
            return await refuses("SERVER_ERROR", 500)(asked)
        return await says(SUCCESS)(asked)

    upstream.order = order
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    assert ", status PENDING. " in await house.order("A2")
    first = asyncio.create_task(house.order("A1"))
    await eventually(lambda: calls["toko-A1"] == 1)
    await eventually(lambda: len(house.gateway.submission.turns) == 1)
    # An earlier send of it may have arrived, so it is looked up although it waits.
    looked_up = len(upstream.look_ups)
    house.skip(3)
    assert ", status PENDING. " in await house.order("A2")
    assert len(upstream.look_ups) > looked_up
    await stays(lambda: calls["toko-A2"], 1, 0.3)
    gate.set()
    await first
    assert (await house.becomes("SUCCESS", "toko-A2"))["sends"] == 2
    assert calls == {"toko-A1": 1, "toko-A2": 2}


async def test_a_stop_gives_no_more_turns_and_the_next_start_takes_up_what_waited(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    upstream.look_up = refuses("INVOICE_NOT_FOUND")
    house = await open_house(upstream.url, upstream={"max_in_flight": 1})
    async with aiohttp.ClientSession() as panel:

        async def ask() -> str:
            async with panel.get(house.url + house.order_target("A1")) as response:
                return await response.text()

        first = asyncio.create_task(ask())
        await eventually(lambda: upstream.orders)
        for number in range(4):
            assert ", status PENDING. " in await house.order(f"B{number}")
        stopping = asyncio.create_task(house.stop())
        await eventually(lambda: house.gateway.gate.draining)
        gate.set()
        assert ", status SUCCESS. Budi" in await first
        await stopping
    assert [asked.trx_id for asked in upstream.orders] == ["toko-A1"]
    again = await open_house(upstream.url)
    for number in range(4):
        await again.becomes("SUCCESS", f"toko-B{number}")
    bought = Counter(asked.trx_id for asked in upstream.orders)
    assert bought == {"toko-A1": 1, **{f"toko-B{number}": 1 for number in range(4)}}


async def test_a_final_reply_is_said_when_it_is_journaled_and_pending_at_once(
    house: House, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.look_up = invoice("PENDING", "RefId : ML_1")

    async def order(asked: Asked) -> web.StreamResponse:
        await gate.wait()
        return await says(PENDING if asked.trx_id == "toko-P" else SUCCESS)(asked)

    upstream.order = order
    pending = asyncio.create_task(house.get(house.order_target("P")))
    final = asyncio.create_task(house.get(house.order_target("S")))
    await eventually(lambda: upstream.now == 2)
    await house.break_journal()
    gate.set()
    assert (
        await pending
    ).text == "R#P S1_1187.123456789, status PENDING. RefId : ML_1 . Sisa saldo 5"
    await stays(final.done, False, 0.3)
    await house.break_journal(broken=False)
    assert ", status SUCCESS. Budi . Sisa saldo 5" in (await final).text
    await house.replies_journaled()
    assert (await house.shown("toko-P"))["note"] == "RefId : ML_1"


async def test_the_order_of_arrival_is_the_order_of_turns(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    gate = hold(upstream)
    house = await open_house(upstream.url, upstream={"max_in_flight": 2})
    waiting = [asyncio.create_task(house.order(f"{number:02}")) for number in range(30)]
    await asyncio.wait(waiting[2:])
    gate.set()
    await eventually(lambda: len(upstream.orders) == 30)
    ids = [shown["trx_id"] for shown in reversed(await house.orders())]
    rank = {f"toko-{name}": place for place, name in enumerate(ids)}
    came = [rank[asked.trx_id] for asked in upstream.orders]
    assert all(later - earlier >= -1 for earlier, later in pairwise(came)), "but for two at once"
