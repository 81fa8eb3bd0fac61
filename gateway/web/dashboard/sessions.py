"""*Sesi*: where somebody is logged in, and ending it; operators see everybody's."""

from aiohttp import web

from gateway.web.dashboard.visit import May, Route, Tools, Visit, to_number


class SessionPage:
    """`/sessions`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [
            Route("GET", "/sessions", self.show),
            Route("POST", "/sessions/revoke", self.revoke),
        ]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """List them."""
        rows = await self._tools.store.sessions(self._whose(visit))
        return await visit.page("sessions.html", rows=rows)

    def _whose(self, visit: Visit) -> str | None:
        """Return whose sessions he may see and end; None for everybody's."""
        if visit.may is May.OPERATOR or visit.who is None:
            return None
        return visit.who.admin

    async def revoke(self, visit: Visit) -> web.StreamResponse:
        """End one; a viewer ends his own alone."""
        number = to_number(visit, (await visit.form()).get("id", ""))
        await visit.do("admin.revoke", session_id=number, name=self._whose(visit))
        return visit.go("/sessions", "revoked")
