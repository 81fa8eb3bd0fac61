"""What is asked beyond a bound: said at once or a little later, never heaped up, and fairly."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from gateway.flow import account, intake, recheck, relay
from tests.support import (
    MANY_AT_ONCE,
    Asked,
    FakeUpstream,
    OpenHouse,
    Panel,
    after,
    eventually,
    invoice,
    responds,
    says,
    stays,
)

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
CALM = {"schedule_s": [3600]}


# -- refusals


async def test_a_refusal_over_a_limit_is_said_late_so_a_flood_slows_itself_down(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REFUSED_AFTER_S", 0.5)
    upstream.order = says(SUCCESS)
    house = await open_house(upstream.url, limits={"orders_per_s": 1})
    assert ", status SUCCESS" in await house.order("0")
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.9
    said: list[str] = []

    async def flood(connection: int) -> None:
        while loop.time() < until:
            said.append(await house.order(f"{connection}.{len(said)}"))

    began = loop.time()
    flooding = [asyncio.create_task(flood(number)) for number in range(8)]
    # What was used before is answered meanwhile, at once.
    await asyncio.sleep(0.1)
    assert ", status SUCCESS" in await house.order("0")
    assert loop.time() - began < 0.4
    await asyncio.gather(*flooding)
    refused = [line for line in said if ", status ERROR. RATE_LIMITED - " in line]
    assert 8 <= len(refused) <= 16, "two rounds of eight, not thousands"
    assert house.gateway.intake._refused == 0


async def test_only_so_many_wait_for_their_refusal(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REFUSED_AFTER_S", 20)
    monkeypatch.setattr(intake, "MAX_REFUSED", 2)
    house = await open_house(upstream.url, limits={"orders_per_s": 1})
    await house.order("0")
    asked = [asyncio.create_task(house.order(str(number))) for number in range(1, 8)]
    done, late = await asyncio.wait(asked, timeout=0.5)
    assert (len(done), len(late)) == (5, 2)
    assert all("RATE_LIMITED" in task.result() for task in done)
    for task in late:
        task.cancel()
    await asyncio.wait(late)


# -- on the way into the journal


async def test_a_journal_that_hangs_is_not_heaped_up_before(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_ARRIVING", 3)
    upstream.order = says(SUCCESS)
    house = await open_house(upstream.url)
    loop, hangs = asyncio.get_running_loop(), asyncio.Event()

    def hang(_: object) -> None:
        asyncio.run_coroutine_threadsafe(hangs.wait(), loop).result()

    blocked = asyncio.create_task(house.on_journal(hang))
    await asyncio.sleep(0.05)
    asked = [asyncio.create_task(house.order(str(number))) for number in range(10)]
    done, arriving = await asyncio.wait(asked, timeout=0.6)
    assert (len(done), len(arriving)) == (7, 3)
    assert all(", status ERROR. BUSY - " in task.result() for task in done)
    hangs.set()
    await blocked
    assert all(", status SUCCESS" in line for line in await asyncio.gather(*arriving))
    assert len(upstream.orders) == len(await house.orders()) == 3
    assert house.gateway.intake._arriving == 0
    assert ", status SUCCESS" in await house.order("later")


# -- look-ups for panels


async def test_a_resellers_panels_ask_for_half_of_what_is_left(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "MAX_ASKED", 8)
    house = await open_house(upstream.url, recheck=CALM, upstream=MANY_AT_ONCE)
    await house.add("kios")
    await asyncio.gather(
        *(house.order(str(n), reseller=code) for n in range(20) for code in ("toko", "kios"))
    )
    gate = asyncio.Event()
    upstream.look_up = after(gate, invoice("SUCCESS", "Budi"))
    asking = [asyncio.create_task(house.status(str(number))) for number in range(20)]
    done, _ = await asyncio.wait(asking, timeout=0.5)
    assert len(done) == 16, "the others hear what the journal holds"
    assert all(", status PENDING. RefId : ML_1" in task.result() for task in done)
    asking += [asyncio.create_task(house.status(str(n), reseller="kios")) for n in range(20)]
    await eventually(lambda: len(upstream.look_ups) == 6)
    await stays(lambda: len(upstream.look_ups), 6, 0.2)
    codes = Counter(asked.trx_id.partition("-")[0] for asked in upstream.look_ups)
    assert codes == {"toko": 4, "kios": 2}
    gate.set()
    said = await asyncio.gather(*asking)
    assert sum(", status SUCCESS. Budi" in line for line in said) == 6
    assert house.gateway.recheck._panels == {}
    assert ", status SUCCESS. Budi" in await house.status("19"), "there is room again"


async def test_what_was_called_back_is_looked_up_before_what_merely_stays_open(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback FAILED waits for its look-up; a hundred orders of another are always due."""
    monkeypatch.setattr(recheck, "MAX_LOOKUPS", 2)
    house = await open_house(upstream.url, recheck={"schedule_s": [0.1]})
    await house.add("kios")
    pending, failed = invoice("PENDING", "RefId : ML_1"), invoice("FAILED", "Stok habis")
    names = [f"K{number}" for number in range(5)]
    called_back = False

    async def look_up(asked: Asked) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        is_failed = called_back and asked.trx_id.startswith("kios-")
        return await (failed if is_failed else pending)(asked)

    upstream.look_up = look_up
    await asyncio.gather(*(house.order(str(number)) for number in range(100)))
    await asyncio.gather(*(house.order(name, reseller="kios") for name in names))
    await eventually(lambda: len(upstream.look_ups) > 10)
    upstream.asked.clear()
    called_back = True
    await asyncio.gather(*(house.call_back("FAILED", f"kios-{name}") for name in names))
    for name in names:
        await house.becomes("FAILED", f"kios-{name}")
    asked_for = [asked.trx_id for asked in upstream.look_ups]
    assert all(asked_for.index(f"kios-{name}") < 20 for name in names), asked_for
    assert len(house.gateway.recheck._news) == 0


