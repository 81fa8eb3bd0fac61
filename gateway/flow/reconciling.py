"""Look every order of a day up at the upstream, and tell what differs from the journal.

In short parts, as the archive is made, so that a day of many orders keeps nobody from the desk
nor from the journal. Asking changes nothing. Where a status differs the order is looked up once
more by the ordinary way (`recheck`), and what that then says is applied as any look-up's word is
(T8): so a difference never changes an order by itself, and what did is in its timeline.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from aiolimiter import AsyncLimiter

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.domain.evidence import Status
from gateway.domain.order import Order
from gateway.domain.reconciling import amount_of, bounds_of, day_of, differences, was_sent
from gateway.domain.schedule import answers
from gateway.flow.recheck import Recheck
from gateway.protocol.shown import when
from gateway.store import OrderFilter, Store

LAST = "reconcile.last"
"""The name under which the journal keeps what the last reconciliation was, as JSON."""
# At the same time and in a second, beside the look-ups that somebody waits for.
_AT_ONCE = 8
_PER_S = 50
_TURN_S = 1.5  # so long one part works before it lets others have their turn
_ANSWER_S = 10.0  # for one answer: a part has to come to its end
# What is kept of the differences for the dashboard; all of them are printed.
_KEPT = 100
_NEWEST = 2**62


class Reconciling:
    """The part of the desk that compares our books with the upstream's.

    Args:
        store: the journal.
        recheck: asks the upstream.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, recheck: Recheck, clock: Clock) -> None:
        self._store = store
        self._recheck = recheck
        self._clock = clock
        self._pace = AsyncLimiter(_PER_S / 10, 0.1)
        self.commands: dict[str, Callable[..., Any]] = {
            "reconcile.begin": self.begin,
            "reconcile.some": self.some,
            "reconcile.keep": self.keep,
            "reconcile.last": self.last,
        }

    async def begin(self, day: str | None = None) -> dict[str, Any]:
        """Return which orders a day has: `first` and `last` number, to go from last to first.

        Beside it `saldo`, the sum over all upstream keys as last seen, Rupiah, or None; and where
        there was a reconciliation before, `since`: the orders that were placed after it, and the
        saldo that was seen then.

        Args:
            day: `2026-11-25`, in WIB; None for yesterday.

        Raises:
            NotDone: that is no day, or one that has not ended.
        """
        now = self._clock()
        wanted = day_of(now) if day is None else _day(day)
        begins, ends = bounds_of(wanted)
        if begins > now:
            raise NotDone(f"{wanted} is still to come")
        first, last = await self._first_from(begins), await self._first_from(ends) - 1
        seen = [row.saldo for row in await self._store.accounts()]
        known = [saldo for saldo in seen if saldo is not None]
        return {
            "day": str(wanted),
            "first": first,
            "last": last,
            "saldo": sum(known) if known else None,
            "since": await self._since(now),
        }

    async def _since(self, now: int) -> dict[str, Any] | None:
        before = await self.last()
        if before is None or before["saldo"] is None:
            return None
        first, last = await self._first_from(before["at"]), await self._first_from(now) - 1
        return {"at": when(before["at"]), "saldo": before["saldo"], "first": first, "last": last}

    async def _first_from(self, at: int) -> int:
        """Return the number of the first order that was placed at a time or later.

        Numbers grow with time, so some twenty orders are looked at and not all.
        """
        newest = await self._at_most(_NEWEST)
        low, high = 1, 1 if newest is None else newest.id + 1
        while low < high:
            middle = (low + high) // 2
            found = await self._at_most(middle)
            if found is not None and found.placed_at >= at:
                high = found.id
            else:
                low = middle + 1
        return low

    async def _at_most(self, order_id: int) -> Order | None:
        """Return the order with this number, or the last one before it."""
        found = await self._store.orders(OrderFilter(before_id=order_id + 1, limit=1))
        return found[0] if found else None

    async def some(self, first: int, last: int, *, asks: bool = True) -> dict[str, Any]:
        """Compare a short while long, from `last` down; `next` is where to go on, None at the end.

        Args:
            first: the last order to be compared.
            last: the first one.
            asks: the upstream is asked; else orders are only counted.

        Returns:
            What was compared: `orders`, `asked`, `unanswered`, `sold` and `amount` in Rupiah,
            `unpriced` that were sold, and `differences`. It ends early where nothing is answered.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _TURN_S
        part = _Part()
        reached: int | None = last
        while reached is not None and reached >= first and loop.time() < until:
            wanted = OrderFilter(before_id=reached + 1, limit=_AT_ONCE)
            page = [order for order in await self._store.orders(wanted) if order.id >= first]
            for order in page:
                part.count(order)
            if asks:
                await asyncio.gather(*(self._compare(order, part) for order in page))
            reached = page[-1].id - 1 if page and not part.is_unheard else None
        is_done = reached is None or reached < first
        return {**part.counted, "differences": part.found, "next": None if is_done else reached}

    async def _compare(self, order: Order, part: "_Part") -> None:
        if not was_sent(order):
            return
        part.counted["asked"] += 1
        evidence, said = None, ""
        async with self._pace:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_S):
                    evidence, said = await self._recheck.hear(order)
        if evidence is None or not answers(evidence):
            part.counted["unanswered"] += 1
            return
        current = await self._store.order(order.id)  # it may have moved while it was asked about
        found = differences(current, evidence)
        if not found:
            return
        after = current
        if evidence.verdict is not current.status:
            after = (await self._recheck.look_up_now(current)).order
        part.found.append(_difference(current, after, found, said))

    async def keep(self, result: dict[str, Any]) -> None:
        """Keep what a whole reconciliation came to, for whoever looks later."""
        found = result["differences"]
        kept = {**result, "at": self._clock(), "found": len(found), "differences": found[:_KEPT]}
        await self._store.set_meta(LAST, json.dumps(kept).encode())

    async def last(self) -> dict[str, Any] | None:
        """Return what the last reconciliation came to, or None."""
        said = await self._store.meta(LAST)
        return None if said is None else dict(json.loads(said))


class _Part:
    """What one part came to."""

    def __init__(self) -> None:
        names = ("orders", "asked", "unanswered", "sold", "amount", "unpriced")
        self.counted = dict.fromkeys(names, 0)
        self.found: list[dict[str, Any]] = []

    @property
    def is_unheard(self) -> bool:
        """Whether the upstream was asked, and answered nothing at all."""
        return 0 < self.counted["asked"] == self.counted["unanswered"]

    def count(self, order: Order) -> None:
        """Count an order, and what it took from the saldo."""
        amount = amount_of(order)
        self.counted["orders"] += 1
        self.counted["amount"] += amount or 0
        self.counted["unpriced"] += amount is None
        self.counted["sold"] += order.status in {Status.SUCCESS, Status.PARTIAL_SUCCESS}


def _difference(before: Order, after: Order, found: Sequence[str], said: str) -> dict[str, Any]:
    return {
        "order": before.upstream_trx_id,
        "placed_at": when(before.placed_at),
        "differences": list(found),
        "said": said,
        "status": before.status.value,
        "status_after": after.status.value,
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotDone(f"{text} is no day: wanted one such as 2026-11-25") from None
