"""No question to the journal walks it, however many old orders it holds.

Every intent of the Store is exercised while what SQLite is told is noted, so a new statement is
looked at by itself, and a new intent must be exercised here. Looked at are SQLite's own plan, and
how many steps its machine takes in a journal with many old orders and in one with few: that does
not depend on the machine on which the test runs.
"""

import asyncio
import inspect
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import (
    AdminRow,
    AuditRow,
    Busy,
    DeliveryFilter,
    DeliveryRecord,
    Entry,
    Form,
    LinkRow,
    NoticeOutcome,
    OrderFilter,
    OrderSearch,
    PausedHost,
    Place,
    ProductChange,
    ProductRow,
    Record,
    SessionRow,
    Store,
    sqlite_hosts,
    sqlite_products,
    sqlite_search,
)
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.store.journals import CODES, T0, account, message, order, record, reseller, sold

pytestmark = pytest.mark.timeout(60)


FEW, MANY = 1_000, 20_000
STEPS_AT_ONCE = 10
SINCE = T0 + 10_000_000  # what is old lies before
NOW = SINCE + 90_000_000
OLD_ORDERS = f"""
    WITH RECURSIVE old(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM old WHERE i < :many)
    INSERT INTO orders SELECT i, iif(i % 3, 'toko', 'warung'), 'old' || hex(i * 7919 % 65537) || i,
        'S1', '1234', '12', NULL, NULL, 'key1', NULL, '', iif(i % 50, 'SUCCESS', 'FAILED'),
        'SN', 'INV' || i, 5, 1, 0, {T0}, {T0}, 1, 0, 0, NULL, NULL, NULL, {T0} + i, {T0} + i,
        'text', 0, NULL, 1
    FROM old
"""
OLD_STEPS = f"""
    INSERT INTO timeline SELECT o.id, n.value, {T0}, 'asked', 'step ' || n.value
    FROM orders o CROSS JOIN json_each('[1, 2, 3]') n
"""
OLD_DELIVERIES = f"""
    INSERT INTO deliveries SELECT id, id, reseller, status, 'GET', 'http://p.test/', 'p.test:80',
        iif(id % 500, 'delivered', 'superseded'), 1, NULL, {T0}, {T0}, '200', NULL FROM orders
"""


async def make(path: Path, many: int) -> Path:
    """Make a journal with so many old orders, their timelines and deliveries."""
    store = await open_sqlite(path)
    await store.put_resellers([reseller(code) for code in CODES], [account("key1")])
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(OLD_ORDERS, {"many": many})
        connection.execute(OLD_STEPS)
        connection.execute(OLD_DELIVERIES)
    return path


# what is asked of a journal: each intent by its name, with all that changes its statements


