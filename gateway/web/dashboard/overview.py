"""*Ringkasan*: the operator's three questions at one look."""

from aiohttp import web

from gateway.web.dashboard.visit import Route, Tools, Visit


class Overview:
    """`/`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [Route("GET", "/", self.show)]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show it."""
        return await visit.page("overview.html")
