"""`otomax-gateway delivery …`: who was told what, and telling it again."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import config_option, json_option


@click.group()
def delivery() -> None:
    """List deliveries, send one again."""


@delivery.command("list")
@click.option("--state", type=click.Choice(["due", "delivered", "dead", "superseded"]))
@click.option("--order", metavar="CODE-TRX_ID|INVOICE", help="Only those of this order.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
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


@delivery.command()
@click.argument("delivery_id", metavar="ID", type=click.IntRange(min=1))
@json_option
@config_option
def resend(delivery_id: int, config: Path | None, *, as_json: bool) -> None:
    """Send a delivery again, now, byte for byte the same."""
    sent = ask(config, "delivery.resend", delivery_id=delivery_id)
    show(sent, as_json=as_json, table=lambda row: f"delivery {row['id']} is due now")
