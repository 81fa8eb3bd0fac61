"""What other gateways on the same journal are at, for whoever waits for it here.

They are not asked: what they did stands in the journal. Word of it comes as a wake-up that may be
lost, so whoever waits looks for himself, too.
"""

import asyncio
from collections.abc import Callable

from gateway.domain.order import Order
from gateway.store import Store

LOOK_EVERY_S = 0.25  # where no word comes
ORDER = "order"  # what is told when an order was changed, with its number


class Elsewhere:
    """Waits for what other nodes journal about an order.

    Args:
        store: the journal.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, set[asyncio.Event]] = {}
        if store.nodes.is_shared:
            store.nodes.listen(self._heard)

    def _heard(self, what: str, which: int) -> None:
        if what == ORDER:
            for event in self._waiting.get(which, ()):
                event.set()

    async def sent(self, order: Order, until: float) -> Order:
        """Return an order when its send is over, or as it is at this moment of the loop's time.

        Raises:
            JournalUnavailable: the journal can not be read.
        """
        return await self._changed(order, until, lambda now: not now.sending)

    async def looked_up(self, order: Order, until: float) -> Order:
        """Return an order when a look-up has ended, or it is decided, or as it is at this moment.

        Raises:
            JournalUnavailable: the journal can not be read.
        """
        before = order.looked_up_at
        return await self._changed(
            order, until, lambda now: now.looked_up_at != before or not now.is_open
        )

    async def _changed(
        self, order: Order, until: float, is_done: Callable[[Order], bool]
    ) -> Order:
        event = asyncio.Event()
        self._waiting.setdefault(order.id, set()).add(event)
        try:
            while True:
                event.clear()
                order = await self._store.order(order.id)
                left_s = until - self._loop.time()
                if is_done(order) or left_s <= 0:
                    return order
                await self._wait(event, min(left_s, LOOK_EVERY_S))
        finally:
            self._waiting[order.id].discard(event)
            if not self._waiting[order.id]:
                del self._waiting[order.id]

    async def _wait(self, event: asyncio.Event, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await event.wait()
        except TimeoutError:
            return
