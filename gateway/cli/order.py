"""`otomax-gateway order …`: what was ordered, and everything that happened to it."""

from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.desk import ask, columns, local_time, show, zone
from gateway.cli.options import config_option, json_option

_STATUSES: Final = ["PENDING", "PAID", "SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"]
_FINAL: Final = _STATUSES[2:]
_KINDS: Final = {
    "asked": "diminta panel / asked",
    "sending": "dikirim / sending",
    "answered": "dijawab supplier / answered",
    "looked_up": "dicek / looked up",
    "called_back": "callback masuk / called back",
    "decided": "diputuskan / decided",
    "overruled": "diputuskan operator / overruled",
    "alert": "PERINGATAN / ALERT",
    "told": "panel menerima / told",
    "not_told": "panel belum menerima / not told",
    "resent": "kirim ulang / resent",
    "archived": "diarsipkan / archived",
}


# Of use to the rules alone; `--json` shows them.
_INNER: Final = frozenset(
    {"account", "callback_names", "named", "sending", "lookups", "misses", "ask_since"}
)


@click.group()
def order() -> None:
    """List orders, show one with its whole timeline, look it up, decide it."""


@order.command("list")
@click.option("--reseller", metavar="CODE", help="Only this reseller's.")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="Repeatable."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only older ones than this.")
@json_option
@config_option
def list_(config: Path | None, *, as_json: bool, **wanted: Any) -> None:
    """List orders, newest first."""
    wanted["statuses"] = list(wanted["statuses"])
    show(ask(config, "order.list", **wanted), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            str(row["id"]),
            local_time(row["placed_at"]),
            row["upstream_trx_id"],
            row["product_code"],
            row["dest"],
            row["status"],
            row["note"] or "-",
        ]
        for row in rows
    ]
    return columns(cells, ["ID", "PLACED", "ORDER", "PRODUCT", "DEST", "STATUS", "NOTE"])


@order.command("show")
@click.argument("name", metavar="CODE-TRX_ID|INVOICE")
@json_option
@config_option
def show_(name: str, config: Path | None, *, as_json: bool) -> None:
    """Show one order: what was asked, sent, answered, called back and delivered, with times."""
    show(ask(config, "order.show", name=name), as_json=as_json, table=_sheet)


@order.command()
@click.argument("name", metavar="CODE-TRX_ID|INVOICE")
@json_option
@config_option
def recheck(name: str, config: Path | None, *, as_json: bool) -> None:
    """Look one order up at the upstream now, final or not; what it says is applied."""
    show(ask(config, "order.recheck", name=name), as_json=as_json, table=_found)


def _found(row: dict[str, Any]) -> str:
    said = row.pop("said")
    return f"supplier menjawab / the upstream says: {said}\n\n{_sheet(row)}"


@order.command()
@click.argument("name", metavar="CODE-TRX_ID|INVOICE")
@click.argument("status", type=click.Choice(_FINAL, case_sensitive=False))
@click.option("--reason", required=True, help="Why; it stands in the order's timeline.")
@click.option(
    "--sn", "note", help="What the panel reads behind the status: the SN, or why it failed."
)
@json_option
@config_option
def settle(name: str, config: Path | None, *, as_json: bool, **decision: Any) -> None:
    """Decide an order that is open, by your own word; its panel is told as soon as a gateway runs.

    Let nothing fail that `order recheck` still shows as PENDING: it may be bought yet.
    What the upstream says later is still heard: an order that you let fail is looked up for a day,
    and corrected if it was bought after all. A final order is not decided again; `order recheck`
    asks the upstream about it.
    """
    show(ask(config, "order.settle", name=name, **decision), as_json=as_json, table=_sheet)


def _sheet(row: dict[str, Any]) -> str:
    timeline, deliveries = row.pop("timeline"), row.pop("deliveries")
    width = max(map(len, row))
    lines = [
        f"{name.ljust(width)}  {_shown(name, value)}"
        for name, value in row.items()
        if name not in _INNER and value not in (None, "")
    ]
    lines.append(f"\nriwayat / timeline ({zone()})")
    kinds = max(map(len, _KINDS.values()))
    for step in timeline:
        kind = _KINDS.get(step["kind"], step["kind"])
        lines.append(f"  {_precise(step['at'])}  {kind.ljust(kinds)}  {step['text']}")
    lines.append("\nkiriman / deliveries")
    lines += [
        f"  {delivery['id']}  {delivery['state']}  {delivery['attempts']} x  {delivery['url']}"
        for delivery in deliveries
    ] or ["  -"]
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    return local_time(value) if name.endswith("_at") else str(value)


def _precise(iso: str) -> str:
    return f"{local_time(iso)}.{iso[20:23]}"
