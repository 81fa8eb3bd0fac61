"""Links that show a reseller its own orders, in the SQLite journal."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from gateway.store import LinkRow
from gateway.store.group_commit import T, Work

_LINK = LinkRow.__struct_fields__
_SELECT = f"SELECT {', '.join(_LINK)} FROM links"


class LinkTables:
    """`gateway.store.links.Links` on a SQLite journal, which others read and write."""

    async def _read(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def _write_aside(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def add_link(self, row: LinkRow) -> int:
        """Write a link, and forget those that ended before it was made; returns its number."""
        marks = ", ".join("?" * len(_LINK[1:]))
        sql = f"INSERT INTO links ({', '.join(_LINK[1:])}) VALUES ({marks})"
        values = [getattr(row, name) for name in _LINK[1:]]

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM links WHERE ends_at <= ?", (row.created_at,))
            return connection.execute(sql, values).lastrowid or 0

        return await self._write_aside(work)

    async def link(self, token_hash: bytes) -> LinkRow | None:
        """Find a link by the hash of its token."""
        found = await self._links("WHERE hash = ?", (token_hash,))
        return found[0] if found else None

    async def links(self, reseller: str | None = None) -> list[LinkRow]:
        """List links, newest first: one reseller's, or all."""
        if reseller is None:
            return await self._links("ORDER BY id DESC", ())
        return await self._links("WHERE reseller = ? ORDER BY id DESC", (reseller,))

    async def _links(self, which: str, values: Sequence[Any]) -> list[LinkRow]:
        def work(connection: sqlite3.Connection) -> list[LinkRow]:
            rows = connection.execute(f"{_SELECT} {which}", values).fetchall()
            return [LinkRow(**dict(zip(_LINK, row, strict=True))) for row in rows]

        return await self._read(work)

    async def see_link(self, link_id: int, now: int) -> None:
        """Note that a link was used at this time, Unix milliseconds."""
        sql = "UPDATE links SET seen_at = ? WHERE id = ?"
        await self._write_aside(
            lambda connection: connection.execute(sql, (now, link_id)).rowcount
        )

    async def end_link(self, link_id: int) -> bool:
        """Take a link away; False where there is none of this number."""
        sql = "DELETE FROM links WHERE id = ?"
        return await self._write_aside(
            lambda connection: connection.execute(sql, (link_id,)).rowcount > 0
        )
