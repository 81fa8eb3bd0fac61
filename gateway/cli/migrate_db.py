"""`otomax-gateway migrate-db`: move a stopped journal from SQLite to PostgreSQL, or back."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from gateway.cli.options import fail, json_option

if TYPE_CHECKING:
    from gateway.store.move import Moved

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_SEEN: Final = (
    "a password on a command line is seen by everybody on this machine: leave it out, and set "
    "PGPASSWORD, or give - and let the URL come on stdin."
)


class _Journal(click.ParamType[Any]):
    """Where a journal is: `sqlite:///FILE`, `postgresql://…`, or `-` for a line of stdin."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the file's path, or the URL."""
        said = sys.stdin.readline().strip() if value == "-" else value
        if said.startswith(_SQLITE) and said != _SQLITE:
            return Path(said.removeprefix(_SQLITE)).absolute()
        if not said.startswith(_POSTGRES):
            self.fail("wanted sqlite:///FILE or postgresql://USER@HOST/DATABASE", param, ctx)
        if value != "-" and _has_password(said):
            click.echo(_SEEN, err=True)
        return said


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


_HELP: Final = """Move a stopped journal from SQLite to PostgreSQL, or back.

FROM and TO are sqlite:///FILE and postgresql://USER@HOST/DATABASE; TO is empty. Stop every gateway
first. Every table is copied and read again, and its rows and their checksum are the same on both
sides before anything is moved. What was interrupted is simply repeated.

Then FROM is marked as moved, and no gateway works on it any more: two journals in use would buy
twice. Set storage.url to TO; the key file stays the same.
"""


@click.command("migrate-db", help=_HELP)
@click.argument("source", metavar="FROM", type=_Journal())
@click.argument("target", metavar="TO", type=_Journal())
@json_option
def migrate_db(source: Path | str, target: Path | str, *, as_json: bool) -> None:
    """Move a stopped journal from SQLite to PostgreSQL, or back."""
    from gateway.domain.errors import JournalUnavailable, NotDone
    from gateway.store import JournalInUse, JournalUnusable

    began = time.monotonic()
    try:
        moved = asyncio.run(_move(source, target))
    except (NotDone, JournalInUse, JournalUnusable, JournalUnavailable) as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        fail("PostgreSQL needs asyncpg: pip install 'otomax-gateway[postgres]'")
    if as_json:
        click.echo(json.dumps({**asdict(moved), "seconds": time.monotonic() - began}, indent=2))
    else:
        click.echo(_told(moved, time.monotonic() - began))


async def _move(source: Path | str, target: Path | str) -> "Moved":
    from gateway.store.move import move_journal

    progress = _Bar()
    try:
        return await move_journal(source, target, progress)
    finally:
        progress.close()


class _Bar:
    """A bar on a terminal, and sentences everywhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, rows: int) -> None:
        """Begin a bar of so many rows."""
        self.close()
        self._bar = click.progressbar(
            length=rows, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
        )
        self._bar.__enter__()

    def say(self, sentence: str) -> None:
        """Write a line."""
        self.close()
        click.echo(sentence, err=True)

    def advance(self, rows: int) -> None:
        """Let the bar grow."""
        self._bar.update(rows)

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def _told(moved: "Moved", seconds: float) -> str:
    width = max(map(len, moved.rows))
    lines = [f"  {name:<{width}}  {rows:>13,}" for name, rows in moved.rows.items()]
    if moved.changed_texts:
        lines.append(
            f"{moved.changed_texts} texts held a character that PostgreSQL does not keep; a mark "
            "(U+FFFD) stands in its place"
        )
    how = "verified the copy of an earlier run" if moved.resumed else "copied and verified"
    return "\n".join(
        [
            *lines,
            f"{how}, every row and checksum the same, in {seconds:.1f} s",
            f"{moved.source} is marked as moved; set storage.url to {moved.target}",
        ]
    )
