"""What is moved: the tables as both schemas have them, in an order that foreign keys allow. Pure.

Nothing here names a table that is moved, so one of a later migration is moved as well; what one
backend has and the other has not must stand here with its reason, or nothing is moved at all.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.domain.errors import NotDone
from gateway.store.move_mark import KEY

Row = Sequence[Any]

OF_POSTGRES_ALONE: Final = frozenset(
    {
        "otomax_gateway",  # the form, which SQLite keeps as `user_version`
        # What gateways tell each other while they run, and nobody does.
        "nodes",
        "claims",
        "changed",
    }
)
"""Tables that SQLite has not; a move makes them anew."""

GIVEN: Final[Mapping[str, object]] = {
    "fence": 1 << 40,  # one change, drawn by nobody (store/postgres_fence.py)
    "node": None,  # whoever made the send that was under way is gone
    "told_saldo": None,  # for equal requests at the very same time
}
"""Columns that PostgreSQL alone has, and what stands in them after a move."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a schema.

    Attributes:
        name: of the table.
        columns: that both backends have, or all, before the two were compared.
        key: the columns of its primary key, in order.
        needs: the tables that its rows refer to.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    needs: frozenset[str] = frozenset()


def common(sqlite: Iterable[Table], postgres: Iterable[Table]) -> list[Table]:
    """Return what is moved, each table after those that it refers to.

    Raises:
        NotDone: the two schemas do not hold the same.
    """
    ours = {table.name: table for table in sqlite}
    theirs = {table.name: table for table in postgres if table.name not in OF_POSTGRES_ALONE}
    if ours.keys() != theirs.keys():
        raise NotDone(_differ("tables", ours.keys() ^ theirs.keys()))
    for name, table in ours.items():
        other = theirs[name]
        odd = set(table.columns) ^ (set(other.columns) - GIVEN.keys())
        if odd or table.key != other.key:
            raise NotDone(_differ(f"columns of {name}", odd or {*table.key, *other.key}))
    return _in_order(list(ours.values()))


def _differ(what: str, names: Iterable[str]) -> str:
    return f"the schemas of SQLite and PostgreSQL have other {what}: {', '.join(sorted(names))}"


def _in_order(tables: list[Table]) -> list[Table]:
    """Sort by what refers to what; no table refers to itself, and there are no circles."""
    ordered: list[Table] = []
    while tables:
        known = {table.name for table in ordered}
        ready = [table for table in tables if table.needs <= known]
        if not ready:
            raise NotDone("the tables refer to each other in a circle")
        ordered += ready
        tables = [table for table in tables if table not in ready]
    return ordered


class Digest:
    """How many rows a table has, and a checksum over their values in the order of their keys.

    Both backends' values come in one form: integers, texts, bytes and None; truths are 0 and 1.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()
        self._encoder = msgspec.msgpack.Encoder()

    def add(self, rows: Sequence[Row]) -> None:
        """Take the next rows."""
        self.rows += len(rows)
        self._hash.update(b"".join(map(self._encoder.encode, rows)))

    @property
    def told(self) -> tuple[int, str]:
        """The count and the checksum."""
        return self.rows, self._hash.hexdigest()


def part_sql(table: Table, columns: Sequence[str], after: str, limit: int) -> str:
    """Return the SELECT of the rows that follow a key, in the order of the keys.

    Args:
        table: whose rows.
        columns: as SQL, in the table's order.
        after: the condition that leaves out what was read; empty at the beginning.
        limit: rows, at most.
    """
    order = ", ".join(quoted(table.key))
    where = _without_mark(table, after)
    return f"SELECT {', '.join(columns)} FROM {name(table)} {where} ORDER BY {order} LIMIT {limit}"


def count_sql(table: Table) -> str:
    """Return the SELECT of how many rows there are."""
    return f"SELECT count(*) FROM {name(table)} {_without_mark(table, '')}"


def _without_mark(table: Table, after: str) -> str:
    kept = f"\"key\" <> '{KEY}'" if table.name == "meta" else ""
    conditions = [condition for condition in (after, kept) if condition]
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def name(table: Table) -> str:
    """Return a table's name as SQL."""
    return quoted([table.name])[0]


def quoted(names: Iterable[str]) -> list[str]:
    """Return names of ours as SQL; some are words of it."""
    return [f'"{each}"' for each in names]
