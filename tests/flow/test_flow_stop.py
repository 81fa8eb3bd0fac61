"""Going down, coming back, and leaving nothing behind (contract §12, T13)."""

import asyncio
import sqlite3
import threading

import aiohttp
import pytest
from blockbuster import blockbuster_ctx

from gateway.app import Gateway, open_journal
from gateway.store import JournalInUse
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    drops,
    eventually,
    invoice,
    says,
)
from tests.support.panel import answers

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
CALM = {"schedule_s": [3600]}


async def stop_within(house: House, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await house.stop()
    assert loop.time() - began < seconds


async def test_orders_in_flight_are_finished_and_answered(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url)
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    async with aiohttp.ClientSession() as panel:

        async def ask(trx_id: str) -> str:
            async with panel.get(house.url + house.order_target(trx_id)) as response:
                return await response.text()

        waiting = [asyncio.create_task(ask(str(number))) for number in range(5)]
        await eventually(lambda: upstream.now == 5)
        stopping = asyncio.create_task(house.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", house.port)
        gate.set()
        lines = await asyncio.gather(*waiting)
        assert lines == [
            f"R#{n} S1_1187.123456789, status SUCCESS. Budi . Sisa saldo 5" for n in range(5)
        ]
        await stopping
    assert len(upstream.orders) == 5


async def test_a_hanging_upstream_does_not_keep_it_and_the_order_is_taken_up_again(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(
        upstream.url,
        server={"reply_timeout_s": 0.5},
        upstream={"timeout_s": 60},
        reseller={"callback_url": panel.url},
    )
    never = asyncio.Event()
    upstream.order = upstream.look_up = after(never, says(SUCCESS))
    assert ", status PENDING. " in await house.order()
    keys = dict(house.keys)
    await stop_within(house, 5.5)
    upstream.order, upstream.look_up = says(SUCCESS), invoice("SUCCESS", "Budi")
    again = await open_house(upstream.url)
    again.keys = keys
    shown = await again.becomes("SUCCESS")
    assert (shown["sends"], shown["note"]) == (1, "Budi")
    assert len(upstream.orders) == 1
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    never.set()


async def test_a_hanging_panel_does_not_keep_it_and_hears_of_it_after_the_next_start(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(
        upstream.url, delivery={"timeout_s": 60}, reseller={"callback_url": panel.url}
    )
    never = asyncio.Event()
    panel.reply = answers(200, after=never)
    upstream.order = says(SUCCESS)
    await house.order()
    await eventually(lambda: panel.now == 1)
    await stop_within(house, 5)
    panel.reply = answers(200)
    again = await open_house(upstream.url)
    await eventually(lambda: len(panel.targets) == 2)
    assert len(set(panel.targets)) == 1

    async def delivered() -> bool:
        return len(await again.deliveries("delivered")) == 1

    await eventually(delivered)
    never.set()


async def test_a_slow_sender_does_not_keep_it(house: House) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"GET /v3/otomax/order?apik")
    await writer.drain()
    await stop_within(house, 4)
    writer.close()


async def test_an_idle_gateway_stops_at_once_and_leaves_nothing(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    house = await open_house(upstream.url, reseller={"callback_url": panel.url})
    upstream.order = says(SUCCESS)
    await asyncio.gather(*(house.order(str(number)) for number in range(10)))
    await eventually(lambda: len(panel.targets) == 10)
    await stop_within(house, 3)
    await asyncio.sleep(0.05)
    ours = {task for task in asyncio.all_tasks() - tasks if "gateway" in repr(task.get_coro())}
    assert ours == set()
    assert threading.active_count() <= threads
    folder = house.gateway.settings.key_path().parent
    assert {path.name for path in folder.iterdir()} <= {
        *("gateway.db", "gateway.db-wal", "gateway.db-shm", "gateway.db.lock", "secret.key")
    }


async def test_the_journal_is_whole_after_a_stop(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await asyncio.gather(*(house.order(str(number)) for number in range(20)))
    await house.stop()
    with sqlite3.connect(house.gateway.settings.key_path().parent / "gateway.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM orders").fetchall() == [(20,)]
    db.close()


async def test_what_was_open_is_looked_up_after_a_start(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, reseller={"callback_url": panel.url})
    upstream.order = drops
    upstream.look_up = drops
    await asyncio.gather(*(house.order(str(number)) for number in range(10)))
    await house.stop()
    sent = len(upstream.orders)
    upstream.look_up = invoice("SUCCESS", "Budi")
    again = await open_house(upstream.url)
    await eventually(lambda: panel.statuses == ["SUCCESS"] * 10)
    assert len(upstream.orders) == sent
    assert again.gateway.settlement.open_orders == 0


async def test_the_count_of_open_orders_survives_a_start(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await house.order("1")
    await house.order("2")
    keys = dict(house.keys)
    await house.stop()
    again = await open_house(upstream.url, recheck=CALM, limits={"max_open_orders": 2})
    again.keys = keys
    assert ", status ERROR. BUSY - " in await again.order("3")
    assert ", status PENDING. " in await again.order("1")


async def test_keys_sealed_in_one_run_open_in_the_next(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await house.order("1")
    token, keys = house.token("toko-1"), dict(house.keys)
    await house.stop()
    again = await open_house(upstream.url, recheck=CALM)
    again.keys = keys
    assert again.token("toko-1") == token
    assert await again.call_back("SUCCESS", "toko-1", token=token) == 200
    assert ", status SUCCESS. " in await again.order("1")
    await again.order("2")
    assert upstream.orders[-1].query["apikey"] == "upstream-key-of-toko"


async def test_a_second_gateway_on_the_journal_is_refused(house: House) -> None:
    with pytest.raises(JournalInUse):
        await open_journal(house.gateway.settings)
    assert ", status PENDING. " in await house.order()


async def test_a_start_that_fails_gives_everything_back(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url)
    settings = house.gateway.settings.model_copy(
        update={
            "storage": house.gateway.settings.storage.model_copy(
                update={"url": "sqlite:///other.db"}
            )
        }
    )
    gateway = await Gateway.open(settings)
    try:
        with pytest.raises(OSError, match="in use"):
            await gateway.start()  # the port is the first one's
    finally:
        await gateway.stop()
    journal = await open_journal(settings)
    await journal.store.close()


async def test_nothing_blocks_the_loop_while_orders_come_and_go(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, reseller={"callback_url": panel.url})
    upstream.order = says(SUCCESS)
    await house.order("0")
    with blockbuster_ctx("gateway"):
        await asyncio.gather(*(house.order(str(number)) for number in range(20)))
        await house.call_back("REFUNDED", "toko-1")
        await house.status("2")
        await house.user()
        await house.order("bad", "1,2")
        await eventually(lambda: len(panel.targets) == 21)
