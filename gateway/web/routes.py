"""Every route of the gateway, one list a listener: nothing else decides what is reachable."""

from aiohttp import web

from gateway.web.callback import CallbackRoutes
from gateway.web.listener import Handler, Quick
from gateway.web.ops import Health
from gateway.web.text import STATUS, TextDialect


def public_app(text: TextDialect, callback: CallbackRoutes, health: Health) -> web.Application:
    """Return what panels and the upstream reach. No route answers a HEAD: it must buy nothing."""
    app = web.Application()
    _add(
        app,
        {
            "/v1/otomax/order": text.order_v1,
            "/v2/otomax/order": text.order_v1,
            "/v3/otomax/order": text.order_v3,
            f"{STATUS}{{id}}": text.status,
            "/v1/otomax/user": text.user,
            "/callback/{token}": callback.with_token,
            "/callback": callback.hint,
            "/healthz": health.healthz,
            "/readyz": health.readyz,
        },
    )
    app.router.add_post("/callback/{token}", callback.signed_with_token)
    app.router.add_post("/callback", callback.signed)
    return app


def quick_routes(text: TextDialect) -> Quick:
    """Return what panels ask all day: found at once, and the same as in `public_app`."""
    return Quick(
        paths={
            "/v1/otomax/order": text.order_v1,
            "/v2/otomax/order": text.order_v1,
            "/v3/otomax/order": text.order_v3,
        },
        folders={STATUS: text.status},
    )


def admin_app(health: Health) -> web.Application:
    """Return what the operator reaches."""
    app = web.Application()
    _add(
        app,
        {"/healthz": health.healthz, "/readyz": health.readyz, "/metrics": health.metrics},
    )
    return app


def _add(app: web.Application, routes: dict[str, Handler]) -> None:
    for path, handler in routes.items():
        app.router.add_get(path, handler, allow_head=False)
