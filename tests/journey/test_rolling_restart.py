"""Two gateways on one PostgreSQL behind HAProxy, restarted one after the other under load.

As docs/scale.md says it: SIGUSR1, the balancer leaves the node, SIGTERM, and a new start. No order
is refused, and none is bought twice.
"""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journey.office import Office, run
from tests.journey.parties import UpstreamProcess
from tests.journey.processes import Process, until, until_async
from tests.proxies.fronts import PROXY, Front, front
from tests.proxies.rolling import Orders
from tests.support.postgres import PostgresServer

NOTICED_S = 20.0
UNCHECKED = "default-server inter 1s"  # as `haproxy` writes it
CHECKED = "default-server check inter 100ms"


@pytest.fixture
async def nodes(
    office: Office, postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[tuple[Office, Office]]:
    """Two folders with one journal, which was moved to PostgreSQL."""
    name = await postgres.make(empty=True)
    url = postgres.url(name)
    done = run("migrate-db", "sqlite:///gateway.db", url, folder=office.folder)
    assert done.code == 0, done
    shared = {"storage.url": url, "server.trusted_proxies": PROXY}
    one = office.copy(tmp_path / "one", **shared)
    yield one, one.copy(tmp_path / "two")
    one.processes.end_all()
    await postgres.drop(name)


def balancer(one: Office, two: Office) -> dict[str, str]:
    """What is written anew in HAProxy's file: both gateways, looked at more often."""
    server = f"    server gateway1 {PROXY}:{one.port}\n"
    second = server.replace("gateway1", "gateway2").replace(str(one.port), str(two.port))
    return {UNCHECKED: CHECKED, server: server + second}


async def restarted(node: Office, process: Process, orders: Orders, proxy: Front) -> Process:
    """Restart a node as docs/scale.md says it."""
    name = f"gateway{1 if proxy.ports.gateway == node.port else 2}"
    process.signal(signal.SIGUSR1)
    await until(lambda: f"gateways/{name} is DOWN" in proxy.written(), NOTICED_S, proxy.written)
    await orders.more(20)
    await node.stop(process)
    await orders.more(20)
    again = await node.serve()
    await until(lambda: f"gateways/{name} is UP" in proxy.written(), NOTICED_S, proxy.written)
    await orders.more(20)
    return again


@pytest.mark.timeout(150)
async def test_a_rolling_restart_refuses_no_order_and_buys_none_twice(
    nodes: tuple[Office, Office], upstream: UpstreamProcess, tmp_path: Path
) -> None:
    one, two = nodes
    running = [await one.serve(), await two.serve()]
    before = len(await upstream.ledger())
    changes = balancer(one, two)
    async with front("haproxy", tmp_path / "haproxy", (one.port, 1), **changes) as proxy:
        async with Orders(proxy, one.keys["toko1"]) as orders:
            await orders.more(20)
            for number, node in enumerate(nodes):
                running[number] = await restarted(node, running[number], orders, proxy)
        said = set(orders.answers.values())
        wrong = [line for line in said if line[0] != 200 or not is_taken(line[1])]
        assert wrong == [], proxy.written()

        async def all_sold() -> bool:
            rows = one.json("order", "list", "--limit", "1000")
            return {row["status"] for row in rows} == {"SUCCESS"}

        await until_async(all_sold, NOTICED_S, lambda: "not all were sold")
    ledger = await upstream.ledger()
    assert len(ledger) - before == len(orders.answers)
    for trx_id in orders.answers:
        bought = ledger[f"toko1-{trx_id}"]
        assert (bought["requests"], len(bought["purchases"])) == (1, 1), (trx_id, bought)
    for node, process in zip(nodes, running, strict=True):
        await node.stop(process)


def is_taken(line: str) -> bool:
    return ", status PENDING. " in line or ", status SUCCESS. " in line
