"""Admins, sessions and the audit log in the SQLite journal.

None of these tables is on an order's way, so what is written here is written aside.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from gateway.store import AdminRow, AuditRow, SessionRow
from gateway.store.group_commit import T, Work
from gateway.store.rows import as_list

_ADMIN = AdminRow.__struct_fields__
_SESSION = ("id", "hash", "admin", "created_at", "seen_at", "address", "agent")
_AUDIT = AuditRow.__struct_fields__
_SELECT_SESSION = (
    f"SELECT {', '.join(f's.{name}' for name in _SESSION)}, a.role"
    " FROM sessions s JOIN admins a ON a.name = s.admin"
)
_NEWEST = 2**62  # above every number


class OfficeTables:
    """`gateway.store.office.Office` on a SQLite journal, which others read and write."""

    async def _read(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def _write_aside(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def admins(self) -> list[AdminRow]:
        """List who may see the dashboard, by name."""
        sql = f"SELECT {', '.join(_ADMIN)} FROM admins ORDER BY name"

        def work(connection: sqlite3.Connection) -> list[AdminRow]:
            rows = connection.execute(sql).fetchall()
            return [AdminRow(**dict(zip(_ADMIN, row, strict=True))) for row in rows]

        return await self._read(work)

    async def add_admin(self, row: AdminRow) -> bool:
        """Add somebody; False where that name is taken."""
        sql = f"{_insert('admins', _ADMIN)} ON CONFLICT (name) DO NOTHING"
        return await self._changes(sql, [getattr(row, name) for name in _ADMIN]) > 0

    async def set_password(self, name: str, password: str, now: int) -> bool:
        """Set a password's hash and end every session of that admin; False: there is none."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM sessions WHERE admin = ?", (name,))
            sql = "UPDATE admins SET password = ?, changed_at = ? WHERE name = ?"
            return connection.execute(sql, (password, now, name)).rowcount > 0

        return await self._write_aside(work)

    async def remove_admin(self, name: str) -> bool:
        """Remove somebody with every session; False where there is none of this name."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM sessions WHERE admin = ?", (name,))
            return connection.execute("DELETE FROM admins WHERE name = ?", (name,)).rowcount > 0

        return await self._write_aside(work)

    async def add_session(self, row: SessionRow, *, password: str, keep: int) -> int | None:
        """Begin a session of who has still this password; None where he has not."""

        def work(connection: sqlite3.Connection) -> int | None:
            sql = "SELECT 1 FROM admins WHERE name = ? AND password = ?"
            if connection.execute(sql, (row.admin, password)).fetchone() is None:
                return None
            values = [getattr(row, name) for name in _SESSION[1:]]
            cursor = connection.execute(_insert("sessions", _SESSION[1:]), values)
            connection.execute(
                "DELETE FROM sessions WHERE admin = ?1 AND id NOT IN"
                " (SELECT id FROM sessions WHERE admin = ?1 ORDER BY id DESC LIMIT ?2)",
                (row.admin, keep),
            )
            return cursor.lastrowid or 0

        return await self._write_aside(work)

    async def session(self, token_hash: bytes) -> SessionRow | None:
        """Find a session by the hash of its token."""
        found = await self._sessions("WHERE s.hash = ?", (token_hash,))
        return found[0] if found else None

    async def sessions(self, admin: str | None = None) -> list[SessionRow]:
        """List sessions, newest first: one admin's, or all."""
        if admin is None:
            return await self._sessions("ORDER BY s.id DESC", ())
        return await self._sessions("WHERE s.admin = ? ORDER BY s.id DESC", (admin,))

    async def _sessions(self, which: str, values: Sequence[Any]) -> list[SessionRow]:
        names = (*_SESSION, "role")

        def work(connection: sqlite3.Connection) -> list[SessionRow]:
            rows = connection.execute(f"{_SELECT_SESSION} {which}", values).fetchall()
            return [SessionRow(**dict(zip(names, row, strict=True))) for row in rows]

        return await self._read(work)

    async def see_session(self, session_id: int, now: int) -> None:
        """Note that a session was in use at this time, Unix milliseconds."""
        await self._changes("UPDATE sessions SET seen_at = ? WHERE id = ?", (now, session_id))

    async def end_sessions(self, *, ids: list[int] | None = None, admin: str | None = None) -> int:
        """End these sessions, of this admin alone where one is named; returns how many."""
        where, values = ["1 = 1"], []
        if ids is not None:
            where.append("id IN (SELECT value FROM json_each(?))")
            values.append(as_list(ids))
        if admin is not None:
            where.append("admin = ?")
            values.append(admin)
        return await self._changes(f"DELETE FROM sessions WHERE {' AND '.join(where)}", values)

    async def end_old_sessions(self, created_before: int, seen_before: int) -> int:
        """End what began before a time, or was last seen before one; returns how many."""
        sql = "DELETE FROM sessions WHERE created_at < ? OR seen_at < ?"
        return await self._changes(sql, (created_before, seen_before))

    async def add_audit(self, row: AuditRow) -> int:
        """Write down that something is done; returns the row's number."""
        values = [getattr(row, name) for name in _AUDIT[1:]]
        return await self._write_aside(
            lambda connection: (
                connection.execute(_insert("audit", _AUDIT[1:]), values).lastrowid or 0
            )
        )

    async def end_audit(self, audit_id: int, outcome: str) -> None:
        """Write down what came of it."""
        await self._changes("UPDATE audit SET outcome = ? WHERE id = ?", (outcome, audit_id))

    async def audit(
        self,
        *,
        who: str | None = None,
        about: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """List what was done, newest first."""
        given = {"who": who, "about": about}
        given = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(["id < ?", *(f"{name} = ?" for name in given)])
        sql = f"SELECT {', '.join(_AUDIT)} FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"
        values = (_NEWEST if before_id is None else before_id, *given.values(), limit)

        def work(connection: sqlite3.Connection) -> list[AuditRow]:
            rows = connection.execute(sql, values).fetchall()
            return [AuditRow(**dict(zip(_AUDIT, row, strict=True))) for row in rows]

        return await self._read(work)

    async def _changes(self, sql: str, values: Sequence[Any]) -> int:
        """Run one statement; returns how many rows it changed."""
        return await self._write_aside(lambda connection: connection.execute(sql, values).rowcount)


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
