"""What every part of the bench stands on: a folder, the counterparty, and how much to measure."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.bench.counterparty import HOST, Started, Way
from gateway.bench.house import House
from gateway.bench.load import Outcome
from gateway.bench.processes import START_S, BenchError, Child, child
from gateway.bench.toss import PENDING

_MARGIN_S = 40.0  # for connecting, and for the last answers
_BUSY = 0.9  # of a core: beyond it the counterparty measured itself
_WAY_S = 60.0  # for some thousand orders, from the first request to the last delivery
_runs = count()
T = TypeVar("T")
U = TypeVar("U")


def unused_names() -> str:
    """Return how trx_ids begin that no run has used."""
    return f"b{next(_runs)}-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        share: of each figure that is to be reached: less than one notices a doubling of the cost,
            and bears short runs on a busy machine.
        pairs: runs of each side; many short ones, so that a busy moment spoils few.
        warm_s: seconds of each run that are not counted.
        count_s: seconds that are.
        old_orders: how many the journal with old orders holds.
        statuses: how many old orders are asked about.
        recent: how many that were settled just now.
        deliveries: how many are due.
        way_orders: how many orders are followed to their end.
        open_orders: with how many the memory is looked at.
        starts: how often the gateway is started with the most of them.
        steps: calls of each single step.
    """

    share: float = 1.0
    pairs: int = 9
    warm_s: float = 0.5
    count_s: float = 2.0
    old_orders: int = 5_000_000
    statuses: int = 100_000
    recent: int = 3_000
    deliveries: int = 6_400
    way_orders: int = 3_000
    open_orders: tuple[int, ...] = (0, 10_000, 100_000)
    starts: int = 3
    steps: int = 2_000


FULL = Size()
FAST = Size(
    share=0.45,
    pairs=2,
    warm_s=0.4,
    count_s=0.8,
    old_orders=100_000,
    statuses=10_000,
    recent=500,
    deliveries=1_600,
    way_orders=500,
    open_orders=(100_000,),
    starts=1,
    steps=500,
)


@dataclass(frozen=True, slots=True)
class At:
    """Who is asked: a port of this machine, and the process behind it."""

    port: int
    pid: int


