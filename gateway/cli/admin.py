"""`otomax-gateway admin …`: who may see the dashboard, and who is logged in."""

import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.desk import ask, columns, local_time, show
from gateway.cli.options import config_option, json_option

_ROLES = ("operator", "viewer")

_name = click.argument("name", metavar="NAME")
_password = click.option(
    "--password", metavar="-", help="- reads it from stdin; else it is asked for."
)


@click.group()
def admin() -> None:
    """Add who may see the dashboard, list and end their sessions."""


@admin.command()
@_name
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="operator",
    show_default=True,
    help="A viewer may look only.",
)
@_password
@config_option
def add(name: str, config: Path | None, *, role: str, password: str | None) -> None:
    """Add somebody who may see the dashboard."""
    values = {"name": name, "role": role, "password": _given(password)}
    made = ask(config, "admin.add", **values)
    click.echo(f"{made['name']} ({made['role']}) may log in", err=True)


@admin.command()
@_name
@_password
@config_option
def passwd(name: str, config: Path | None, *, password: str | None) -> None:
    """Set a new password; every session of NAME ends."""
    ask(config, "admin.passwd", name=name, password=_given(password))
    click.echo(f"{name} has a new password; every session of {name} has ended", err=True)


def _given(password: str | None) -> str:
    """Return a password that was typed twice, or came on stdin."""
    if password is None:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if password != "-":  # noqa: S105  where it comes from
        raise click.UsageError(
            "--password: what stands on a command line is seen by everybody; give -, and let it "
            "come on stdin"
        )
    return sys.stdin.readline().rstrip("\r\n")


@admin.command("list")
@json_option
@config_option
def list_(config: Path | None, *, as_json: bool) -> None:
    """List who may see the dashboard."""
    show(ask(config, "admin.list"), as_json=as_json, table=_table)


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [row["name"], row["role"], local_time(row["created_at"]), str(row["sessions"])]
        for row in rows
    ]
    return columns(cells, ["NAME", "ROLE", "SINCE", "SESSIONS"])


@admin.command()
@_name
@config_option
def remove(name: str, config: Path | None) -> None:
    """Remove somebody; every session of NAME ends at once."""
    ask(config, "admin.remove", name=name)
    click.echo(f"{name} is removed, and logged in nowhere any more", err=True)


@admin.command()
@click.argument("name", metavar="[NAME]", required=False)
@json_option
@config_option
def sessions(name: str | None, config: Path | None, *, as_json: bool) -> None:
    """List where somebody is logged in."""
    show(ask(config, "admin.sessions", name=name), as_json=as_json, table=_sessions)


def _sessions(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            str(row["id"]),
            row["name"],
            local_time(row["created_at"]),
            local_time(row["seen_at"]),
            row["address"],
            row["agent"],
        ]
        for row in rows
    ]
    return columns(cells, ["ID", "NAME", "BEGUN", "SEEN", "ADDRESS", "BROWSER"])


@admin.command()
@click.argument("session_id", metavar="[ID]", type=int, required=False)
@click.option("--name", metavar="NAME", help="Every session of NAME.")
@config_option
def revoke(session_id: int | None, config: Path | None, *, name: str | None) -> None:
    """End a session, or every one of an admin, at once."""
    if session_id is None and name is None:
        raise click.UsageError("name a session by its number, or say --name")
    done = ask(config, "admin.revoke", session_id=session_id, name=name)
    click.echo(f"{done['ended']} ended", err=True)
