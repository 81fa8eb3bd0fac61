"""Status answers of final orders, out of the journal, against a handler with one constant.

Panels ask about what they ordered just now, so that decides. The gateway knows the orders that it
wrote last; about old ones the journal's file is read, and what that costs is shown beside.
"""

from typing import Any

from gateway.bench.figures import Figure
from gateway.bench.orders import figures
from gateway.bench.seed import seed_old
from gateway.bench.stage import At, Stage, unused_names

WANTED = 0.7  # contract §13
_EXPECT = ", status SUCCESS. "


def run_status(stage: Stage) -> list[Figure]:
    """Measure status answers about many different orders: of this minute, and of long ago."""
    loop, size, names = "asyncio", stage.size, unused_names()
    house = stage.house("status", like="settled")
    seed_old(house.journal, size.statuses, stage.say, whole=False)
    with house.serving(loop) as gateway, stage.yardstick("constant", loop) as constant:
        at = At(house.port, gateway.pid)
        stage.way("orders to ask about", at, house, size.recent, names)

        def ask(what: str, name: str, wanted: float | None, **job: Any) -> list[Figure]:  # noqa: ANN401  fields of a Job
            job |= {"targets": house.status_targets(), "expect": _EXPECT}
            ours, theirs = stage.in_turn(
                what,
                lambda: stage.load(what, at, **job),
                lambda: stage.load(what, constant, **job),
            )
            return figures(name, what, ours, theirs, wanted)

        wanted = size.share * WANTED
        recent = ask("status answers", "status", wanted, names=names, known=size.recent)
        return recent + ask("of old orders", "status-old", None, old=size.statuses)
