"""Admins, their sessions and the audit log: what goes into a journal, and what can be asked.

An intent's promises are those of `gateway.store.intents`.
"""

from typing import Protocol

import msgspec


class AdminRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may see the dashboard.

    Attributes:
        name: by which he logs in.
        role: operator, or viewer.
        password: its argon2 hash.
        created_at: Unix milliseconds.
        changed_at: when role or password were last set, Unix milliseconds.
    """

    name: str
    role: str
    password: str
    created_at: int
    changed_at: int


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is logged in.

    Attributes:
        id: its number; 0 until it is written.
        hash: of its token, 32 bytes.
        admin: who.
        role: the role that he has now; is read, never written.
        created_at: when he logged in, Unix milliseconds.
        seen_at: when he was last seen, to a minute, Unix milliseconds.
        address: from where he logged in.
        agent: what the browser calls itself, a stranger's text.
    """

    id: int = 0
    hash: bytes
    admin: str
    role: str = ""
    created_at: int
    seen_at: int
    address: str
    agent: str


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done.

    Attributes:
        id: its number; 0 until it is written.
        at: Unix milliseconds.
        who: an admin's name, or `cli`.
        command: a command of the desk.
        about: whose order, which reseller; empty where there is no such thing.
        details: JSON of the values that may be shown.
        outcome: `begun` until it is known, `done`, or why it was not done.
    """

    id: int = 0
    at: int
    who: str
    command: str
    about: str = ""
    details: str = "{}"
    outcome: str


class Office(Protocol):
    """What can be asked of a journal about those who work with it."""

    async def admins(self) -> list[AdminRow]:
        """List who may see the dashboard, by name."""
        ...

    async def add_admin(self, row: AdminRow) -> bool:
        """Add somebody; False where that name is taken."""
        ...

    async def set_password(self, name: str, password: str, now: int) -> bool:
        """Set a password's hash and end every session of that admin; False: there is none."""
        ...

    async def remove_admin(self, name: str) -> bool:
        """Remove somebody with every session; False where there is none of this name."""
        ...

    async def add_session(self, row: SessionRow, *, password: str, keep: int) -> int | None:
        """Begin a session of who has still this password; of his the newest stay.

        Args:
            row: it.
            password: the hash that was compared.
            keep: how many of this admin's stay.

        Returns:
            Its number; None where the password was changed, or the admin removed, meanwhile.
        """
        ...

    async def session(self, token_hash: bytes) -> SessionRow | None:
        """Find a session by the hash of its token."""
        ...

    async def sessions(self, admin: str | None = None) -> list[SessionRow]:
        """List sessions, newest first: one admin's, or all."""
        ...

    async def see_session(self, session_id: int, now: int) -> None:
        """Note that a session was in use at this time, Unix milliseconds."""
        ...

    async def end_sessions(self, *, ids: list[int] | None = None, admin: str | None = None) -> int:
        """End these sessions, of this admin alone where one is named; returns how many.

        Args:
            ids: which; None for all of the admin's.
            admin: whose; None for anybody's.
        """
        ...

    async def end_old_sessions(self, created_before: int, seen_before: int) -> int:
        """End what began before a time, or was last seen before one; returns how many."""
        ...

    async def add_audit(self, row: AuditRow) -> int:
        """Write down that something is done; returns the row's number."""
        ...

    async def end_audit(self, audit_id: int, outcome: str) -> None:
        """Write down what came of it."""
        ...

    async def audit(
        self,
        *,
        who: str | None = None,
        about: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """List what was done, newest first."""
        ...