@dataclass
class Stage:
    """A running counterparty, and a folder for everything."""

    folder: Path
    others: Child
    where: Started
    size: Size
    warnings: list[str] = field(default_factory=list)
    _models: dict[str, Path] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Note once what spoils a figure."""
        if text not in self.warnings:
            self.warnings.append(text)

    def house(self, name: str, like: str = "", recheck_s: str = "600") -> House:
        """Make a folder for a gateway.

        Args:
            name: of the folder.
            like: `settled` or `open` where its journal is to hold one such order.
            recheck_s: the schedule of look-ups.
        """
        return House(self.folder / name, self.where, recheck_s, self._model(like))

    def _model(self, kind: str) -> Path:
        """Return a folder that a house is copied from; made when it is first asked for."""
        if kind not in self._models:
            folder = self.folder / f"model-{kind}"
            like = self._model("") if kind else None
            house = House(folder, self.where, like=like)
            if kind == "settled":
                self._settle_one(house)
            elif kind == "open":
                self._open_one(house)
            self._models[kind] = folder
        return self._models[kind]

    def load(self, what: str, at: At, **job: Any) -> Outcome:  # noqa: ANN401  fields of a Job
        """Run a load.

        Raises:
            BenchError: an answer was wrong.
        """
        job = {"warm_s": self.size.warm_s, "count_s": self.size.count_s} | job
        within_s = job["warm_s"] + job["count_s"] + _MARGIN_S
        said = self.others.ask("load", within_s, host=HOST, port=at.port, pid=at.pid, **job)
        return self._checked(what, msgspec.convert(said, Outcome))

    def orders(self, what: str, at: At, house: House, **job: Any) -> Outcome:  # noqa: ANN401  same
        """Run a load of orders, each with a trx_id that was never used; none ends."""
        job = {"targets": house.order_targets(), "names": unused_names(), "expect": PENDING} | job
        return self.load(what, at, **job)

    def spread(self, what: str, at: Sequence[At], **job: Any) -> list[Outcome]:  # noqa: ANN401
        """Run a load of orders at each of several gateways at the same time.

        Raises:
            BenchError: an answer was wrong.
        """
        job = {
            "expect": PENDING,
            "host": HOST,
            "warm_s": self.size.warm_s + 1,
            "count_s": 2 * self.size.count_s,
            **job,
        }
        jobs = [{**job, "port": a.port, "pid": a.pid, "names": unused_names()} for a in at]
        said = self.others.ask("loads", job["warm_s"] + job["count_s"] + _MARGIN_S, jobs=jobs)
        return [self._checked(what, each) for each in msgspec.convert(said, list[Outcome])]

    def delay(self, seconds: float) -> None:
        """Have the upstream take its time from now on."""
        self.others.ask("delay", START_S, seconds=seconds)

    def way(self, what: str, at: At, house: House, orders: int, names: str = "") -> Way:
        """Place orders and follow each to its end: called back, settled, delivered.

        Args:
            what: is measured.
            at: who is asked.
            house: whose resellers order.
            orders: how many.
            names: how their trx_ids begin; unused ones where it is empty.

        Raises:
            BenchError: one did not come to its end.
        """
        job = {
            "targets": house.order_targets(),
            "names": names or unused_names(),
            "expect": PENDING,
            "warm_s": 0.0,
            "count_s": _WAY_S,
            "most": orders,
        }
        within_s = 2 * (_WAY_S + _MARGIN_S)
        said = self.others.ask("way", within_s, host=HOST, port=at.port, pid=at.pid, **job)
        way = msgspec.convert(said, Way)
        self._checked(what, way.load)
        if way.told < orders:
            raise BenchError(f"{what}: {way.told} of {orders} orders were told to their panels")
        self.watch(what, way.own_cpu_s, way.seconds)
        return way

    def in_turn(
        self, what: str, ours: Callable[[], T], theirs: Callable[[], U], times: int = 1
    ) -> tuple[list[T], list[U]]:
        """Run both sides by turns; who begins changes with each pair, for the first may be slower.

        Args:
            what: is measured.
            ours: one run of the gateway.
            theirs: one run of the yardstick.
            times: how many times more pairs than usual.
        """
        of_us: list[T] = []
        of_them: list[U] = []
        pairs = self.size.pairs * times
        for number in range(pairs):
            self.say(f"{what}: {number + 1}/{pairs}")
            if number % 2:
                of_them.append(theirs())
                of_us.append(ours())
            else:
                of_us.append(ours())
                of_them.append(theirs())
        return of_us, of_them

    def _settle_one(self, house: House) -> None:
        """Leave one order in a journal that went its whole way; the gateway is stopped then."""
        with house.serving() as gateway:
            self.way("one order", At(house.port, gateway.pid), house, 1)
            gateway.stop()

    def _open_one(self, house: House) -> None:
        """Leave one order in a journal that is open."""
        with house.serving() as gateway:
            self.orders("one order", At(house.port, gateway.pid), house, warm_s=0.0, most=1)
            gateway.stop()

    def _checked(self, what: str, outcome: Outcome) -> Outcome:
        if outcome.faults or not outcome.answered:
            raise BenchError(f"{what}: {outcome.faults} wrong answers: {outcome.first_fault}")
        self.watch(what, outcome.own_cpu_s, outcome.seconds)
        return outcome

    def watch(self, what: str, own_cpu_s: float, seconds: float) -> None:
        """Warn where the counterparty had so much to do that it measured itself."""
        if own_cpu_s > _BUSY * seconds:
            self.warn(
                f"{what}: load, upstream and panels took {own_cpu_s / seconds:.0%} of a core"
            )

    @contextlib.contextmanager
    def yardstick(self, kind: str, loop: str) -> Iterator[At]:
        """Run a server to measure against."""
        upstream = f"http://{HOST}:{self.where.upstream}"
        words = ("gateway.bench.yardstick", kind, upstream)
        with child(words, self.folder / f"{kind}.log", loop) as process:
            yield At(int(process.line(START_S)), process.pid)


@contextlib.contextmanager
def stage(folder: Path, size: Size) -> Iterator[Stage]:
    """Run the counterparty for as long as this lasts."""
    with child(("gateway.bench.counterparty",), folder / "counterparty.log") as others:
        where = msgspec.json.decode(others.line(START_S), type=Started)
        yield Stage(folder, others, where, size)
