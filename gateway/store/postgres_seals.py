"""Sealing anew what the PostgreSQL journal keeps sealed, some rows in a transaction.

Which columns hold a seal is known here alone.
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from gateway.store import Sealed
from gateway.store.postgres_pool import Session

PART: Final = 200  # rows, which nobody else can write meanwhile

SealAnew = Callable[[bytes], bytes]


class _Column(NamedTuple):
    """Where seals stand: a table, what its rows are known by, and the column."""

    table: str
    key: str
    name: str
    lowest: str | bytes = ""  # no key is below it


_META: Final = _Column("meta", "key", "value")
_COLUMNS: Final = (
    _META,
    _Column("accounts", "id", "sealed"),
    _Column("reseller_keys", "hash", "sealed", b""),
    _Column("resellers", "code", "pin"),
    _Column("resellers", "code", "password"),
)


class SealsFrom(NamedTuple):
    """Where a part begins: the column, by its number, and after which row; None: at the first."""

    column: int = 0
    after: str | bytes | None = None


async def seal_part(
    session: Session, begin: SealsFrom, seal_anew: SealAnew, names: Collection[str]
) -> tuple[Sealed, SealsFrom | None]:
    """Seal a part anew; returns what came of it, and where the next begins, None at the end."""
    column = _COLUMNS[begin.column]
    rows = await session.rows(
        f"SELECT {column.key}, {column.name} FROM {column.table} WHERE {column.key} > $1"
        f" AND {column.name} IS NOT NULL ORDER BY {column.key} LIMIT $2 FOR NO KEY UPDATE",
        column.lowest if begin.after is None else begin.after,
        PART,
    )
    held = [row for row in rows if column is not _META or row[0] in names]
    fresh = [(key, seal_anew(blob)) for key, blob in held]
    changed = [new for new, (_, blob) in zip(fresh, held, strict=True) if new[1] != blob]
    for key, blob in changed:
        sql = f"UPDATE {column.table} SET {column.name} = $2 WHERE {column.key} = $1"
        await session.count(sql, key, blob)
    if len(rows) == PART:
        return Sealed(len(held), len(changed)), SealsFrom(begin.column, rows[-1][0])
    after = SealsFrom(begin.column + 1) if begin.column + 1 < len(_COLUMNS) else None
    return Sealed(len(held), len(changed)), after
