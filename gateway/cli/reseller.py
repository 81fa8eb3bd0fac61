"""`otomax-gateway reseller …`: who may order. Prints a key once, when it is made."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import config_option, fail, json_option
from gateway.domain.reseller import PROFILES

_SHORT_KEY: Final = 16  # characters; shorter ones are worth a warning
_FILE_KEYS: Final = {
    "code": str,
    "name": str,
    "upstream_key": str,
    "key": str,
    "callback_url": str,
    "callback_host": list,
    "allow_ip": list,
    "delivery": str,
    "pin": str,
    "password": str,
    "allow_pin": bool,
    "max_price": int,
    "suspended": bool,
}
_WANTED: Final = {
    str: "text in quotes",
    int: "a whole number",
    list: 'a list such as ["203.0.113.7"]',
    bool: "true or false",
}
_SEEN: Final = (
    "{option}: what stands on a command line is seen by everybody on this machine, and kept by "
    "the shell; give - and let it come on stdin."
)
# What the options and the file call one thing, and the desk calls many.
_PLURALS: Final = {"callback_host": "callback_hosts", "allow_ip": "allow_ips"}


class _Code(click.ParamType[str]):
    """A reseller's code."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from gateway.protocol.fields import CODE

        if not CODE.fullmatch(value):
            self.fail(f"{value!r}: a code is [a-z0-9], 1 to 12 characters", param, ctx)
        return value


code_argument = click.argument("code", type=_Code())


