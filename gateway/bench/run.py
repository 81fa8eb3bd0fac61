"""The whole bench: every part in turn, in a folder that is gone afterwards."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from gateway.bench.deliveries import run_deliveries
from gateway.bench.figures import Figure
from gateway.bench.latency import run_latency
from gateway.bench.machine import file_system
from gateway.bench.old import run_old
from gateway.bench.opened import run_opened
from gateway.bench.orders import run_orders
from gateway.bench.processes import BenchError
from gateway.bench.stage import Size, Stage, stage
from gateway.bench.status import run_status
from gateway.bench.steps import run_steps
from gateway.bench.way import run_way

PARTS: Mapping[str, Callable[[Stage], list[Figure]]] = MappingProxyType(
    {
        "orders": partial(run_orders, loop="asyncio"),
        "orders-uvloop": partial(run_orders, loop="shipped"),
        "status": run_status,
        "deliveries": run_deliveries,
        "latency": run_latency,
        "way": run_way,
        "open": run_opened,
        "old": run_old,
    }
)
_FORGETFUL = ("tmpfs", "ramfs")
STEPS = "steps"  # a part without a yardstick
SHARED = "shared"  # a part that needs a PostgreSQL, and is measured where one is named
NAMES = (*PARTS, STEPS)


@dataclass
class Report:
    """What was measured, and what spoils it; `steps` in µs, None where one could not be."""

    figures: list[Figure] = field(default_factory=list)
    steps: dict[str, float | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _measured(name: str, everything: Stage) -> list[Figure]:
    """Measure one part; where it fails, that is its figure, and the others are measured yet."""
    try:
        return PARTS[name](everything)
    except BenchError as error:
        return [Figure(name=name, title=name, unit="", gateway=(), failed=str(error))]


def _shared(everything: Stage, storage: str) -> list[Figure]:
    try:
        from gateway.bench.shared import run_shared

        return run_shared(everything, storage)
    except BenchError as error:
        why = str(error)
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        why = "PostgreSQL needs asyncpg: pip install 'otomax-gateway[postgres]'"
    return [Figure(name=SHARED, title=SHARED, unit="", gateway=(), failed=why)]


def run(names: Sequence[str], size: Size, storage: str = "") -> Report:
    """Measure these parts.

    Args:
        names: of the parts.
        size: how much is measured.
        storage: where gateways share a journal, for that part alone.

    Raises:
        BenchError: not even the counterparty started.
    """
    report = Report()
    with (
        tempfile.TemporaryDirectory(prefix="otomax-gateway-bench-") as folder,
        stage(Path(folder), size) as everything,
    ):
        for name in names:
            if name == STEPS:
                report.steps = run_steps(everything)
            elif name == SHARED:
                report.figures += _shared(everything, storage)
            else:
                report.figures += _measured(name, everything)
        if file_system(Path(folder)) in _FORGETFUL:
            everything.warn("the journals lay in memory: no order was durable")
        report.warnings = everything.warnings
    return report
