"""Every route of the dashboard, one list: nothing else decides what is reachable, and by whom."""

from aiohttp import web

from gateway.web.dashboard.alerts import AlertPages
from gateway.web.dashboard.audit import AuditLog
from gateway.web.dashboard.deliveries import DeliveryPages
from gateway.web.dashboard.door import Door, harden
from gateway.web.dashboard.exports import Exports
from gateway.web.dashboard.live import Live
from gateway.web.dashboard.login import LogIn
from gateway.web.dashboard.order import OrderPage
from gateway.web.dashboard.orders import OrderList
from gateway.web.dashboard.overview import Overview
from gateway.web.dashboard.panel import PanelSheet
from gateway.web.dashboard.products import ProductPages
from gateway.web.dashboard.resellers import ResellerPages
from gateway.web.dashboard.sessions import SessionPage
from gateway.web.dashboard.static import Static
from gateway.web.dashboard.system import SystemPage
from gateway.web.dashboard.visit import Route, Tools


class Dashboard:
    """The pages.

    Args:
        tools: what they work with.
    """

    def __init__(self, tools: Tools) -> None:
        self.live = Live(tools)
        self._door = Door(tools)
        self.routes: list[Route] = [
            *LogIn(tools).routes,
            *Static().routes,
            *self.live.routes,
            *Overview(tools).routes,
            *DeliveryPages(tools).routes,
            *ResellerPages(tools).routes,
            *PanelSheet(tools).routes,
            *ProductPages(tools).routes,
            *AlertPages(tools).routes,
            *SystemPage(tools).routes,
            *Exports(tools).routes,
            *OrderList(tools).routes,
            *OrderPage(tools).routes,
            *AuditLog(tools).routes,
            *SessionPage(tools).routes,
        ]

    def add_to(self, app: web.Application) -> None:
        """Add every route to the admin listener's application. None answers a HEAD."""
        for route in self.routes:
            app.router.add_route(route.method, route.path, self._door.behind(route))
        app.on_response_prepare.append(harden)
