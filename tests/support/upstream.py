"""An upstream that answers whatever a test says, and remembers what it was asked.

It buys nothing and knows nothing: how the real one behaves is the sandbox's part, this one
misbehaves. Its answers are written by hand, not with the gateway's own `protocol`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

ORDER = "/v3/otomax/order"
JSON_ORDER = "/v2/order"
LOOK_UP = "/v1/status/trx-id/"
USER = "/v1/otomax/user"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    target: str
    query: dict[str, str]
    headers: Mapping[str, str]
    request: web.BaseRequest
    body: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON of its body."""
        fields: dict[str, Any] = json.loads(self.body) if self.body else {}
        return fields

    @property
    def trx_id(self) -> str:
        """The upstream_trx_id that it names."""
        path = self.target.partition("?")[0]
        named: str | None = self.query.get("trx_id") or self.fields.get("trx_id")
        return named or unquote(path.removeprefix(LOOK_UP))

    @property
    def buyer(self) -> str:
        """The end of the upstream key, which tells whose it is."""
        return (self.query.get("apikey") or self.headers.get("Authorization", "")).split("-")[-1]

    @property
    def token(self) -> str:
        """The token at the end of its callback_url."""
        return self.query["callback_url"].rpartition("/")[2]


Answerer = Callable[[Asked], Awaitable[web.StreamResponse]]


class FakeUpstream:
    """Set `order`, `look_up` and `user` to what they shall answer."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.order: Answerer = says(
            "R#{trx_id} {product_code}.{user_id}, status PENDING. RefId : ML_1 . Sisa saldo 12345"
        )
        self.json_order: Answerer = invoice("PENDING", "RefId : ML_1", http=201)
        self.look_up: Answerer = refuses("INVOICE_NOT_FOUND")
        self.user: Answerer = refuses("SERVER_ERROR", 500)
        # The JSON routes that only read, by their path.
        self.lists: dict[str, Answerer] = {}
        self.now = 0
        self.at_once = 0

    def listed(self, path: str) -> list[Asked]:
        """What was asked of one of `lists`."""
        return [asked for asked in self.asked if asked.target.partition("?")[0] == path]

    def _of(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.target.startswith(path)]

    @property
    def orders(self) -> list[Asked]:
        return self._of(ORDER)

    @property
    def json_orders(self) -> list[Asked]:
        return self._of(JSON_ORDER)

    @property
    def look_ups(self) -> list[Asked]:
        return self._of(LOOK_UP)

    @property
    def users(self) -> list[Asked]:
        return self._of(USER)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.raw_path, dict(request.query), request.headers, request, body)
        self.asked.append(asked)
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        try:
            for path, answer in (
                (ORDER, self.order),
                (JSON_ORDER, self.json_order),
                (LOOK_UP, self.look_up),
                (USER, self.user),
            ):
                if asked.target.startswith(path):
                    return await answer(asked)
            listed = self.lists.get(asked.target.partition("?")[0])
            if listed is not None:
                return await listed(asked)
            return web.Response(status=404, text="no such route")
        finally:
            self.now -= 1


@asynccontextmanager
async def fake_upstream() -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream()
    runner = web.ServerRunner(
        web.Server(fake._answer, access_log=None), shutdown_timeout=0.05, handle_signals=False
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()


def responds(
    body: str | bytes,
    status: int = 200,
    content_type: str = "text/plain; charset=utf-8",
    **headers: str,
) -> Answerer:
    """Answer with these very bytes. Names of headers are written with `_` for `-`."""
    raw = body.encode() if isinstance(body, str) else body

    async def answer(_: Asked) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            body=raw, status=status, headers={"Content-Type": content_type, **named}
        )

    return answer


def says(template: str) -> Answerer:
    """Answer with a line; `{trx_id}` and the other parameters of the order are filled in.

    `{buyer}` is whose key it was: the key itself would not be told on.
    """

    async def answer(asked: Asked) -> web.StreamResponse:
        return web.Response(text=template.format(**asked.query, buyer=asked.buyer))

    return answer


def refuses(code: str, status: int = 404, error: str = "Not Found") -> Answerer:
    """Answer with the document's error envelope."""
    body = json.dumps({"statusCode": status, "message": code, "error": error})
    return responds(body, status, "application/json; charset=utf-8")


def answers(data: object, **more: object) -> Answerer:
    """Answer with the document's body around these data; `more` wins."""
    body = {"statusCode": 200, "message": "success", "data": data, **more}
    return responds(json.dumps(body, indent=4), 200, "application/json; charset=utf-8")


def prices(**price_of: object) -> Answerer:
    """Answer with a list of products, each with its price."""
    return answers([product(code, price) for code, price in price_of.items()])


def product(code: str, price: object) -> dict[str, object]:
    """One product, as the document shows it."""
    return {
        "product_id": f"id-of-{code}",
        "product_name": "86 Diamonds",
        "product_code": code,
        "product_price": price,
        "is_active": True,
        "category_type": "game",
        "category_title": "Mobile Legends",
        "category_subtitle": None,
    }


def invoice(status: str, note: str = "", *, http: int = 200, **more: object) -> Answerer:
    """Answer with an invoice of the order that is asked for, or ordered; `more` wins."""

    async def answer(asked: Asked) -> web.StreamResponse:
        data: dict[str, object] = {
            "invoice_number": "APIKUY_ML_1_0001",
            "trx_id": asked.trx_id,
            "response_note": note,
            "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
            "product": {"name": "5 Diamonds", "code": "S1_1187", "price": 1511},
            "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": None},
            "amount": 1511,
            "status": status,
            "voucher": None,
            "created_at": "2023-03-22T23:38:05.000Z",
        }
        return web.json_response(
            {"statusCode": 200, "message": "success", "data": {**data, **more}}, status=http
        )

    return answer


async def drops(asked: Asked) -> web.StreamResponse:
    """Close the connection without an answer."""
    if asked.request.transport is not None:
        asked.request.transport.abort()
    return web.Response()


def after(event: asyncio.Event, then: Answerer) -> Answerer:
    """Answer when the event is set."""

    async def answer(asked: Asked) -> web.StreamResponse:
        await event.wait()
        return await then(asked)

    return answer


def in_turn(*answerers: Answerer) -> Answerer:
    """Answer each request as the next of these does; the last one repeats."""
    left = list(answerers)

    async def answer(asked: Asked) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer
