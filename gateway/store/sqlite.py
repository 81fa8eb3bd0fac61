"""The journal in one SQLite file: one writer with group commit, one reader, one gateway.

SQLite 3.7.0 to 3.51.2 can corrupt a WAL when two connections write or checkpoint at the same
instant, so one does at a time: the writing thread's, or its scribe's, by turns (`group_commit`).
The reader is `query_only`, and a lock beside the file keeps every other process out.

Only this package imports this module; its SQL is the only SQL of SQLite.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from gateway.domain.alert import Alarm
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import JournalUnavailable
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
    JournalUnusable,
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
from gateway.store.group_commit import T, Thread, Work, Writer
from gateway.store.group_read import Reader
from gateway.store.lock import Lock
from gateway.store.migrate import check_moved, check_sqlite, migrate_sqlite
from gateway.store.nodes import Nodes, OneNode
from gateway.store.rows import (
    KEY_COLUMNS,
    RESELLER_COLUMNS,
    as_list,
    delivery_from,
    order_from,
    reseller_from,
)
from gateway.store.sqlite_archive import forget, old_part
from gateway.store.sqlite_hosts import HostTables
from gateway.store.sqlite_keeping import SqliteKeeping
from gateway.store.sqlite_known import KnownOrders
from gateway.store.sqlite_links import LinkTables
from gateway.store.sqlite_lists import (
    first_wanted,
    newest_deliveries,
    newest_orders,
)
from gateway.store.sqlite_notices import SqliteNotices
from gateway.store.sqlite_office import OfficeTables
from gateway.store.sqlite_orders import OrderWrites
from gateway.store.sqlite_outbox import due_deliveries, resend_part
from gateway.store.sqlite_page import see_saldo
from gateway.store.sqlite_products import ProductTables
from gateway.store.sqlite_scribe import Scribe
from gateway.store.sqlite_seals import SealsFrom, seal_part
from gateway.store.sqlite_search import SearchTables
from gateway.store.sqlite_trouble import not_opened
from gateway.store.sqlite_upkeep import bring_back, move_times, note_time
from gateway.store.sqlite_wal import LOG_LIMIT, empty_log, size
from gateway.store.sqlite_write import (
    SELECT_DELIVERY,
    SELECT_ORDER,
    put_reseller,
    resend_delivery,
)

_CACHED_STATEMENTS = 256
_WRITING = (
    "synchronous = FULL",  # a commit survives a power cut
    "foreign_keys = ON",
    f"journal_size_limit = {LOG_LIMIT}",
)
"""How a connection that writes is prepared, whichever process it is in."""

# In the words of the partial indexes, so that SQLite knows that they serve.
_WAITED_FOR = "(final_at IS NULL OR ask_since IS NOT NULL)"
_WATCHED = "final_at IS NOT NULL AND ask_since IS NULL"

# One parameter for a whole list: their number in a statement has a limit.
_LIST = "(SELECT value FROM json_each(?))"


async def open_sqlite(path: Path) -> "SqliteStore":
    """Open a journal, make it where there is none, and bring it to this gateway's form.

    Raises:
        JournalInUse: another process holds it.
        JournalUnusable: it can not be opened; says why.
        JournalUnavailable: not at the moment, for the disk is full or fails.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        lock = Lock(path)
    except OSError as error:
        raise not_opened(path, error) from None
    async with AsyncExitStack() as undo:
        undo.callback(lock.close)
        try:
            writer = await _connect(path, _prepare_writer)
            undo.push_async_callback(writer.close)
            reader = await _connect(path, _prepare_reader)
        except (JournalUnusable, sqlite3.Error, OSError) as error:
            raise not_opened(path, error) from None
        undo.pop_all()
    return SqliteStore(path, lock, writer, reader, scribe=Scribe(path, lock.descriptor, _WRITING))


async def _connect(path: Path, prepare: Work[None]) -> Thread:
    connection = await aiosqlite.connect(
        path, isolation_level=None, cached_statements=_CACHED_STATEMENTS
    )
    thread = Thread(connection)
    try:
        await thread.run(prepare)
    except BaseException:
        await thread.close()
        raise
    return thread


