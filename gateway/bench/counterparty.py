"""Everybody else, in one process: the panels that order and take deliveries, and the upstream.

It is told what to do by lines of JSON on stdin, and answers each with one line on stdout. It ends
when stdin does.
"""

import asyncio
import contextlib
import sys
import time
from typing import Any

import msgspec

from gateway.bench.load import Job, Load, Outcome
from gateway.bench.procfs import cpu_s
from gateway.bench.toss import Panels, Toss
from gateway.bench.wire import Answerer

HOST = "127.0.0.1"
PANELS = 64  # hosts that take deliveries; a port each, which is a host of its own to the gateway


class Started(msgspec.Struct):
    """Where it listens."""

    upstream: int
    panels: list[int]


class Way(msgspec.Struct, kw_only=True):
    """What came of orders that were followed to their end.

    Attributes:
        load: of the orders.
        told: deliveries that came.
        seconds: until the last of them.
        cpu_s: of the gateway and its children meanwhile.
        own_cpu_s: of the counterparty.
    """

    load: Outcome
    told: int
    seconds: float
    cpu_s: float
    own_cpu_s: float


class Counterparty:
    """Listens, loads, and says what it saw."""

    def __init__(self) -> None:
        self.toss = Toss()
        self.panels = Panels()
        self.delay_s = 0.0

    async def start(self) -> Started:
        """Listen as the upstream and as every panel."""
        upstream = await _listen(lambda: Answerer(self.toss.answer, lambda: self.delay_s))
        panels = [await _listen(lambda: Answerer(self.panels.answer)) for _ in range(PANELS)]
        return Started(upstream, panels)

    async def do(self, command: str, values: dict[str, Any]) -> object:
        """Do one command; where that fails, the answer says why, and the next one is done."""
        try:
            return await getattr(self, f"do_{command}")(**values)
        except Exception as error:  # noqa: BLE001  such as a gateway that has ended meanwhile
            return {"error": f"{command}: {error!r}"}

    async def do_load(self, **values: Any) -> object:  # noqa: ANN401  read just below
        """Run a load."""
        return await Load(msgspec.convert(values, Job)).run()

    async def do_loads(self, *, jobs: list[dict[str, Any]]) -> object:
        """Run loads at the same time."""
        return await asyncio.gather(*(Load(msgspec.convert(job, Job)).run() for job in jobs))

    async def do_delay(self, *, seconds: float) -> object:
        """Have the upstream answer each request after so long from now on."""
        self.delay_s = seconds
        return True

    async def do_way(self, **values: Any) -> object:  # noqa: ANN401  read just below
        """Place orders, call back about each, and wait until every panel has been told."""
        job = msgspec.convert(values, Job)
        self.toss.calls_back = True
        await self.toss.callbacks.connect(job.host, job.port)
        told = self.panels.expect(job.most, job.pid)
        began, cpu, own = time.perf_counter(), cpu_s(job.pid), time.process_time()
        load = await Load(job).run()
        with contextlib.suppress(TimeoutError):  # who asked sees how many were told
            async with asyncio.timeout(job.count_s):
                await told.wait()
        self.toss.calls_back = False
        self.toss.callbacks.close()
        return Way(
            load=load,
            told=self.panels.came,
            seconds=time.perf_counter() - began,
            cpu_s=cpu_s(job.pid) - cpu,
            own_cpu_s=time.process_time() - own,
        )

    async def do_expect(self, *, count: int, pid: int) -> object:
        """Take so many deliveries from now on."""
        self.panels.expect(count, pid)
        return True

    async def do_delivered(self, *, within_s: float) -> object:
        """Wait until they have come; says how fast the middle of them came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.panels.told.wait()
        return self.panels.middle()


async def _listen(protocol: Any) -> int:  # noqa: ANN401  a factory
    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _run() -> None:
    loop = asyncio.get_running_loop()
    counterparty = Counterparty()
    _say(await counterparty.start())
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = msgspec.json.decode(line)
        _say(await counterparty.do(asked["do"], asked["with"]))


def _say(what: object) -> None:
    sys.stdout.write(f"{msgspec.json.encode(what).decode()}\n")
    sys.stdout.flush()


def main() -> None:
    """Run until stdin ends."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    main()