def _values(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `add` and `set` share."""
    options = [
        click.option("--name", metavar="T", help="For your eyes."),
        click.option(
            "--upstream-key",
            metavar="K|-",
            help="The key at the upstream under which this reseller buys; - reads it from stdin.",
        ),
        click.option(
            "--callback-url",
            metavar="U",
            help="Where deliveries go when an order names no callback_url.",
        ),
        click.option(
            "--callback-host",
            "callback_hosts",
            metavar="H",
            multiple=True,
            help="A host that orders may name in callback_url; repeatable. None: any host.",
        ),
        click.option(
            "--allow-ip",
            "allow_ips",
            metavar="CIDR",
            multiple=True,
            help="An address or network that requests may come from; repeatable. None: any.",
        ),
        click.option(
            "--delivery",
            type=click.Choice(PROFILES),
            help="The form of deliveries.  [default: toss]",
        ),
        click.option(
            "--pin",
            metavar="P|-",
            help="For OtomaX's own protocol, with --password; - reads it from stdin.",
        ),
        click.option(
            "--password",
            metavar="P|-",
            help="The same; where both are -, the pin's line comes first.",
        ),
        click.option(
            "--allow-pin/--no-allow-pin",
            default=None,
            help="Whether requests may show pin and password in place of a sign.  [default: no]",
        ),
        click.option(
            "--max-price",
            metavar="RUPIAH",
            type=click.IntRange(min=0),
            help="The most that one order may cost, by the upstream's list; 0: any price.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def reseller() -> None:
    """Add, change and list resellers, rotate their keys."""


@reseller.command()
@code_argument
@_values
@click.option(
    "--key",
    metavar="K|-",
    help="Take over a key that the reseller has already; - reads it from stdin.",
)
@config_option
def add(code: str, config: Path | None, **values: Any) -> None:
    """Add a reseller and print its key, once.

    The key alone goes to stdout, everything else to stderr.
    """
    made = ask(config, "reseller.add", code=code, **_given(values))
    _say_key(made, f"reseller {code} added.")
    if len(made["key"]) < _SHORT_KEY:
        click.echo(f"This key has under {_SHORT_KEY} characters: it can be guessed.", err=True)
    if not values["upstream_key"]:
        click.echo(
            f"It can not order yet: otomax-gateway reseller set {code} --upstream-key -", err=True
        )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; a `-` is read from stdin."""
    given = {name: value for name, value in values.items() if value not in (None, ())}
    for name in ("upstream_key", "key", "pin", "password"):
        option = f"--{name.replace('_', '-')}"
        if given.get(name) == "-":
            given[name] = _read_secret(option)
        elif given.get(name):
            click.echo(_SEEN.format(option=option), err=True)
    return given


def _read_secret(option: str) -> str:
    """Read a key from stdin; on a terminal with a prompt, and without showing it."""
    if sys.stdin.isatty():
        prompt = f"{option} (tidak ditampilkan / hidden)"
        secret: str = click.prompt(prompt, hide_input=True, err=True)
    else:
        secret = sys.stdin.readline()
    if not secret.strip():
        raise click.UsageError(f"{option} -: nothing came on stdin")
    return secret.strip()


def _say_key(made: dict[str, str], sentence: str) -> None:
    click.echo(
        f"{sentence} Kunci ini hanya tampil sekali, simpan sekarang.\n"
        "This is its key; it is shown once, keep it now:",
        err=True,
    )
    click.echo(made["key"])


@reseller.command("list")
@json_option
@config_option
def list_(config: Path | None, *, as_json: bool) -> None:
    """List every reseller."""
    show(ask(config, "reseller.list"), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no resellers yet: otomax-gateway reseller add CODE --upstream-key -"
    cells = [
        [
            row["code"],
            row["name"] or "-",
            "suspended" if row["suspended"] else "active",
            row["upstream_key"] or "none",
            "-" if row["saldo"] is None else str(row["saldo"]),
            ", ".join(key["hint"] for key in row["keys"]) or "none",
        ]
        for row in rows
    ]
    return columns(cells, ["CODE", "NAME", "STATE", "UPSTREAM KEY", "SALDO", "KEYS"])


@reseller.command("show")
@code_argument
@json_option
@config_option
def show_(code: str, config: Path | None, *, as_json: bool) -> None:
    """Show one reseller."""
    show(ask(config, "reseller.show", code=code), as_json=as_json, table=_sheet)


def _sheet(row: dict[str, Any]) -> str:
    keys = "; ".join(
        key["hint"] + (f" until {local_time(key['ends_at'])}" if key["ends_at"] else "")
        for key in row["keys"]
    )
    told = {**row, "keys": keys or "none", "created_at": local_time(row["created_at"])}
    for name in ("callback_hosts", "allow_ips"):
        told[name] = ", ".join(row[name]) or "any"
    for name in ("native", "allow_pin"):
        told[name] = "yes" if row[name] else "no"
    width = max(map(len, told))
    return "\n".join(
        f"{name.ljust(width)}  {'-' if value in (None, '') else value}"
        for name, value in told.items()
    )


@reseller.command("set")
@code_argument
@_values
@json_option
@config_option
def set_(code: str, config: Path | None, *, as_json: bool, **values: Any) -> None:
    """Change a reseller; what is not given stays.

    A list is replaced, not added to: give every --allow-ip and --callback-host, the old ones too.
    An empty one ("") lifts the restriction, an empty --callback-url "" removes the address, an
    empty --pin "" with an empty --password "" OtomaX's own protocol, --max-price 0 the ceiling.
    """
    given = _given(values)
    if not given:
        raise click.UsageError("nothing to change was given")
    for name in _PLURALS.values():
        if name in given:
            given[name] = [item for item in given[name] if item]
    show(ask(config, "reseller.set", code=code, **given), as_json=as_json, table=_sheet)


@reseller.command()
@code_argument
@config_option
def suspend(code: str, config: Path | None) -> None:
    """Answer a reseller with ERROR only; what is under way is still delivered."""
    ask(config, "reseller.set", code=code, suspended=True)
    click.echo(f"reseller {code} is suspended")


@reseller.command()
@code_argument
@config_option
def resume(code: str, config: Path | None) -> None:
    """Let a suspended reseller order again."""
    ask(config, "reseller.set", code=code, suspended=False)
    click.echo(f"reseller {code} may order")


@reseller.command("rotate-key")
@code_argument
@click.option(
    "--grace",
    "grace_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0,
    help="How long the old key is still taken.  [default: 0, it ends at once]",
)
@config_option
def rotate_key(code: str, config: Path | None, grace_s: float) -> None:
    """Give a reseller a new key and print it, once."""
    made = ask(config, "reseller.rotate_key", code=code, grace_s=grace_s)
    _say_key(made, f"reseller {code} has a new key.")


@reseller.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the difference and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@config_option
def apply(file: Path, config: Path | None, *, dry_run: bool, yes: bool) -> None:
    r"""Make the resellers equal to a TOML file; shows the difference first.

    FILE holds [[reseller]] tables with `code` and the options' names as keys:

    \b
      [[reseller]]
      code = "toko1"
      name = "Toko Satu"
      upstream_key = "..."
      callback_url = "https://panel.toko.id/callback"
      allow_ip = ["203.0.113.7"]

    A key, upstream key, pin or password that is left out stays as it is, all else goes back to
    its default; pin = "" with password = "" removes both.
    A reseller that is not in FILE is suspended, never deleted: its orders are kept. It asks only
    on a terminal.
    """
    from gateway.redaction import escape

    wanted = _read(file)
    changes = ask(config, "reseller.apply", wanted=wanted, dry_run=True)["changes"]
    click.echo("\n".join(map(escape, changes)) or "nothing to change")
    if not changes or dry_run:
        return
    if sys.stdin.isatty() and not yes:
        click.confirm("Apply?", abort=True)
    keys = ask(config, "reseller.apply", wanted=wanted, dry_run=False)["keys"]
    click.echo("applied", err=True)
    for code, key in keys.items():
        _say_key({"key": key}, f"reseller {code} added.")


def _read(file: Path) -> list[dict[str, Any]]:
    """Return the resellers of a file as the desk takes them; ends the process on a mistake."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{file}: can not be read: {error.strerror}", 2)
    except ValueError as error:
        fail(f"{file}: this is not TOML: {error}", 2)
    unknown = sorted(tables.keys() - {"reseller"})
    if unknown:
        fail(f"{file}: wanted [[reseller]] tables and nothing else, got {', '.join(unknown)}", 2)
    if not isinstance(tables.get("reseller"), list):
        fail(f"{file}: wanted [[reseller]] tables, with two brackets; nothing was changed", 2)
    wanted = [_table_of(file, number, table) for number, table in enumerate(tables["reseller"], 1)]
    codes = [values["code"] for values in wanted]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice is not None:
        fail(f"{file}: reseller {twice} stands there twice", 2)
    return wanted


def _table_of(file: Path, number: int, table: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for written, value in table.items():
        name = written.replace("-", "_")
        kind = _FILE_KEYS.get(name)
        if kind is None:
            fail(f"{file}: reseller {number}: there is no key {written}", 2)
        items = value if isinstance(value, list) else []
        wrong_item = any(not isinstance(item, str) for item in items)
        wrong_kind = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
        if wrong_kind or value == "-" or wrong_item:
            fail(f"{file}: reseller {number}: {written}: wanted {_WANTED[kind]}", 2)
        values[_PLURALS.get(name, name)] = value
    if "code" not in values:
        fail(f"{file}: reseller {number}: code is missing", 2)
    return values
