"""A start with many open orders: how soon it is ready, and what memory it takes.

Every open order is due to be looked up, as after a night without a network. The process before was
killed, so the start is also a recovery. Resident memory is read when it is ready, and once more
after orders have come in for a while.
"""

import time
from collections import defaultdict

from gateway.bench.figures import Figure
from gateway.bench.house import House
from gateway.bench.procfs import resident_mib
from gateway.bench.seed import seed_open
from gateway.bench.stage import At, Stage

MOST_MIB = 128.0  # contract §13
READY_S = 2.0  # contract §13
_SCHEDULE_S = "2, 5, 15, 30, 60, 120, 300, 900"  # the product's own: look-ups are part of this


def run_opened(stage: Stage) -> list[Figure]:
    """Start with more and more open orders."""
    figures: list[Figure] = []
    most = max(stage.size.open_orders)
    for number in stage.size.open_orders:
        figures += _figures(stage, number, most=number == most)
    return figures


def _figures(stage: Stage, number: int, *, most: bool) -> list[Figure]:
    house = stage.house(f"open-{number}", "open", _SCHEDULE_S)
    seed_open(house.journal, number)
    found: dict[str, list[float]] = defaultdict(list)
    for start in range(stage.size.starts if most else 1):
        stage.say(f"start with {number:,} open orders: {start + 1}")
        for name, value in _start(stage, house).items():
            found[name].append(value)
    title = f"{number:,} open"
    return [
        Figure(
            name=f"ready-{number}",
            title=f"ready after start, {title}",
            unit="s",
            gateway=found["ready"],
            at_most=READY_S / stage.size.share if most else None,
        ),
        *(
            Figure(
                name=f"memory-{number}-{when}",
                title=f"memory {when}, {title}",
                unit="MiB",
                gateway=found[when],
                at_most=MOST_MIB if most else None,  # a busy machine makes it no more
            )
            for when in ("when ready", "after orders")
        ),
    ]


def _start(stage: Stage, house: House) -> dict[str, float]:
    began = time.monotonic()
    with house.serving() as gateway:
        ready_s = time.monotonic() - began
        at_first = resident_mib(gateway.pid)
        at, count_s = At(house.port, gateway.pid), 2 * stage.size.count_s
        stage.orders("memory", at, house, count_s=count_s)
        return {
            "ready": ready_s,
            "when ready": at_first,
            "after orders": resident_mib(gateway.pid),
        }
