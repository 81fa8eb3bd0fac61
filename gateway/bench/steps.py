"""What each step of an order costs, in µs of CPU: `python -m gateway.bench.steps CONFIG KEY`.

The only part of the bench that knows inner names: each step is the product's own function, called
in a loop by itself. A step whose names have changed is told as not measured and stops no other.
What a step costs here is not all that it costs in a running gateway, where caches are cold, and
several steps share one commit; so the sum is below what an order takes.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.app import Gateway, rules_of
from gateway.bench.processes import START_S, child
from gateway.bench.stage import Stage
from gateway.config import load_settings
from gateway.domain.evidence import Evidence, Source
from gateway.domain.order import Order, Status, begin_send
from gateway.log import get_logger, setup_logging
from gateway.protocol.text import parse_order, parse_order_request, relayed_answer
from gateway.protocol.upstream import order_path
from gateway.store import Entry, Record

CALLS = 2_000  # of the steps that go through the journal or the network
_AT_ONCE = 64  # of these, as with so many panels: a commit and an fsync serve all who wait
_LOOPS = 20_000  # of the others
_MICRO: Final = 1e6
_QUERY = "apikey={}&product_code=S1_1187&user_id=1234567891002&trx_id=b0-12345"
_LINE = (
    "R#toko0-b0-12345 S1_1187.123456789|1002, status PENDING. RefId : ML_1680405885_0001"
    " . Sisa saldo 987654321"
)
_CALLBACK = "http://127.0.0.1:8080/callback/" + "t" * 60

Step = Callable[[], Awaitable[float]]


def run_steps(stage: Stage) -> dict[str, float | None]:
    """Measure each step in a process of its own; µs by name, None where it could not be."""
    stage.say("cost by step")
    house = stage.house("steps")
    words = ("gateway.bench.steps", str(house.config), house.keys["toko0"], str(stage.size.steps))
    with child(words, house.folder / "steps.log", "asyncio") as process:
        costs: dict[str, float | None] = json.loads(process.line(2 * START_S))
    return costs


@dataclass
class _Clock:
    """CPU seconds of this process, all its threads."""

    spent_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent_s += time.process_time() - began


class Steps:
    """The steps, on a gateway that is open and does not run.

    Args:
        gateway: open.
        key: a reseller's.
        calls: how often a step is measured that goes through the journal or the network.
    """

    def __init__(self, gateway: Gateway, key: str, calls: int) -> None:
        self._gateway = gateway
        self._key = key
        self._calls = calls
        self._loops = calls * _LOOPS // CALLS
        self._orders: list[Order] = []

    def all(self) -> dict[str, Step]:
        """Return the steps, in an order's order."""
        return {
            "parse": self.parse,
            "key look-up": self.look_up,
            "commit": self.commit,
            "upstream call": self.call,
            "settle": self.settle,
            "render": self.render,
            "log": self.log,
        }

    async def parse(self) -> float:
        """What a panel asked for."""
        query = _QUERY.format(self._key)
        return self._looped(lambda: parse_order_request(query))

    async def look_up(self) -> float:
        """Whose key it is."""
        directory, key = self._gateway.directory, self._key
        return self._looped(lambda: directory.by_key(key))

    async def commit(self) -> float:
        """The order and the fact that its send begins, durable."""
        records = [self._record(number) for number in range(self._calls)]
        self._orders = []

        async def one(number: int) -> None:
            order, _ = await self._gateway.store.place(records[number])
            self._orders.append(order)

        return await self._together(one)

    async def call(self) -> float:
        """One request to the upstream, and its answer."""
        path = order_path(_order(0), "bench-upstream-key", _CALLBACK)

        async def one(_: int) -> None:
            await self._gateway._upstream.get(path)  # noqa: SLF001  see above

        return await self._together(one)

    async def settle(self) -> float:
        """What the answer proves, durable."""
        evidence = Evidence(
            source=Source.REPLY,
            verdict=Status.PENDING,
            send=1,
            note="RefId : ML_1680405885_0001",
            saldo=987_654_321,
            said_dest="123456789|1002",
            user_id="123456789",
            server_id="1002",
        )

        async def one(number: int) -> None:
            order = self._orders[number]
            await self._gateway.settlement.settle(order.id, evidence, f"HTTP 200: {_LINE}")

        return await self._together(one)

    async def render(self) -> float:
        """The line that the panel reads, out of the upstream's."""
        line = parse_order(_LINE)
        assert line is not None  # noqa: S101  it is a line
        order = _order(0)
        return self._looped(lambda: relayed_answer(line, order))

    async def log(self) -> float:
        """One event, as an order that was answered is logged."""
        log = get_logger(__name__)
        fields = {
            "reseller": "toko0",
            "trx_id": "b0-12345",
            "upstream_trx_id": "toko0-b0-12345",
            "outcome": "PENDING",
            "ms": 12,
        }
        return self._looped(lambda: log.info("order.answered", **fields))

    def _record(self, number: int) -> Record:
        account = self._gateway.directory.by_code("toko0")
        assert account is not None  # noqa: S101  the house has it
        order = _order(number, account.account)
        rules = rules_of(self._gateway.settings)
        asked = Entry(order.placed_at, "asked", "GET /v3/otomax/order S1_1187 from 127.0.0.1")
        sends = Entry(order.placed_at, "sending", "send 1 to the upstream begins")
        return Record(order=begin_send(order, order.placed_at, rules), entries=(asked, sends))

    def _looped(self, function: Callable[[], object]) -> float:
        """Return the µs of a plain function."""
        clock = _Clock()
        with clock.running():
            for _ in range(self._loops):
                function()
        return clock.spent_s / self._loops * _MICRO

    async def _together(self, one: Callable[[int], Awaitable[None]]) -> float:
        """Return the µs of a call, many at a time."""
        numbers = iter(range(self._calls))

        async def worker() -> None:
            for number in numbers:
                await one(number)

        clock = _Clock()
        with clock.running():
            await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
        return clock.spent_s / self._calls * _MICRO


def _order(number: int, account: str | None = None) -> Order:
    return Order(
        reseller="toko0",
        trx_id=f"step-{number}",
        product_code="S1_1187",
        dest="1234567891002",
        user_id="1234567891002",
        account=account,
        callback_url="http://127.0.0.1:9/callback",
        placed_at=time.time_ns() // 1_000_000,
    )


async def _measure(config: Path, key: str, calls: int) -> dict[str, float | None]:
    gateway = await Gateway.open(load_settings(config, {}))
    try:
        await gateway.directory.load()
        costs: dict[str, float | None] = {}
        for name, step in Steps(gateway, key, calls).all().items():
            try:
                costs[name] = await step()
            except Exception as error:  # noqa: BLE001  an inner name that has changed
                sys.stderr.write(f"{name}: {error!r}\n")
                costs[name] = None
        return costs
    finally:
        await gateway.stop()


def main(words: Sequence[str]) -> None:
    """Measure, and print one line of JSON."""
    config, key, calls = words
    with Path(config).with_name("steps-gateway.log").open("w", encoding="utf-8") as log:
        setup_logging(format="json", level="info", stream=log)
        costs = asyncio.run(_measure(Path(config), key, int(calls)))
    sys.stdout.write(f"{json.dumps(costs)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
