"""`otomax-gateway delivery …`: who was told what, telling it again, and hosts that are paused."""

import re
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import config_option, json_option


@click.group()
def delivery() -> None:
    """List deliveries, send some again, pause a host."""


@delivery.command("list")
@click.option("--state", type=click.Choice(["due", "delivered", "dead", "superseded"]))
@click.option("--order", metavar="CODE-TRX_ID|INVOICE", help="Only those of this order.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only older ones than this.")
@json_option
@config_option
def list_(config: Path | None, *, as_json: bool, **wanted: Any) -> None:
    """List deliveries, newest first."""
    show(ask(config, "delivery.list", **wanted), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            str(row["id"]),
            row["upstream_trx_id"],
            row["status"],
            row["state"],
            str(row["attempts"]),
            local_time(row["next_at"]),
            row["host"],
            row["last_result"] or "-",
        ]
        for row in rows
    ]
    head = ["ID", "ORDER", "STATUS", "STATE", "TRIES", "NEXT", "HOST", "LAST RESULT"]
    return columns(cells, head)


class _Time(click.ParamType[int]):
    """A time: a date, a date with a time of day, ISO 8601, or how long ago it was (`2h`, `3d`)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return Unix milliseconds."""
        at = value if isinstance(value, int) else _time(value)
        if at is None:
            self.fail(
                f"{value!r} is no time: wanted 2026-11-22, '2026-11-22 10:00', "
                "2026-11-22T10:00:00+07:00, or how long ago, such as 30m, 2h or 3d",
                param,
                ctx,
            )
        return at


_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])")
_AGO_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _time(text: str) -> int | None:
    """Return a time in Unix milliseconds, in this machine's zone where it names none."""
    from datetime import datetime

    from gateway.clock import now_ms

    if ago := _AGO.fullmatch(text.strip()):
        return now_ms() - int(ago[1]) * _AGO_MS[ago[2]]
    try:
        return round(datetime.fromisoformat(text.strip()).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


_RESEND_HELP: Final = """Send one delivery again, by its number, or everything that matches.

Each is sent byte for byte the same, with its whole schedule before it. Everything that matches is
what came to its state (`--state`, by default dead) since a time, where it is the newest of its
order: a panel must not read an older status after a newer one.

TIME is 2026-11-22, '2026-11-22 10:00', any ISO 8601, or how long ago: 30m, 2h, 3d. Where it names
no zone it is in this machine's.
"""


@delivery.command(help=_RESEND_HELP)
@click.argument("delivery_id", metavar="[ID]", required=False, type=click.IntRange(min=1))
@click.option("--since", metavar="TIME", type=_Time(), help="Everything since then.")
@click.option("--until", metavar="TIME", type=_Time(), help="But nothing later.  [default: now]")
@click.option("--reseller", metavar="CODE", help="Only this reseller's.")
@click.option("--host", metavar="HOST:PORT", help="Only those to this host.")
@click.option("--state", type=click.Choice(["dead", "delivered", "due"]), help="[default: dead]")
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@config_option
def resend(
    delivery_id: int | None, config: Path | None, *, as_json: bool, dry_run: bool, **wanted: Any
) -> None:
    """Send one delivery again, or everything that matches."""
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if (delivery_id is None) == ("since" not in wanted) or (delivery_id and (wanted or dry_run)):
        raise click.UsageError("say either the number of one delivery, or --since TIME")
    if delivery_id is not None:
        sent = ask(config, "delivery.resend", delivery_id=delivery_id)
        show(sent, as_json=as_json, table=lambda row: f"delivery {row['id']} is due now")
        return
    if wanted["since"] > wanted.get("until", wanted["since"]):
        raise click.UsageError("--until lies before --since")
    sent = ask(config, "delivery.resend_all", dry_run=dry_run, **wanted)
    state = wanted.get("state", "dead")
    show(sent, as_json=as_json, table=partial(_resent, dry_run=dry_run, state=state))


def _resent(row: dict[str, int], *, dry_run: bool, state: str) -> str:
    said = f"deliveries that {'would be' if dry_run else 'are'} due now: {row['resent']}"
    if row["skipped"]:
        said += f"; skipped, for their orders have a newer one: {row['skipped']}"
    if state == "dead" and not row["resent"]:
        said += "; these are the dead ones alone, --state due takes those that are still tried"
    return said


@delivery.command()
@json_option
@config_option
def hosts(config: Path | None, *, as_json: bool) -> None:
    """List the hosts that are told, those that fail first."""
    show(ask(config, "delivery.hosts"), as_json=as_json, table=_hosts_table)


def _hosts_table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            row["host"],
            str(row["due"]),
            str(row["dead"]),
            local_time(row["silent_since"]),
            local_time(row["paused_since"]),
            row["last_result"] or "-",
        ]
        for row in rows
    ]
    return columns(cells, ["HOST", "DUE", "DEAD", "SILENT SINCE", "PAUSED SINCE", "LAST RESULT"])


@delivery.command()
@click.argument("host", metavar="HOST:PORT")
@click.option("--reason", default="", help="Why, for whoever wonders.")
@config_option
def pause(host: str, config: Path | None, reason: str) -> None:
    """Send nothing to a host until it is resumed; what is due for it waits, also over a start."""
    made = ask(config, "delivery.pause", host=host, reason=reason)
    click.echo(f"{made['host']} is paused")


@delivery.command()
@click.argument("host", metavar="HOST:PORT")
@config_option
def resume(host: str, config: Path | None) -> None:
    """Send to a paused host again."""
    made = ask(config, "delivery.resume", host=host)
    click.echo(f"{made['host']} is told again")
