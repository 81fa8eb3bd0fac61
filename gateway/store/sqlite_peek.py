"""Looks into a SQLite journal beside whoever has it open, and changes nothing there."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def read_meta(path: Path, key: str) -> bytes | None:
    """Return what a journal keeps under a name; None where it keeps nothing there.

    Raises:
        sqlite3.Error: it can not be read, or is no journal.
    """
    sql = "SELECT value FROM meta WHERE key = ?"
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        row = connection.execute(sql, (key,)).fetchone()
    return None if row is None else bytes(row[0])


def peek(path: Path, key: str) -> bytes | None:
    """Return what a journal keeps under a name; None also where that can not be read."""
    try:
        return read_meta(path, key)
    except sqlite3.Error:
        return None
