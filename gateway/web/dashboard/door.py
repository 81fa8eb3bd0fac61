"""The one door of the dashboard: who comes in, from where a change may come, what goes out.

Every route passes here, and no page can forget it.
"""

import time
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from gateway import metrics
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.log import get_logger
from gateway.web.connection import Handler
from gateway.web.dashboard.shapes import LANGUAGES, ZONES, Shapes
from gateway.web.dashboard.visit import Route, Tools, Visit

log = get_logger(__name__)

_YEAR_S = 365 * 86_400
SESSION: Final = "otomax_session"
# A browser takes a cookie of this name only over TLS, for one host, and no other host can set it.
SECURE_SESSION: Final = f"__Host-{SESSION}"

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nothing to any other host. Not `no-referrer`, under which a browser says `Origin: null` of
    # our own forms, and they could not be told from a stranger's where there is no TLS.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NEVER_KEPT: Final = "no-store"


class Door:
    """Answers the dashboard's routes.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def behind(self, route: Route) -> Handler:
        """Return what answers a route, behind this door."""

        async def answer(request: web.Request) -> web.StreamResponse:
            began = time.monotonic()
            try:
                visit = await self._visit(request)
                response = await self._answer(route, visit)
            except JournalUnavailable:
                visit = self._nobodys(request)
                response = await visit.page("error.html", 503, what=visit.say("error.journal"))
            if not response.prepared:
                _set_cookies(visit, response)
            _tell(route, visit, response.status, began)
            return response

        return answer

    async def _visit(self, request: web.Request) -> Visit:
        visit = self._nobodys(request)
        visit.who = await self._tools.sessions.find(request.cookies.get(cookie_name(request)))
        return visit

    def _nobodys(self, request: web.Request) -> Visit:
        chosen: dict[str, str] = {}
        cookies: list[tuple[str, str, int]] = []
        for name, known in (("lang", LANGUAGES), ("zone", tuple(ZONES))):
            wanted = request.query.get(name, "")
            if wanted in known:
                cookies.append((name, wanted, _YEAR_S))
            else:
                wanted = request.cookies.get(name, "")
            chosen[name] = wanted if wanted in known else known[0]
        shapes = Shapes(chosen["lang"], chosen["zone"], self._tools.clock())
        return Visit(request=request, tools=self._tools, who=None, shapes=shapes, cookies=cookies)

    async def _answer(self, route: Route, visit: Visit) -> web.StreamResponse:
        request = visit.request
        if request.method != hdrs.METH_GET and not is_own(request):
            return await visit.page("error.html", 403, what=visit.say("error.origin"))
        if visit.may < route.may:
            if visit.who is None:
                return visit.go("/login")
            return await visit.page("error.html", 403, what=visit.say("error.viewer"))
        try:
            return await route.handler(visit)
        except NotDone as error:
            return await visit.page("error.html", 409, what=str(error))


def is_own(request: web.BaseRequest) -> bool:
    """Whether a request comes from a page of ours.

    A browser says so itself in `Sec-Fetch-Site`, where it trusts the way to us (TLS, or this very
    machine); else `Origin` names the page. Neither can be set by a script. What says neither is
    no browser's form, and is refused.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2].lower() == request.host.lower()


def is_secure(request: web.BaseRequest) -> bool:
    """Whether the browser reached us over TLS, by a proxy's word.

    It decides about nothing but the visitor's own cookie, so anybody's word is good enough.
    """
    said = request.headers.get("X-Forwarded-Proto", request.scheme)
    return said.rpartition(",")[2].strip().lower() == "https"


def cookie_name(request: web.BaseRequest) -> str:
    """Return under which name a session is held on this way."""
    return SECURE_SESSION if is_secure(request) else SESSION


def _tell(route: Route, visit: Visit, status: int, began: float) -> None:
    """Log the one event of a request; a page that only looks is asked for all the time."""
    metrics.request("dashboard", status).inc()
    tell = log.debug if route.method == hdrs.METH_GET else log.info
    tell(
        "page.answered",
        admin=None if visit.who is None else visit.who.admin,
        page=f"{route.method} {route.path}",
        http_status=status,
        ms=round((time.monotonic() - began) * MS_PER_S),
    )


def _set_cookies(visit: Visit, response: web.StreamResponse) -> None:
    for name, value, max_age_s in visit.cookies:
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=is_secure(visit.request),
        )


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """Add to an answer what none of the listener's may go out without."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, NEVER_KEPT)
