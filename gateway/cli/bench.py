"""`otomax-gateway bench`: the figures of the contract's §13, each beside its yardstick."""

import json
import signal
import sys
from dataclasses import replace
from types import FrameType

import click

from gateway.cli.options import EXIT_NOT_DONE, fail, json_option


@click.command()
@click.option("--fast", is_flag=True, help="Under a minute, with generous bounds: for CI.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this part; may be repeated.")
@click.option("--pairs", type=int, hidden=True, help="Runs of each side.")
@click.option("--seconds", type=float, hidden=True, help="What is counted of each run.")
@json_option
def bench(
    *,
    fast: bool,
    only: tuple[str, ...],
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
    from gateway.bench.machine import machine, versions
    from gateway.bench.run import PARTS, BenchError, run
    from gateway.bench.stage import FAST, FULL
    from gateway.bench.table import as_json as plain
    from gateway.bench.table import as_text

    unknown = [name for name in only if name not in PARTS]
    if unknown:
        raise click.UsageError(f"no such part: {unknown[0]}; there are {', '.join(PARTS)}")
    size = FAST if fast else FULL
    size = replace(size, pairs=pairs or size.pairs, count_s=seconds or size.count_s)
    signal.signal(signal.SIGTERM, _end)
    try:
        figures, warnings = run(only or list(PARTS), size)
    except BenchError as error:
        fail(str(error))
    about = {"machine": machine(), "versions": versions(), "warnings": warnings}
    if as_json:
        click.echo(json.dumps(plain(figures, about), indent=2))
    else:
        click.echo(as_text(figures, _notes(about["machine"], about["versions"], warnings)))
    sys.exit(0 if all_reached(figures) else EXIT_NOT_DONE)


def _notes(machine: object, versions: object, warnings: list[str]) -> list[str]:
    return [*(f"warning: {warning}" for warning in warnings), *map(_told, (machine, versions))]


def _told(about: object) -> str:
    assert isinstance(about, dict)  # noqa: S101  made above
    return " · ".join(f"{name} {value}" for name, value in about.items())


def _end(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C: what was started is ended, what was written is removed."""
    del frame
    sys.exit(128 + number)
