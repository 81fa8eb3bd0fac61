"""Health, draining, a journal that cannot write, and the operator's socket (contract §12, T14)."""

import asyncio
import socket
import stat
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.errors import NotDone
from gateway.store.open import running_gateway
from gateway.web.control import call_desk
from tests.support import Asked, FakeUpstream, House, OpenHouse, drops, eventually, invoice, says

BUSY = "status ERROR. BUSY - Server sedang sibuk, coba lagi sebentar."


async def both(house: House, path: str) -> list[tuple[int, str]]:
    """Ask both listeners."""
    found = []
    async with aiohttp.ClientSession() as session:
        for url in (house.url, house.admin_url):
            async with session.get(url + path) as response:
                assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
                found.append((response.status, await response.text()))
    return found


async def test_a_healthy_gateway_says_so_on_both_listeners(house: House) -> None:
    assert await both(house, "/healthz") == [(200, "ok")] * 2
    assert await both(house, "/readyz") == [(200, "ok")] * 2


async def test_who_leaves_says_so_to_balancers_and_takes_orders_yet(
    house: House, upstream: FakeUpstream
) -> None:
    house.gateway.leave()
    assert await both(house, "/readyz") == [(503, "draining")] * 2
    assert await both(house, "/healthz") == [(200, "ok")] * 2
    assert ", status PENDING. " in await house.order()
    assert len(upstream.orders) == 1


async def test_the_admin_listener_answers_no_panel(house: House, upstream: FakeUpstream) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(house.admin_url + house.order_target()) as response,
    ):
        assert response.status == 404
    assert upstream.asked == []


