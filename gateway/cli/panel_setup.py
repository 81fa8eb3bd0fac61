"""`otomax-gateway panel-setup CODE`: the sheet that a reseller's operator types from."""

import contextlib
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from gateway.cli.desk import ask, show
from gateway.cli.options import config_option, json_option, settings_or_exit
from gateway.cli.reseller import code_argument

if TYPE_CHECKING:
    from gateway.protocol.panel import Sheet

_FORMS = ("text", "markdown")


@click.command("panel-setup")
@code_argument
@click.option(
    "--for",
    "kind",
    metavar="KIND",
    type=click.Choice(["text", "otomax", "report", "program"]),
    help="Only for this kind of panel: text, otomax, report, program.",
)
@click.option("--format", "form", type=click.Choice(_FORMS), default="text", show_default=True)
@json_option
@config_option
def panel_setup(
    code: str, kind: str | None, form: str, config: Path | None, *, as_json: bool
) -> None:
    """Print all that a reseller types into its panel.

    URL templates in the panel's own placeholders, addresses to allow, sample replies, what it is
    called back with, and the regular expressions. The key stands there as APIKEY: it was shown
    when it was made.
    """
    told = _setup(ask(config, "reseller.show", code=code), config, kind)
    table = _markdown if form == "markdown" else _plain
    show(told, as_json=as_json, table=table)


def _setup(reseller: dict[str, Any], config: Path | None, kind: str | None) -> dict[str, Any]:
    """Return the sheets as plain data."""
    from msgspec import to_builtins

    from gateway.protocol.panel import Place, sheets

    url = settings_or_exit(config).server.public_url
    place = Place(
        code=reseller["code"],
        url=url,
        addresses=_addresses(url),
        allow_ips=tuple(reseller["allow_ips"]),
        callback_url=reseller["callback_url"],
        delivery=reseller["delivery"],
        native=reseller["native"],
        allow_pin=reseller["allow_pin"],
    )
    wanted: list[Sheet] = [sheet for sheet in sheets(place) if kind in (None, sheet.kind)]
    return {"reseller": place.code, "url": url, "sheets": to_builtins(wanted)}


def _addresses(url: str) -> tuple[str, ...]:
    """Return the addresses behind the gateway's own name: where its callbacks come from, too."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return tuple(sorted({str(entry[4][0]) for entry in found}))
    return ()


def _plain(told: dict[str, Any]) -> str:
    lines = [f"Reseller {told['reseller']} di {told['url']}"]
    for sheet in told["sheets"]:
        lines += ["", f"== {sheet['title']} ({sheet['kind']})", ""]
        for title, rows in _tables(sheet):
            lines += [title, *(f"  {name}: {value}" for name, value in rows.items()), ""]
        lines += [f"! {note}" for note in sheet["notes"]]
    return "\n".join(lines)


def _markdown(told: dict[str, Any]) -> str:
    lines = [f"# Panel {told['reseller']}", "", f"Gateway: {told['url']}"]
    for sheet in told["sheets"]:
        lines += ["", f"## {sheet['title']}"]
        for title, rows in _tables(sheet):
            lines += ["", f"### {title}", ""]
            for name, value in rows.items():
                fence = _fence(value)
                lines += [f"- {name}", "", f"  {fence}text", f"  {value}", f"  {fence}"]
        lines += ["", *(f"- {note}" for note in sheet["notes"])]
    return "\n".join(lines)


def _meaning(name: str) -> str:
    from gateway.protocol.expressions import MEANINGS

    return MEANINGS[name.partition(" ")[0]]


def _fence(value: str) -> str:
    """Return what a value can stand between: more backticks than it has itself in a row."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", value)), default=0))


def _tables(sheet: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    tables = {
        "Pengaturan": sheet["settings"],
        "Contoh jawaban": sheet["samples"],
        "Contoh callback": sheet["callbacks"],
        "Ekspresi reguler": {
            f"{name} ({_meaning(name)})": expression
            for name, expression in sheet["expressions"].items()
        },
    }
    return [(title, rows) for title, rows in tables.items() if rows]
