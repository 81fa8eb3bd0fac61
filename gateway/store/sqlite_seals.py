"""Sealing anew what the SQLite journal keeps sealed, some rows in a transaction.

Plain functions of a connection. Which columns hold a seal is known here alone.
"""

import sqlite3
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from gateway.store import Sealed

PART: Final = 200  # rows; some 30 ms, during which no order is journaled

SealAnew = Callable[[bytes], bytes]


class _Column(NamedTuple):
    """Where seals stand: a table, what its rows are known by, and the column."""

    table: str
    key: str
    name: str


_META = _Column("meta", "key", "value")
_COLUMNS: Final = (
    _META,
    _Column("accounts", "id", "sealed"),
    _Column("reseller_keys", "hash", "sealed"),
    _Column("resellers", "code", "pin"),
    _Column("resellers", "code", "password"),
)


class SealsFrom(NamedTuple):
    """Where a part begins: the column, by its number, and after which row."""

    column: int = 0
    after: str | bytes = ""  # SQLite holds every key above it, text or not


def seal_part(
    connection: sqlite3.Connection, begin: SealsFrom, seal_anew: SealAnew, names: Collection[str]
) -> tuple[Sealed, SealsFrom | None]:
    """Seal a part anew; returns what came of it, and where the next begins, None at the end."""
    column = _COLUMNS[begin.column]
    rows = connection.execute(
        f"SELECT {column.key}, {column.name} FROM {column.table} WHERE {column.key} > ?"
        f" AND {column.name} IS NOT NULL ORDER BY {column.key} LIMIT ?",
        (begin.after, PART),
    ).fetchall()
    held = [row for row in rows if column is not _META or row[0] in names]
    fresh = [(seal_anew(bytes(blob)), key) for key, blob in held]
    changed = [new for new, (_, blob) in zip(fresh, held, strict=True) if new[0] != blob]
    connection.executemany(
        f"UPDATE {column.table} SET {column.name} = ? WHERE {column.key} = ?", changed
    )
    if len(rows) == PART:
        return Sealed(len(held), len(changed)), SealsFrom(begin.column, rows[-1][0])
    after = SealsFrom(begin.column + 1) if begin.column + 1 < len(_COLUMNS) else None
    return Sealed(len(held), len(changed)), after
