"""The sheet that a reseller types into its panel (contract §11): to copy from, and to print."""

from aiohttp import web

from gateway.protocol.panel import KINDS, Place, sheets
from gateway.redaction import redact
from gateway.web.dashboard.visit import Route, Tools, Visit


class PanelSheet:
    """`/resellers/{code}/panel`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [Route("GET", "/resellers/{code}/panel", self.show)]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show the sheet of one kind of panel."""
        row = await self._tools.desk.resellers.show(visit.request.match_info["code"])
        # A reseller's own address may hold a secret of its own: a viewer needs none.
        told = row["callback_url"] if visit.is_operator else redact(row["callback_url"] or "")
        kind = visit.asked("kind") if visit.asked("kind") in KINDS else KINDS[0]
        place = Place(
            code=row["code"],
            url=self._tools.site.public_url,
            addresses=await self._tools.site.addresses(),
            allow_ips=tuple(row["allow_ips"]),
            callback_url=told or None,
            delivery=row["delivery"],
            native=row["native"],
            allow_pin=row["allow_pin"],
        )
        every = {sheet.kind: sheet for sheet in sheets(place)}
        tabs = [(visit.address_with(kind=name), every[name].title, name == kind) for name in KINDS]
        return await visit.page("panel.html", row=row, sheet=every[kind], tabs=tabs)
