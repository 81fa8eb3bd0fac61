"""Durable text orders, against a proxy that stores nothing; and what each costs of a CPU.

At the end the gateway is killed, and its journal must hold every order that was answered: what is
measured is what was promised.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.bench.figures import Figure
from gateway.bench.processes import BenchError
from gateway.bench.seed import count_orders
from gateway.bench.stage import At, Stage

WANTED = 0.8  # contract §13; the goal is 1.0
_LOOPS = {"asyncio": "default loop", "shipped": "as shipped"}


def run_orders(stage: Stage, loop: str) -> list[Figure]:
    """Measure orders on one event loop; the proxy runs on the same."""
    what, wanted = f"orders, {_LOOPS[loop]}", stage.size.share * WANTED
    house = stage.house(f"orders-{loop}")
    with house.serving(loop) as gateway, stage.yardstick("proxy", loop) as proxy:
        at = At(house.port, gateway.pid)
        ours, theirs = stage.in_turn(
            what,
            lambda: stage.orders(what, at, house),
            lambda: stage.orders(what, proxy, house),
        )
    asked, held = sum(outcome.asked for outcome in ours), count_orders(house.journal)
    if held < asked:
        raise BenchError(f"{what}: {asked - held} of {asked} orders are not in the journal")
    return figures(f"orders-{loop}", what, ours, theirs, wanted)


class Counted(Protocol):
    """What came of a run: how many, in which time, at what cost of whoever is measured."""

    @property
    def answered(self) -> int: ...  # noqa: D102  see above

    @property
    def seconds(self) -> float: ...  # noqa: D102

    @property
    def cpu_s(self) -> float: ...  # noqa: D102


def cpu_of_1000(run: Counted) -> float:
    """Return the CPU seconds of a thousand."""
    return 1000 * run.cpu_s / run.answered


def figures(
    name: str, title: str, ours: Sequence[Counted], theirs: Sequence[Counted], wanted: float | None
) -> list[Figure]:
    """Return the rate, and the CPU behind it."""
    return [
        Figure(
            name=name,
            title=title,
            unit="1/s",
            gateway=[run.answered / run.seconds for run in ours],
            yardstick=[run.answered / run.seconds for run in theirs],
            ratio_wanted=wanted,
        ),
        Figure(
            name=f"{name}-cpu",
            title=f"{title}, CPU",
            unit="s/1,000",
            gateway=[cpu_of_1000(run) for run in ours],
            yardstick=[cpu_of_1000(run) for run in theirs],
            costs=True,
        ),
    ]
