"""The journal in a PostgreSQL database, which several gateways may share.

Nothing is coordinated here but by the database: a change is written upon exactly what was read
(`postgres_fence`), or in a transaction that holds what it changes. Nobody is answered from memory,
for another gateway may have written since.

Only this package imports this module; the SQL of PostgreSQL is in the modules beside it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.domain.alert import Alarm
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import NotDone
from gateway.domain.order import Order
from gateway.store import (
    AccountRow,
    Archive,
    Busy,
    DeliveryFilter,
    DeliveryRecord,
    Entry,
    Form,
    JournalSize,
    OldPart,
    OrderFilter,
    Place,
    Record,
    ResellerRow,
    Resent,
    Sealed,
    WaitingCallback,
)
from gateway.store.archive import open_archive
from gateway.store.nodes import Nodes
from gateway.store.postgres_archive import forget, old_part
from gateway.store.postgres_hosts import HostTables
from gateway.store.postgres_keeping import PostgresKeeping
from gateway.store.postgres_links import LinkTables
from gateway.store.postgres_lists import (
    first_wanted,
    newest_deliveries,
    newest_orders,
)
from gateway.store.postgres_nodes import NOW, PostgresNodes
from gateway.store.postgres_notices import PostgresNotices
from gateway.store.postgres_office import OfficeTables
from gateway.store.postgres_orders import SELECT_ORDER, OrderWrites
from gateway.store.postgres_outbox import (
    SELECT_DELIVERY,
    DeliveryWrites,
    due_deliveries,
    resend_delivery,
    resend_part,
)
from gateway.store.postgres_pool import LAST_S, Database, Session
from gateway.store.postgres_products import ProductTables
from gateway.store.postgres_resellers import accounts, put_resellers, resellers
from gateway.store.postgres_saldi import Saldi
from gateway.store.postgres_seals import SealsFrom, seal_part
from gateway.store.postgres_search import SearchTables
from gateway.store.postgres_upkeep import (
    bring_back,
    move_times,
    note_time,
)
from gateway.store.rows import delivery_from, order_from

# Who is waited for, then who is watched; each in the words of its own index.
_WAITED_FOR = "(final_at IS NULL OR ask_since IS NOT NULL)"
_WATCHED = "final_at IS NOT NULL AND ask_since IS NULL"
_DUE = (
    "due_at <= $1 AND id <> ALL ($2::bigint[])"
    # When the database's clock is set some nodes know that before others, and before all dates are
    # moved: no send is taken for dead by one of both times alone.
    f" AND (NOT sending OR due_at <= {NOW})"
    " AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.kind = 'look' AND c.id = orders.id"
    " AND c.until > $1 AND c.node <> $5)"
)
_BY_DATE = "ORDER BY due_at, id LIMIT"
_DUE_ORDERS = f"""
SELECT * FROM (
    (SELECT 0 AS turn, o.* FROM
        ({SELECT_ORDER} WHERE {_DUE} AND {_WAITED_FOR} {_BY_DATE} $3::bigint) o)
    UNION ALL
    (SELECT 1 AS turn, o.* FROM
        ({SELECT_ORDER} WHERE {_DUE} AND {_WATCHED} {_BY_DATE} $4::bigint) o)
) due ORDER BY turn, due_at, id LIMIT $3
"""


class PostgresStore(
    OfficeTables,
    SearchTables,
    HostTables,
    LinkTables,
    ProductTables,
    PostgresNotices,
    PostgresKeeping,
):
    """`gateway.store.Store` on a PostgreSQL database."""

    def __init__(self, database: Database, nodes: PostgresNodes) -> None:
        self.nodes: Nodes = nodes
        self._nodes = nodes
        self._database = database
        self._saldi = Saldi(database)
        self._orders = OrderWrites(database, self._saldi, nodes)
        self._deliveries = DeliveryWrites(database)

    async def place(self, record: Record) -> tuple[Order, bool]:
        return await self._orders.place(record)

    async def change_order(
        self,
        order_id: int,
        decide: Callable[[Order], Record],
        *,
        patient: bool = False,  # noqa: ARG002  nobody waits for anybody here, so nobody goes before
    ) -> Record:
        return await self._orders.change(order_id, decide)

    async def order(self, order_id: int) -> Order:
        found = await self._one_order("WHERE id = $1", order_id)
        if found is None:
            raise LookupError(f"no order has the number {order_id}")
        return found

    async def order_by_trx_id(self, reseller: str, trx_id: str) -> Order | None:
        return await self._one_order("WHERE reseller = $1 AND trx_id = $2", reseller, trx_id)

    async def order_by_invoice(self, invoice_number: str, reseller: str | None) -> Order | None:
        where = "WHERE invoice_number = $1 AND ($2::text IS NULL OR reseller = $2)"
        where = f"{where} ORDER BY id DESC LIMIT 1"
        return await self._one_order(where, invoice_number, reseller)

    async def _one_order(self, where: str, *values: object) -> Order | None:
        async def work(session: Session) -> Order | None:
            row = await session.row(f"{SELECT_ORDER} {where}", *values)
            return None if row is None else order_from(tuple(row))

        return await self._database.repeat(work)

    async def orders(self, wanted: OrderFilter) -> list[Order]:
        return await self._database.repeat(partial(newest_orders, wanted=wanted))

    async def due_orders(
        self, now: int, limit: int, skip: Collection[int], *, watched: int | None = None
    ) -> list[Order]:
        most = limit if watched is None else watched
        values = (now, list(skip), limit, most, self._nodes.id)

        async def work(session: Session) -> list[Order]:
            return [order_from(tuple(row)[1:]) for row in await session.rows(_DUE_ORDERS, *values)]

        return await self._database.repeat(work)

    async def count_open(self) -> int:
        sql = "SELECT count(*) FROM orders WHERE due_at IS NOT NULL AND final_at IS NULL"
        return await self._value(sql)

    async def _value(self, sql: str, *values: object) -> int:
        async def work(session: Session) -> int:
            return int(await session.value(sql, *values))

        return await self._database.repeat(work)

    async def interrupt_sends(self, now: int) -> int:  # noqa: ARG002  by the nodes' clock
        """Leave alone what other nodes are sending: what dead ones were, every beat takes over."""
        return 0

    async def move_times(self, by: int, alert: Alarm, seen: int) -> int | None:
        return await self._database.transact(partial(move_times, by=by, alert=alert, seen=seen))

    async def told_saldo(self, order_id: int) -> int | None:
        async def work(session: Session) -> int | None:
            sql = "SELECT told_saldo FROM orders WHERE id = $1"
            saldo: int | None = await session.value(sql, order_id)
            return saldo

        return await self._database.repeat(work)

    async def note_time(self, now: int, *, furthest: int) -> None:
        async def work(session: Session) -> None:
            await bring_back(session, now, furthest)
            await note_time(session, now)

        await self._database.transact(work)

    async def noted_time(self) -> int | None:
        value = await self.meta("time")
        return None if value is None else int(value)

    async def timeline(self, order_id: int) -> list[Entry]:
        sql = "SELECT at, kind, text FROM timeline WHERE order_id = $1 ORDER BY n"

        async def work(session: Session) -> list[Entry]:
            return [Entry(*row) for row in await session.rows(sql, order_id)]

        return await self._database.repeat(work)

    async def due_deliveries(self, now: int, limit: int, busy: Busy) -> list[Delivery]:
        node = self._nodes.id
        work = partial(due_deliveries, now=now, limit=limit, busy=busy, node=node)
        return await self._database.repeat(work)

    async def change_delivery(
        self,
        delivery_id: int,
        decide: Callable[[Delivery], DeliveryRecord],
        *,
        seen: Delivery | None = None,  # noqa: ARG002  it is read and locked in one statement
        claim: int | None = None,
    ) -> DeliveryRecord:
        return await self._deliveries.change(delivery_id, decide, claim)

    async def resend_delivery(self, delivery_id: int, now: int, entry: Entry) -> Delivery | None:
        work = partial(resend_delivery, delivery_id=delivery_id, now=now, entry=entry)
        return await self._database.transact(work)

    async def resend_part(
        self, wanted: DeliveryFilter, first_id: int, now: int, entry: Entry | None
    ) -> Resent:
        async def work(session: Session) -> Resent:
            begin = await first_wanted(session, wanted, first_id)
            if begin is None:
                return Resent(resent=0, skipped=0, next_id=None)
            return await resend_part(session, wanted, begin, now, entry)

        return await self._database.transact(work)

    async def delivery(self, delivery_id: int) -> Delivery | None:
        async def work(session: Session) -> Delivery | None:
            row = await session.row(f"{SELECT_DELIVERY} WHERE id = $1", delivery_id)
            return None if row is None else delivery_from(tuple(row))

        return await self._database.repeat(work)

    async def deliveries(
        self,
        *,
        order_id: int | None = None,
        state: DeliveryState | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        return await self._database.repeat(
            lambda session: newest_deliveries(
                session, order_id=order_id, state=state, before_id=before_id, limit=limit
            )
        )

    async def keep_callback(self, upstream_trx_id: str, form: Form, text: str, now: int) -> None:
        sql = (
            "INSERT INTO waiting_callbacks (upstream_trx_id, form, query, received_at, next_at)"
            " VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING"
        )
        await self._database.changed(sql, upstream_trx_id, form, text, now)

    async def waiting_callbacks(self, now: int, limit: int) -> list[WaitingCallback]:
        sql = (
            "SELECT id, upstream_trx_id, form, query AS text, received_at FROM waiting_callbacks"
            " WHERE next_at <= $1 AND NOT EXISTS (SELECT 1 FROM claims c"
            " WHERE c.kind = 'callback' AND c.id = waiting_callbacks.id"
            " AND c.until > $1 AND c.node <> $3) ORDER BY next_at, id LIMIT $2"
        )

        async def work(session: Session) -> list[WaitingCallback]:
            rows = await session.rows(sql, now, limit, self._nodes.id)
            return [WaitingCallback(**{**row, "form": Form(row["form"])}) for row in rows]

        return await self._database.repeat(work)

    async def count_waiting_callbacks(self, form: Form) -> int:
        return await self._value("SELECT count(*) FROM waiting_callbacks WHERE form = $1", form)

    async def put_off_callback(self, callback_id: int, next_at: int | None) -> None:
        if next_at is None:
            await self._database.changed(
                "DELETE FROM waiting_callbacks WHERE id = $1", callback_id
            )
        else:
            sql = "UPDATE waiting_callbacks SET next_at = $2 WHERE id = $1"
            await self._database.changed(sql, callback_id, next_at)

    async def resellers(self) -> list[ResellerRow]:
        return await self._database.repeat(resellers)

    async def put_resellers(
        self,
        rows: Sequence[ResellerRow],
        accounts: Sequence[AccountRow] = (),
        *,
        seen: int | None = None,
    ) -> None:
        work = partial(put_resellers, rows=rows, accounts=accounts, seen=seen)
        await self._database.transact(work)

    async def accounts(self) -> list[AccountRow]:
        await self._saldi.write()
        return await self._database.repeat(accounts)

    async def see_saldo(self, account: str, saldo: int) -> None:
        self._saldi.see(account, saldo)

    async def meta(self, key: str) -> bytes | None:
        async def work(session: Session) -> bytes | None:
            value: bytes | None = await session.value("SELECT value FROM meta WHERE key = $1", key)
            return value

        return await self._database.repeat(work)

    async def put_meta(self, key: str, value: bytes) -> None:
        sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        await self._database.changed(sql, key, value)

    async def seal_anew(
        self, seal_anew: Callable[[bytes], bytes], names: Collection[str]
    ) -> Sealed:
        held, changed = 0, 0
        begin: SealsFrom | None = SealsFrom()
        while begin is not None:
            work = partial(seal_part, begin=begin, seal_anew=seal_anew, names=names)
            part, begin = await self._database.transact(work)
            held, changed = held + part.held, changed + part.changed
        return Sealed(held, changed)

    def archive_path(self, path: Path | None) -> Path:
        if path is None:
            raise NotDone("a journal in PostgreSQL has no folder: say --to FILE")
        return path

    async def open_archive(self, path: Path) -> Archive:
        return await open_archive(path, None)

    async def old_part(self, before: int, place: Place) -> OldPart:
        return await self._database.repeat(partial(old_part, before=before, place=place))

    async def forget(self, part: OldPart, before: int, at: int, archive: str) -> list[int]:
        work = partial(forget, part=part, before=before, at=at, archive=archive)
        return await self._database.transact(work)

    def size(self) -> JournalSize:
        """All 0: its files are PostgreSQL's, and so is keeping their log short."""
        return JournalSize(journal=0, log=0, log_written_at=0)

    async def empty_log(self) -> bool:
        return True

    async def check_writable(self) -> None:
        sql = (
            "INSERT INTO meta (key, value) VALUES ('writable', '')"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        await self._database.changed(sql)

    def announce(self, about: dict[str, str]) -> None:
        """Say nothing: who has a command opens the journal himself, and needs no gateway."""

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await self._saldi.finish()
                await self._nodes.close()
        await self._database.close()
