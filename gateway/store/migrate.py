"""Schema migrations: numbered SQL files, each run once and whole, in order.

A number means the same form on every backend. A backend that came later begins with the whole
journal as it was by then, under that number.
"""

import re
import sqlite3
from importlib import resources
from typing import Final

from gateway.store import JournalUnusable
from gateway.store.move_mark import KEY, check_mark

FORM: Final = 9  # the last migration of this version, said beside the folder: see `migrations`
APPLICATION_ID = 0x4F544D58  # "OTMX", so that `file` and we know a journal from any other database


def migrations(backend: str) -> dict[int, str]:
    """Return the SQL of every migration of a backend by its number, in order.

    Raises:
        RuntimeError: the numbers have a gap, so this package is damaged.
        JournalUnusable: they end elsewhere than this version's. An install from a checkout takes
            along what its folder `build` holds of another version; with newer migrations in it
            an old gateway would believe that it knows a newer journal.
    """
    folder = resources.files("gateway.store").joinpath("migrations", backend)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    numbers = [int(re.match(r"(\d{4})_", f.name)[1]) for f in files]  # type: ignore[index]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(files))):
        raise RuntimeError(f"migrations of {backend}: a gap in the numbers {numbers}")
    if numbers[-1] != FORM:
        raise JournalUnusable(
            f"this gateway's migrations end at {FORM}, the installed files at {numbers[-1]}: "
            "files of another version came along; remove the folder build beside pyproject.toml, "
            "and install again"
        )
    return dict(zip(numbers, (f.read_text(encoding="utf-8") for f in files), strict=True))


def check_form(version: int, known: int) -> None:
    """Look whether this gateway knows the form that a journal has.

    Raises:
        JournalUnusable: a newer gateway wrote it.
    """
    if version > known:
        raise JournalUnusable(
            f"this journal has form {version}, this gateway knows {known}: "
            "run the newer gateway that wrote it"
        )


def check_sqlite(connection: sqlite3.Connection) -> None:
    """Look whether this is a journal or may become one; writes nothing.

    Raises:
        JournalUnusable: it is some other database, or of a newer gateway.
    """
    known = max(migrations("sqlite"))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (version or tables):
        raise JournalUnusable("this file is a database, but no journal of otomax-gateway")
    check_form(version, known)


def migrate_sqlite(connection: sqlite3.Connection) -> None:
    """Bring a SQLite journal that was checked to this gateway's form."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, script in migrations("sqlite").items():
        if number > version:
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {script}\n"
                f"PRAGMA user_version = {number}; COMMIT;"
            )


def check_moved(connection: sqlite3.Connection) -> None:
    """Look whether a SQLite journal is still, or already, the one to be worked on.

    Raises:
        JournalUnusable: it is not; says where that one is.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    check_mark(None if row is None else row[0])
