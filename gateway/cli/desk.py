"""How a command reaches the operator's desk: in the running gateway, or in this very process.

Whoever holds the journal's lock does the work. So a command never becomes a second writer of a
SQLite file, and works while the gateway runs and while it does not. A journal in PostgreSQL has no
lock, for it bears any number of writers: there the work is always done here, beside the gateways.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.options import EXIT_CONFIGURATION, fail, settings_or_exit

if TYPE_CHECKING:
    from gateway.config import Settings

_WAIT_S: Final = 5.0  # for a gateway that is just starting or going down
_PAUSE_S: Final = 0.1


def ask(config: Path | None, command: str, **values: Any) -> Any:
    """Do one command at the desk and return its result; ends the process where it is not done."""
    return converse(config, lambda do: do(command, values))


Do = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Does a command of the desk, by its name and values."""


def converse(config: Path | None, work: Callable[[Do], Awaitable[Any]]) -> Any:
    """Do several commands in one place and return what comes of them; ends as `ask` does.

    Args:
        config: what `--config` gave.
        work: is given what does a command, in the running gateway or here.
    """
    from gateway.domain.errors import JournalUnavailable, NotDone
    from gateway.store import JournalInUse, JournalUnusable
    from gateway.vault import VaultError

    settings = settings_or_exit(config)
    try:
        return asyncio.run(_converse(settings, work))
    except (NotDone, JournalUnavailable, JournalInUse) as error:
        fail(str(error))
    except (JournalUnusable, VaultError) as error:
        fail(str(error), EXIT_CONFIGURATION)


def is_running(settings: "Settings") -> bool:
    """Whether a gateway runs on the journal of a configuration, and does commands."""
    from gateway.store.open import running_gateway

    return "control" in running_gateway(settings.journal())


async def _converse(settings: "Settings", work: Callable[[Do], Awaitable[Any]]) -> Any:
    """Do it here where the journal is free, else in the process that holds it."""
    from gateway.store import JournalInUse
    from gateway.store.open import running_gateway
    from gateway.web.control import call_desk

    give_up_at = time.monotonic() + _WAIT_S
    while True:
        try:
            return await _here(settings, work)
        except JournalInUse:
            control = running_gateway(settings.journal()).get("control")
            if control is not None:
                return await work(partial(call_desk, control))
            if time.monotonic() > give_up_at:
                raise
        await asyncio.sleep(_PAUSE_S)


async def _here(settings: "Settings", work: Callable[[Do], Awaitable[Any]]) -> Any:
    from gateway.app import Gateway

    async with Gateway.at_rest(settings) as gateway:
        return await work(gateway.desk.do)


def show(result: Any, *, as_json: bool, table: Callable[[Any], str]) -> None:
    r"""Print a result: as JSON, or as people read it.

    Names and notes are strangers': nothing in them may reach a terminal as a command to it, or
    begin a line of its own. In JSON they stay what they are, written as `\u009b`.
    """
    from gateway.redaction import escape_json

    if as_json:
        click.echo(escape_json(json.dumps(result, ensure_ascii=False, indent=2)))
    else:
        click.echo(table(harmless(result)))


def harmless(value: Any) -> Any:
    """Return plain data with every text in it safe to show on one line."""
    from gateway.redaction import escape

    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {name: harmless(item) for name, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, list) else value


def columns(rows: list[list[str]], head: list[str]) -> str:
    """Return rows as aligned columns under a head."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def local_time(iso: str | None) -> str:
    """Return a time of the desk in this machine's zone, to the second; `-` for None."""
    from datetime import datetime

    if iso is None:
        return "-"
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def zone() -> str:
    """Return this machine's time zone, as `WIB` or `+07`."""
    return time.strftime("%Z")
