"""What the orders come to: lists, totals and hours, looked through for a time that is bounded.

The journal is read part by part; between two parts everybody else has his turn. What is not looked
at yet is said, never guessed: a total is whole or `at least`. Hours that are over are counted once
and remembered for a while, so that a week is not counted again for each look at it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.order import Order, Status
from gateway.store import FoundOrders, OrderSearch, Store, Tally
from gateway.store.search import SPANS_MS

HOUR_MS = 3600 * MS_PER_S
SOLD = (Status.SUCCESS, Status.PARTIAL_SUCCESS)
OPEN = (Status.PENDING, Status.PAID)
LOST = (Status.FAILED, Status.REFUNDED)

# A count is taken for true so long: where nothing was open any more, and where something was. That
# is as many times what it took to count, so that many looks cost the journal's reader a tenth.
_SETTLED_MS = 600 * MS_PER_S
_TIMES = 10
_WHOLE_S = 8.0  # in which some ten million orders are counted
_REMEMBERED = 400  # hours: two weeks, some 1 KiB each


@dataclass(slots=True)
class Totals:
    """What some orders come to.

    Attributes:
        tallies: by status and class of span.
        is_whole: all of them were looked at; else these are the least.
    """

    tallies: list[Tally] = field(default_factory=list)
    is_whole: bool = True

    def count(self, statuses: Iterable[Status] | None = None) -> int:
        """Return how many there are, of some statuses or of all."""
        return sum(one.count for one in self._of(statuses))

    def rupiah(self, statuses: Iterable[Status] | None = None) -> int:
        """Return what they cost together, Rupiah."""
        return sum(one.rupiah for one in self._of(statuses))

    def _of(self, statuses: Iterable[Status] | None) -> list[Tally]:
        if statuses is None:
            return self.tallies
        words = {status.value for status in statuses}
        return [one for one in self.tallies if one.status in words]

    def span_ms(self, share: float) -> float | None:
        """Return within which time this share of what was sold became final, or None.

        Within a class it is taken to be spread evenly; beyond the last one it is that one's end.
        """
        counts = [0] * (len(SPANS_MS) + 1)
        for one in self._of(SOLD):
            counts[one.span] += one.count
        wanted = share * sum(counts)
        if not wanted:
            return None
        begin, seen = 0.0, 0
        for count, end in zip(counts, SPANS_MS, strict=False):
            if seen + count >= wanted:
                return begin + (end - begin) * (wanted - seen) / count
            begin, seen = float(end), seen + count
        return begin

    def add(self, other: "Totals") -> None:
        """Take others in."""
        self.tallies += other.tallies
        self.is_whole = self.is_whole and other.is_whole


@dataclass(slots=True)
class _Hour:
    totals: Totals
    counted_at: int  # Unix milliseconds
    took_ms: float


class Ledger:
    """Looks through the orders.

    Args:
        store: the journal.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hours: OrderedDict[int, _Hour] = OrderedDict()
        self._begins: OrderedDict[int, int] = OrderedDict()
        self._turn = asyncio.Lock()

    async def between(
        self, wanted: OrderSearch, since: int | None, until: int | None
    ) -> OrderSearch:
        """Return a search for orders that were placed in a time, Unix milliseconds."""
        if since is not None:
            wanted = replace(wanted, from_id=await self._store.first_order_since(since))
        if until is not None:
            end = await self._store.first_order_since(until)
            wanted = replace(wanted, before_id=min(end, wanted.before_id or end))
        return wanted

    async def find(self, wanted: OrderSearch, limit: int, within_s: float) -> FoundOrders:
        """Look for orders, newest first, for some time.

        Args:
            wanted: which.
            limit: how many at most.
            within_s: no part is begun after this many seconds.

        Returns:
            What was found by then, and from where on to look further.
        """
        until = _moment() + within_s
        orders: list[Order] = []
        next_id = wanted.before_id
        while True:
            part = await self._store.find_orders(
                replace(wanted, before_id=next_id), limit - len(orders)
            )
            orders += part.orders
            next_id = part.next_id
            if next_id is None or len(orders) >= limit or _moment() >= until:
                return FoundOrders(orders=tuple(orders), next_id=next_id)

    async def totals(self, wanted: OrderSearch, within_s: float) -> Totals:
        """Count orders, newest first; no part is begun after this many seconds."""
        until = _moment() + within_s
        totals = Totals()
        next_id = wanted.before_id
        while True:
            part = await self._store.tally_orders(replace(wanted, before_id=next_id))
            totals.tallies += part.tallies
            next_id = part.next_id
            if next_id is None or _moment() >= until:
                totals.is_whole = next_id is None
                return totals

    async def whole_totals(self, wanted: OrderSearch) -> Totals:
        """Count orders for as long as it takes, within reason; one such count at a time."""
        async with self._turn:
            return await self.totals(wanted, _WHOLE_S)

    async def hours(self, since: int, until: int, within_s: float) -> list[Totals]:
        """Return the totals of each hour, oldest first; one that is not counted yet is not whole.

        Args:
            since: when the first hour begins, Unix milliseconds.
            until: when the last one ends.
            within_s: no hour is counted anew after this many seconds; the newest come first.
        """
        give_up_at = _moment() + within_s
        begins = range(since - since % HOUR_MS, until, HOUR_MS)
        totals = [await self._hour(begin, give_up_at) for begin in reversed(begins)]
        return totals[::-1]

    async def _hour(self, begin: int, give_up_at: float) -> Totals:
        known = self._hours.get(begin)
        now = self._clock()
        if known is not None and (now - known.counted_at < self._lasts(known, begin, now)):
            return known.totals
        if _moment() >= give_up_at:
            return known.totals if known is not None else Totals(is_whole=False)
        wanted = OrderSearch(
            from_id=await self._first_since(begin, now),
            before_id=await self._first_since(begin + HOUR_MS, now),
        )
        began = _moment()
        totals = await self.totals(wanted, max(give_up_at - began, 0))
        if totals.is_whole:
            self._hours[begin] = _Hour(totals, now, (_moment() - began) * MS_PER_S)
            self._hours.move_to_end(begin)
            if len(self._hours) > _REMEMBERED:
                self._hours.popitem(last=False)
        return totals

    @staticmethod
    def _lasts(known: _Hour, begin: int, now: int) -> float:
        """Return for how long a count is taken for true, milliseconds."""
        may_change = known.totals.count(OPEN) > 0 or now < begin + 2 * HOUR_MS
        return known.took_ms * _TIMES if may_change else _SETTLED_MS

    async def _first_since(self, at: int, now: int) -> int:
        """Return the first order since a time, remembered once the time is over."""
        if at in self._begins:
            return self._begins[at]
        first = await self._store.first_order_since(at)
        if at < now - HOUR_MS:
            self._begins[at] = first
            if len(self._begins) > _REMEMBERED:
                self._begins.popitem(last=False)
        return first


def together(totals: Sequence[Totals]) -> Totals:
    """Return what several come to together."""
    whole = Totals()
    for one in totals:
        whole.add(one)
    return whole


def _moment() -> float:
    """Return seconds that never jump."""
    return asyncio.get_running_loop().time()
