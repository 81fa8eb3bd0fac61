"""`otomax-gateway archive`: move the timelines of old orders out of the journal."""

import re
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.desk import ask, show
from gateway.cli.options import config_option, json_option

_COUNTED: Final = ("orders", "steps", "deliveries", "left")


class _Days(click.ParamType[int]):
    """How long ago, in whole days, such as `90d`."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the days."""
        if isinstance(value, int):
            return value
        days = re.fullmatch(r"([0-9]{1,5})d", str(value), re.ASCII)
        if days is None:
            self.fail(f"{value!r} is no age: wanted days, such as 90d", param, ctx)
        return int(days[1])


_HELP: Final = """Move the timelines and deliveries of old orders into a file of their own.

Old is an order that is final, and to which nothing has happened for so many days; at least 7d. One
stays that is watched or in doubt, has a delivery that is due or dead, or an open alert. The orders
themselves stay, so a trx_id is used for ever; `order show` says where its timeline is.

The archive is a SQLite file with two tables, timeline and deliveries. What is in it is durable
before the journal forgets it; a run that was interrupted is simply repeated. The journal's file
does not become smaller: its free pages are used again.
"""


@click.command(help=_HELP)
@click.option("--older-than", required=True, metavar="DAYS", type=_Days(), help="Such as 90d.")
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The archive.  [default: beside the journal, its name with -archive]",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@config_option
def archive(
    older_than: int, to: Path | None, config: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    """Move the timelines and deliveries of old orders into a file of their own."""
    # The gateway that does it may have another folder than this shell.
    wanted = {"older_than_days": older_than, "dry_run": dry_run, "to": to and str(to.absolute())}
    done = dict.fromkeys(_COUNTED, 0)
    place = None
    while True:
        some = ask(config, "archive.some", **wanted, place=place)
        done = {name: done[name] + some[name] for name in _COUNTED}
        place = some["place"]
        if place is None:
            break
        click.echo(_sentence({**some, **done}, dry_run=dry_run), err=True)
    result = {**done, "file": some["file"], "before": some["before"]}
    show(result, as_json=as_json, table=lambda row: _sentence(row, dry_run=dry_run))


def _sentence(row: dict[str, Any], *, dry_run: bool) -> str:
    verb = "would be moved" if dry_run else "moved"
    counted = ", ".join(f"{name} {row[name]}" for name in _COUNTED[:-1])
    stay = f"; orders that stay for now {row['left']}" if row["left"] else ""
    return f"{verb} to {row['file']}: {counted}{stay}"
