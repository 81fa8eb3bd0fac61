"""Logging in and out."""

from aiohttp import web

from gateway.flow.sessions import LASTS_S
from gateway.log import get_logger
from gateway.web.dashboard.door import cookie_name
from gateway.web.dashboard.knocking import Knocking, TooMany
from gateway.web.dashboard.visit import May, Route, Tools, Visit
from gateway.web.households import household
from gateway.web.wire import ask_of

log = get_logger(__name__)

_MAX_NAME = 64  # characters that are looked at of a name that somebody typed


class LogIn:
    """`/login` and `/logout`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.knocking = Knocking()
        self.routes = [
            Route("GET", "/login", self.show, May.ANYBODY),
            Route("POST", "/login", self.log_in, May.ANYBODY),
            Route("POST", "/logout", self.log_out, May.VIEWER),
        ]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show the form; where nobody could log in yet, the command that adds somebody."""
        if visit.who is not None:
            return visit.go("/")
        return await self._form(visit)

    async def _form(self, visit: Visit, status: int = 200, error: str = "") -> web.Response:
        anybody = await self._tools.sessions.anybody_there()
        return await visit.page("login.html", status, error=error, anybody=anybody)

    async def log_in(self, visit: Visit) -> web.StreamResponse:
        """Begin a session."""
        form = await visit.form()
        name, password = form.get("name", "").lower()[:_MAX_NAME], form.get("password", "")
        address = self._tools.gate.address(ask_of(visit.request))
        home = "-" if address is None else household(address)
        try:
            async with self.knocking.kept_back(home, name):
                token = await self._tools.sessions.begin(
                    name,
                    password,
                    str(address or "-"),
                    visit.request.headers.get("User-Agent", ""),
                )
                self.knocking.note(home, name, right=token is not None)
        except TooMany:
            return await self._form(visit, 429, visit.say("login.too_many"))
        if token is None:
            log.warning("login.refused", address=home)
            return await self._form(visit, 403, visit.say("login.wrong"))
        if visit.who is not None:  # the browser forgets that one's token
            await self._tools.sessions.end(visit.who)
        visit.cookies.append((cookie_name(visit.request), token, LASTS_S))
        return visit.go("/")

    async def log_out(self, visit: Visit) -> web.StreamResponse:
        """End this session."""
        if visit.who is not None:
            await self._tools.sessions.end(visit.who)
        visit.cookies.append((cookie_name(visit.request), "", 0))
        return visit.go("/login")
