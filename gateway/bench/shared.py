"""One, two and three gateways on one PostgreSQL journal, beside one on SQLite.

The upstream answers after 300 ms, as a real one does, and each gateway has as many orders under
way as it may send at once; panels are spread over the gateways' ports as by a load balancer. Then
the same without any delay, which shows what the journal alone costs. The sides run by turns. What
is answered is in the journal: it is counted at the end.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from gateway.bench.figures import Figure, percentile
from gateway.bench.house import House
from gateway.bench.load import Outcome
from gateway.bench.processes import BenchError
from gateway.bench.server import server
from gateway.bench.stage import At, Stage

T = TypeVar("T")
TEMPORARY: Final = "temporary"
DELAY_S: Final = 0.3
MOST_GATEWAYS: Final = 3
_CONNECTIONS: Final = 192  # of each gateway: below `upstream.max_in_flight`, 200
_AT_ONCE: Final = 64  # without a delay, as elsewhere
_SHARES: Final = {"p50": 0.5, "p99": 0.99}
_LOOP: Final = "shipped"


def run_shared(stage: Stage, storage: str) -> list[Figure]:
    """Measure gateways that share a journal.

    Args:
        stage: where.
        storage: the URL of a PostgreSQL database, in which a schema is made and dropped again; or
            `temporary`, which starts a server for the bench alone.
    """
    with _database(stage, storage) as url, _schema(url) as journal:
        first = House(stage.folder / "shared-1", stage.where, storage=journal)
        others = [
            House(stage.folder / f"shared-{n}", stage.where, like=first.folder, storage=journal)
            for n in range(2, MOST_GATEWAYS + 1)
        ]
        sides = _Sides(stage, stage.house("shared-sqlite"), [first, *others])
        figures = [*sides.delayed(), *sides.at_once()]
        held = _run(_count_orders(journal))
        if held < sides.asked:
            raise BenchError(f"{sides.asked - held} of {sides.asked} orders are not in PostgreSQL")
    return figures


class _Sides:
    """Both sides, and how many orders were asked of PostgreSQL."""

    def __init__(self, stage: Stage, sqlite: House, shared: Sequence[House]) -> None:
        self._stage = stage
        self._sqlite = sqlite
        self._shared = shared
        self.asked = 0

    def delayed(self) -> list[Figure]:
        """Measure with an upstream that takes its time."""
        self._stage.delay(DELAY_S)
        figures = []
        for number in range(1, MOST_GATEWAYS + 1):
            what = f"{number} on PostgreSQL, {DELAY_S * 1000:.0f} ms"
            figures += self._figures(f"shared-{number}", what, number, _CONNECTIONS)
        self._stage.delay(0)
        return figures

    def at_once(self) -> list[Figure]:
        """Measure with an upstream that takes none."""
        return self._figures("shared-at-once", "1 on PostgreSQL, no delay", 1, _AT_ONCE)

    def _figures(self, name: str, what: str, number: int, connections: int) -> list[Figure]:
        """Measure one number of gateways; where that fails, the others are measured yet."""
        try:
            return self._measured(name, what, number, connections)
        except BenchError as error:
            return [Figure(name=name, title=what, unit="1/s", gateway=(), failed=str(error))]

    def _measured(self, name: str, what: str, number: int, connections: int) -> list[Figure]:
        ours, theirs = self._stage.in_turn(
            what,
            lambda: self._of_postgres(what, number, connections),
            lambda: self._run(what, [self._sqlite], connections),
        )
        rates = [[_rate(run) for run in side] for side in (ours, theirs)]
        figures = [Figure(name=name, title=what, unit="1/s", gateway=rates[0], yardstick=rates[1])]
        for title, share in _SHARES.items():
            figures.append(
                Figure(
                    name=f"{name}-{title}",
                    title=f"{what}, {title}",
                    unit="ms",
                    gateway=[_took(run, share) for run in ours],
                    yardstick=[_took(run, share) for run in theirs],
                    costs=True,
                )
            )
        figures.append(
            Figure(
                name=f"{name}-cpu",
                title=f"{what}, CPU of gateways",
                unit="s/1,000",
                gateway=[_cpu(run) for run in ours],
                yardstick=[_cpu(run) for run in theirs],
                costs=True,
            )
        )
        return figures

    def _of_postgres(self, what: str, number: int, connections: int) -> list[Outcome]:
        outcomes = self._run(what, self._shared[:number], connections)
        self.asked += sum(outcome.asked for outcome in outcomes)
        return outcomes

    def _run(self, what: str, houses: Sequence[House], connections: int) -> list[Outcome]:
        """Load gateways that run for this alone; the others would take of the same cores."""
        with contextlib.ExitStack() as stack:
            at = []
            for house in houses:
                gateway = stack.enter_context(house.serving(_LOOP))
                at.append(At(house.port, gateway.pid))
            targets = self._shared[0].order_targets()
            return self._stage.spread(
                what, at, targets=targets, connections=connections, timed=True
            )


def _rate(run: Sequence[Outcome]) -> float:
    return sum(outcome.answered / outcome.seconds for outcome in run)


def _took(run: Sequence[Outcome], share: float) -> float:
    return percentile([took for outcome in run for took in outcome.took_ms], share)


def _cpu(run: Sequence[Outcome]) -> float:
    answered = sum(outcome.answered for outcome in run)
    return 1000 * sum(outcome.cpu_s for outcome in run) / answered


@contextlib.contextmanager
def _database(stage: Stage, storage: str) -> Iterator[str]:
    if storage != TEMPORARY:
        yield storage
        return
    with server(stage.folder) as url:
        yield url


@contextlib.contextmanager
def _schema(url: str) -> Iterator[str]:
    """Make a schema for as long as this lasts; gives the URL by which it is the only one."""
    name = f"otomax_bench_{secrets.token_hex(4)}"
    _run(_execute(url, f"CREATE SCHEMA {name}"))
    try:
        yield f"{url}{'&' if '?' in url else '?'}search_path={name}"
    finally:
        _run(_execute(url, f"DROP SCHEMA {name} CASCADE"))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _count_orders(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM orders"))
    finally:
        await connection.close()


def _run(doing: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(doing)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = str(error).strip() or type(error).__name__
        raise BenchError(f"PostgreSQL: {said.splitlines()[0]}") from None
