"""Links that show a reseller its own orders, in the PostgreSQL journal."""

from functools import partial
from typing import Final

from gateway.store.links import LinkRow
from gateway.store.postgres_pool import Database, Session

_LINK: Final = LinkRow.__struct_fields__
_SELECT: Final = f"SELECT {', '.join(_LINK)} FROM links"
_ADD: Final = (
    f"INSERT INTO links ({', '.join(_LINK[1:])}) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id"
)


class LinkTables:
    """`gateway.store.links.Links` on a PostgreSQL journal."""

    _database: Database

    async def add_link(self, row: LinkRow) -> int:
        """Write a link, and forget those that ended before it was made; returns its number."""
        return await self._database.transact(partial(_add, row=row))

    async def link(self, token_hash: bytes) -> LinkRow | None:
        """Find a link by the hash of its token."""
        found = await self._links("WHERE hash = $1", token_hash)
        return found[0] if found else None

    async def links(self, reseller: str | None = None) -> list[LinkRow]:
        """List links, newest first: one reseller's, or all."""
        if reseller is None:
            return await self._links("ORDER BY id DESC")
        return await self._links("WHERE reseller = $1 ORDER BY id DESC", reseller)

    async def _links(self, which: str, *values: object) -> list[LinkRow]:
        async def work(session: Session) -> list[LinkRow]:
            rows = await session.rows(f"{_SELECT} {which}", *values)
            return [LinkRow(**dict(row)) for row in rows]

        return await self._database.repeat(work)

    async def see_link(self, link_id: int, now: int) -> None:
        """Note that a link was used at this time, Unix milliseconds."""
        await self._database.changed("UPDATE links SET seen_at = $2 WHERE id = $1", link_id, now)

    async def end_link(self, link_id: int) -> bool:
        """Take a link away; False where there is none of this number."""
        return await self._database.changed("DELETE FROM links WHERE id = $1", link_id) > 0


async def _add(session: Session, row: LinkRow) -> int:
    await session.count("DELETE FROM links WHERE ends_at <= $1", row.created_at)
    return int(await session.value(_ADD, *(getattr(row, name) for name in _LINK[1:])))
