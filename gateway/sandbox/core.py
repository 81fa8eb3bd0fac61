"""The upstream's heart: a question in, an answer out, and no sockets.

`Upstream.ask` finds who answers: `orders`, `lookups` or `shelf`. It is synchronous, and all that
it uses of asyncio is `call_later` of the running loop (in `life`), so that a loop in virtual time
drives it as well as `routes` does over HTTP. Answers of the text routes to what is refused are the
document's envelope too, because the document shows no other form of an error.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sandbox.answers import json, refused
from gateway.sandbox.books import BOOKS_PATH, books
from gateway.sandbox.exchange import TEXT_TYPE, Answer, Asked, HangUp, Signed
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.life import Lives
from gateway.sandbox.lookups import LookUps
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.orders import ORDER_ROUTES, Orders
from gateway.sandbox.refusals import RefusedError
from gateway.sandbox.shelf import Shelf

__all__ = ["Answer", "Asked", "HangUp", "Signed", "Upstream"]

_NO_ROUTE = Answer(404, TEXT_TYPE, b"404: Not Found")
_NO_METHOD = Answer(405, TEXT_TYPE, b"405: Method Not Allowed")

_Handler = Callable[[Asked, str], Answer | HangUp]
"""Takes a request, and the name at the end of its path where there is one."""


@dataclass(frozen=True, slots=True)
class _Route:
    """A path as the document writes it, and who answers each method on it."""

    path: str
    methods: dict[str, _Handler] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return self.path.partition("{")[0]


class Upstream:
    """The upstream that answers; the books are `ledger`, what follows a purchase is `lives`."""

    def __init__(self, ledger: Ledger, lives: Lives, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._orders = Orders(ledger, lives, options)
        routes = self._routes(Shelf(ledger), LookUps(ledger, options))
        self._fixed = {route.path: route for route in routes if "{" not in route.path}
        self._named = [route for route in routes if "{" in route.path]

    def ask(self, asked: Asked) -> Answer | HangUp:
        """Answer one request. To be called inside a running loop, for the sake of the timers."""
        route, name = self._route(asked.path)
        if route is None:
            return _NO_ROUTE
        handler = route.methods.get(asked.method)
        if handler is None:  # a HEAD too: it buys nothing
            return _NO_METHOD
        if route.path != BOOKS_PATH:
            self._ledger.requests[f"{asked.method} {route.path}"] += 1
        try:
            return handler(asked, name)
        except RefusedError as error:
            return refused(error.refusal)

    def left(self, asked: Asked) -> None:
        """Say that the asker went away before its answer came: the request is off the wire."""
        if asked.path in ORDER_ROUTES:
            self._orders.left(asked)

    def _routes(self, shelf: Shelf, look_ups: LookUps) -> list[_Route]:
        """Everything that the document has, and the books."""
        products = _unnamed(shelf.products)
        orders = [
            _Route(path, {route.method: _unnamed(self._orders.place)})
            for path, route in ORDER_ROUTES.items()
        ]
        return [
            *orders,
            _Route("/v1/user", {"GET": _unnamed(shelf.user)}),
            _Route("/v1/products", {"GET": products, "POST": products}),
            _Route("/v1/product", {"GET": _unnamed(shelf.product)}),
            _Route("/v1/category", {"GET": _unnamed(shelf.categories)}),
            _Route("/v1/status/trx-id/{trx_id}", {"GET": look_ups.by_trx_id}),
            _Route("/v1/status/{invoice_number}", {"GET": look_ups.by_invoice}),
            _Route("/v1/otomax/status/{invoice_number}", {"GET": look_ups.text_status}),
            _Route("/v1/otomax/user", {"GET": _unnamed(shelf.user_line)}),
            _Route(BOOKS_PATH, {"GET": _unnamed(lambda _: json(books(self._ledger)))}),
        ]

    def _route(self, path: str) -> tuple[_Route | None, str]:
        """The route of a path, and the name that stands where the route has one."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, ""
        for route in self._named:
            name = path.removeprefix(route.prefix)
            if name != path and name and "/" not in name:
                return route, name
        return None, ""


def _unnamed(handler: Callable[[Asked], Answer | HangUp]) -> _Handler:
    return lambda asked, _: handler(asked)
