"""Admins, sessions and the audit log in the PostgreSQL journal."""

from functools import partial
from typing import Final

from gateway.store.office import AdminRow, AuditRow, SessionRow
from gateway.store.postgres_pool import Database, Session, numbers

_ADMIN: Final = AdminRow.__struct_fields__
_SESSION: Final = ("id", "hash", "admin", "created_at", "seen_at", "address", "agent")
_AUDIT: Final = AuditRow.__struct_fields__
_ADD_ADMIN: Final = (
    f"INSERT INTO admins ({', '.join(_ADMIN)}) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (name) DO NOTHING"
)
_ADD_SESSION: Final = (
    f"INSERT INTO sessions ({', '.join(_SESSION[1:])}) VALUES ($1, $2, $3, $4, $5, $6)"
    " RETURNING id"
)
# With the admin's row held, so that two that log in at once count each other.
_HOLD: Final = "SELECT password FROM admins WHERE name = $1 FOR NO KEY UPDATE"
_KEEP: Final = (
    "DELETE FROM sessions WHERE admin = $1 AND id NOT IN"
    " (SELECT id FROM sessions WHERE admin = $1 ORDER BY id DESC LIMIT $2)"
)
_SELECT_SESSION: Final = (
    f"SELECT {', '.join(f's.{name}' for name in _SESSION)}, a.role"
    " FROM sessions s JOIN admins a ON a.name = s.admin"
)
_END: Final = (
    "DELETE FROM sessions WHERE ($1::bigint[] IS NULL OR id = ANY ($1))"
    " AND ($2::text IS NULL OR admin = $2)"
)
_ADD_AUDIT: Final = (
    f"INSERT INTO audit ({', '.join(_AUDIT[1:])}) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id"
)
_SELECT_AUDIT: Final = (
    f"SELECT {', '.join(_AUDIT)} FROM audit WHERE ($1::bigint IS NULL OR id < $1)"
    " AND ($2::text IS NULL OR who = $2) AND ($3::text IS NULL OR about = $3)"
    " ORDER BY id DESC LIMIT $4"
)


class OfficeTables:
    """`gateway.store.office.Office` on a PostgreSQL journal."""

    _database: Database

    async def admins(self) -> list[AdminRow]:
        """List who may see the dashboard, by name."""
        sql = f"SELECT {', '.join(_ADMIN)} FROM admins ORDER BY name"

        async def work(session: Session) -> list[AdminRow]:
            return [AdminRow(**dict(row)) for row in await session.rows(sql)]

        return await self._database.repeat(work)

    async def add_admin(self, row: AdminRow) -> bool:
        """Add somebody; False where that name is taken."""
        values = [getattr(row, name) for name in _ADMIN]

        async def work(session: Session) -> bool:
            return await session.count(_ADD_ADMIN, *values) > 0

        return await self._database.transact(work)

    async def set_password(self, name: str, password: str, now: int) -> bool:
        """Set a password's hash and end every session of that admin; False: there is none."""
        sql = "UPDATE admins SET password = $2, changed_at = $3 WHERE name = $1"

        async def work(session: Session) -> bool:
            await session.rows(_HOLD, name)
            await session.count("DELETE FROM sessions WHERE admin = $1", name)
            return await session.count(sql, name, password, now) > 0

        return await self._database.transact(work)

    async def remove_admin(self, name: str) -> bool:
        """Remove somebody with every session; False where there is none of this name."""

        async def work(session: Session) -> bool:
            await session.rows("SELECT 1 FROM admins WHERE name = $1 FOR UPDATE", name)
            await session.count("DELETE FROM sessions WHERE admin = $1", name)
            return await session.count("DELETE FROM admins WHERE name = $1", name) > 0

        return await self._database.transact(work)

    async def add_session(self, row: SessionRow, *, password: str, keep: int) -> int | None:
        """Begin a session of who has still this password; None where he has not."""
        work = partial(_add_session, row=row, password=password, keep=keep)
        return await self._database.transact(work)

    async def session(self, token_hash: bytes) -> SessionRow | None:
        """Find a session by the hash of its token."""
        found = await self._sessions("WHERE s.hash = $1", token_hash)
        return found[0] if found else None

    async def sessions(self, admin: str | None = None) -> list[SessionRow]:
        """List sessions, newest first: one admin's, or all."""
        if admin is None:
            return await self._sessions("ORDER BY s.id DESC")
        return await self._sessions("WHERE s.admin = $1 ORDER BY s.id DESC", admin)

    async def _sessions(self, which: str, *values: object) -> list[SessionRow]:
        async def work(session: Session) -> list[SessionRow]:
            rows = await session.rows(f"{_SELECT_SESSION} {which}", *values)
            return [SessionRow(**dict(row)) for row in rows]

        return await self._database.repeat(work)

    async def see_session(self, session_id: int, now: int) -> None:
        """Note that a session was in use at this time, Unix milliseconds."""
        sql = "UPDATE sessions SET seen_at = $2 WHERE id = $1"
        await self._database.changed(sql, session_id, now)

    async def end_sessions(self, *, ids: list[int] | None = None, admin: str | None = None) -> int:
        """End these sessions, of this admin alone where one is named; returns how many."""
        return await self._database.changed(_END, numbers(ids), admin)

    async def end_old_sessions(self, created_before: int, seen_before: int) -> int:
        """End what began before a time, or was last seen before one; returns how many."""
        sql = "DELETE FROM sessions WHERE created_at < $1 OR seen_at < $2"
        return await self._database.changed(sql, created_before, seen_before)

    async def add_audit(self, row: AuditRow) -> int:
        """Write down that something is done; returns the row's number."""
        values = [getattr(row, name) for name in _AUDIT[1:]]

        async def work(session: Session) -> int:
            return int(await session.value(_ADD_AUDIT, *values))

        return await self._database.transact(work)

    async def end_audit(self, audit_id: int, outcome: str) -> None:
        """Write down what came of it."""
        sql = "UPDATE audit SET outcome = $2 WHERE id = $1"
        await self._database.changed(sql, audit_id, outcome)

    async def audit(
        self,
        *,
        who: str | None = None,
        about: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """List what was done, newest first."""

        async def work(session: Session) -> list[AuditRow]:
            rows = await session.rows(_SELECT_AUDIT, before_id, who, about, limit)
            return [AuditRow(**dict(row)) for row in rows]

        return await self._database.repeat(work)


async def _add_session(session: Session, row: SessionRow, password: str, keep: int) -> int | None:
    if await session.value(_HOLD, row.admin) != password:
        return None
    values = (getattr(row, name) for name in _SESSION[1:])
    number = int(await session.value(_ADD_SESSION, *values))
    await session.count(_KEEP, row.admin, keep)
    return number
