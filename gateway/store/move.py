"""Moves a stopped journal from SQLite to PostgreSQL, or back: copied, verified, then given up.

Every table of the schema is copied in the order of its keys, some thousand rows at a time, and
read again: the counts and the checksums of both sides must be the same before anything is
believed. Whatever cuts it off, the old journal can be worked on until the new one is whole, and
never both (`move_mark`). Who repeats it takes up a whole copy that was not finished, and begins
anew with any other.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from gateway.domain.errors import NotDone
from gateway.store.move_form import Digest, Row, Table, common
from gateway.store.move_mark import Mark
from gateway.store.move_sqlite import SqliteSide, sqlite_source, sqlite_target
from gateway.store.open import name_of, one_name

_PART_ROWS: Final = 5_000  # at one time in memory: a few MiB
Digests = dict[str, tuple[int, str]]
"""Of each table its rows and their checksum."""


class Side(Protocol):
    """One of the two journals."""

    shown: str
    changed_texts: int

    async def tables(self) -> list[Table]:
        """Return every table."""
        ...

    async def count(self, table: Table) -> int:
        """Return how many rows are moved."""
        ...

    async def part(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """Return the rows after a key; None begins."""
        ...

    async def mark(self) -> Mark | None:
        """Return its mark."""
        ...

    async def put_mark(self, mark: Mark) -> None:
        """Write its mark, durable."""
        ...

    async def hold(self) -> None:
        """Let nobody write to the source."""
        ...

    async def begin(self) -> None:
        """Begin to write an empty target."""
        ...

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows to the target."""
        ...

    async def end_writing(self) -> None:
        """Make what only a whole target has."""
        ...

    async def commit(self, mark: Mark) -> None:
        """Let the target be seen, marked."""
        ...

    async def unmark(self) -> None:
        """Make the target a journal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was moved.

    Attributes:
        source: what may be shown of where it was.
        target: and of where it is now.
        resumed: a whole copy was there, and only verified.
        rows: by table.
        changed_texts: how many texts hold a mark now in place of what PostgreSQL can not keep.
    """

    source: str
    target: str
    resumed: bool
    rows: dict[str, int]
    changed_texts: int


class Progress(Protocol):
    """Who is told how far it is."""

    def begin(self, rows: int) -> None:
        """Hear how many rows are to be read in all."""
        ...

    def say(self, sentence: str) -> None:
        """Hear what is done next."""
        ...

    def advance(self, rows: int) -> None:
        """Hear that so many rows were read."""
        ...


async def move_journal(source: Path | str, target: Path | str, progress: Progress) -> Moved:
    """Move a journal.

    Args:
        source: a SQLite file, or the URL of a PostgreSQL database.
        target: the other of the two, empty.
        progress: is told.

    Raises:
        NotDone: the target is not empty, or the copy is not the same; says what to do.
        JournalInUse: a gateway works on one of them.
        JournalUnusable: one of them is no journal, or the source was moved before.
        JournalUnavailable: one of them can not be read or written at the moment.
    """
    if isinstance(source, Path) == isinstance(target, Path):
        raise NotDone(
            "one of the two is SQLite and the other PostgreSQL; for a copy of the same "
            "kind there are `backup` and pg_dump"
        )
    async with _source(source) as from_, _target(target) as (to, found):
        return await _Move(from_, to, progress).run(found)


def _source(where: Path | str) -> AbstractAsyncContextManager[Side]:
    if isinstance(where, Path):
        return sqlite_source(one_name(where))
    from gateway.store.move_postgres import postgres_source

    return postgres_source(where, name_of(where))


def _target(where: Path | str) -> AbstractAsyncContextManager[tuple[Side, Mark | None]]:
    if isinstance(where, Path):
        return sqlite_target(one_name(where))
    from gateway.store.move_postgres import postgres_target

    return postgres_target(where, name_of(where))


