"""Everything that can be asked of the gateway, with the right secrets, wrong ones, and in no form.

Requests are bytes, so that what no HTTP client would send is sent, too; each is on a connection of
its own. What an order needs of a wait, and what is looked for, is the test's.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gateway.web.dashboard import Dashboard, LinkPage
from gateway.web.routes import Dialects, admin_app, public_app
from tests.days.canaries import Ears
from tests.journey.office import PRODUCT
from tests.support import raw_exchange
from tests.web.native import sign
from tests.web.webhooks import signature, webhook_body

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
Fields = dict[str, str]


class _Anybody:
    """Stands for whoever answers: only the paths are looked at."""

    def __getattr__(self, name: str) -> Any:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=name)

        return answer


def dashboard() -> Dashboard:
    """Return the dashboard, of which only the routes are looked at."""
    anybody: Any = _Anybody()
    return Dashboard(anybody)


def routes() -> set[str]:
    """Return every path that a listener has."""
    anybody: Any = _Anybody()
    dialects = Dialects(text=anybody, json_api=anybody, json_catalog=anybody, otomax=anybody)
    link = LinkPage(*[anybody] * 6)
    apps = (public_app(dialects, anybody, anybody, link), admin_app(anybody, dashboard()))
    return {resource.canonical for app in apps for resource in app.router.resources()}


@dataclass(frozen=True, slots=True)
class Who:
    """A reseller's secrets."""

    code: str
    key: str
    upstream_key: str
    pin: str
    password: str


