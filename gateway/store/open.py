"""Opens the journal that an address names. Here alone a backend is chosen."""

from pathlib import Path
from urllib.parse import urlsplit

from gateway.store import JournalUnusable, Store
from gateway.store.keeping import (
    BroughtBack,
    CheckSeals,
    Keeper,
    Kept,
    Progress,
    Target,
    Wanted,
)
from gateway.store.lock import read_lock
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.store.sqlite_backup import back_up
from gateway.store.sqlite_peek import peek
from gateway.store.sqlite_restore import restore

CONNECTIONS = 16  # as `storage.pool` has it by default, which says why


async def open_store(where: Path | str, *, connections: int = CONNECTIONS) -> Store:
    """Open a journal, make it where there is none, and bring it to this gateway's form.

    Args:
        where: the SQLite file, or the URL of a PostgreSQL database.
        connections: to PostgreSQL, at most.

    Raises:
        JournalInUse: another process holds it.
        JournalUnusable: it can not be opened; says why.
        JournalUnavailable: not at the moment, for the disk is full or fails, or the database is
            away.
    """
    if isinstance(where, Path):
        return await open_sqlite(one_name(where))
    try:
        from gateway.store.postgres_open import open_postgres
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise JournalUnusable(
            "storage.url: PostgreSQL needs asyncpg: pip install 'otomax-gateway[postgres]'"
        ) from None
    return await open_postgres(where, name_of(where), connections=connections)


def name_of(where: Path | str) -> str:
    """Return what may be shown of where a journal is: neither user nor password, nor options."""
    if isinstance(where, Path):
        return str(where)
    parts = urlsplit(where)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def running_gateway(where: Path | str) -> dict[str, str]:
    """Return what the process that holds a journal announced; empty where nobody does.

    Nobody holds a PostgreSQL journal.
    """
    return read_lock(one_name(where)) if isinstance(where, Path) else {}


def peek_meta(path: Path, key: str) -> bytes | None:
    """Return what a journal keeps under a name, without opening it for work; None where unknown.

    Reads alone, so it may be called while a gateway runs, and changes nothing in an old journal.
    """
    if not path.is_file():
        return None
    return peek(one_name(path), key)


def keeper_of(store: Store) -> Keeper | None:
    """Return what makes backups of a journal; None where its database has tools of its own."""
    return store if isinstance(store, SqliteStore) else None


def back_up_journal(path: Path, target: Target, progress: Progress) -> Kept:
    """Make a backup of a SQLite journal by reading it alone, whoever holds it.

    Raises:
        NotDone: there is none; says why.
    """
    return back_up(one_name(path), target, progress)


def restore_journal(
    path: Path, wanted: Wanted, check_seals: CheckSeals, progress: Progress
) -> BroughtBack:
    """Put a backup in the place of a SQLite journal; raises what `sqlite_restore.restore` does."""
    return restore(one_name(path), wanted, check_seals, progress)


def one_name(path: Path) -> Path:
    """Return the one name of a file, through links: one file has one lock and one socket."""
    return path.resolve()
