"""The orders that this process wrote last into the PostgreSQL journal, each with its fence.

Other gateways may have written them since, so nobody is answered from here. But a change that is
decided upon one of these is written only where the fence is still the same, so it saves the
question before it: an order that was just placed is settled in one round trip.
"""

from gateway.domain.order import Order
from gateway.store.postgres_fence import Fenced

MAX_KNOWN = 4096  # orders, some 1.2 KiB each; beyond it those that were written longest ago go


class KnownOrders:
    """Orders by their numbers."""

    def __init__(self, limit: int = MAX_KNOWN) -> None:
        self._limit = limit
        self._by_id: dict[int, Fenced[Order]] = {}  # written longest ago first

    def take(self, order_id: int) -> Fenced[Order] | None:
        """Return an order as this process wrote it last, and forget it; None where it did not."""
        return self._by_id.pop(order_id, None)

    def keep(self, order: Order, fence: int) -> None:
        """Remember an order as it was written."""
        self._by_id[order.id] = Fenced(order, fence)
        if len(self._by_id) > self._limit:
            del self._by_id[next(iter(self._by_id))]
