"""What the operator may do about who sees the dashboard, one method a command; plain data."""

import re
from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.flow.passwords import Passwords
from gateway.protocol.shown import when
from gateway.store import AdminRow, SessionRow, Store

ROLES = ("operator", "viewer")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_TAKEN = frozenset({"cli"})  # how the audit log calls who types commands


class Admins:
    """The part of the desk that is about who sees the dashboard.

    Args:
        store: the journal.
        passwords: hashes them.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self.commands: dict[str, Callable[..., Any]] = {
            "admin.add": self.add,
            "admin.list": self.list_,
            "admin.passwd": self.set_password,
            "admin.remove": self.remove,
            "admin.sessions": self.sessions,
            "admin.revoke": self.revoke,
        }

    async def add(self, name: str, password: str, role: str = "operator") -> dict[str, str]:
        """Add somebody.

        Raises:
            NotDone: the name, the role or the password can not be, or the name is taken.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise NotDone("a name is [a-z0-9._-], 1 to 32 characters, and not cli")
        if role not in ROLES:
            raise NotDone(f"role: wanted one of {', '.join(ROLES)}")
        now, kept = self._clock(), await self._passwords.hash(password)
        row = AdminRow(name=name, role=role, password=kept, created_at=now, changed_at=now)
        if not await self._store.add_admin(row):
            raise NotDone(f"{name} exists already; `admin passwd {name}` sets a new password")
        return {"name": name, "role": role}

    async def list_(self) -> list[dict[str, Any]]:
        """List who may see the dashboard."""
        sessions = await self._store.sessions()
        return [
            {
                "name": row.name,
                "role": row.role,
                "created_at": when(row.created_at),
                "changed_at": when(row.changed_at),
                "sessions": sum(session.admin == row.name for session in sessions),
            }
            for row in await self._store.admins()
        ]

    async def set_password(self, name: str, password: str) -> dict[str, str]:
        """Set a password; every session of that admin ends."""
        kept = await self._passwords.hash(password)
        if not await self._store.set_password(name, kept, self._clock()):
            raise _nobody(name)
        return {"name": name}

    async def remove(self, name: str) -> dict[str, str]:
        """Remove somebody, and end every session of his."""
        if not await self._store.remove_admin(name):
            raise _nobody(name)
        return {"name": name}

    async def sessions(self, name: str | None = None) -> list[dict[str, Any]]:
        """List sessions, newest first."""
        return [_shown(row) for row in await self._store.sessions(name)]

    async def revoke(
        self, name: str | None = None, session_id: int | None = None
    ) -> dict[str, int]:
        """End a session, or every one of an admin.

        Raises:
            NotDone: nothing is named, or there is no such session.
        """
        if name is None and session_id is None:
            raise NotDone("name a session by its number, or an admin")
        ids = None if session_id is None else [session_id]
        ended = await self._store.end_sessions(ids=ids, admin=name)
        if not ended and session_id is not None:
            raise NotDone(f"there is no session {session_id}; `admin sessions` shows them")
        return {"ended": ended}


def _shown(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.admin,
        "role": row.role,
        "created_at": when(row.created_at),
        "seen_at": when(row.seen_at),
        "address": row.address,
        "agent": row.agent,
    }


def _nobody(name: str) -> NotDone:
    return NotDone(f"there is no {name}; `admin list` shows who there is")
