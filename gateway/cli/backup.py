"""`otomax-gateway backup` and `restore`: keep a copy of the journal, and bring one back."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.desk import Do, ask, converse, is_running, show
from gateway.cli.options import EXIT_CONFIGURATION, config_option, fail, json_option
from gateway.cli.options import settings_or_exit as settings_of

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.store.keeping import Progress

EXIT_USAGE: Final = 2
_LOOK_EVERY_S: Final = 0.2

_BACKUP: Final = """Keep a copy of the journal in DEST, while the gateway runs or does not.

DEST is a folder, in which the copy gets a name with its time in UTC, or a file; a name that ends
in .gz is packed, any other is a plain SQLite file. The copy is verified and durable before it has
its name, and readable by its owner alone. The gateway writes it, so DEST must be a place where the
service may write.

The key file is not in it, and a copy of the journal is of no use without: keep a copy of the key
file elsewhere. An archive (`archive`) is a file of its own, too.
"""


@click.command(help=_BACKUP)
@click.argument("dest", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    help="Of the copies in the folder, keep the N newest; other files are not touched.",
)
@json_option
@config_option
def backup(dest: Path, keep: int | None, config: Path | None, *, as_json: bool) -> None:
    """Keep a copy of the journal in DEST."""
    settings = settings_of(config)
    _refuse_other_databases(settings, "pg_dump, or archiving its log, backs it up")
    # The gateway that does it may have another folder than this shell.
    wanted = {"to": str(dest.absolute()), "keep": keep}
    if is_running(settings):
        made = converse(config, lambda do: _back_up(do, wanted))
    else:
        made = _back_up_at_rest(settings, config, dest.absolute(), keep)
    show(made, as_json=as_json, table=_kept)


def _back_up_at_rest(
    settings: "Settings", config: Path | None, to: Path, keep: int | None
) -> dict[str, Any]:
    """Make a backup in this process, which only reads: a gateway may start meanwhile."""
    from gateway.app.keeping import back_up
    from gateway.domain.errors import NotDone
    from gateway.flow.safekeeping import shown_backup

    try:
        with progress_bar("backup") as tell:
            at, kept = back_up(settings, to, keep, tell)
    except NotDone as error:
        fail(str(error))
    ask(config, "backup.note", at=at, path=str(kept.path), size=kept.size)
    return shown_backup(kept, at)


async def _back_up(do: Do, wanted: dict[str, Any]) -> Any:
    with progress_bar("backup") as tell:
        state = await do("backup.begin", wanted)
        while "doing" in state:
            tell(state["doing"], state["done"], state["of"])
            await asyncio.sleep(_LOOK_EVERY_S)
            state = await do("backup.state", {})
    return state


def _kept(row: dict[str, Any]) -> str:
    removed = f"; older ones removed {len(row['removed'])}" if row["removed"] else ""
    return (
        f"{row['path']}: {row['bytes']} bytes, verified: orders {row['orders']}, deliveries "
        f"{row['deliveries']}, last order {row['last_order']} ({row['last_status'] or '-'}), "
        f"form {row['form']}{removed}"
    )


def _refuse_other_databases(settings: "Settings", instead: str) -> None:
    if settings.sqlite_path() is None:
        fail(f"storage.url is no SQLite file: {instead} (see docs/backup.md)", EXIT_USAGE)


_RESTORE: Final = """Bring the journal back from SRC, a file that `backup` made.

Refused while a gateway runs, and where a journal is there already: with --force it is replaced,
and kept beside the new one under another name. SRC is verified first, and the key file of the
configuration must open what is sealed in it.

At its next start the gateway first looks up at the upstream whatever was open in the journal, and
sells nothing until then. For a week after that a new order whose trx_id the journal does not know
is looked up before it is sent, for the upstream may have sold it in the time that is lost.

A PostgreSQL journal is brought back with its own tools; say so afterwards with --mark.
"""


@click.command(help=_RESTORE)
@click.argument("src", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a journal that is there; it is kept.")
@click.option("--mark", is_flag=True, help="Only say in the journal that it was brought back.")
@json_option
@config_option
def restore(
    src: Path | None, config: Path | None, *, force: bool, mark: bool, as_json: bool
) -> None:
    """Bring the journal back from SRC."""
    if mark is (src is not None):
        raise click.UsageError("wanted either SRC, or --mark alone")
    settings = settings_of(config)
    if src is None:
        show(_mark(settings), as_json=as_json, table=_marked)
        return
    _refuse_other_databases(
        settings, "pg_restore, or its log, brings it back, and `restore --mark` says so"
    )
    show(_restore(settings, src.absolute(), force=force), as_json=as_json, table=_restored)


def _restore(settings: "Settings", src: Path, *, force: bool) -> dict[str, Any]:
    from gateway.app.keeping import bring_back
    from gateway.domain.errors import JournalUnavailable, NotDone
    from gateway.store import JournalInUse

    try:
        with progress_bar("restore") as tell:
            back = bring_back(settings, src, force=force, progress=tell)
    except (NotDone, JournalInUse, JournalUnavailable) as error:
        fail(str(error))
    facts = back.facts
    return {
        "journal": str(settings.sqlite_path()),
        "old": None if back.old is None else str(back.old),
        "orders": facts.orders,
        "deliveries": facts.deliveries,
        "last_order": facts.last_order,
        "last_status": facts.last_status,
        "form": facts.form,
    }


def _restored(row: dict[str, Any]) -> str:
    old = "" if row["old"] is None else f"\nThe journal of before is kept: {row['old']}"
    return (
        f"{row['journal']}: restored and verified: orders {row['orders']}, deliveries "
        f"{row['deliveries']}, last order {row['last_order']} ({row['last_status'] or '-'})"
        f"{old}\n{_NEXT}"
    )


_NEXT: Final = (
    "Mulai gateway sekarang: yang terbuka dicek dulu ke supplier, baru menjual lagi.\n"
    "Start the gateway now: what is open is looked up first, and only then it sells again."
)


def _mark(settings: "Settings") -> dict[str, Any]:
    from gateway.app.keeping import mark
    from gateway.domain.errors import JournalUnavailable, NotDone
    from gateway.store import JournalInUse, JournalUnusable
    from gateway.vault import VaultError

    try:
        return {"marked_at": asyncio.run(mark(settings))}
    except (NotDone, JournalInUse, JournalUnavailable) as error:
        fail(str(error))
    except (JournalUnusable, VaultError) as error:
        fail(str(error), EXIT_CONFIGURATION)


def _marked(row: dict[str, Any]) -> str:
    return f"The journal says now that it was restored ({row['marked_at']}).\n{_NEXT}"


@contextmanager
def progress_bar(label: str) -> Iterator["Progress"]:
    """Give what shows how far something is, on a terminal; elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    shown = {"at": 0.0}
    with click.progressbar(length=100, label=label, file=sys.stderr) as bar:

        def tell(doing: str, done: int, size: int) -> None:
            now = time.monotonic()
            if now - shown["at"] < _LOOK_EVERY_S:
                return
            shown["at"] = now
            bar.label = f"{label}: {doing}"
            bar.update(100 * done // max(size, 1) - bar.pos)

        yield tell
        bar.update(100 - bar.pos)
