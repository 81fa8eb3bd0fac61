"""Every route of the gateway, one list a listener: nothing else decides what is reachable."""

from dataclasses import dataclass

from aiohttp import web

from gateway.web.callback import CALLBACK, CallbackRoutes
from gateway.web.connection import Handler
from gateway.web.dashboard import Dashboard, LinkPage
from gateway.web.json_api import JsonDialect
from gateway.web.json_catalog import JsonCatalog
from gateway.web.json_door import wrong_method
from gateway.web.lane import Quick
from gateway.web.ops import Health
from gateway.web.otomax import OtomaxDialect
from gateway.web.text import STATUS, TextDialect
from gateway.web.wire import by_http

_JSON_PATHS = (
    "/v1/order",
    "/v2/order",
    "/v1/status/trx-id/{trx_id}",
    "/v1/status/{invoice_number}",
    "/v1/user",
    "/v1/products",
    "/v1/category",
    "/v1/product",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialects:
    """Everything that resellers ask, a dialect a file."""

    text: TextDialect
    json_api: JsonDialect
    json_catalog: JsonCatalog
    otomax: OtomaxDialect


def public_app(
    dialects: Dialects, callback: CallbackRoutes, health: Health, link: LinkPage
) -> web.Application:
    """Return what panels and the upstream reach. No route answers a HEAD: it must buy nothing."""
    text, json_api, native = dialects.text, dialects.json_api, dialects.otomax
    json_catalog = dialects.json_catalog
    app = web.Application()
    _add(
        app,
        {
            "/v1/otomax/order": by_http(text.order_v1),
            "/v2/otomax/order": by_http(text.order_v1),
            "/v3/otomax/order": by_http(text.order_v3),
            f"{STATUS}{{id}}": by_http(text.status),
            "/v1/otomax/user": by_http(text.user),
            "/v1/status/trx-id/{trx_id}": json_api.status_by_trx_id,
            "/v1/status/{invoice_number}": json_api.status_by_invoice,
            "/trx": by_http(native.trx),
            "/balance": by_http(native.balance),
            "/v1/user": json_catalog.user,
            "/v1/products": json_catalog.products,
            "/v1/category": json_catalog.category,
            "/v1/product": json_catalog.product,
            f"{CALLBACK}{{token}}": by_http(callback.with_token),
            "/callback": by_http(callback.hint),
            "/healthz": health.healthz,
            "/readyz": health.readyz,
            **link.routes(),
        },
    )
    app.router.add_post("/v1/order", json_api.order_v1)
    app.router.add_post("/v2/order", json_api.order_v2)
    app.router.add_post("/trx", native.trx_posted)
    app.router.add_post("/balance", native.balance_posted)
    app.router.add_post("/v1/products", json_catalog.products)
    app.router.add_post(f"{CALLBACK}{{token}}", callback.signed_with_token)
    app.router.add_post("/callback", callback.signed)
    for path in _JSON_PATHS:  # an error in its own form; every other route has aiohttp's own line
        app.router.add_route("*", path, wrong_method)
    return app


def quick_routes(dialects: Dialects, callback: CallbackRoutes) -> Quick:
    """Return what is asked all day: the same as in `public_app`."""
    text = dialects.text
    return Quick(
        paths={
            "/trx": dialects.otomax.trx,
            "/v1/otomax/order": text.order_v1,
            "/v2/otomax/order": text.order_v1,
            "/v3/otomax/order": text.order_v3,
        },
        folders={STATUS: text.status, CALLBACK: callback.with_token},
    )


def admin_app(health: Health, dashboard: Dashboard) -> web.Application:
    """Return what the operator reaches; the dashboard has a list of its own."""
    app = web.Application()
    _add(
        app,
        {"/healthz": health.healthz, "/readyz": health.readyz, "/metrics": health.metrics},
    )
    dashboard.add_to(app)
    return app


def _add(app: web.Application, routes: dict[str, Handler]) -> None:
    for path, handler in routes.items():
        app.router.add_get(path, handler, allow_head=False)
