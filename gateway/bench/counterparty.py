"""Everybody else, in one process: the panels that order and take deliveries, and the upstream.

It is told what to do by lines of JSON on stdin, and answers each with one line on stdout. It ends
when stdin does.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec

from gateway.bench.load import Job, Load
from gateway.bench.toss import Panels, Toss
from gateway.bench.wire import Answerer

HOST = "127.0.0.1"
PANELS = 64  # hosts that take deliveries; a port each, which is a host of its own to the gateway


class Started(msgspec.Struct):
    """Where it listens."""

    upstream: int
    panels: list[int]


class Counterparty:
    """Listens, loads, and says what it saw."""

    def __init__(self) -> None:
        self.toss = Toss()
        self.panels = Panels(time.perf_counter)

    async def start(self) -> Started:
        """Listen as the upstream and as every panel."""
        upstream = await _listen(lambda: Answerer(self.toss.answer))
        panels = [await _listen(lambda: Answerer(self.panels.answer)) for _ in range(PANELS)]
        return Started(upstream, panels)

    async def do(self, command: str, values: dict[str, Any]) -> object:
        """Do one command."""
        return await getattr(self, f"do_{command}")(**values)

    async def do_load(self, **values: Any) -> object:  # noqa: ANN401  read just below
        """Run a load."""
        return await Load(msgspec.convert(values, Job)).run()


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
