"""`otomax-gateway alert …`: what an operator must know, and taking note of it."""

import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import EXIT_NOT_DONE, config_option, fail, json_option


@click.group()
def alert() -> None:
    """List what an operator must know, and take note of it."""


@alert.command("list")
@click.option("--all", "with_acked", is_flag=True, help="Those taken note of, too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only older ones than this.")
@json_option
@config_option
def list_(config: Path | None, *, as_json: bool, **wanted: Any) -> None:
    """List alerts, newest first."""
    show(ask(config, "alert.list", **wanted), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            str(row["id"]),
            local_time(row["raised_at"]),
            row["kind"],
            row["order"] or "-",
            "-" if row["acked_at"] is None else local_time(row["acked_at"]),
            row["text"],
        ]
        for row in rows
    ]
    return columns(cells, ["ID", "RAISED", "KIND", "ORDER", "NOTED", "WHAT"])


@alert.command()
@click.argument("ids", metavar="[ID]…", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every one that is open.")
@json_option
@config_option
def ack(ids: tuple[int, ...], config: Path | None, *, every: bool, as_json: bool) -> None:
    """Take note of alerts: they are no longer listed, and not raised again."""
    if bool(ids) == every:
        raise click.UsageError("name the alerts by their numbers, or say --all")
    acked = ask(config, "alert.ack", ids=None if every else list(ids))
    show(acked, as_json=as_json, table=lambda row: f"{len(row['acked'])} noted")


@alert.command()
@json_option
@config_option
def test(config: Path | None, *, as_json: bool) -> None:
    """Send a test to every channel of [alert] now, and print what came back."""
    told = ask(config, "alert.test")
    if not told:
        fail(
            "no channel is set where this was asked: alert.telegram_chat or alert.webhook_url in "
            "config.toml; a gateway that runs reads them at its next reload"
        )
    show(told, as_json=as_json, table=_told)
    if not all(row["ok"] for row in told):
        sys.exit(EXIT_NOT_DONE)


def _told(rows: list[dict[str, Any]]) -> str:
    cells = [[row["channel"], "sent" if row["ok"] else "not sent", row["said"]] for row in rows]
    return columns(cells, ["CHANNEL", "", "ANSWER"])
