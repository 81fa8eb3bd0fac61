"""Links that show a reseller its own orders: what can be asked of a journal.

An intent's promises are those of `gateway.store.intents`.
"""

from typing import Protocol

import msgspec


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A link that was made.

    Attributes:
        id: its number; 0 until it is written.
        hash: of its token, 32 bytes.
        reseller: whose orders it shows.
        who: who made it, an admin's name or `cli`.
        created_at: Unix milliseconds.
        ends_at: from when on it shows nothing, Unix milliseconds.
        seen_at: when it was last used, to a minute, Unix milliseconds, or None.
    """

    id: int = 0
    hash: bytes
    reseller: str
    who: str
    created_at: int
    ends_at: int
    seen_at: int | None = None


class Links(Protocol):
    """What can be asked of a journal about links."""

    async def add_link(self, row: LinkRow) -> int:
        """Write a link, and forget those that ended before it was made; returns its number."""
        ...

    async def link(self, token_hash: bytes) -> LinkRow | None:
        """Find a link by the hash of its token."""
        ...

    async def links(self, reseller: str | None = None) -> list[LinkRow]:
        """List links, newest first: one reseller's, or all."""
        ...

    async def see_link(self, link_id: int, now: int) -> None:
        """Note that a link was used at this time, Unix milliseconds."""
        ...

    async def end_link(self, link_id: int) -> bool:
        """Take a link away; False where there is none of this number."""
        ...
