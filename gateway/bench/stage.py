"""What every part of the bench stands on: a folder, the counterparty, and how much to measure."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.bench.counterparty import HOST, Started
from gateway.bench.house import House
from gateway.bench.load import Outcome
from gateway.bench.processes import START_S, BenchError, Child, child

_MARGIN_S = 40.0  # for connecting, and for the last answers
_BUSY = 0.9  # of a core: beyond it the counterparty measured itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        fast: wanted figures are generous: they notice a doubling of the cost, and no more.
        pairs: runs of each side.
        warm_s: seconds of each run that are not counted.
        count_s: seconds that are.
        old_orders: how many the journal with old orders holds.
    """

    fast: bool = False
    pairs: int = 5
    warm_s: float = 1.0
    count_s: float = 4.0
    old_orders: int = 5_000_000


FULL = Size()
FAST = Size(fast=True, pairs=2, warm_s=0.5, count_s=1.0, old_orders=100_000)


@dataclass
class Stage:
    """A running counterparty, and a folder for everything."""

    folder: Path
    others: Child
    where: Started
    size: Size
    warnings: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Note once what spoils a figure."""
        if text not in self.warnings:
            self.warnings.append(text)

    def house(self, name: str, recheck_s: str = "600") -> House:
        """Make a folder for a gateway."""
        return House(self.folder / name, self.where, recheck_s)

    def load(self, what: str, port: int, pid: int, **job: object) -> Outcome:
        """Run a load, and warn of what spoils it.

        Raises:
            BenchError: an answer was wrong.
        """
        job = {"warm_s": self.size.warm_s, "count_s": self.size.count_s} | job
        within_s = float(str(job["warm_s"])) + float(str(job["count_s"])) + _MARGIN_S
        said = self.others.ask("load", within_s, host=HOST, port=port, pid=pid, **job)
        outcome = msgspec.convert(said, Outcome)
        if outcome.faults or not outcome.answered:
            raise BenchError(f"{what}: {outcome.faults} answers were wrong: {outcome.first_fault}")
        if outcome.own_cpu_s > _BUSY * outcome.seconds:
            share = outcome.own_cpu_s / outcome.seconds
            self.warn(
                f"{what}: the load itself took {share:.0%} of a core; it is what was measured"
            )
        return outcome

    @contextlib.contextmanager
    def yardstick(self, kind: str, loop: str) -> Iterator[tuple[int, int]]:
        """Run a server to measure against; gives its port and process id."""
        upstream = f"http://{HOST}:{self.where.upstream}"
        words = ("gateway.bench.yardstick", kind, upstream)
        with child(words, self.folder / f"{kind}.log", loop) as process:
            yield int(process.line(START_S)), process.pid


@contextlib.contextmanager
def stage(folder: Path, size: Size) -> Iterator[Stage]:
    """Run the counterparty for as long as this lasts."""
    with child(("gateway.bench.counterparty",), folder / "counterparty.log") as others:
        where = msgspec.json.decode(others.line(START_S), type=Started)
        yield Stage(folder, others, where, size)
