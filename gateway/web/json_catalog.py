"""Answers the upstream's "API" routes about products, categories and the user (contract §8).

A client that changes only host and key sees the upstream's own bodies and HTTP codes. A list may
be as old as `catalog.ttl_s`; while the upstream is down it may be older, and says so in a header.
"""

from aiohttp import web

from gateway.domain.errors import Code, Refused
from gateway.domain.reseller import Reseller
from gateway.flow.account import Account
from gateway.flow.catalog import Catalog
from gateway.protocol.catalog import (
    CATEGORIES,
    Question,
    product_question,
    products_question,
)
from gateway.web.body import read_body
from gateway.web.gate import Gate
from gateway.web.json_door import Answered, JsonDoor
from gateway.web.wire import raw_query


class JsonCatalog:
    """`/v1/user`, `/v1/products`, `/v1/category` and `/v1/product`.

    Args:
        gate: who asks.
        account: asks for accounts.
        catalog: holds the lists.
    """

    def __init__(self, gate: Gate, account: Account, catalog: Catalog) -> None:
        self._door = JsonDoor(gate)
        self._account = account
        self._catalog = catalog

    async def user(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/user` with the upstream's account of this reseller's key."""
        return await self._door.answered("user", request, self._user)

    async def products(self, request: web.Request) -> web.Response:
        """Answer `GET` and `POST /v1/products[?category_id]`."""
        return await self._door.answered("products", request, self._products)

    async def category(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/category`."""
        return await self._door.answered("category", request, self._category)

    async def product(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/product?product_code|product_id`."""
        return await self._door.answered("product", request, self._product)

    async def _user(self, request: web.Request, reseller: Reseller) -> Answered:
        del request
        answer = await self._account.user(reseller)
        return Answered(answer, f"HTTP {answer.status}")

    async def _products(self, request: web.Request, reseller: Reseller) -> Answered:
        body = await read_body(request) if request.method == "POST" else b""
        return await self._listed(reseller, products_question(raw_query(request), body))

    async def _category(self, request: web.Request, reseller: Reseller) -> Answered:
        del request
        return await self._listed(reseller, CATEGORIES)

    async def _product(self, request: web.Request, reseller: Reseller) -> Answered:
        return await self._listed(reseller, product_question(raw_query(request)))

    async def _listed(self, reseller: Reseller, question: Question | None) -> Answered:
        if question is None:
            raise Refused(Code.INVALID_PARAMETER)
        listed = await self._catalog.answer(reseller, question)
        outcome = "stale" if listed.is_stale else f"HTTP {listed.answer.status}"
        return Answered(listed.answer, outcome, is_stale=listed.is_stale)
