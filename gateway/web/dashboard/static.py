"""`/static/…`: what browsers keep."""

import asyncio

from aiohttp import web

from gateway.web.dashboard.assets import TYPES, content
from gateway.web.dashboard.visit import May, Route, Visit


class Static:
    """`/static/…`."""

    def __init__(self) -> None:
        self.routes = [Route("GET", "/static/{name}", self.file, May.ANYBODY)]

    async def file(self, visit: Visit) -> web.StreamResponse:
        """Return one of ours; its address changes with it, so it may be kept for a year."""
        name = visit.request.match_info["name"]
        if name not in TYPES:
            return await visit.page("error.html", 404, what=visit.say("error.missing"))
        return web.Response(
            body=await asyncio.to_thread(content, name),
            content_type=TYPES[name],
            charset="utf-8",
            headers={"Cache-Control": "private, max-age=31536000, immutable"},
        )
