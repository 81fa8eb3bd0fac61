"""Links that show a reseller its own orders, and nothing else: made, listed, found, taken away.

Who holds the link's random token may look until it ends; the journal holds the hash alone, so a
link is shown once, when it is made. The journal is asked at each look, so one that is taken away
has ended at once.
"""

import contextlib
import secrets
from collections.abc import Callable
from typing import Any, Final

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.flow.directory import Directory
from gateway.flow.sessions import hash_token
from gateway.protocol.shown import when
from gateway.store import LinkRow, Store

PATH: Final = "/lihat/"
"""Below this the public listener shows them; no dialect has a path that begins so."""
MAX_DAYS: Final = 90
EACH: Final = 20  # that have not ended, of one reseller
_DAY_MS: Final = 86_400 * MS_PER_S
_SEEN_EVERY_MS: Final = 60 * MS_PER_S  # each note is a commit
_TOKEN_BYTES: Final = 32


class Links:
    """The part of the desk that is about links.

    Args:
        store: the journal.
        directory: the resellers.
        clock: Unix milliseconds.
        public_url: where the gateway is reached, without a slash at the end.
    """

    def __init__(
        self, store: Store, directory: Directory, clock: Clock, *, public_url: str
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._public_url = public_url
        self.commands: dict[str, Callable[..., Any]] = {
            "link.make": self.make,
            "link.list": self.list_,
            "link.revoke": self.revoke,
        }

    async def make(self, code: str, days: int = 7, who: str = "cli") -> dict[str, Any]:
        """Make a link; its address is in what is returned, and nowhere else.

        Args:
            code: the reseller's.
            days: for how long it shows anything.
            who: an admin's name, or `cli`.

        Raises:
            NotDone: there is no such reseller, it has too many, or the days are too many.
        """
        if self._directory.by_code(code) is None:
            raise NotDone(f"there is no reseller {code}; `reseller list` shows them")
        if not 1 <= days <= MAX_DAYS:
            raise NotDone(f"a link lasts 1 to {MAX_DAYS} days, got {days}")
        now = self._clock()
        if sum(row.ends_at > now for row in await self._store.links(code)) >= EACH:
            raise NotDone(f"{code} has {EACH} links; take one away before the next is made")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        ends_at = now + days * _DAY_MS
        row = LinkRow(
            hash=hash_token(token), reseller=code, who=who, created_at=now, ends_at=ends_at
        )
        number = await self._store.add_link(row)
        return {
            "id": number,
            "code": code,
            "ends_at": when(ends_at),
            "url": f"{self._public_url}{PATH}{token}",
        }

    async def list_(self, code: str | None = None) -> list[dict[str, Any]]:
        """List the links that have not ended, newest first."""
        return [
            {
                "id": row.id,
                "code": row.reseller,
                "who": row.who,
                "created_at": when(row.created_at),
                "ends_at": when(row.ends_at),
                "seen_at": when(row.seen_at),
            }
            for row in await self.living(code)
        ]

    async def living(self, code: str | None = None) -> list[LinkRow]:
        """Return the links that have not ended, newest first."""
        now = self._clock()
        return [row for row in await self._store.links(code) if row.ends_at > now]

    async def revoke(self, link_id: int) -> dict[str, int]:
        """Take a link away.

        Raises:
            NotDone: there is none of this number.
        """
        if not await self._store.end_link(link_id):
            raise NotDone(f"there is no link {link_id}")
        return {"id": link_id}

    async def find(self, token: str) -> LinkRow | None:
        """Return the link of a token that has not ended, and note that it was used.

        Who is suspended is told nothing, here as everywhere.
        """
        found = await self._store.link(hash_token(token))
        now = self._clock()
        if found is None or not found.created_at <= now < found.ends_at:
            return None
        reseller = self._directory.by_code(found.reseller)
        if reseller is None or reseller.suspended:
            return None
        if found.seen_at is None or now - found.seen_at >= _SEEN_EVERY_MS:
            # A journal that can not be written is no reason not to look at it.
            with contextlib.suppress(JournalUnavailable):
                await self._store.see_link(found.id, now)
        return found
