"""Who is logged in at the dashboard: sessions in the journal, begun, found and ended.

A browser holds a random token, the journal its hash. The journal is asked at each request, so a
session that is revoked, or a role that is taken away, has ended at once.
"""

import contextlib
import hashlib
import secrets

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable
from gateway.flow.passwords import Passwords
from gateway.log import get_logger
from gateway.redaction import escape
from gateway.store import AuditRow, SessionRow, Store

log = get_logger(__name__)

IDLE_S = 12 * 3600  # a working day: who comes back the next morning logs in again
LASTS_S = 7 * 86_400  # whatever is done with it
EACH = 20  # sessions of one admin; the oldest makes room
_SEEN_EVERY_MS = 60 * MS_PER_S  # a page of ours asks often, and each note is a commit
_TOKEN_BYTES = 32
_AGENT_CHARACTERS = 200  # of what a browser calls itself


class Sessions:
    """Logs in and out.

    Args:
        store: the journal.
        passwords: compares them.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock

    async def anybody_there(self) -> bool:
        """Whether there is anybody who could log in."""
        return bool(await self._store.admins())

    async def begin(self, name: str, password: str, address: str, agent: str) -> str | None:
        """Log somebody in; returns the token that his browser is given, or None.

        Args:
            name: of an admin, as it was typed.
            password: as it was typed.
            address: from where.
            agent: what the browser calls itself; bytes that are no text, too.
        """
        admin = next((row for row in await self._store.admins() if row.name == name), None)
        kept = None if admin is None else admin.password
        if not await self._passwords.is_right(kept, password) or admin is None or kept is None:
            return None
        now = self._clock()
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        row = SessionRow(
            hash=hash_token(token),
            admin=admin.name,
            created_at=now,
            seen_at=now,
            address=address,
            agent=escape(agent)[:_AGENT_CHARACTERS],
        )
        await self._store.end_old_sessions(now - LASTS_S * MS_PER_S, now - IDLE_S * MS_PER_S)
        if await self._store.add_session(row, password=kept, keep=EACH) is None:
            return None
        await self._note(admin.name, "session.begin", address, now)
        log.info("admin.logged_in", admin=admin.name, address=address)
        return token

    async def find(self, token: str | None) -> SessionRow | None:
        """Return the session of a token, with the role that its admin has now."""
        if not token:
            return None
        found = await self._store.session(hash_token(token))
        now = self._clock()
        if found is None or not _lasts(found, now):
            return None
        if now - found.seen_at >= _SEEN_EVERY_MS:
            # A journal that can not be written is just what an operator wants to look at.
            with contextlib.suppress(JournalUnavailable):
                await self._store.see_session(found.id, now)
        return found

    async def goes_on(self, session: SessionRow | None) -> bool:
        """Whether a session that was found has not ended since."""
        found = None if session is None else await self._store.session(session.hash)
        return found is not None and _lasts(found, self._clock())

    async def end(self, session: SessionRow) -> None:
        """Log somebody out."""
        await self._store.end_sessions(ids=[session.id])
        await self._note(session.admin, "session.end", session.address, self._clock())

    async def _note(self, who: str, command: str, about: str, now: int) -> None:
        row = AuditRow(at=now, who=who, command=command, about=about, outcome="done")
        await self._store.add_audit(row)


def hash_token(token: str) -> bytes:
    """Return what the journal keeps of a token: it is random, so one round is enough."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _lasts(session: SessionRow, now: int) -> bool:
    """Whether a session has not ended by itself; one from the far future of a clock has."""
    age_ms, idle_ms = now - session.created_at, now - session.seen_at
    is_young = -IDLE_S * MS_PER_S < age_ms < LASTS_S * MS_PER_S
    return is_young and idle_ms < IDLE_S * MS_PER_S
