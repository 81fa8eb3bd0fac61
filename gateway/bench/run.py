"""The whole bench: every part in turn, in a folder that is gone afterwards."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from gateway.bench.deliveries import run_deliveries
from gateway.bench.figures import Figure
from gateway.bench.latency import run_latency
from gateway.bench.old import run_old
from gateway.bench.opened import run_opened
from gateway.bench.orders import run_orders
from gateway.bench.processes import BenchError
from gateway.bench.stage import Size, Stage, stage
from gateway.bench.status import run_status
from gateway.bench.way import run_way

Part = Callable[[Stage], list[Figure]]

PARTS: Mapping[str, Part] = MappingProxyType(
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


def run(names: Sequence[str], size: Size) -> tuple[list[Figure], list[str]]:
    """Measure these parts; returns the figures, and what spoils them."""
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="otomax-gateway-bench-") as folder,
        stage(Path(folder), size) as everything,
    ):
        for name in names:
            figures += PARTS[name](everything)
        return figures, everything.warnings


__all__ = ["PARTS", "BenchError", "run"]