class Exercise:
    """Does everything with a journal that can be done: one method, or several, an intent."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def place(self) -> None:
        for n in range(3):
            await self.store.place(record(order(f"new{n}", due_at=NOW - 5, placed_at=NOW)))
        await self.store.place(record(order("new0")))

    async def _newest(self) -> Order:
        return (await self.store.orders(OrderFilter(limit=1)))[0]

    async def change_order(self) -> None:
        def decide(before: Order, *, once: bool = True) -> Record:
            return Record(
                order=sold(before),
                entries=(Entry(NOW, "answered", "x"),),
                once=once,
                message=message(),
                tell_at=NOW,
                alert=Alarm(NOW, Kind.CONTRADICTION, "one"),
                saldo=7,
            )

        for found in await self.store.orders(OrderFilter(limit=2)):
            await self.store.change_order(found.id, decide)
            await self.store.change_order(found.id, partial(decide, once=False))

    async def change_delivery(self) -> None:
        def die(before: Delivery) -> DeliveryRecord:
            dead = replace(before, state=DeliveryState.DEAD, next_at=None, done_at=NOW)
            step = Entry(NOW, "not_told", "x")
            return DeliveryRecord(
                delivery=dead,
                entry=step,
                alert=Alarm(NOW, Kind.CONTRADICTION, "dead"),
                settles="one",
            )

        (newest,) = await self.store.deliveries(limit=1)
        await self.store.change_delivery(newest.id, die)

    async def resend_delivery(self) -> None:
        (newest,) = await self.store.deliveries(limit=1)
        await self.store.resend_delivery(newest.id, NOW, Entry(NOW, "resent", "x"))

    async def resend_part(self) -> None:
        for state in (DeliveryState.DUE, DeliveryState.DEAD):
            for entry in (None, Entry(NOW, "resent", "x")):
                wanted = DeliveryFilter(since=SINCE, until=NOW, state=state)
                next_id: int | None = 1
                while next_id is not None:
                    next_id = (await self.store.resend_part(wanted, next_id, NOW, entry)).next_id

    async def orders(self) -> None:
        for code in (None, *CODES):
            for statuses in ((), *((status,) for status in Status), ("PAID", "FAILED")):
                for before_id in (None, FEW - 100):
                    wanted = OrderFilter(
                        reseller=code, statuses=statuses, before_id=before_id, limit=9
                    )
                    await self.store.orders(wanted)

    async def deliveries(self) -> None:
        newest = await self._newest()
        for state in (None, *DeliveryState):
            for before_id in (None, FEW - 100):
                await self.store.deliveries(state=state, before_id=before_id, limit=9)
                await self.store.deliveries(
                    order_id=newest.id, state=state, before_id=before_id, limit=9
                )

    async def delivery(self) -> None:
        await self.store.delivery(FEW)

    async def order(self) -> None:
        await self.store.order(FEW)

    async def order_by_trx_id(self) -> None:
        await self.store.order_by_trx_id("toko", "new1")

    async def order_by_invoice(self) -> None:
        for code in (None, "toko"):
            await self.store.order_by_invoice("INV7", code)

    async def timeline(self) -> None:
        await self.store.timeline(FEW)

    async def due_orders(self) -> None:
        for watched in (None, 3):
            await self.store.due_orders(NOW, 5, [1, 2], watched=watched)

    async def due_deliveries(self) -> None:
        busy = Busy(orders=[1], hosts=["q:1"], resellers=["r"], pairs=[("toko", "q:2")])
        for limit in (9, 1):  # all that is due, and more than can be listed
            await self.store.due_deliveries(NOW, limit, busy)

    async def count_open(self) -> None:
        await self.store.count_open()

    async def interrupt_sends(self) -> None:
        await self.store.interrupt_sends(NOW - 9)

    async def move_times(self) -> None:
        await self.store.move_times(5, Alarm(NOW, Kind.CONTRADICTION, "the clock was set"), 0)

    async def note_time(self) -> None:
        await self.store.note_time(NOW, furthest=NOW + 9)

    async def noted_time(self) -> None:
        await self.store.noted_time()

    async def raise_alert(self) -> None:
        await self.store.raise_alert(Alarm(NOW, Kind.DISK_LOW, "full", ""))

    async def end_alert(self) -> None:
        await self.store.end_alert(Kind.DISK_LOW, "", NOW)

    async def standing_alerts(self) -> None:
        await self.store.standing_alerts()

    async def remind(self) -> None:
        await self.store.remind(NOW, every_ms=0, at_most=9)

    async def claim_notices(self) -> None:
        await self.store.claim_notices(NOW + 9, lease_ms=5, limit=9)

    async def note_notices(self) -> None:
        for next_at in (NOW + 1, None):
            done = NoticeOutcome(
                id=1, attempts=1, told=("x",), next_at=next_at, at=NOW, result="x"
            )
            await self.store.note_notices([done])

    async def pulse(self) -> None:
        await self.store.pulse()

    async def long_open(self) -> None:
        await self.store.long_open(NOW)

    async def late_deliveries(self) -> None:
        await self.store.late_deliveries(NOW, 5)

    async def add_saldi(self) -> None:
        await self.store.add_saldi(NOW, {"key1": 5})

    async def saldo_history(self) -> None:
        await self.store.saldo_history("key1", SINCE)

    async def prune(self) -> None:
        await self.store.prune(SINCE)

    async def alerts(self) -> None:
        for with_acked in (True, False):
            for before_id in (None, 5):
                await self.store.alerts(with_acked=with_acked, before_id=before_id)

    async def ack_alerts(self) -> None:
        await self.store.ack_alerts([1], NOW)
        await self.store.ack_alerts(None, NOW)

    async def keep_callback(self) -> None:
        await self.store.keep_callback("toko-T9", Form.TEXT, "x", NOW)

    async def waiting_callbacks(self) -> None:
        await self.store.waiting_callbacks(NOW, 5)

    async def count_waiting_callbacks(self) -> None:
        await self.store.count_waiting_callbacks(Form.TEXT)

    async def put_off_callback(self) -> None:
        await self.store.put_off_callback(1, NOW)
        await self.store.put_off_callback(1, None)

    async def resellers(self) -> None:
        await self.store.resellers()

    async def put_resellers(self) -> None:
        await self.store.put_resellers([reseller()], [account("key1")])

    async def accounts(self) -> None:
        await self.store.accounts()

    async def see_saldo(self) -> None:
        await self.store.see_saldo("key1", 5)

    async def meta(self) -> None:
        await self.store.meta("x")

    async def put_meta(self) -> None:
        await self.store.put_meta("x", b"x")

    async def set_meta(self) -> None:
        await self.store.set_meta("x", b"y")

    async def seal_anew(self) -> None:
        await self.store.seal_anew(lambda blob: blob + b"!", ("x",))

    async def old_part(self) -> None:
        for place in (Place(again=True), Place(), Place(after=FEW - 200)):
            await self.store.old_part(SINCE, place)

    async def forget(self) -> None:
        for place in (Place(after=FEW - 200), Place(again=True)):
            part = await self.store.old_part(SINCE, place)
            await self.store.forget(part, SINCE, NOW, "archive.db")

    async def admins(self) -> None:
        await self.store.admins()

    async def add_admin(self) -> None:
        row = AdminRow(name="budi", role="viewer", password="x", created_at=NOW, changed_at=NOW)
        await self.store.add_admin(row)

    async def set_password(self) -> None:
        await self.store.set_password("budi", "y", NOW)

    async def add_session(self) -> None:
        row = SessionRow(
            hash=b"h" * 32, admin="budi", created_at=NOW, seen_at=NOW, address="-", agent="-"
        )
        await self.store.add_session(row, password="y", keep=3)

    async def session(self) -> None:
        await self.store.session(b"h" * 32)

    async def sessions(self) -> None:
        for name in (None, "budi"):
            await self.store.sessions(name)

    async def see_session(self) -> None:
        await self.store.see_session(1, NOW)

    async def end_sessions(self) -> None:
        await self.store.end_sessions(ids=[1], admin="budi")

    async def end_old_sessions(self) -> None:
        await self.store.end_old_sessions(NOW, NOW)

    async def remove_admin(self) -> None:
        await self.store.remove_admin("budi")

    async def add_audit(self) -> None:
        row = AuditRow(at=NOW, who="cli", command="order.settle", outcome="begun")
        await self.store.add_audit(row)

    async def end_audit(self) -> None:
        await self.store.end_audit(1, "done")

    async def audit(self) -> None:
        for who, about in ((None, None), ("cli", None), ("cli", "toko-1")):
            await self.store.audit(who=who, about=about)

    async def first_order_since(self) -> None:
        await self.store.first_order_since(NOW)

    def _searches(self) -> Iterator[OrderSearch]:
        one_by_one: list[dict[str, Any]] = [
            {},
            {"trx_id": "new1"},
            {"invoice_number": "INV7"},
            {"product_code": "none"},
            {"note": "none", "dialect": "json"},
            {"statuses": ["SUCCESS"], "dest": "none"},
            {"statuses": ["FAILED", "REFUNDED"]},
            {"statuses": ["PENDING"]},
        ]
        for reseller_code in (None, "toko"):
            for values in one_by_one:
                yield OrderSearch(reseller=reseller_code, **values)

    async def find_orders(self) -> None:
        for wanted in self._searches():
            await self.store.find_orders(wanted, 9)

    async def tally_orders(self) -> None:
        for wanted in self._searches():
            await self.store.tally_orders(wanted)

    async def oldest_open(self) -> None:
        await self.store.oldest_open(5)

    async def count_deliveries(self) -> None:
        for state in (DeliveryState.DUE, DeliveryState.DEAD):
            await self.store.count_deliveries(state, 9)

    async def empty_log(self) -> None:
        await self.store.empty_log()

    async def check_writable(self) -> None:
        await self.store.check_writable()

    async def hosts(self) -> None:
        await self.store.hosts(9)

    async def find_deliveries(self) -> None:
        for host in (None, "p.test:80"):
            for state in (None, *DeliveryState):
                for before_id in (None, FEW - 100):
                    await self.store.find_deliveries(host, state, before_id, 9)

    async def pause_host(self) -> None:
        await self.store.pause_host(PausedHost(host="p.test:80", since=NOW, who="cli"))

    async def paused_hosts(self) -> None:
        await self.store.paused_hosts()

    async def resume_host(self) -> None:
        await self.store.resume_host("p.test:80")

    async def add_link(self) -> None:
        row = LinkRow(hash=b"l" * 32, reseller="toko", who="cli", created_at=NOW, ends_at=NOW + 9)
        await self.store.add_link(row)

    async def link(self) -> None:
        await self.store.link(b"l" * 32)

    async def links(self) -> None:
        for code in (None, "toko"):
            await self.store.links(code)

    async def see_link(self) -> None:
        await self.store.see_link(1, NOW)

    async def end_link(self) -> None:
        await self.store.end_link(1)

    async def note_products(self) -> None:
        change = ProductChange(
            account="key1",
            product_code="S1",
            at=NOW,
            kind="new",
            name="x",
            price=1,
            status="",
        )
        row = ProductRow(product_code="S1", name="x", price=1, status="")
        await self.store.note_products("key1", [(row, change)], [change], forget_before=SINCE)

    async def products(self) -> None:
        await self.store.products("key1")

    async def product_changes(self) -> None:
        for given in ((), ("key1",), ("key1", "S1")):
            for before_id in (None, 5):
                await self.store.product_changes(*given, before_id=before_id)

    async def sold_products(self) -> None:
        for before_id in (None, FEW - 100):
            await self.store.sold_products("toko", 1, before_id)


# Of the intents: what is no statement, or is seen with others; and what is done once, after a
# journal was brought back, while nobody orders.
NO_STATEMENT = {
    "announce",
    "archive_path",
    "close",
    "disk_free",
    "mark_restored",
    "open_archive",
    "size",
    "told_saldo",
}


def intents() -> list[str]:
    """Every intent of the Store."""
    methods = inspect.getmembers(Store, inspect.isfunction)
    return [name for name, _ in methods if not name.startswith("_") and name not in NO_STATEMENT]


def exercises(store: Store) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Give the exercises in the order in which they stand."""
    exercise = Exercise(store)
    for name in vars(Exercise):
        if not name.startswith("_"):
            yield name, getattr(exercise, name)