async def test_the_memory_of_look_ups_has_an_end(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "MAX_REMEMBERED", 3)
    house = await open_house(upstream.url, recheck=CALM)
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    for number in range(6):
        await house.order(str(number))
        await house.status(str(number))
    assert len(house.gateway.recheck._asked_at) == 3


# -- accounts


async def test_only_so_many_accounts_are_asked_about_at_a_time(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "MAX_ASKING", 2)
    house = await open_house(upstream.url)
    codes = ["toko", "kios", "warung"]
    for code in codes[1:]:
        await house.add(code)
    gate = asyncio.Event()
    upstream.user = after(gate, responds("Budi. budi@toko.id. plan GOLD. balance 5"))
    asking = [asyncio.create_task(house.user(code)) for code in codes[:2] for _ in range(5)]
    await eventually(lambda: upstream.now == 2)
    assert (await house.user("warung")).startswith("status ERROR. BUSY - ")
    gate.set()
    said = await asyncio.gather(*asking)
    assert set(said) == {"Budi. budi@toko.id. plan GOLD. balance 5"}
    assert len(upstream.users) == 2
    assert (await house.user("warung")).startswith("Budi. ")


# -- looks into the outbox


async def test_orders_that_end_one_by_one_are_looked_for_together(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_NOT_WITHIN_S", 0.2)
    upstream.order = says(SUCCESS)
    house = await open_house(upstream.url)
    looks: list[float] = []
    loop, store = asyncio.get_running_loop(), house.gateway.store
    look = store.due_deliveries

    async def counted(*args: Any) -> Any:
        looks.append(loop.time())
        return await look(*args)

    monkeypatch.setattr(store, "due_deliveries", counted)
    began = loop.time()
    for number in range(60):
        await house.order(str(number))
    await asyncio.sleep(0.3)
    took_s = loop.time() - began
    assert 1 <= len(looks) <= 3 + took_s * 8, "not one for each of sixty"
    await house.order("told", callback_url=panel.url)
    await eventually(lambda: panel.statuses == ["SUCCESS"])