class Mouth:
    """Asks, and has everything heard that comes back.

    Attributes:
        asked: the paths that were asked for, as routes write them.
    """

    def __init__(self, port: int, ears: Ears) -> None:
        self.port = port
        self.ears = ears
        self.asked: set[str] = set()
        self._signs = 0

    async def send(self, sent: bytes, where: str) -> bytes:
        answer = await raw_exchange(self.port, sent, 30)
        self.ears.hear(f"reply to {where}", answer)
        return answer

    async def ask(
        self,
        route: str,
        query: Fields | None = None,
        *,
        method: str = "GET",
        headers: Fields | None = None,
        body: bytes | None = None,
        **parts: str,
    ) -> bytes:
        """Ask for a route; `parts` fill what stands in braces, and are encoded."""
        self.asked.add(route)
        path = route.format(**{name: quote(part, safe="") for name, part in parts.items()})
        target = path if query is None else f"{path}?{_encoded(query)}"
        named = {"Host": "gateway", "Connection": "close", **(headers or {})}
        if body is not None:
            named["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        sent = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")
        return await self.send(sent, f"{method} {route}")

    # -- orders

    async def order(self, who: Who, version: int, trx_id: str, dest: str, **more: str) -> bytes:
        query = {"apikey": who.key, "product_code": PRODUCT, "user_id": dest, "trx_id": trx_id}
        return await self.ask(f"/v{version}/otomax/order", {**query, **more})

    async def order_json(
        self, who: Who, version: int, trx_id: str, dest: str, **more: Any
    ) -> bytes:
        fields = {"product_code": PRODUCT, "user_id": dest, "trx_id": trx_id, **more}
        return await self.ask(
            f"/v{version}/order",
            method="POST",
            headers={**_JSON, "Authorization": who.key},
            body=json.dumps(fields).encode(),
        )

    async def order_native(
        self, who: Who, trx_id: str, dest: str, *, post: bool = False, **more: str
    ) -> bytes:
        """Order in OtomaX's own dialect, signed; with `pin` among `more` that is shown instead."""
        fields = {"memberID": who.code, "product": PRODUCT, "dest": dest, "refID": trx_id}
        fields |= more or {"sign": self._sign(who, (PRODUCT, dest, trx_id))}
        if post:
            form = _encoded(fields).encode()
            return await self.ask("/trx", method="POST", headers=_FORM, body=form)
        return await self.ask("/trx", fields)

    def _sign(self, who: Who, about: tuple[str, str, str]) -> str:
        made = sign(who.code, about, who.pin, who.password)
        self._signs += 1
        self.ears.keep({f"sign {self._signs}": made})
        return made

    # -- questions

    async def everything(self, who: Who, trx_id: str, invoice: str) -> None:
        """Ask for all that only reads, as a reseller who may."""
        apikey, header = {"apikey": who.key}, {"Authorization": who.key}
        about = {"memberID": who.code, "sign": self._sign(who, ("", "", ""))}
        shown = {"memberID": who.code, "pin": who.pin, "password": who.password}
        await asyncio.gather(
            self.ask("/v1/otomax/status/{id}", apikey, id=trx_id),
            self.ask("/v1/otomax/status/{id}", apikey, id=invoice),
            self.ask("/v1/otomax/user", apikey),
            self.ask("/v1/status/trx-id/{trx_id}", headers=header, trx_id=trx_id),
            self.ask("/v1/status/{invoice_number}", headers=header, invoice_number=invoice),
            *(
                self.ask(f"/v1/{name}", headers=header)
                for name in ("user", "products", "category")
            ),
            self.ask("/v1/products", method="POST", headers={**header, **_JSON}, body=b"{}"),
            self.ask("/v1/product", {"product_code": PRODUCT}, headers=header),
            self.ask("/balance", about),
            self.ask("/balance", method="POST", headers=_FORM, body=_encoded(shown).encode()),
            self.ask("/healthz"),
            self.ask("/readyz"),
        )

    async def in_wrong_places(self, who: Who, wrong: str) -> None:
        """Ask with a secret that is nobody's, or where none belongs.

        All at once: who shows wrong keys one after the other is kept waiting.
        """
        mine, header = {"apikey": who.key}, {"Authorization": who.key}
        order = {"product_code": PRODUCT, "user_id": "1", "trx_id": "W1"}
        await asyncio.gather(
            self.ask("/v3/otomax/order", {"apikey": wrong, **order}),
            self.ask("/v1/otomax/user", {"apikey": wrong}),
            self.ask("/v1/user", headers={"Authorization": wrong}),
            self.ask("/v2/order", method="POST", headers={"Authorization": wrong}, body=b"{}"),
            self.ask("/balance", {"memberID": who.code, "pin": wrong, "password": wrong}),
            self.ask("/balance", {"memberID": who.key, "sign": wrong}),
            self.ask("/v3/otomax/order", {**mine, "trx_id": "bad one", "user_id": "1"}),
            self.ask("/v3/otomax/order", {**mine, "product_code": f"{who.key}\n"}),
            self.ask("/v1/otomax/status/{id}", {"apikey": "T1"}, id=who.key),
            self.ask("/v1/otomax/status/{id}", mine, id=who.key),
            self.ask("/v1/status/trx-id/{trx_id}", headers=header, trx_id=who.key),
            self.ask("/v1/status/{invoice_number}", headers=header, invoice_number=who.key),
            self.ask("/v1/product", {"product_code": who.key}, headers=header),
            self.ask("/callback/{token}", {"status": "SUCCESS", **mine}, token=who.key),
            self.ask("/callback", {"trx_id": who.key, "status": "SUCCESS"}),
            self.ask("/v2/order", method="POST", headers=header, body=f'{{"{who.key}'.encode()),
            self.ask("/v2/order", method="PUT", headers=header, body=who.key.encode()),
            self.ask("/healthz", mine, headers=header),
            self.ask("/v9/{id}", mine, id=who.key),
        )

    async def on_raw_sockets(self, secret: str) -> None:
        """Send what is no request, with a secret somewhere in it."""
        sent = enumerate(_malformed(secret))
        await asyncio.gather(*(self.send(each, f"malformed {number}") for number, each in sent))

    # -- callbacks

    async def call_back(self, upstream_trx_id: str, token: str, upstream_key: str) -> None:
        """Call back in every form, rightly and wrongly, with what proves it."""
        query = {"trx_id": upstream_trx_id, "status": "SUCCESS", "sn": "SN 1", "msg": "R"}
        body = webhook_body("SUCCESS", upstream_trx_id)
        signed = signature(body, upstream_key)
        unknown = webhook_body("SUCCESS", f"{upstream_trx_id}.unknown")
        waits = signature(unknown, upstream_key)
        self.ears.keep({f"x-signature of {upstream_trx_id}": signed})
        self.ears.keep({f"x-signature of a kept callback of {upstream_trx_id}": waits})
        right, wrong = {**_JSON, "x-signature": signed}, {**_JSON, "x-signature": signed[::-1]}
        mac, _, name = token.partition(".")
        await asyncio.gather(
            self.ask("/callback/{token}", query, token=token),
            self.ask("/callback/{token}", query, token=f"{token}x"),
            self.ask("/callback/{token}", query, token=f"{mac[::-1]}.{name}"),
            self.ask("/callback/{token}", {**query, "status": token}, token=token),
            self.ask("/callback", query),
            self.ask("/callback/{token}", method="POST", headers=right, body=body, token=token),
            self.ask("/callback/{token}", method="POST", headers=wrong, body=body, token=token),
            self.ask("/callback", method="POST", headers=right, body=body),
            self.ask("/callback", method="POST", headers=right, body=body[:-1] + b" }"),
            self.ask(
                "/callback", method="POST", headers={**right, "x-signature": waits}, body=unknown
            ),
            self.ask("/callback", method="POST", headers=right, body=b"x" * 70_000),
            self.ask("/callback/{token}", method="HEAD", token=token),
        )


