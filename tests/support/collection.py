"""The upstream's document as a walk: every request in it and every example, sent and compared.

`walk` needs a base URL and an apikey, and knows nothing of who answers there: the sandbox or a
gateway. What it asks for must exist, so it first looks what is sold and places an order of its
own; what an example shows to be missing does not exist anywhere. The document is
`tests/collection/toss-games.postman.json`, as it was published.
"""

import asyncio
import html
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp
from yarl import URL

from tests.support.shape import body_differences, json_of, line_differences

_COLLECTION = Path(__file__).parents[1] / "collection" / "toss-games.postman.json"
_HOST = re.compile(r"https://api\.tossgames\.com/?")  # the document lost a slash in one place
_CALLBACK = re.compile(r'<code class="language-json">(.*?)</code>', re.DOTALL)
_CODE = re.compile(r"<tr>\s*<td>([A-Z_]+)</td>")

_NOBODY_URL = "http://127.0.0.1:9/callback"
_ANSWER_S = 30.0
_INVOICED_S = 10.0
_LOOK_EVERY_S = 0.05
_PLAYER = {"user_id": "123456789", "server_id": "1234"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the document, and the example that its answer must be like.

    Attributes:
        name: of the request, and of the example where it is the example's own.
        path: with `:names` and without the query.
        body: the fields of a JSON body; None where there is none.
        code, content_type, example: of the saved answer.
    """

    name: str
    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any] | None
    by_header: bool
    code: int
    content_type: str
    example: str

    @property
    def is_order(self) -> bool:
        return self.path.endswith("/order")

    @property
    def refusal(self) -> str:
        """The code of the error that the example shows, or nothing."""
        return str(json_of(self.example)["message"]) if self.code >= 400 else ""


@dataclass(frozen=True, slots=True)
class Walked:
    """One call that was made: what was sent, and how the answer differs from the document."""

    name: str
    request: str
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.request}: {'; '.join(self.differences) or 'as documented'}"


@dataclass(frozen=True, slots=True)
class Known:
    """What exists at the server; where it cannot be found out, what the document says."""

    trx_id: str
    invoice_number: str = "APIKUY_XX_1679528285_4321"
    product_code: str = "S1_1187"
    product_id: str = "d8ccc4ea-e19d-4255-a7d0-f85d6fad0d77"
    category_id: str = "dca1a711-b6e2-4158-98da-014eb5caf458"


def calls() -> list[Call]:
    """Return every request of the document, and behind it the one of each of its examples."""
    found = []
    for item in _items(_document()["item"]):
        examples = item.get("response", [])
        for example in examples:
            if example["code"] < 300:
                found.append(_call(item["name"], item["request"], example))
                break
        for example in examples:
            name = f"{item['name']}, {example['name']}"
            found.append(_call(name, example["originalRequest"], example))
    return found


def documented_codes() -> list[str]:
    """Return the codes of the document's table of errors, in its order."""
    return _CODE.findall(_document()["info"]["description"])


def documented_callback() -> dict[str, Any]:
    """Return the JSON callback that the document shows."""
    for item in _items(_document()["item"]):
        if item["name"] == "Callback API":
            (shown,) = _CALLBACK.findall(item["description"])
            callback: dict[str, Any] = json_of(html.unescape(shown))
            return callback
    raise AssertionError("the document shows no callback")


async def walk(base_url: str, apikey: str, *, callback_url: str = _NOBODY_URL) -> list[Walked]:
    """Make every call of the document against a server, and return what came of each.

    Args:
        base_url: `http://HOST:PORT`, without a slash at the end.
        apikey: one that is known there and has a balance for a dozen orders. Others must not be
            known.
        callback_url: goes along with each order; the default is a port where nobody listens.
    """
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        walker = _Walker(http, base_url, apikey, callback_url)
        known = await walker.known()
        return [await walker.walked(call, known) for call in calls()]


@dataclass(slots=True)
class _Walker:
    http: aiohttp.ClientSession
    base_url: str
    apikey: str
    callback_url: str
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    orders: int = 0

    async def known(self) -> Known:
        """Find out what is sold, and place an order that has an invoice_number."""
        known = await self._sold(Known(self._new_trx_id()))
        order = {"product_code": known.product_code, "trx_id": known.trx_id, **_PLAYER}
        told = await self._data("POST", "/v2/order", order)
        deadline = asyncio.get_running_loop().time() + _INVOICED_S
        while not (told and told.get("invoice_number")):
            if asyncio.get_running_loop().time() > deadline:
                return known
            await asyncio.sleep(_LOOK_EVERY_S)
            told = await self._data("GET", f"/v1/status/trx-id/{known.trx_id}")
        return replace(known, invoice_number=told["invoice_number"])

    async def _sold(self, known: Known) -> Known:
        """Find a product that can be bought, the document's if it can, and its category."""
        listed = await self._data("GET", "/v1/products") or ()
        active = [one for one in listed if one.get("is_active") and one.get("product_id")]
        if not active:
            return known
        active.sort(key=lambda one: one.get("product_code") != known.product_code)
        product = active[0]
        category_ids = [
            one["category_id"]
            for one in await self._data("GET", "/v1/category") or ()
            if one.get("category_title") == product.get("category_title") and "category_id" in one
        ]
        return replace(
            known,
            product_code=product.get("product_code", known.product_code),
            product_id=product["product_id"],
            category_id=(*category_ids, known.category_id)[0],
        )

    async def walked(self, call: Call, known: Known) -> Walked:
        """Make one call, with what exists, or with what does not where the example is of that."""
        apikey = f"{self.tag}-nobody" if call.refusal == "API_KEY_NOT_FOUND" else self.apikey
        target = self._path(call, known)
        query = {**call.query, **self._filled(call, known, call.query)}
        if "apikey" in query:
            query["apikey"] = apikey
        if query:
            target += f"?{urlencode(query)}"
        body = call.body and {**call.body, **self._filled(call, known, call.body)}
        try:
            answer = await self._send(
                call.method, target, body, apikey if call.by_header else None
            )
        except aiohttp.ClientError as error:
            found = [f"no answer: {type(error).__name__}"]
        else:
            found = _compared(call, *answer)
        return Walked(call.name, f"{call.method} {call.path}", tuple(found))

    def _path(self, call: Call, known: Known) -> str:
        names = {":invoice_number": known.invoice_number, ":trx_id": known.trx_id}
        if call.refusal == "INVOICE_NOT_FOUND":
            names = {":invoice_number": f"APIKUY_XX_0_{self.tag}", ":trx_id": f"{self.tag}-none"}
        parts = [quote(names.get(part, part), safe="") for part in call.path.split("/")]
        return "/".join(parts)

    def _filled(self, call: Call, known: Known, given: dict[str, Any]) -> dict[str, str]:
        """Return what is said instead of the document's own names, for those that are given."""
        names = {"category_id": known.category_id, "callback_url": self.callback_url}
        if call.refusal != "PRODUCT_NOT_FOUND":
            names |= {"product_code": known.product_code, "product_id": known.product_id}
        if call.is_order:
            names["trx_id"] = self._new_trx_id()
        return {name: value for name, value in names.items() if name in given}

    def _new_trx_id(self) -> str:
        self.orders += 1
        return f"walk-{self.tag}-{self.orders}"

    async def _data(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
        """Return the data of an answer, or None where there is none to be had."""
        try:
            _, _, text = await self._send(method, target, body, self.apikey)
            return json.loads(text)["data"]
        except (aiohttp.ClientError, ValueError, KeyError, TypeError):
            return None

    async def _send(
        self, method: str, target: str, body: dict[str, Any] | None, authorization: str | None
    ) -> tuple[int, str, str]:
        headers = {} if authorization is None else {"Authorization": authorization}
        url = URL(self.base_url + target, encoded=True)
        async with self.http.request(
            method, url, headers=headers, json=body, allow_redirects=False
        ) as response:
            return response.status, response.headers.get("Content-Type", ""), await response.text()


def _compared(call: Call, code: int, content_type: str, text: str) -> list[str]:
    found = []
    if code != call.code:
        found.append(f"HTTP {code}, not {call.code}")
    if content_type != call.content_type:
        found.append(f"{content_type}, not {call.content_type}")
    if not call.content_type.startswith("application/json"):
        return found + line_differences(call.example, text)
    try:
        return found + body_differences(json_of(call.example), json.loads(text))
    except ValueError:
        return [*found, f"is not JSON: {text[:80]!r}"]


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_COLLECTION.read_text(encoding="utf-8"))
    return document


def _items(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every item that is no folder, in its order."""
    for item in items:
        if item.get("item"):
            yield from _items(item["item"])
        else:
            yield item


def _call(name: str, request: dict[str, Any], example: dict[str, Any]) -> Call:
    url = request["url"] if isinstance(request["url"], str) else request["url"]["raw"]
    path, _, query = _HOST.sub("/", url).partition("?")
    raw = (request.get("body") or {}).get("raw")
    (content_type,) = (
        header["value"] for header in example["header"] if header["key"].lower() == "content-type"
    )
    return Call(
        name,
        request["method"],
        path,
        dict(parse_qsl(query, keep_blank_values=True)),
        json.loads(raw) if raw else None,
        any(header["key"] == "Authorization" for header in request["header"]),
        example["code"],
        content_type,
        example["body"],
    )
