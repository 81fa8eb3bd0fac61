"""Durable text orders, against a proxy that stores nothing; and what each costs of a CPU."""

from collections.abc import Sequence
from itertools import count

from gateway.bench.figures import Figure
from gateway.bench.load import Outcome
from gateway.bench.stage import Stage
from gateway.bench.toss import PENDING

WANTED = 0.8  # contract §13; the goal is 1.0
_WANTED_FAST = 0.15
_LOOPS = {"asyncio": "default loop", "shipped": "as shipped"}
_runs = count()


def run_orders(stage: Stage, loop: str) -> list[Figure]:
    """Measure orders on one event loop; the proxy runs on the same."""
    ours: list[Outcome] = []
    theirs: list[Outcome] = []
    name = f"orders, {_LOOPS[loop]}"
    house = stage.house(f"orders-{loop}")
    with house.serving(loop) as gateway, stage.yardstick("proxy", loop) as (port, pid):
        for number in range(stage.size.pairs):
            stage.say(f"{name}: {number + 1}/{stage.size.pairs}")
            ours.append(order(stage, name, house.port, gateway.pid, house.order_targets()))
            theirs.append(order(stage, name, port, pid, house.order_targets()))
    return figures(
        f"orders-{loop}", name, ours, theirs, _WANTED_FAST if stage.size.fast else WANTED
    )


def order(stage: Stage, what: str, port: int, pid: int, targets: Sequence[str]) -> Outcome:
    """Run a load of orders, each with a trx_id that was never used."""
    names = f"b{next(_runs)}-"
    return stage.load(what, port, pid, targets=targets, names=names, expect=PENDING)


def figures(
    name: str, title: str, ours: Sequence[Outcome], theirs: Sequence[Outcome], wanted: float
) -> list[Figure]:
    """Return the rate, and the CPU behind it."""
    return [
        Figure(
            name=name,
            title=title,
            unit="1/s",
            gateway=[outcome.answered / outcome.seconds for outcome in ours],
            yardstick=[outcome.answered / outcome.seconds for outcome in theirs],
            ratio_wanted=wanted,
        ),
        Figure(
            name=f"{name}-cpu",
            title=f"{title}, CPU",
            unit="s/1,000",
            gateway=[1000 * outcome.cpu_s / outcome.answered for outcome in ours],
            yardstick=[1000 * outcome.cpu_s / outcome.answered for outcome in theirs],
            costs=True,
        ),
    ]
