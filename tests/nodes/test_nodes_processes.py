"""A gateway of its own process beside one in this: killed, or stopped and woken."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from yarl import URL

from tests.nodes.conftest import CALL_S, LEASE_S, OpenNode
from tests.support import FakeUpstream, House, eventually, reserved_port
from tests.support.upstream import after, in_turn, invoice, says

ORDERED = "R#{trx_id} {product_code}.{user_id}, status PENDING. RefId : ML_2 . Sisa saldo 5"
REFUSED = "R#{trx_id} {product_code}.{user_id}, status FAILED. PRODUCT_INACTIVE . Sisa saldo 5"
CONFIG = """
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:0"
[upstream]
base_url = "{upstream}"
timeout_s = {call_s}
unreachable_s = 0.5
callback_ips = []
[storage]
url = "{journal}"
lease_s = {lease_s}
pool = 4
[recheck]
schedule_s = [0.2]
settle_s = 0.3
[log]
format = "json"
"""


class Other:
    """A gateway in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def ask(self, target: str) -> str | None:
        """Return what it answers; None where it ended."""
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client:
                url = URL(self.url + target, encoded=True)
                async with client.get(url) as answer:
                    return await answer.text()
        return None


@asynccontextmanager
async def other_gateway(
    folder: Path, upstream: FakeUpstream, journal: str, *, call_s: float, lease_s: float
) -> AsyncIterator[Other]:
    """Run a gateway; the folder holds the key file of all of them."""
    with reserved_port() as port:
        config = folder / "other.toml"
        text = CONFIG.format(
            port=port, upstream=upstream.url, journal=journal, call_s=call_s, lease_s=lease_s
        )
        config.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(config)),
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            while b"gateway.started" not in (line := await process.stderr.readline()):
                assert line, "it did not start"
            yield Other(process, port)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.communicate()


async def count(house: House, wanted: int) -> None:
    await eventually(lambda: house.gateway.membership.count == wanted)


async def test_what_a_killed_gateway_was_sending_is_looked_up_by_the_others_at_once(
    open_node: OpenNode, upstream: FakeUpstream, journal: str, tmp_path: Path
) -> None:
    """Its process is seen to be dead: nobody waits for the end of its lease."""
    house = await open_node(upstream.url, storage={"lease_s": 600})
    upstream.order = after(asyncio.Event(), says(ORDERED))
    upstream.look_up = invoice("SUCCESS", "Budi . RefId: ML_1")
    async with other_gateway(tmp_path, upstream, journal, call_s=60, lease_s=600) as other:
        await count(house, 2)
        asked = [asyncio.create_task(other.ask(house.order_target(f"A{n}"))) for n in range(5)]
        await eventually(lambda: len(upstream.orders) == 5)
        other.process.kill()
        assert await asyncio.gather(*asked) == [None] * 5
        for n in range(5):
            await house.becomes("SUCCESS", f"toko-A{n}")
    assert len(upstream.orders) == 5
    assert house.gateway.membership.count == 1


async def test_a_gateway_that_was_stopped_wakes_and_can_do_nothing(
    open_node: OpenNode, upstream: FakeUpstream, journal: str, tmp_path: Path
) -> None:
    house = await open_node(upstream.url)
    first, second = asyncio.Event(), asyncio.Event()
    upstream.order = in_turn(after(first, says(REFUSED)), after(second, says(ORDERED)))
    async with other_gateway(tmp_path, upstream, journal, call_s=CALL_S, lease_s=LEASE_S) as other:
        asked = asyncio.create_task(other.ask(house.order_target("A1")))
        await eventually(lambda: upstream.orders)
        other.process.send_signal(signal.SIGSTOP)
        first.set()  # the refusal lies before it when it wakes
        await eventually(lambda: len(upstream.orders) == 2, 2 * LEASE_S + 3)
        other.process.send_signal(signal.SIGCONT)
        said = await asked
        assert said is not None
        assert "FAILED" not in said
        shown = await house.shown("toko-A1")
        assert (shown["status"], shown["sends"]) == ("PENDING", 2)
        second.set()
        await eventually(lambda: house.gateway.submission.in_flight == set())
    assert len(upstream.orders) == 2
