"""The upstream's lists for its resellers: kept for a while, fetched once for all who ask.

A list belongs to the account under whose key it was heard, for prices differ from one to the next:
another key never sees it. While the upstream is down, what was heard last is told on, and said to
be stale. Whether a reseller may ask is settled before it comes here. No HTTP server is known here.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace

from gateway.clients.upstream import CallError, UpstreamClient
from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import Code, Refused
from gateway.domain.reseller import Reseller
from gateway.flow.directory import Directory
from gateway.flow.shared import Running, Shared
from gateway.flow.shelf import Held, Name, Shelf
from gateway.log import get_logger
from gateway.protocol.catalog import (
    ALL_PRODUCTS,
    Product,
    Question,
    prices_in,
    products_in,
    read_reply,
)
from gateway.protocol.json_api import Answer

log = get_logger(__name__)

# How long a stale answer waits for a new one, from when that was asked for; also a price. Long
# enough for a list of 3 MB, and no longer than a panel waits for the turn of its order.
STALE_AFTER_S = 2.0
# Questions under way or waiting for a place; one account never more than is left for the others.
MAX_QUESTIONS = 128
# Calls at the same time, each with up to 16 MiB of answer in memory. Of one account only so many,
# so that one that asks for each product by itself delays no other's list.
MAX_CALLS = 16
MAX_CALLS_OF_ACCOUNT = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """What a reseller is answered, and whether it may be out of date."""

    answer: Answer
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The products under one upstream key, and when the upstream was asked, Unix milliseconds."""

    products: list[Product]
    asked_at: int


class Catalog:
    """Answers questions about products and categories.

    Args:
        upstream: is asked.
        directory: knows the upstream keys.
        clock: Unix milliseconds.
        ttl_s: for how long an answer is told on without asking.
        timeout_s: how long who asks is kept waiting where nothing is held.
    """

    def __init__(
        self,
        upstream: UpstreamClient,
        directory: Directory,
        clock: Clock,
        *,
        ttl_s: float,
        timeout_s: float,
    ) -> None:
        self.ttl_s = ttl_s
        self.timeout_s = timeout_s
        self._upstream = upstream
        self._directory = directory
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._shelf = Shelf()
        self._fetching: Shared[Name, Answer | None] = Shared()
        self._places = asyncio.Semaphore(MAX_CALLS)
        self._places_of: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_CALLS_OF_ACCOUNT)
        )

    async def answer(self, reseller: Reseller, question: Question) -> Listed:
        """Return the upstream's answer: one held that is new enough, a new one, or a stale one.

        Raises:
            Refused: there is none; says why.
        """
        account = reseller.account
        if account is None or self._directory.upstream_key(account) is None:
            raise Refused(Code.RESELLER_SUSPENDED)
        held = self._shelf.get((account, question.path))
        if held is not None and self._is_fresh(held):
            return Listed(held.answer)
        fetching = self._fetch_for_all(account, question)
        patience_until = self._loop.time() + self.timeout_s
        if fetching is not None:
            answer = await _heard(fetching, patience_until, is_held=held is not None)
            if answer is not None:
                return Listed(answer)
        if held is not None:
            return Listed(held.answer, is_stale=True)
        raise Refused(Code.BUSY if fetching is None else Code.UPSTREAM_UNREACHABLE)

    async def price(self, account: str, product_code: str, within_s: float) -> int | None:
        """Return what a product costs under an account's key, Rupiah; None where nobody knows.

        Args:
            account: who buys.
            product_code: what.
            within_s: how long a new list is waited for at most, where the one that is held is too
                old or there is none; seconds. One that is held counts where none comes.
        """
        name = (account, ALL_PRODUCTS.path)
        held = self._shelf.get(name)
        if held is None or not self._is_fresh(held):
            fetching = self._fetch_for_all(account, ALL_PRODUCTS)
            if fetching is not None:
                await _heard(fetching, self._loop.time() + within_s, is_held=True)
                held = self._shelf.get(name)
        return None if held is None else self._prices(name, held).get(product_code)

    async def products(self, account: str, within_s: float) -> Shown | None:
        """Return the products under an account's key; None where nobody knows them.

        Args:
            account: under whose key.
            within_s: how long a new list is waited for, where what is held is too old; seconds.
        """
        name = (account, ALL_PRODUCTS.path)
        held = self._shelf.get(name)
        if held is None or not self._is_fresh(held):
            fetching = self._fetch_for_all(account, ALL_PRODUCTS)
            if fetching is not None:
                await _heard(fetching, self._loop.time() + within_s, is_held=False)
                held = self._shelf.get(name)
        if held is None:
            return None
        # A list of 10,000 products takes some tens of milliseconds to read.
        listed = await asyncio.to_thread(products_in, held.answer.body)
        return Shown(listed, held.asked_at)

    def _prices(self, name: Name, held: Held) -> dict[str, int]:
        """Return a list's prices; reading them takes some milliseconds, so once is enough."""
        if held.prices is None:
            prices = prices_in(held.answer.body)
            self._shelf.put(name, replace(held, prices=prices))
            return prices
        return held.prices

    def _is_fresh(self, held: Held) -> bool:
        return 0 <= self._clock() - held.asked_at < self.ttl_s * MS_PER_S

    def _fetch_for_all(self, account: str, question: Question) -> Running[Answer | None] | None:
        """Return the call that is under way, or begin it; None where there is no room."""
        name = (account, question.path)
        running = self._fetching.get(name)
        if running is not None:
            return running
        theirs = sum(1 for other, _ in self._fetching if other == account)
        if theirs >= MAX_QUESTIONS - len(self._fetching):
            return None
        return self._fetching.begin(name, self._fetch(account, question))

    async def _fetch(self, account: str, question: Question) -> Answer | None:
        """Ask the upstream, and hold what it says; None where it is down."""
        key = self._directory.upstream_key(account)
        if key is None:
            return None
        async with self._places_of[account], self._places:
            asked_at = self._clock()
            try:
                reply = await self._upstream.send(question.call(key), secrets=(key,))
            except CallError as error:
                _say_unheard(question, error.reason)
                return None
        heard = read_reply(reply, question)
        if heard is None:
            _say_unheard(question, f"HTTP {reply.status}, and not what was asked for")
            return None
        if heard.is_found:
            self._shelf.put((account, question.path), Held(heard.answer, asked_at))
        else:  # what it refuses now is not to come back when it is down
            self._shelf.drop((account, question.path))
        return heard.answer

    async def finish(self, within_s: float) -> None:
        """Wait for calls that are under way, at most this many seconds."""
        await self._fetching.finish(within_s)


def _say_unheard(question: Question, reason: str) -> None:
    """Log that the upstream did not say; without the query, which a stranger wrote."""
    log.warning("catalog.unheard", path=question.path.partition("?")[0], reason=reason)


async def _heard(
    fetching: Running[Answer | None], until: float, *, is_held: bool
) -> Answer | None:
    """Return what comes of a call in time, or None.

    Args:
        fetching: the call.
        until: when to wait no longer, in the loop's time.
        is_held: there is something else to say, so a call that takes long is not waited for.
    """
    if is_held:
        until = min(until, fetching.began_at + STALE_AFTER_S)
    try:
        return await fetching.outcome(until)
    except TimeoutError:
        return None
