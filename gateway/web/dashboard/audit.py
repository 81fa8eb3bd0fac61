"""*Log audit*: who did what, newest first."""

import json

from aiohttp import web

from gateway.store import AuditRow
from gateway.web.dashboard.visit import Route, Tools, Visit

_ROWS = 50  # of a page


class AuditLog:
    """`/audit`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [Route("GET", "/audit", self.show)]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """List what was done, of one admin or about one thing where the address says so."""
        rows = await self._tools.store.audit(
            who=visit.asked("who") or None,
            about=visit.asked("about") or None,
            before_id=visit.asked_id("before"),
            limit=_ROWS + 1,
        )
        older = visit.address_with(before=rows[_ROWS - 1].id) if len(rows) > _ROWS else None
        shown = [(row, _details(row)) for row in rows[:_ROWS]]
        return await visit.page("audit.html", rows=shown, older=older)


def _details(row: AuditRow) -> list[tuple[str, str]]:
    """Return what a row keeps beside what it is about."""
    kept: list[tuple[str, str]] = list(json.loads(row.details).items())
    return kept[1:] if kept and kept[0][1] == row.about else kept
