"""What can be asked of a journal: intents with names, which every backend keeps.

Every method raises `JournalUnavailable` where the journal can not be read or written at the
moment, and every write is durable when its call returns.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from gateway.domain.alert import Alarm
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store.hosts import Hosts
from gateway.store.links import Links
from gateway.store.nodes import Nodes
from gateway.store.notices import Notices
from gateway.store.office import Office
from gateway.store.products import Products
from gateway.store.records import (
    AccountRow,
    Busy,
    DeliveryFilter,
    DeliveryRecord,
    Entry,
    Form,
    JournalSize,
    OldOrder,
    OldPart,
    OrderFilter,
    Place,
    Record,
    ResellerRow,
    Resent,
    Sealed,
    WaitingCallback,
)
from gateway.store.search import Search


class Archive(Protocol):
    """A file outside the journal that keeps what is told of old orders."""

    path: Path

    async def keep(self, orders: Sequence[OldOrder]) -> None:
        """Write these; durable when it returns. What is there already, word for word, stays.

        Raises:
            NotDone: nothing was written; says why.
        """
        ...

    async def close(self) -> None:
        """Close the file."""
        ...


class Store(Office, Search, Hosts, Links, Products, Notices, Protocol):
    """What can be asked of a journal.

    Attributes:
        nodes: who shares it, and what is claimed.
    """

    nodes: Nodes

    async def place(self, record: Record) -> tuple[Order, bool]:
        """Journal a new order, or find the one that has its (reseller, trx_id).

        Returns:
            The order as it stands, and whether it is new. One that was there is left untouched.
        """
        ...

    async def change_order(
        self, order_id: int, decide: Callable[[Order], Record], *, patient: bool = False
    ) -> Record:
        """Change an order by a function of what it is now; returns what was written.

        Args:
            order_id: which.
            decide: makes of the order what is written.
            patient: nobody waits for it, so that what somebody waits for may be written before.
        """
        ...

    async def order(self, order_id: int) -> Order:
        """Return the order with this number, which must be there."""
        ...

    async def order_by_trx_id(self, reseller: str, trx_id: str) -> Order | None:
        """Find a reseller's order by its trx_id, compared by bytes."""
        ...

    async def order_by_invoice(self, invoice_number: str, reseller: str | None) -> Order | None:
        """Find an order by the upstream's id, among one reseller's or among all."""
        ...

    async def orders(self, wanted: OrderFilter) -> list[Order]:
        """List orders, newest first."""
        ...

    async def due_orders(
        self, now: int, limit: int, skip: Collection[int], *, watched: int | None = None
    ) -> list[Order]:
        """List orders that are due, without those in `skip`.

        Those come first that somebody waits for, the longest due first; then those that are final
        and merely watched, at most `watched` of them.
        """
        ...

    async def count_open(self) -> int:
        """Count the orders that are not final."""
        ...

    async def interrupt_sends(self, now: int) -> int:
        """Make due now what a process that died was sending; returns how many. For start only.

        None where another process may be sending it at this moment.
        """
        ...

    async def told_saldo(self, order_id: int) -> int | None:
        """Return the balance that the reply to an order told, Rupiah, where others may ask."""
        ...

    async def move_times(self, by: int, alert: Alarm, seen: int) -> int | None:
        """Move every date that is still to come, and raise an alert, after the clock was set.

        Args:
            by: milliseconds; what the clock was set ahead by.
            alert: what the operator must know; its time is written down, as by `note_time`.
            seen: `Changes.clock` as it was before the clock was set.

        Returns:
            How many orders and deliveries were moved; None where another node has done it.
        """
        ...

    async def note_time(self, now: int, *, furthest: int) -> None:
        """Write down what time it is; `noted_time` reads it after a start.

        What waits for a date beyond `furthest` is due now.
        """
        ...

    async def noted_time(self) -> int | None:
        """Return the time that was last written down, Unix milliseconds."""
        ...

    async def timeline(self, order_id: int) -> list[Entry]:
        """Return an order's steps, oldest first."""
        ...

    async def due_deliveries(self, now: int, limit: int, busy: Busy) -> list[Delivery]:
        """List deliveries that are due, the longest due first, but not those of who is busy.

        What it costs does not grow with what is due for those who are busy.
        """
        ...

    async def change_delivery(
        self,
        delivery_id: int,
        decide: Callable[[Delivery], DeliveryRecord],
        *,
        seen: Delivery | None = None,
        claim: int | None = None,
    ) -> DeliveryRecord:
        """Change a delivery by a function of what it is now; returns what was written.

        Args:
            delivery_id: which.
            decide: makes of the delivery what is written.
            seen: as it was read; where it still stands so it need not be read again.
            claim: the claim under which it was handed out, which ends with this.

        Raises:
            ClaimLost: it is another node's by now; nothing was written.
        """
        ...

    async def resend_delivery(self, delivery_id: int, now: int, entry: Entry) -> Delivery | None:
        """Make a delivery due now, with its whole schedule before it.

        Returns:
            The delivery, or None where its order has a newer one, which an older must not follow.
        """
        ...

    async def resend_part(
        self, wanted: DeliveryFilter, first_id: int, now: int, entry: Entry | None
    ) -> Resent:
        """Make due now what matches in a part of the outbox, as `resend_delivery` does.

        Args:
            wanted: which deliveries.
            first_id: where the part begins; it is as long as one short transaction bears.
            now: Unix milliseconds.
            entry: a step for the timeline of each order; None where it is only to be counted.
        """
        ...

    async def delivery(self, delivery_id: int) -> Delivery | None:
        """Find a delivery by its number."""
        ...

    async def deliveries(
        self,
        *,
        order_id: int | None = None,
        state: DeliveryState | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """List deliveries, newest first."""
        ...

    async def keep_callback(self, upstream_trx_id: str, form: Form, text: str, now: int) -> None:
        """Keep a callback whose order is not known yet, once."""
        ...

    async def waiting_callbacks(self, now: int, limit: int) -> list[WaitingCallback]:
        """List kept callbacks whose next try is due."""
        ...

    async def count_waiting_callbacks(self, form: Form) -> int:
        """Count the kept callbacks of one form."""
        ...

    async def put_off_callback(self, callback_id: int, next_at: int | None) -> None:
        """Set when a kept callback is tried again; None where it is done with."""
        ...

    async def resellers(self) -> list[ResellerRow]:
        """List every reseller with its keys, by code."""
        ...

    async def put_resellers(
        self,
        rows: Sequence[ResellerRow],
        accounts: Sequence[AccountRow] = (),
        *,
        seen: int | None = None,
    ) -> None:
        """Write these resellers with exactly these keys, and new accounts, all or none.

        Args:
            rows: as they stand from now on.
            accounts: that they buy under.
            seen: `Changes.resellers` as it was before they were read; None: whatever it was.

        Raises:
            Outrun: somebody else has changed resellers since; nothing was written.
        """
        ...

    async def accounts(self) -> list[AccountRow]:
        """List every key at the upstream that was ever bought under."""
        ...

    async def see_saldo(self, account: str, saldo: int) -> None:
        """Remember the balance that was seen under an upstream key, Rupiah."""
        ...

    async def meta(self, key: str) -> bytes | None:
        """Return what was kept under this name."""
        ...

    async def put_meta(self, key: str, value: bytes) -> None:
        """Keep something under a name, once: what is there already stays."""
        ...

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep something under a name, in place of what is there."""
        ...

    async def mark_restored(self, at: int) -> None:
        """Write down that this journal was brought back, as `store.keeping.Restored`.

        Args:
            at: Unix milliseconds; all that may have moved meanwhile is due to be looked up then.
        """
        ...

    async def seal_anew(
        self, seal_anew: Callable[[bytes], bytes], names: Collection[str]
    ) -> Sealed:
        """Put in place of every sealed value what a function makes of it.

        In several transactions: it is repeated where it was interrupted, so the function returns
        what needs no change as it is.

        Args:
            seal_anew: what it raises ends this; what was changed before stays changed.
            names: what is kept sealed under a name.
        """
        ...

    def archive_path(self, path: Path | None) -> Path:
        """Return where the archive is that a path names; by default it is beside the journal."""
        ...

    async def open_archive(self, path: Path) -> Archive:
        """Open an archive, or make it.

        Raises:
            NotDone: this can not be one; says why.
        """
        ...

    async def old_part(self, before: int, place: Place) -> OldPart:
        """Look through a part of the orders for those to which nothing happened since a time.

        Not for what is open, watched, in doubt, not delivered, or under an open alert.
        """
        ...

    async def forget(self, part: OldPart, before: int, at: int, archive: str) -> list[int]:
        """Delete what an archive keeps of a part, steps and deliveries; returns of which orders.

        Each order's timeline says from then on where they are. The order itself stays, and one to
        which something has happened meanwhile is left whole.

        Args:
            part: from `old_part`, kept by then.
            before: as in `old_part`.
            at: Unix milliseconds.
            archive: the archive's name.
        """
        ...

    def size(self) -> JournalSize:
        """Return how large the journal is on its disk."""
        ...

    async def empty_log(self) -> bool:
        """Bring the write-ahead log into the journal's file and cut it; False: somebody reads."""
        ...

    async def check_writable(self) -> None:
        """Write and commit; returns when the journal can record."""
        ...

    def announce(self, about: dict[str, str]) -> None:
        """Say how the process that holds this journal is reached; `running_gateway` reads it."""
        ...

    async def close(self) -> None:
        """Finish what is being written and close the journal."""
        ...