async def test_a_journal_that_can_not_write_stops_selling_and_goes_on_by_itself(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.order("0")
    sent_before = len(upstream.orders)
    await house.break_journal()
    assert await both(house, "/healthz") == [(200, "ok")] * 2
    assert await both(house, "/readyz") == [(503, "the journal can not be written")] * 2
    for version in (1, 2, 3):
        answer = await house.get(house.order_target("1", version=version))
        assert answer.status == 503
        assert answer.text == f"R#1 S1_1187.123456789, {BUSY} . Sisa saldo 12345"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert len(upstream.orders) == sent_before
    await house.break_journal(broken=False)
    assert await both(house, "/readyz") == [(200, "ok")] * 2
    assert ", status PENDING. " in await house.order("1")
    assert len(upstream.orders) == sent_before + 1


async def test_a_final_order_is_told_while_the_journal_can_not_write(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5")
    await house.order()
    await house.break_journal()
    assert (await house.status()).endswith(", status SUCCESS. Budi . Sisa saldo 5")


async def test_a_journal_that_can_not_be_read_is_a_503(
    house: House, upstream: FakeUpstream
) -> None:
    await house.order()
    store: Any = house.gateway.store
    store._known.forget()
    await store._reading_thread.run(lambda connection: connection.close())
    answer = await house.get(f"/v1/otomax/status/T1?apikey={house.keys['toko']}")
    assert answer.status == 503
    assert answer.text == f"R#T1 - -.-(-), {BUSY} . Sisa saldo 12345"
    house._stopped = True  # the reader is gone: what is looked at in the end can not be
    await house._client.close()
    await house.gateway.stop()


async def test_a_reply_is_journaled_when_the_journal_is_back(
    house: House, upstream: FakeUpstream
) -> None:
    """What the upstream said is not lost, and nothing is said to the panel that is not durable."""
    held = asyncio.Event()

    async def answer_while_it_is_broken(asked: Asked) -> web.StreamResponse:
        await house.break_journal()
        asyncio.get_running_loop().call_later(0.3, held.set)
        return await says("R#{trx_id} S1_1187.1, status SUCCESS. Budi . Sisa saldo 5")(asked)

    upstream.order = answer_while_it_is_broken
    waiting = asyncio.create_task(house.order(dest="1"))
    await held.wait()
    assert not waiting.done()
    await house.break_journal(broken=False)
    assert await waiting == "R#T1 S1_1187.1, status SUCCESS. Budi . Sisa saldo 5"
    assert len(upstream.orders) == 1


async def test_a_journal_that_is_slow_beyond_the_time_is_a_503_and_nothing_is_lost(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, server={"reply_timeout_s": 0.3})
    blocked = asyncio.create_task(house.on_journal(lambda _: time.sleep(0.8)))
    await asyncio.sleep(0.05)
    answer = await house.get(house.order_target())
    assert (answer.status, ", status ERROR. BUSY - " in answer.text) == (503, True)
    await blocked
    # What was asked for was written all the same: the order is there, and was bought once.
    await eventually(lambda: upstream.orders)
    assert ", status PENDING. " in await house.order()
    assert len(upstream.orders) == 1


async def test_workers_go_on_after_the_journal_was_away(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = drops
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.order()
    await house.break_journal()
    before = len(upstream.look_ups)
    await eventually(lambda: len(upstream.look_ups) > before)
    asked = len(upstream.look_ups)
    await asyncio.sleep(0.8)
    assert len(upstream.look_ups) <= asked + 1, "no rush on the upstream meanwhile"
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.break_journal(broken=False)
    await house.becomes("SUCCESS")


async def test_a_gateway_that_goes_down_takes_nothing_new_and_says_so(
    house: House, upstream: FakeUpstream
) -> None:
    await house.order("0")
    house.gateway.gate.draining = True
    for version in (1, 2, 3):
        answer = await house.get(house.order_target("1", version=version))
        assert answer.status == 503
        assert answer.text == f"R#1 S1_1187.123456789, {BUSY}"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    status = await house.get(f"/v1/otomax/status/0?apikey={house.keys['toko']}")
    assert (status.status, status.text) == (503, f"R#0 - -.-(-), {BUSY}")
    user = await house.get(f"/v1/otomax/user?apikey={house.keys['toko']}")
    assert (user.status, user.text) == (503, BUSY)
    assert await both(house, "/readyz") == [(503, "draining")] * 2
    assert await both(house, "/healthz") == [(200, "ok")] * 2
    assert len(upstream.orders) == 1
    house.gateway.gate.draining = False


# -- the operator's socket


def control_path(house: House) -> Path:
    assert house.gateway.control is not None
    return house.gateway.control.path


async def test_commands_come_through_the_socket_while_it_runs(
    house: House, upstream: FakeUpstream
) -> None:
    journal = house.gateway.settings.sqlite_path()
    assert journal is not None
    assert running_gateway(journal)["control"] == str(control_path(house))
    path = str(control_path(house))
    made = await call_desk(path, "reseller.add", {"code": "kios", "upstream_key": "key-of-kios"})
    house.keys["kios"] = made["key"]
    house.secrets |= {made["key"], "key-of-kios"}
    assert ", status PENDING. " in await house.order("7", reseller="kios")
    shown = await call_desk(path, "order.show", {"name": "kios-7"})
    assert (shown["status"], shown["trx_id"]) == ("PENDING", "7")
    assert [step["kind"] for step in shown["timeline"]][:3] == ["asked", "sending", "answered"]
    assert "key-of-kios" not in str(shown)
    assert house.token("kios-7") not in str(shown)
    listed = await call_desk(path, "reseller.list", {})
    assert {reseller["code"] for reseller in listed} == {"toko", "kios"}
    assert not house.secrets & set(str(listed).replace("'", " ").split())
    await call_desk(path, "reseller.set", {"code": "kios", "suspended": True})
    assert "RESELLER_SUSPENDED" in await house.order("8", reseller="kios")


@pytest.mark.parametrize(
    ("command", "values", "said"),
    [
        ("order.show", {"name": "toko-9"}, "there is no order toko-9"),
        ("reseller.show", {"code": "kios"}, "there is no reseller kios"),
        ("reseller.add", {"code": "toko"}, "exists already"),
        ("reseller.add", {"code": "To-ko"}, "[a-z0-9]"),
        ("delivery.resend", {"delivery_id": 5}, "there is no delivery 5"),
        ("order.explode", {}, "knows no command"),
    ],
)
async def test_what_can_not_be_done_is_said_in_words(
    house: House, command: str, values: dict[str, object], said: str
) -> None:
    with pytest.raises(NotDone) as refused:
        await call_desk(str(control_path(house)), command, values)
    assert said in str(refused.value)


async def test_a_command_hears_that_the_journal_can_not_write(house: House) -> None:
    await house.break_journal()
    with pytest.raises(NotDone, match="journal"):
        await call_desk(str(control_path(house)), "reseller.set", {"code": "toko", "name": "x"})
    await house.break_journal(broken=False)


async def test_the_socket_is_its_users_alone_and_gone_at_the_end(house: House) -> None:
    path = control_path(house)
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    await house.stop()
    assert not path.exists()
    with pytest.raises(NotDone):
        await call_desk(str(path), "reseller.list", {})
    journal = house.gateway.settings.sqlite_path()
    assert journal is not None
    assert running_gateway(journal) == {}


async def test_a_dead_gateways_socket_is_in_nobodys_way(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    first = await open_house(upstream.url)
    path = control_path(first)
    await first.stop()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    second = await open_house(upstream.url)
    assert [row["code"] for row in await call_desk(str(path), "reseller.list", {})] == ["toko"]
    await second.stop()
    assert not path.exists()


async def test_the_desk_is_on_no_port(house: House) -> None:
    for url in (house.url, house.admin_url):
        async with aiohttp.ClientSession() as session:
            body = {"command": "reseller.list", "values": {}}
            async with session.post(f"{url}/desk", json=body) as response:
                assert response.status in (404, 405)