def test_every_intent_is_exercised() -> None:
    assert {name for name in vars(Exercise) if name[0] != "_"} == set(intents())


# what SQLite is told, and what it makes of it


class Noted:
    """A connection that notes what it is told."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.said: dict[str, Any] = {}
        self.steps = 0

    def step(self) -> int:
        self.steps += STEPS_AT_ONCE
        return 0

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self.said.setdefault(sql, values)
        return self.connection.execute(sql, values)

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        rows = list(rows)
        if rows:
            self.said.setdefault(sql, rows[0])
        return self.connection.executemany(sql, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def _count_steps(note: Noted, connection: sqlite3.Connection) -> None:
    connection.set_progress_handler(note.step, STEPS_AT_ONCE)


@asynccontextmanager
async def noted(path: Path) -> AsyncIterator[tuple[SqliteStore, list[Noted]]]:
    """Open a journal and note what both its connections are told."""
    store = await open_sqlite(path)
    threads = (store._writing_thread, store._reading_thread)
    notes = []
    for thread in threads:
        note = Noted(thread._raw)
        await thread.run(partial(_count_steps, note))
        thread._raw = cast(sqlite3.Connection, note)
        notes.append(note)
    try:
        yield store, notes
    finally:
        await store.close()


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is smaller than the smaller journal, so that it holds as many orders in both."""
    for name in ("PART", "TALLY_PART"):
        monkeypatch.setattr(sqlite_search, name, FEW // 2)
    for module in (sqlite_hosts, sqlite_products):
        monkeypatch.setattr(module, "PART", FEW // 20)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("growth")
    return {many: asyncio.run(make(folder / f"{many}.db", many)) for many in (FEW, MANY)}


def copy(journal: Path, folder: Path) -> Path:
    return Path(shutil.copy(journal, folder / journal.name))


# What grows; the other tables are small, or have limits of their own.
LARGE = {"orders", "timeline", "deliveries", "alerts"}
# How statements abbreviate them.
LETTERS = {"o": "orders", "d": "deliveries", "n": "deliveries", "f": "deliveries", "a": "alerts"}
# A walk, or a sort, that is taken as it is: a part of the statement, and why it stays small.
ACCEPTED: dict[str, str] = {
    "FROM orders INDEXED BY orders_due WHERE status": (
        "what is open, and never more than limits.max_open_orders"
    ),
    "FROM deliveries INDEXED BY deliveries_due": "what is due, and nothing that is old",
    "FROM alerts WHERE acked_at IS NULL": "whether one is open",
    "SET acked_at = ? WHERE acked_at IS NULL": "what is open, all of which is taken note of",
    "deliveries_of_pair WHERE next_at IS NOT NULL GROUP BY host": "counts what is due",
    "deliveries_dead_of_host WHERE state = 'dead' AND next_at IS NULL GROUP BY": (
        "counts what died, until it is sent again"
    ),
    "SELECT host, last_result, CASE WHEN state": "the newest thousand",
    "deliveries_of_pair WHERE reseller IN (SELECT code FROM resellers)": "what is due for a host",
    "ORDER BY id LIMIT ?) ORDER BY id": "sorts some of what is open",
    "FROM orders INDEXED BY orders_due WHERE id": "the same",
    "INDEXED BY orders_unsold WHERE id": "sorts what one part holds of the few",
    "INDEXED BY orders_unsold_of_reseller WHERE id": "the same",
    "GROUP BY 1, 2": "sorts one row a status and span of one part",
    "told_at + ? WHERE acked_at IS NULL": "what is open",
    "told_at <= ?": "what is open, and was not told of for long",
    "about IS NOT NULL AND ended_at IS NULL": "the conditions that stand",
    "INDEXED BY deliveries_of_pair WHERE": "what is due, and sorts one row a reseller",
    "SELECT placed_at FROM orders ORDER BY id LIMIT 1": "the first one alone",
    "WITH RECURSIVE pair": "sorts one row a pair of those that are due",
}


def walks(connection: sqlite3.Connection, sql: str, values: Any) -> list[str]:
    """Return the lines of a statement's plan that walk or sort what may be large."""
    if sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")):
        return []
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    words = [line.split() for line in plan]
    if not LARGE & {name for line in words for name in (*line, *map(LETTERS.get, line))}:
        return []
    return [
        line
        for line, said in zip(plan, words, strict=True)
        if "TEMP B-TREE" in line
        or (said[0] == "SCAN" and (said[1] in LARGE or LETTERS.get(said[1]) in LARGE))
    ]


async def test_no_statement_walks_the_journal(journals: dict[int, Path], tmp_path: Path) -> None:
    path = copy(journals[FEW], tmp_path)
    async with noted(path) as (store, notes):
        for _, exercise in exercises(store):
            await exercise()
        said = {sql: values for note in notes for sql, values in note.said.items()}
    found, used = {}, Counter[str]()
    with closing(sqlite3.connect(path)) as connection:
        for sql, values in said.items():
            large = walks(connection, sql, values)
            reasons = [part for part in ACCEPTED if part in sql]
            used.update(reasons if large else [])
            if large and not reasons:
                found[sql] = large
    assert found == {}
    assert set(used) == set(ACCEPTED), "what is accepted no longer walks"
    assert len(said) > 60


async def steps_of(path: Path) -> dict[str, int]:
    """Return how many steps SQLite's machine takes for each intent."""
    steps = {}
    async with noted(path) as (store, notes):
        for name, exercise in exercises(store):
            before = sum(note.steps for note in notes)
            await exercise()
            steps[name] = sum(note.steps for note in notes) - before
    return steps


async def test_no_intent_costs_more_when_there_are_many_old_orders(
    journals: dict[int, Path], tmp_path: Path
) -> None:
    few = await steps_of(copy(journals[FEW], tmp_path))
    many = await steps_of(copy(journals[MANY], tmp_path))
    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name] * 1.2 + 500}
    assert grown == {}
