"""Orders with millions of old ones in the journal, against an empty one."""

import shutil

from gateway.bench.figures import Figure
from gateway.bench.orders import figures
from gateway.bench.processes import BenchError
from gateway.bench.seed import seed_old
from gateway.bench.stage import At, Stage

WANTED = 0.95  # contract §13
_BYTES_AN_ORDER = 700  # in the journal, with a step of its timeline, a delivery and the indexes
_SPARE_BYTES = 1 << 30
_LOOP = "asyncio"
_TIMES = 2  # a twentieth is to be seen, and single pairs differ by a tenth


def run_old(stage: Stage) -> list[Figure]:
    """Measure both journals by turns."""
    number = stage.size.old_orders
    what = f"orders, {number:,} old ones"
    free, needed = shutil.disk_usage(stage.folder).free, number * _BYTES_AN_ORDER + _SPARE_BYTES
    if free < needed:
        gib = needed / (1 << 30)
        raise BenchError(f"{what}: {stage.folder} has not the {gib:.1f} GiB free that they take")
    full, empty = stage.house("old", like="settled"), stage.house("empty")
    stage.say(f"{what}: writing them")
    seed_old(full.journal, number, stage.say, whole=True)
    with full.serving(_LOOP) as one, empty.serving(_LOOP) as other:
        at, there = At(full.port, one.pid), At(empty.port, other.pid)
        ours, theirs = stage.in_turn(
            what,
            lambda: stage.orders(what, at, full),
            lambda: stage.orders(what, there, empty),
            times=_TIMES,
        )
    return figures("old", what, ours, theirs, stage.size.share * WANTED)