class _Move:
    """One move, from what was found to its end."""

    def __init__(self, source: Side, target: Side, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._tables: list[Table] = []

    async def run(self, found: Mark | None) -> Moved:
        mark = await self._source.mark()
        is_ours = found is not None and mark is not None and found.id == mark.id
        self._check(mark, found, is_ours=is_ours)
        if mark is None or not is_ours:
            mark = Mark(
                id=secrets.token_hex(8),
                state="begun",
                source=self._source.shown,
                target=self._target.shown,
            )
            await self._source.put_mark(mark)
        await self._source.hold()
        return await self._moved(mark, is_ours=is_ours)

    def _check(self, mark: Mark | None, found: Mark | None, *, is_ours: bool) -> None:
        if found is not None and not is_ours:
            raise NotDone(
                f"{self._target.shown} holds an unfinished copy of {found.source}: repeat that "
                "move, or name another target"
            )
        if mark is not None and mark.state == "copy":
            raise NotDone(f"{self._source.shown} is itself a copy that is not finished")
        if mark is not None and mark.state == "moved" and not is_ours:
            raise NotDone(f"{self._source.shown} was moved to {mark.target} before")

    async def _moved(self, mark: Mark, *, is_ours: bool) -> Moved:
        self._progress.say(
            f"a copy of {self._source.shown} is there already: verifying it"
            if is_ours
            else f"copying {self._source.shown} to {self._target.shown}"
        )
        held = await self._verified() if is_ours else None
        if is_ours and held is None:
            self._progress.say("the journal has changed since: beginning anew")
        digests = held or await self._copied(mark)
        moved = msgspec.structs.replace(mark, state="moved")
        await self._source.put_mark(moved)
        await self._target.unmark()
        return Moved(
            source=self._source.shown,
            target=self._target.shown,
            resumed=held is not None,
            rows={name: rows for name, (rows, _) in digests.items()},
            changed_texts=self._source.changed_texts,
        )

    async def _look(self) -> None:
        """Find out what is moved, and how much it is."""
        sides = [self._source, self._target]
        sqlite, postgres = sides if isinstance(self._source, SqliteSide) else sides[::-1]
        self._tables = common(await sqlite.tables(), await postgres.tables())
        rows = [await self._source.count(table) for table in self._tables]
        self._progress.begin(2 * sum(rows))

    async def _verified(self) -> Digests | None:
        """Return what a whole copy holds; None where it is not what the journal holds now."""
        await self._look()
        digests = await self._digests(self._source)
        return digests if digests == await self._digests(self._target) else None

    async def _copied(self, mark: Mark) -> Digests:
        """Copy everything, and let it be seen once it is the same.

        Raises:
            NotDone: it is not.
        """
        await self._target.begin()
        await self._look()
        digests = {}
        for table in self._tables:
            digest = Digest()
            async for rows in self._parts(self._source, table):
                digest.add(rows)
                await self._target.write(table, rows)
            digests[table.name] = digest.told
        await self._target.end_writing()
        self._compare(digests, await self._digests(self._target))
        await self._target.commit(msgspec.structs.replace(mark, state="copy"))
        return digests

    async def _digests(self, side: Side) -> Digests:
        digests = {}
        for table in self._tables:
            digest = Digest()
            async for rows in self._parts(side, table):
                digest.add(rows)
            digests[table.name] = digest.told
        return digests

    async def _parts(self, side: Side, table: Table) -> AsyncIterator[list[Row]]:
        places = [table.columns.index(column) for column in table.key]
        after: Row | None = None
        while rows := await side.part(table, after, _PART_ROWS):
            yield rows
            self._progress.advance(len(rows))
            after = tuple(rows[-1][place] for place in places)

    def _compare(self, ours: Digests, theirs: Digests) -> None:
        for name, (rows, checksum) in ours.items():
            if theirs[name] != (rows, checksum):
                raise NotDone(
                    f"the copy of {name} is not the same: {theirs[name][0]} of {rows} rows, or"
                    " other values; nothing was moved"
                )
