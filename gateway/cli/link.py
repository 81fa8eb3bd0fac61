"""`otomax-gateway link …`: links that show a reseller its own orders, without a key."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import config_option, json_option
from gateway.cli.reseller import code_argument


@click.group()
def link() -> None:
    """Show a reseller its own orders, by a link that ends."""


@link.command()
@code_argument
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True)
@json_option
@config_option
def make(code: str, config: Path | None, *, as_json: bool, days: int) -> None:
    """Make a link and print it, once. Who holds it sees this reseller's orders alone."""
    made = ask(config, "link.make", code=code, days=days)
    show(made, as_json=as_json, table=lambda row: str(row["url"]))


@link.command("list")
@click.option("--reseller", "code", metavar="CODE", help="Only those of this reseller.")
@json_option
@config_option
def list_(code: str | None, config: Path | None, *, as_json: bool) -> None:
    """List the links that have not ended; what they are is not told again."""
    show(ask(config, "link.list", code=code), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            str(row["id"]),
            row["code"],
            row["who"],
            local_time(row["created_at"]),
            local_time(row["ends_at"]),
            local_time(row["seen_at"]),
        ]
        for row in rows
    ]
    return columns(cells, ["ID", "RESELLER", "MADE BY", "MADE", "ENDS", "LAST USED"])


@link.command()
@click.argument("link_id", metavar="ID", type=click.IntRange(min=1))
@config_option
def revoke(link_id: int, config: Path | None) -> None:
    """Take a link away; it shows nothing from now on."""
    ask(config, "link.revoke", link_id=link_id)
    click.echo(f"link {link_id} is taken away")
