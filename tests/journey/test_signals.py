"""How the gateway ends, and what it takes up again: SIGTERM, SIGINT, a second one, SIGKILL."""

import asyncio
import signal
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import OUTCOMES
from tests.journey.conftest import UPSTREAM_KEYS
from tests.journey.court import Wanted, all_true
from tests.journey.office import REPLY_TIMEOUT_S, Office
from tests.journey.parties import SLOW_S, PanelProcess, UpstreamProcess, ask_whole
from tests.journey.processes import KILLED, Process, until, until_async

SLOW = "123456006"  # bought at once, answered SLOW_S later, success after that
ARRIVES_S = 40.0


@dataclass(slots=True)
class Waiting:
    """An order that the upstream has and does not answer yet, and the panel that waits for it."""

    office: Office
    panel: PanelProcess
    upstream: UpstreamProcess
    gateway: Process
    trx_id: str
    answer: "asyncio.Task[str | None]"

    async def comes_home(self, gateway: Process) -> dict[str, Any]:
        """See the order through in this gateway; it was bought by the one request."""

        async def look() -> dict[str, Any] | None:
            order: dict[str, Any] = await self.office.desk(
                "order.show", name=f"toko1-{self.trx_id}"
            )
            states = [delivery["state"] for delivery in order["deliveries"]]
            return order if states == ["delivered"] else None

        order = await until_async(look, ARRIVES_S, gateway.last_words)
        assert order["status"] == "SUCCESS"
        assert {told.status for told in self.panel.told(self.trx_id)} == {"SUCCESS"}
        assert await self.upstream.requests(f"toko1-{self.trx_id}") == 1
        return order


async def order_in_flight(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess, trx_id: str
) -> Waiting:
    gateway = await office.serve()
    answer = asyncio.create_task(office.order(trx_id, SLOW, f"{panel.url}/{trx_id}"))
    await until_async(lambda: upstream.requests(f"toko1-{trx_id}"), ARRIVES_S, gateway.last_words)
    return Waiting(office, panel, upstream, gateway, trx_id, answer)


def started(office: Office) -> dict[str, Any]:
    """Return what the last start said."""
    return [event for event in office.logs() if event["event"] == "gateway.started"][-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_panel_have_its_answer(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess, number: signal.Signals
) -> None:
    office.executed = True
    waiting = await order_in_flight(office, panel, upstream, f"term.{number.name}")
    began = monotonic()
    waiting.gateway.signal(number)
    await waiting.gateway.said('"gateway.draining"')
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask_whole(f"{office.url}/v1/otomax/user", apikey=office.keys["toko1"])
    ready = f"{started(office)['admin']}/readyz"
    assert await ask_whole(ready) == (503, "draining")
    code = await waiting.gateway.ended(REPLY_TIMEOUT_S + 5)
    assert code == 0, waiting.gateway.last_words()
    assert monotonic() - began < REPLY_TIMEOUT_S + 5
    assert f"R#{waiting.trx_id} " in (await waiting.answer or "")
    assert ", status PENDING. RefId : " in (await waiting.answer or "")
    gateway = await office.serve()
    assert (started(office)["open_orders"], started(office)["interrupted_sends"]) == (1, 0)
    await waiting.comes_home(gateway)


async def test_what_takes_longer_is_answered_and_left_to_the_next_start(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    reply_timeout_s = 0.5
    office.settings["server.reply_timeout_s"] = str(reply_timeout_s)
    waiting = await order_in_flight(office, panel, upstream, "term.longer")
    began = monotonic()
    waiting.gateway.signal(signal.SIGTERM)
    assert ", status PENDING. " in (await waiting.answer or "")
    assert await waiting.gateway.ended(reply_timeout_s + 5) == 0, waiting.gateway.last_words()
    assert monotonic() - began < SLOW_S, "the upstream's answer is not waited for"
    await waiting.comes_home(await office.serve())


async def test_the_second_signal_ends_at_once_and_loses_nothing(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    waiting = await order_in_flight(office, panel, upstream, "term.twice")
    waiting.gateway.signal(signal.SIGTERM)
    await waiting.gateway.said('"gateway.draining"')
    began = monotonic()
    waiting.gateway.signal(signal.SIGINT)
    assert await waiting.gateway.ended(2) == 1
    assert monotonic() - began < SLOW_S / 2
    assert await waiting.answer is None
    gateway = await office.serve()
    assert (started(office)["open_orders"], started(office)["interrupted_sends"]) == (1, 1)
    await waiting.comes_home(gateway)


async def test_a_gateway_killed_while_a_panel_waited_goes_on_where_it_was(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    waiting = await order_in_flight(office, panel, upstream, "killed.waiting")
    waiting.gateway.signal(signal.SIGKILL)
    assert await waiting.gateway.ended(5) == KILLED
    assert await waiting.answer is None
    left = {path.name for path in office.folder.iterdir()}
    assert {"gateway.db-wal", "gateway.db.sock", "gateway.db.lock"} <= left, "as a crash leaves it"
    shown = office.json("order", "show", f"toko1-{waiting.trx_id}")  # and nobody runs
    assert (shown["status"], shown["sending"], shown["sends"]) == ("PENDING", True, 1)
    gateway = await office.serve()
    assert (started(office)["open_orders"], started(office)["interrupted_sends"]) == (1, 1)
    told = await office.status(waiting.trx_id) or ""
    assert ", status PENDING. " in told or ", status SUCCESS. " in told, told
    order = await waiting.comes_home(gateway)
    kinds = [entry["kind"] for entry in order["timeline"]]
    assert kinds.count("sending") == 1
    assert "looked_up" in kinds


async def test_sigterm_under_load(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    """Whoever was let in is answered, the rest is left to the next start, and all of it ends."""
    reply_timeout_s = 2  # the slow ones take longer
    office.settings["server.reply_timeout_s"] = str(reply_timeout_s)
    office.executed = True
    orders = [
        Wanted(reseller, f"load.{outcome.suffix}.{copy}", f"8{copy}{outcome.suffix}")
        for copy in range(3)
        for outcome in OUTCOMES
        for reseller in UPSTREAM_KEYS
    ]
    gateway = await office.serve()
    placing = [asyncio.create_task(wanted.order(office, panel)) for wanted in orders]
    await until(lambda: sum(map(asyncio.Task.done, placing)) > len(placing) // 4, ARRIVES_S)
    gateway.signal(signal.SIGTERM)
    began = monotonic()
    assert sum(map(asyncio.Task.done, placing)) < len(placing), "under load"
    assert await gateway.ended(reply_timeout_s + 5) == 0, gateway.last_words()
    assert monotonic() - began < reply_timeout_s + 5
    answers = await asyncio.gather(*placing)
    gateway = await office.serve()
    for wanted, answer in zip(orders, answers, strict=True):
        assert answer or await wanted.order(office, panel), "its panel asks again"

    async def look() -> bool:
        return await all_true(orders, office, panel, upstream)

    await until_async(look, ARRIVES_S, gateway.last_words)
    await office.stop(gateway)