def _malformed(secret: str) -> Iterator[bytes]:
    encoded = quote(secret, safe="")
    get, ends = "GET /v3/otomax/order", "HTTP/1.1\r\nHost: g\r\nConnection: close\r\n"
    lines = [
        f"{get}?apikey={encoded} HTTP/9.9.9\r\n",
        f"{get}?apikey={secret} {ends}",
        f"{secret}\r\n",
        f"{secret} / {ends}",
        f"GET {secret} {ends}",
        f"GET /{encoded} {ends}",
        f"GET http://{encoded}:80/ {ends}",
        f"{get}?apikey={encoded}&apikey={encoded} {ends}",
        f"{get}?apikey={encoded}%00%zz%ff {ends}",
        f"{get} {ends}{secret}: x\r\n",
        f"{get} {ends}{secret}\r\n",
        f"{get} {ends}Authorization: {secret}\x00\r\n",
        f"{get} {ends}Authorization: x\r\n {secret}\r\n",
        f"{get} {ends}Content-Length: {secret}\r\n",
        f"{get} {ends}Transfer-Encoding: {secret}\r\n",
        f"{get} {ends}Host: {secret}\r\n",
        f"{get} {ends}Upgrade: {secret}\r\nConnection: upgrade\r\n",
        f"{get}?apikey={encoded * 800} {ends}",
        f"{get} {ends}Authorization: {secret * 800}\r\n",
        f"{get} {ends}Cookie: a={secret}; {secret}={secret}\r\n",
    ]
    yield from (f"{line}\r\n".encode() for line in lines)
    post = f"POST /trx {ends}Content-Type: application/x-www-form-urlencoded\r\n"
    form = f"memberID=toko1&pin={encoded}&password={encoded}"
    yield f"{post}Content-Length: 90000\r\n\r\n{form * 2000}".encode()
    yield f"{post}Transfer-Encoding: chunked\r\n\r\n{secret}\r\n".encode()
    yield f"{post}Content-Encoding: gzip\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode()
    yield f"{post}Content-Length: {len(form)}\r\nContent-Length: 1\r\n\r\n{form}".encode()


def _encoded(fields: Fields) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
