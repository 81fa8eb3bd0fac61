"""What the operator may do: resellers, orders and deliveries, one method a command.

The same desk serves the commands of a running gateway, over a socket of its own, and those of one
that is not running, in the command's own process: so there is never a second writer. All that goes
in and out is plain data, ready for JSON.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import NotDone
from gateway.domain.order import Order
from gateway.flow.directory import Directory
from gateway.flow.resellers import Resellers
from gateway.protocol.shown import shown_delivery, shown_order, when
from gateway.store import Entry, OrderFilter, Store
from gateway.vault import Vault


class Desk:
    """The operator's desk; one command at a time.

    Args:
        store: the journal.
        vault: seals and hashes keys.
        directory: is loaded again when a reseller changed.
        clock: Unix milliseconds.
        on_delivery: called when a delivery became due.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        directory: Directory,
        clock: Clock,
        on_delivery: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_delivery = on_delivery
        self._turn = asyncio.Lock()
        self.resellers = Resellers(store, vault, directory, clock)
        self._commands: dict[str, Callable[..., Any]] = {
            "reseller.add": self.resellers.add,
            "reseller.list": self.resellers.show_all,
            "reseller.show": self.resellers.show,
            "reseller.set": self.resellers.change,
            "reseller.rotate_key": self.resellers.rotate_key,
            "reseller.apply": self.resellers.apply,
            "order.list": self.order_list,
            "order.show": self.order_show,
            "delivery.list": self.delivery_list,
            "delivery.resend": self.delivery_resend,
        }

    async def do(self, command: str, values: dict[str, Any]) -> Any:
        """Do one command by its name.

        Raises:
            NotDone: it could not be done; says why.
            JournalUnavailable: the journal can not be used at the moment.
        """
        if command not in self._commands:
            raise NotDone(f"this gateway knows no command {command!r}: is it of the same version?")
        async with self._turn:  # two that read, decide and write at once would undo each other
            return await self._commands[command](**values)

    async def order_list(self, **wanted: Any) -> list[dict[str, Any]]:
        """List orders, newest first."""
        return [shown_order(order) for order in await self._store.orders(OrderFilter(**wanted))]

    async def order_show(self, name: str) -> dict[str, Any]:
        """Show one order with its whole timeline. It is named by upstream_trx_id or invoice."""
        order = await self._order(name)
        deliveries = await self._store.deliveries(order_id=order.id)
        return {
            **shown_order(order),
            "timeline": [
                {"at": when(entry.at), "kind": entry.kind, "text": entry.text}
                for entry in await self._store.timeline(order.id)
            ],
            "deliveries": [shown_delivery(delivery) for delivery in reversed(deliveries)],
        }

    async def _order(self, name: str) -> Order:
        reseller, _, trx_id = name.partition("-")
        order = await self._store.order_by_trx_id(reseller, trx_id)
        order = order or await self._store.order_by_invoice(name, None)
        if order is None:
            raise NotDone(
                f"there is no order {name}: wanted CODE-TRX_ID, such as toko1-T1, "
                "or an invoice_number"
            )
        return order

    async def delivery_list(
        self, state: str | None = None, order: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """List deliveries, newest first."""
        found = await self._store.deliveries(
            order_id=None if order is None else (await self._order(order)).id,
            state=None if state is None else DeliveryState(state),
            limit=limit,
        )
        return [await self._named(delivery) for delivery in found]

    async def _named(self, delivery: Delivery) -> dict[str, Any]:
        """Return a delivery as plain data, with the name of its order."""
        order = await self._store.order(delivery.order_id)
        return {"upstream_trx_id": order.upstream_trx_id, **shown_delivery(delivery)}

    async def delivery_resend(self, delivery_id: int) -> dict[str, Any]:
        """Make a delivery due now, with its whole schedule before it. Its bytes stay the same."""
        if await self._store.delivery(delivery_id) is None:
            raise NotDone(f"there is no delivery {delivery_id}; `delivery list` shows them")
        now = self._clock()
        entry = Entry(now, "resent", f"delivery {delivery_id} is sent again by the operator")
        after = await self._store.resend_delivery(delivery_id, now, entry)
        if after is None:
            raise NotDone(
                f"delivery {delivery_id} is not the newest of its order: a panel must not read an "
                "older status after a newer one"
            )
        self._on_delivery()
        return await self._named(after)
