"""Where money hangs on it: the key that bought, one call to a panel, time limits, no starving."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tests.support import (
    MANY_AT_ONCE,
    Asked,
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    drops,
    eventually,
    in_turn,
    invoice,
    raw_upstream,
    refuses,
    reserved_port,
    says,
    stays,
)
from tests.support.panel import answers

FIRST, SECOND = "upstream-key-of-toko", "another-upstream-key"
PENDING = "R#{trx_id} S1_1187.{user_id}, status PENDING. RefId : ML_1 . Sisa saldo 500"
SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 999"
CALM: dict[str, Any] = {"schedule_s": [3600]}


async def change_key(house: House, code: str = "toko") -> None:
    house.secrets.add(SECOND)
    await house.gateway.desk.do("reseller.set", {"code": code, "upstream_key": SECOND})


# -- the key that bought


def sold_under_the_first_key(upstream: FakeUpstream) -> Callable[[Asked], Awaitable[Any]]:
    """The second send arrived; whoever asks under another key is shown nothing."""

    async def look_up(asked: Asked) -> web.StreamResponse:
        if asked.headers["Authorization"] == FIRST and len(upstream.orders) > 1:
            return await invoice("SUCCESS", "Budi")(asked)
        return await refuses("INVOICE_NOT_FOUND")(asked)

    return look_up


async def test_an_order_stays_with_the_key_that_it_was_first_sent_under(
    house: House, upstream: FakeUpstream, panel: Panel
) -> None:
    gate = asyncio.Event()
    upstream.order = drops
    upstream.look_up = after(gate, sold_under_the_first_key(upstream))
    assert ", status PENDING. " in await house.order(callback_url=panel.url)
    await change_key(house)
    gate.set()
    shown = await house.becomes("SUCCESS")
    assert (shown["sends"], len(upstream.orders)) == (2, 2)
    assert {asked.query["apikey"] for asked in upstream.orders} == {FIRST}
    assert {asked.headers["Authorization"] for asked in upstream.look_ups} == {FIRST}
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    upstream.order = says(SUCCESS)
    await house.order("T2")
    assert upstream.orders[-1].query["apikey"] == SECOND


async def test_a_callback_of_an_order_is_confirmed_under_its_own_key(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await house.order()
    await change_key(house)
    upstream.look_up = invoice("FAILED", "Stok habis")
    await house.call_back("FAILED")
    await house.becomes("FAILED")
    assert {asked.headers["Authorization"] for asked in upstream.look_ups} == {FIRST}


async def test_two_resellers_under_one_key_see_the_same_saldo(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await house.add("warung", upstream_key=FIRST)
    await house.add("kios", upstream_key=SECOND)
    upstream.order = says(PENDING)
    await house.order()
    upstream.order = drops
    assert (await house.order("W", reseller="warung")).endswith(" . Sisa saldo 500")
    assert (await house.order("T2")).endswith(" . Sisa saldo 500")
    assert "saldo" not in await house.order("K", reseller="kios")


async def test_a_late_reply_under_the_old_key_does_not_show_under_the_new(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    await house.add("warung", upstream_key=FIRST)
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    waiting = asyncio.create_task(house.order(callback_url=panel.url))
    await eventually(lambda: upstream.now == 1)
    await change_key(house)
    gate.set()
    assert ", status SUCCESS. Budi" in await waiting
    upstream.order = drops
    assert "saldo" not in await house.order("T2")
    assert (await house.order("W", reseller="warung")).endswith(" . Sisa saldo 999")
    await eventually(lambda: panel.told)
    assert "saldo" not in panel.told[0]["msg"]
    shown = {row["code"]: row for row in await house.gateway.desk.do("reseller.list", {})}
    assert (shown["toko"]["saldo"], shown["warung"]["saldo"]) == (None, 999)


# -- the journal is away


async def test_a_panel_is_called_once_while_the_journal_can_not_write(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, recheck=CALM)
    gate = asyncio.Event()
    upstream.order, panel.reply = says(SUCCESS), answers(200, after=gate)
    await house.order(callback_url=panel.url)
    await eventually(lambda: panel.now == 1)
    await house.break_journal()
    gate.set()
    await stays(lambda: len(panel.targets), 1, 2.6)
    assert house.log.events("delivery.unsettled")
    await house.break_journal(broken=False)

    async def delivered() -> list[dict[str, Any]]:
        return await house.deliveries("delivered")

    (delivery,) = await eventually(delivered)
    assert (delivery["attempts"], len(panel.targets)) == (1, 1)
    assert (await house.kinds()).count("told") == 1


async def test_ready_means_that_the_journal_can_write(house: House) -> None:
    for _ in range(2):
        assert (await house.get("/readyz")).status == 200
        await house.break_journal()
        for _ in range(2):
            answer = await house.get("/readyz")
            assert (answer.status, "journal" in answer.text) == (503, True)
            assert (await house.get("/healthz")).status == 200
        await house.break_journal(broken=False)
    assert (await house.get("/readyz")).status == 200


# -- time


async def test_what_never_left_is_tried_for_the_whole_time(open_house: OpenHouse) -> None:
    unreachable_s = 2.0
    line = b"R#toko-T1 S1_1187.1, status SUCCESS. a"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(line)
    with reserved_port() as port:
        house = await open_house(
            f"http://127.0.0.1:{port}", upstream={"unreachable_s": unreachable_s}
        )
        waiting = asyncio.create_task(house.order())
        await asyncio.sleep(0.8 * unreachable_s)
        assert not waiting.done()
        async with raw_upstream(lambda _, __: head + line) as real:
            server = await asyncio.start_server(
                real.serve, sock=socket.create_server(("127.0.0.1", port))
            )
            assert await waiting == "R#T1 S1_1187.1, status SUCCESS. a"
            assert len(real.heads) == 1
            server.close()


async def test_beside_a_send_that_hangs_a_repeat_asks_what_the_upstream_says(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM, server={"reply_timeout_s": 0.6})
    gate = asyncio.Event()
    upstream.order = after(gate, says(SUCCESS))
    upstream.look_up = invoice("SUCCESS", "Budi")
    assert ", status PENDING. " in await house.order()
    assert ", status ERROR. DUPLICATE_TRX_ID - " in await house.order(version=1)
    assert upstream.look_ups == []
    assert ", status SUCCESS. Budi" in await house.order()
    assert ", status ERROR. DUPLICATE_TRX_ID - " in await house.order(version=2)
    assert ", status SUCCESS. Budi" in await house.order()
    assert (len(upstream.orders), len(upstream.look_ups)) == (1, 1)
    gate.set()


async def test_every_order_is_answered_in_time_while_the_upstream_hangs(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    within_s = 1.0
    house = await open_house(
        upstream.url,
        recheck=CALM,
        server={"reply_timeout_s": within_s},
        upstream={"max_in_flight": 2},
    )
    never = asyncio.Event()
    upstream.order = after(never, says(SUCCESS))
    upstream.look_up = after(never, invoice("SUCCESS", "Budi"))
    loop = asyncio.get_running_loop()

    async def timed(asking: Awaitable[str]) -> str:
        began = loop.time()
        answer = await asking
        # On a machine that does nothing else it is `within_s`; the upstream never answers.
        assert loop.time() - began <= 4 * within_s
        return answer

    def every_order() -> list[Awaitable[str]]:
        orders = [house.order(f"T{number}") for number in range(6)]
        return [*orders, house.order("T0"), house.order("T5")]

    for _ in range(2):  # the second time each looks up, and that hangs, too
        said = await asyncio.gather(*map(timed, every_order()))
        assert all(", status PENDING. " in line for line in said)
    assert ", status PENDING. " in await timed(house.status("T0"))
    assert len(upstream.orders) == 2
    never.set()


# -- beside each other


@pytest.mark.parametrize("rotates_first", [True, False])
async def test_two_commands_at_once_both_take_effect(
    house: House, upstream: FakeUpstream, *, rotates_first: bool
) -> None:
    upstream.order = says(SUCCESS)
    old = house.keys["toko"]
    rotate = house.gateway.desk.do("reseller.rotate_key", {"code": "toko"})
    rename = house.gateway.desk.do("reseller.set", {"code": "toko", "name": "Toko Baru"})
    commands = (rotate, rename) if rotates_first else (rename, rotate)
    done = await asyncio.gather(*commands)
    new = next(result["key"] for result in done if "key" in result)
    house.secrets.add(new)
    assert (await house.gateway.desk.do("reseller.show", {"code": "toko"}))["name"] == "Toko Baru"
    assert "API_KEY_NOT_FOUND" in await house.order(apikey=old)
    assert ", status SUCCESS. " in await house.order(apikey=new)


async def test_look_ups_for_panels_do_not_starve_those_of_the_worker(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=CALM, upstream=MANY_AT_ONCE)
    await asyncio.gather(*(house.order(f"P{number}") for number in range(40)))
    await house.order("W")
    gate = asyncio.Event()
    hangs, answered = after(gate, invoice("SUCCESS", "Budi")), invoice("FAILED", "Stok habis")

    async def look_up(asked: Asked) -> web.StreamResponse:
        return await (answered if asked.trx_id == "toko-W" else hangs)(asked)

    upstream.look_up = look_up
    asking = [asyncio.create_task(house.status(f"P{number}")) for number in range(40)]
    await eventually(lambda: upstream.now == 40)
    assert await house.call_back("FAILED", "toko-W") == 200
    await house.becomes("FAILED", "toko-W")
    assert upstream.now == 40
    gate.set()
    assert all(", status SUCCESS. " in line for line in await asyncio.gather(*asking))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "0.0.0.0"])
async def test_a_callback_url_that_leads_back_to_us_is_refused(
    house: House, upstream: FakeUpstream, host: str
) -> None:
    upstream.order = in_turn(says(SUCCESS))
    said = await house.order(callback_url=f"http://{host}:{house.port}/v1/otomax/user")
    assert ", status FAILED. INVALID_CALLBACK_URL - " in said
    assert upstream.orders == []
    other = await house.order("T2", callback_url=f"http://{host}:1/report")
    assert ", status SUCCESS. " in other
