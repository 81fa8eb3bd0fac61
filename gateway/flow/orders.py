"""What the operator may do about orders and alerts, one method a command; plain data in and out.

Part of the desk, in a room of its own because it asks the upstream and decides.
"""

from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.domain.order import Order, Status
from gateway.flow.recheck import Recheck
from gateway.flow.settlement import Settlement
from gateway.protocol.shown import shown_alert, shown_delivery, shown_order, when
from gateway.protocol.words import plain
from gateway.store import OrderFilter, Store

# What the panel reads where the operator wrote nothing for it.
_NOTES = {
    Status.FAILED: "Dibatalkan oleh operator.",
    Status.REFUNDED: "Dana dikembalikan oleh operator.",
}
_FINAL = tuple(status for status in Status if status.is_final)


class Orders:
    """The part of the desk that is about orders.

    Args:
        store: the journal.
        recheck: asks the upstream.
        settlement: applies a decision.
        clock: Unix milliseconds.
    """

    def __init__(
        self, store: Store, recheck: Recheck, settlement: Settlement, clock: Clock
    ) -> None:
        self._store = store
        self._recheck = recheck
        self._settlement = settlement
        self._clock = clock
        self.commands: dict[str, Callable[..., Any]] = {
            "order.list": self.list_,
            "order.show": self.show,
            "order.recheck": self.recheck,
            "order.settle": self.settle,
            "alert.list": self.alerts,
            "alert.ack": self.ack_alerts,
        }

    async def find(self, name: str) -> Order:
        """Return the order with this upstream_trx_id or invoice_number.

        Raises:
            NotDone: there is none.
        """
        reseller, _, trx_id = name.partition("-")
        order = await self._store.order_by_trx_id(reseller, trx_id)
        order = order or await self._store.order_by_invoice(name, None)
        if order is None:
            raise NotDone(
                f"there is no order {name}: wanted CODE-TRX_ID, such as toko1-T1, "
                "or an invoice_number"
            )
        return order

    async def list_(self, **wanted: Any) -> list[dict[str, Any]]:
        """List orders, newest first."""
        return [shown_order(order) for order in await self._store.orders(OrderFilter(**wanted))]

    async def show(self, name: str) -> dict[str, Any]:
        """Show one order with its whole timeline."""
        return await self._shown(await self.find(name))

    async def _shown(self, order: Order) -> dict[str, Any]:
        deliveries = await self._store.deliveries(order_id=order.id)
        return {
            **shown_order(order),
            "timeline": [
                {"at": when(entry.at), "kind": entry.kind, "text": entry.text}
                for entry in await self._store.timeline(order.id)
            ],
            "deliveries": [shown_delivery(delivery) for delivery in reversed(deliveries)],
        }

    async def recheck(self, name: str) -> dict[str, Any]:
        """Ask the upstream about an order now; `said` is its answer, the rest the order after it.

        Raises:
            NotDone: there is no such order, or the upstream said nothing about it.
        """
        found = await self._recheck.look_up_now(await self.find(name))
        if not found.answered:
            raise NotDone(
                f"the upstream said nothing about order {name}: {found.said}; nothing was "
                "changed, try again"
            )
        return {"said": found.said, **await self._shown(found.order)}

    async def settle(
        self, name: str, status: str, reason: str, note: str | None = None
    ) -> dict[str, Any]:
        """Decide an order that is open, by the operator's own word.

        Args:
            name: whose.
            status: one of the four final words.
            reason: why, for the timeline.
            note: what the panel reads behind the status: the SN, or why it failed.

        Raises:
            NotDone: there is no such order, or it may not be decided now.
        """
        if status not in _FINAL:
            raise NotDone(f"status {status}: wanted one of {', '.join(_FINAL)}")
        if not reason.strip():
            raise NotDone("a decision needs a reason: it stands in the order's timeline for ever")
        order, word = await self.find(name), Status(status)
        said = plain(note or "") or _NOTES.get(word) or order.note or "-"
        after = await self._settlement.overrule(order.id, word, said, plain(reason))
        return await self._shown(after)

    async def alerts(
        self, *, with_acked: bool = False, before_id: int | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """List alerts, newest first."""
        found = await self._store.alerts(with_acked=with_acked, before_id=before_id, limit=limit)
        return [shown_alert(alert) for alert in found]

    async def ack_alerts(self, ids: list[int] | None = None) -> dict[str, Any]:
        """Take note of these alerts, or of every one that is open.

        Raises:
            NotDone: one of them is not open.
        """
        acked = await self._store.ack_alerts(ids, self._clock())
        missing = sorted(set(ids or ()) - set(acked))
        if missing:
            others = f"; {len(acked)} others were" if acked else ""
            raise NotDone(f"no open alert {', '.join(map(str, missing))}{others}")
        return {"acked": acked}
