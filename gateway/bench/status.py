"""Status answers of final orders, out of the journal, against a handler with one constant."""

from gateway.bench.figures import Figure
from gateway.bench.orders import figures
from gateway.bench.seed import seed_old
from gateway.bench.stage import At, Stage

WANTED = 0.7  # contract §13
_EXPECT = ", status SUCCESS. "


def run_status(stage: Stage) -> list[Figure]:
    """Measure status answers about many different orders."""
    loop, what, wanted = "asyncio", "status answers", stage.size.share * WANTED
    house = stage.house("status", like="settled")
    seed_old(house.journal, stage.size.statuses, stage.say, whole=False)
    job = {"targets": house.status_targets(), "old": stage.size.statuses, "expect": _EXPECT}
    with house.serving(loop) as gateway, stage.yardstick("constant", loop) as constant:
        at = At(house.port, gateway.pid)
        ours, theirs = stage.in_turn(
            what,
            lambda: stage.load(what, at, **job),
            lambda: stage.load(what, constant, **job),
        )
    return figures("status", what, ours, theirs, wanted)
