"""What the operator may do: resellers, orders, alerts, deliveries, one method a command.

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
from gateway.flow.archiving import Archiving
from gateway.flow.orders import Orders
from gateway.flow.resellers import Resellers
from gateway.flow.sealing import Sealing
from gateway.protocol.shown import shown_delivery, when
from gateway.store import DeliveryFilter, Entry, Outrun, Store

_TRIES = 20  # one of those who change a reseller at the same time succeeds with each round


class Desk:
    """The operator's desk; one command at a time.

    Args:
        store: the journal.
        resellers: the commands about resellers.
        orders: the commands about orders and alerts.
        sealing: the commands about the key file.
        clock: Unix milliseconds.
        on_delivery: called when a delivery became due.
    """

    def __init__(  # noqa: PLR0913, PLR0917  everything that an operator may do comes together here
        self,
        store: Store,
        resellers: Resellers,
        orders: Orders,
        sealing: Sealing,
        clock: Clock,
        on_delivery: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_delivery = on_delivery
        self._turn = asyncio.Lock()
        self.resellers = resellers
        self.orders = orders
        self._commands: dict[str, Callable[..., Any]] = {
            "reseller.add": self.resellers.add,
            "reseller.list": self.resellers.show_all,
            "reseller.show": self.resellers.show,
            "reseller.set": self.resellers.change,
            "reseller.rotate_key": self.resellers.rotate_key,
            "reseller.apply": self.resellers.apply,
            **orders.commands,
            **sealing.commands,
            **Archiving(store, clock).commands,
            "delivery.list": self.delivery_list,
            "delivery.resend": self.delivery_resend,
            "delivery.resend_all": self.delivery_resend_all,
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
            return await self._do(command, values)

    async def _do(self, command: str, values: dict[str, Any]) -> Any:
        """Do a command; from its beginning where another gateway was quicker with a reseller."""
        for _ in range(_TRIES):
            await self.resellers.begin()
            try:
                return await self._commands[command](**values)
            except Outrun:
                continue
        raise NotDone("somebody else changes resellers all the time: nothing was changed")

    async def delivery_list(
        self,
        state: str | None = None,
        order: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """List deliveries, newest first."""
        found = await self._store.deliveries(
            order_id=None if order is None else (await self.orders.find(order)).id,
            state=None if state is None else DeliveryState(state),
            before_id=before_id,
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

    async def delivery_resend_all(
        self, since: int, until: int | None = None, *, dry_run: bool = False, **wanted: Any
    ) -> dict[str, int]:
        """Make due now everything that matches and is the newest of its order.

        Args:
            since: what came to its state at this time or later, Unix milliseconds.
            until: and not later; by default now, so that what is settled meanwhile is not meant.
            dry_run: only count.
            wanted: `state`, `reseller`, `host`, as in `store.DeliveryFilter`.
        """
        now = self._clock()
        if wanted.get("reseller") is not None:
            await self.resellers.show(wanted["reseller"])  # a code that nobody has is a slip
        state = DeliveryState(wanted.pop("state", DeliveryState.DEAD))
        meant = DeliveryFilter(
            since=since, until=now if until is None else until, state=state, **wanted
        )
        text = f"sent again by the operator, with all that is {state} since {when(since)}"
        entry = None if dry_run else Entry(now, "resent", text)
        resent, skipped = 0, 0
        next_id: int | None = 1
        while next_id is not None:
            part = await self._store.resend_part(meant, next_id, now, entry)
            resent, skipped, next_id = resent + part.resent, skipped + part.skipped, part.next_id
            self._on_delivery()
        return {"resent": resent, "skipped": skipped}