def _prepare_writer(connection: sqlite3.Connection) -> None:
    check_sqlite(connection)  # before anything is written, for it may be somebody else's
    connection.execute("PRAGMA journal_mode = WAL")
    for pragma in _WRITING:
        connection.execute(f"PRAGMA {pragma}")
    migrate_sqlite(connection)
    check_moved(connection)


def _prepare_reader(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")


class SqliteStore(
    OfficeTables,
    SearchTables,
    HostTables,
    LinkTables,
    ProductTables,
    SqliteNotices,
    SqliteKeeping,
):
    """`gateway.store.Store` on one SQLite file."""

    def __init__(
        self,
        path: Path,
        lock: Lock,
        writer: Thread,
        reader: Thread,
        *,
        scribe: Scribe | None = None,
    ) -> None:
        self.path = path
        self.lock = lock
        self.nodes: Nodes = OneNode()  # the lock sees to that
        self._writing_thread = writer
        self._known = KnownOrders()
        self._orders = OrderWrites(self._known)
        self._scribe = scribe
        self._writer = Writer(writer, self._known, scribe=scribe)
        self._reading_thread = reader
        self._reader = Reader(reader)

    async def _write(self, work: Work[T]) -> T:
        return await self._writer.write(work)

    async def _write_aside(self, work: Work[T]) -> T:
        """Write what touches neither orders nor their timelines, and raises no alert of one."""
        return await self._writer.write_aside(work)

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._reader.read(work)
        except (sqlite3.Error, ValueError) as error:
            raise JournalUnavailable(f"the journal can not be read: {error}") from error

    async def place(self, record: Record) -> tuple[Order, bool]:
        return await self._writer.add(self._orders.place, record)

    async def change_order(
        self, order_id: int, decide: Callable[[Order], Record], *, patient: bool = False
    ) -> Record:
        return await self._writer.add(self._orders.change, (order_id, decide), patient=patient)

    async def order(self, order_id: int) -> Order:
        known = self._known.order(order_id)
        return known or (await self._all_orders("id = ?", (order_id,)))[0]

    async def order_by_trx_id(self, reseller: str, trx_id: str) -> Order | None:
        known = self._known.named(reseller, trx_id)
        where = "WHERE reseller = ? AND trx_id = ?"
        return known or await self._one_order(where, (reseller, trx_id))

    async def order_by_invoice(self, invoice_number: str, reseller: str | None) -> Order | None:
        # Else SQLite takes the way through all of the reseller's orders, for it is in their order.
        where, values = "INDEXED BY orders_invoice WHERE invoice_number = ?", [invoice_number]
        if reseller is not None:
            where, values = f"{where} AND reseller = ?", [*values, reseller]
        return await self._one_order(f"{where} ORDER BY id DESC LIMIT 1", values)

    async def _one_order(self, where: str, values: Sequence[Any]) -> Order | None:
        def work(connection: sqlite3.Connection) -> Order | None:
            row = connection.execute(f"{SELECT_ORDER} {where}", values).fetchone()
            return None if row is None else order_from(row)

        return await self._read(work)

    async def orders(self, wanted: OrderFilter) -> list[Order]:
        return await newest_orders(self._read, wanted)

    async def _all_orders(self, where: str, values: Sequence[Any]) -> list[Order]:
        sql = f"{SELECT_ORDER} WHERE {where}"
        return await self._read(
            lambda connection: [order_from(row) for row in connection.execute(sql, values)]
        )

    async def due_orders(
        self, now: int, limit: int, skip: Collection[int], *, watched: int | None = None
    ) -> list[Order]:
        due = f"due_at <= ? AND id NOT IN {_LIST} ORDER BY due_at, id LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[Order]:
            found: list[Order] = []
            for who in (_WAITED_FOR, _WATCHED):  # each has an index of its own
                room = limit - len(found)
                if who is _WATCHED and watched is not None:
                    room = min(room, watched)
                values = (now, as_list(skip), room)
                rows = connection.execute(f"{SELECT_ORDER} WHERE {who} AND {due}", values)
                found += [order_from(row) for row in rows]
            return found

        return await self._read(work)

    async def count_open(self) -> int:
        sql = (
            "SELECT count(*) FROM orders INDEXED BY orders_due"
            " WHERE due_at IS NOT NULL AND final_at IS NULL"
        )
        return await self._read(lambda connection: int(connection.execute(sql).fetchone()[0]))

    async def interrupt_sends(self, now: int) -> int:
        sql = "UPDATE orders SET due_at = ? WHERE sending = 1 AND final_at IS NULL AND due_at > ?"
        return await self._write(lambda connection: connection.execute(sql, (now, now)).rowcount)

    async def move_times(self, by: int, alert: Alarm, seen: int) -> int | None:  # noqa: ARG002  one notices
        return await self._write(lambda connection: move_times(connection, by, alert))

    async def note_time(self, now: int, *, furthest: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if bring_back(connection, now, furthest):
                self._known.forget()
            note_time(connection, now)

        await self._write_aside(work)

    async def noted_time(self) -> int | None:
        value = await self.meta("time")
        return None if value is None else int(value)

    async def timeline(self, order_id: int) -> list[Entry]:
        sql = "SELECT at, kind, text FROM timeline WHERE order_id = ? ORDER BY n"
        return await self._read(
            lambda connection: [Entry(*row) for row in connection.execute(sql, (order_id,))]
        )

    async def due_deliveries(self, now: int, limit: int, busy: Busy) -> list[Delivery]:
        return await self._read(lambda connection: due_deliveries(connection, now, limit, busy))

    async def _all_deliveries(self, where: str, values: Sequence[Any]) -> list[Delivery]:
        sql = f"{SELECT_DELIVERY} WHERE {where}"
        return await self._read(
            lambda connection: [delivery_from(row) for row in connection.execute(sql, values)]
        )

    async def told_saldo(self, order_id: int) -> int | None:  # noqa: ARG002
        """Return None: nobody but this process was told it, and so it is not kept."""
        return None

    async def change_delivery(
        self,
        delivery_id: int,
        decide: Callable[[Delivery], DeliveryRecord],
        *,
        seen: Delivery | None = None,
        claim: int | None = None,  # noqa: ARG002  one process holds them all
    ) -> DeliveryRecord:
        return await self._writer.add(self._orders.note, (delivery_id, decide, seen))

    async def resend_delivery(self, delivery_id: int, now: int, entry: Entry) -> Delivery | None:
        return await self._write(
            lambda connection: resend_delivery(connection, delivery_id, now, entry)
        )

    async def resend_part(
        self, wanted: DeliveryFilter, first_id: int, now: int, entry: Entry | None
    ) -> Resent:
        def work(connection: sqlite3.Connection) -> Resent:
            begin = first_wanted(connection, wanted, first_id)
            if begin is None:
                return Resent(resent=0, skipped=0, next_id=None)
            return resend_part(connection, wanted, begin, now, entry)

        return await (self._read(work) if entry is None else self._write(work))

    async def delivery(self, delivery_id: int) -> Delivery | None:
        found = await self._all_deliveries("id = ?", (delivery_id,))
        return found[0] if found else None

    async def deliveries(
        self,
        *,
        order_id: int | None = None,
        state: DeliveryState | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        return await newest_deliveries(
            self._read, order_id=order_id, state=state, before_id=before_id, limit=limit
        )

    async def keep_callback(self, upstream_trx_id: str, form: Form, text: str, now: int) -> None:
        sql = (
            "INSERT INTO waiting_callbacks (upstream_trx_id, form, query, received_at, next_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        )
        values = (upstream_trx_id, form, text, now, now)
        await self._write_aside(lambda connection: connection.execute(sql, values).rowcount)

    async def waiting_callbacks(self, now: int, limit: int) -> list[WaitingCallback]:
        sql = (
            "SELECT id, upstream_trx_id, form, query, received_at FROM waiting_callbacks"
            " WHERE next_at <= ? ORDER BY next_at LIMIT ?"
        )

        def work(connection: sqlite3.Connection) -> list[WaitingCallback]:
            return [
                WaitingCallback(
                    id=row[0],
                    upstream_trx_id=row[1],
                    form=Form(row[2]),
                    text=row[3],
                    received_at=row[4],
                )
                for row in connection.execute(sql, (now, limit))
            ]

        return await self._read(work)

    async def count_waiting_callbacks(self, form: Form) -> int:
        sql = "SELECT count(*) FROM waiting_callbacks WHERE form = ?"
        return await self._read(
            lambda connection: int(connection.execute(sql, (form,)).fetchone()[0])
        )

    async def put_off_callback(self, callback_id: int, next_at: int | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if next_at is None:
                connection.execute("DELETE FROM waiting_callbacks WHERE id = ?", (callback_id,))
            else:
                sql = "UPDATE waiting_callbacks SET next_at = ? WHERE id = ?"
                connection.execute(sql, (next_at, callback_id))

        await self._write_aside(work)

    async def resellers(self) -> list[ResellerRow]:
        def work(connection: sqlite3.Connection) -> list[ResellerRow]:
            keys: dict[str, list[Any]] = {}
            sql = f"SELECT reseller, {', '.join(KEY_COLUMNS)} FROM reseller_keys"
            for code, *key in connection.execute(f"{sql} ORDER BY created_at"):
                keys.setdefault(code, []).append(key)
            rows = connection.execute(
                f"SELECT {', '.join(RESELLER_COLUMNS)} FROM resellers ORDER BY code"
            )
            return [reseller_from(row, keys.get(row[0], [])) for row in rows]

        return await self._read(work)

    async def put_resellers(
        self,
        rows: Sequence[ResellerRow],
        accounts: Sequence[AccountRow] = (),
        *,
        seen: int | None = None,  # noqa: ARG002  one process changes them, a command at a time
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for account in accounts:
                sql = "INSERT INTO accounts (id, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING"
                connection.execute(sql, (account.id, account.sealed))
            # All keys first, so that one may pass from a reseller to another.
            for row in rows:
                sql = "DELETE FROM reseller_keys WHERE reseller = ?"
                connection.execute(sql, (row.code,))
            for row in rows:
                put_reseller(connection, row)

        await self._write_aside(work)

    async def accounts(self) -> list[AccountRow]:
        def work(connection: sqlite3.Connection) -> list[AccountRow]:
            rows = connection.execute("SELECT id, sealed, saldo FROM accounts").fetchall()
            return [AccountRow(id=row[0], sealed=row[1], saldo=row[2]) for row in rows]

        return await self._read(work)

    async def see_saldo(self, account: str, saldo: int) -> None:
        await self._write_aside(lambda connection: see_saldo(connection, account, saldo))

    async def meta(self, key: str) -> bytes | None:
        def work(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._read(work)

    async def put_meta(self, key: str, value: bytes) -> None:
        sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
        await self._write_aside(lambda connection: connection.execute(sql, (key, value)).rowcount)

    async def seal_anew(
        self, seal_anew: Callable[[bytes], bytes], names: Collection[str]
    ) -> Sealed:
        held, changed = 0, 0
        begin: SealsFrom | None = SealsFrom()
        while begin is not None:
            work = partial(seal_part, begin=begin, seal_anew=seal_anew, names=names)
            part, begin = await self._write_aside(work)
            held, changed = held + part.held, changed + part.changed
        return Sealed(held, changed)

    def archive_path(self, path: Path | None) -> Path:
        return path or self.path.with_name(f"{self.path.stem}-archive{self.path.suffix}")

    async def open_archive(self, path: Path) -> Archive:
        return await open_archive(path, self.path)

    async def old_part(self, before: int, place: Place) -> OldPart:
        return await self._read(lambda connection: old_part(connection, before, place))

    async def forget(self, part: OldPart, before: int, at: int, archive: str) -> list[int]:
        return await self._write(lambda connection: forget(connection, part, before, at, archive))

    def size(self) -> JournalSize:
        return size(self.path)

    async def empty_log(self) -> bool:
        try:
            return await self._writer.alone(empty_log)
        except (sqlite3.Error, ValueError) as error:
            raise JournalUnavailable(f"the journal's log can not be emptied: {error}") from error

    async def check_writable(self) -> None:
        sql = (
            # Another value each time: SQLite writes nothing where nothing changes.
            "INSERT INTO meta (key, value) VALUES ('writable', randomblob(8))"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        await self._write_aside(lambda connection: connection.execute(sql).rowcount)

    def announce(self, about: dict[str, str]) -> None:
        try:
            self.lock.say(about)
        except OSError as error:
            raise JournalUnavailable(f"{self.lock.path}: {error.strerror}") from None

    async def close(self) -> None:
        await self._writer.finish()
        if self._scribe is not None:
            await self._scribe.close()
        await self._reading_thread.close()
        await self._writing_thread.close()
        self.lock.close()
