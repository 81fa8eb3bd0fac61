"""Deliveries out of the outbox, each attempt journaled, against a bare aiohttp client loop.

Both call the same URLs at the same hosts, with the same number of calls at a time: as many as the
gateway allows itself. What is counted is what the panels took; the first and the last tenth are
left out, for there one side starts up or runs dry.
"""

import shutil
from collections.abc import Callable

import msgspec

from gateway.bench.figures import Figure
from gateway.bench.house import House
from gateway.bench.orders import figures
from gateway.bench.processes import START_S, BenchError, Child, child
from gateway.bench.seed import seed_due, undelivered
from gateway.bench.stage import Stage
from gateway.bench.toss import Middle

WANTED = 0.8  # contract §13
_LOOP = "asyncio"
_WITHIN_S = 60.0
_WHAT = "deliveries"


def run_deliveries(stage: Stage) -> list[Figure]:
    """Measure both sides by turns, the gateway each time with a new outbox."""
    wanted = stage.size.share * WANTED
    house = stage.house("deliveries", like="settled")
    ours, theirs = stage.in_turn(
        _WHAT, lambda: _gateway(stage, house), lambda: _client(stage, house)
    )
    return figures("deliveries", _WHAT, ours, theirs, wanted)


def _gateway(stage: Stage, house: House) -> Middle:
    seed_due(house.journal, stage.size.deliveries, stage.where.panels)
    with house.serving(_LOOP, before=_expecting(stage)) as gateway:
        middle = _middle(stage)
        gateway.stop()
    left = undelivered(house.journal)
    if left:
        raise BenchError(f"{_WHAT}: {left} were called and not journaled")
    return middle


def _client(stage: Stage, house: House) -> Middle:
    """Call what a journal that no gateway runs on has due; it is thrown away."""
    file, journal = stage.folder / "urls.json", stage.folder / "client.db"
    shutil.copy(house.journal, journal)
    urls = seed_due(journal, stage.size.deliveries, stage.where.panels)
    file.write_bytes(msgspec.json.encode(urls))
    words = ("gateway.bench.yardstick", "deliver", str(file))
    with child(words, stage.folder / "deliver.log", _LOOP) as process:
        _expecting(stage)(process)
        process.line(START_S)
        return _middle(stage)


def _expecting(stage: Stage) -> Callable[[Child], None]:
    def expect(process: Child) -> None:
        stage.others.ask("expect", START_S, count=stage.size.deliveries, pid=process.pid)

    return expect


def _middle(stage: Stage) -> Middle:
    said = stage.others.ask("delivered", _WITHIN_S + START_S, within_s=_WITHIN_S)
    middle = msgspec.convert(said, Middle)
    if middle.came != stage.size.deliveries:
        raise BenchError(f"{_WHAT}: {middle.came} of {stage.size.deliveries} came")
    stage.watch(_WHAT, middle.own_cpu_s, middle.seconds)
    return middle
