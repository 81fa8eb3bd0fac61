"""Moving what is old out of the journal: what leaves, what stays, and that nothing is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.errors import NotDone
from gateway.domain.order import Order, Status
from gateway.store import DeliveryRecord, Entry, OldPart, Place, Record, Store
from gateway.store.sqlite_archive import PART
from tests.store.journals import (
    T0,
    change_delivery,
    message,
    open_journal,
    order,
    place,
    record,
    sold,
    tell,
)

pytestmark = pytest.mark.timeout(30)

OLD = T0 + 1_000_000  # what happened before is old
NOW = OLD + 1_000_000


async def sell(store: Store, trx_id: str, *, at: int = T0, **changes: Any) -> Order:
    """Journal an order and what became of it: two steps, and one that decides."""
    steps = (Entry(at, "asked", "x"), Entry(at, "sending", "1"))
    placed, _ = await store.place(record(order(trx_id, placed_at=at), entries=steps))
    after = replace(sold(placed), final_at=at, **changes)
    change = Record(order=after, entries=(Entry(at, "decided", "sold"),))
    await store.change_order(placed.id, lambda _: change)
    return after


async def deliver(store: Store, sold: Order, *, at: int = T0, state: str = "delivered") -> None:
    """Tell of an order, in two steps more."""
    delivery_id = await tell(store, sold, message(), at)
    done: dict[str, Any] = {"state": DeliveryState(state), "attempts": 1, "last_result": "200"}
    if state != "due":
        done |= {"next_at": None, "done_at": at}
    step = Entry(at, "told", "x")
    await change_delivery(store, delivery_id, lambda before: replace(before, **done), step)


async def finished(store: Store, trx_id: str, *, at: int = T0) -> Order:
    """Journal an order that was sold and told: five steps and a delivery."""
    order = await sell(store, trx_id, at=at)
    await deliver(store, order, at=at)
    return order


async def newest_delivery(store: Store) -> None:
    """Let another order have the newest delivery, which always stays."""
    await finished(store, "newest", at=NOW)


async def look(store: Store) -> list[OldPart]:
    """Look through all that was not looked at."""
    parts, reached = [], Place(again=True)
    while True:
        parts.append(await store.old_part(OLD, reached))
        if parts[-1].next_place is None:
            return parts
        reached = parts[-1].next_place


async def move(store: Store, path: Path, *, keep_only: bool = False) -> list[int]:
    """Move all that is old; returns which orders."""
    archive = await store.open_archive(path)
    moved: list[int] = []
    reached: Place | None = Place(again=True)
    try:
        while reached is not None:
            part = await store.old_part(OLD, reached)
            await archive.keep(part.orders)
            if not keep_only:
                moved += await store.forget(part, OLD, NOW, path.name)
            reached = part.next_place
    finally:
        await archive.close()
    return moved


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute(sql).fetchall()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


# what is moved


async def test_an_old_order_keeps_its_key_and_says_where_its_timeline_is(
    store: Store, archive: Path
) -> None:
    old = await finished(store, "A1")
    (told,) = await store.deliveries(order_id=old.id)
    timeline = await store.timeline(old.id)
    await newest_delivery(store)
    assert await move(store, archive) == [old.id]

    assert await store.timeline(old.id) == [
        Entry(NOW, "archived", "moved to archive.db: steps 5, deliveries 1")
    ]
    assert await store.deliveries(order_id=old.id) == []
    assert await store.order(old.id) == old
    again, is_new = await store.place(record(order("A1")))
    assert (again, is_new) == (old, False)
    kept = "SELECT n, at, kind, text FROM timeline WHERE upstream_trx_id = 'toko-A1' ORDER BY n"
    assert [Entry(*row[1:]) for row in rows(archive, kept)] == timeline
    assert [row[0] for row in rows(archive, kept)] == [1, 2, 3, 4, 5]
    assert rows(archive, "SELECT id, order_id, upstream_trx_id, url, state FROM deliveries") == [
        (told.id, old.id, "toko-A1", told.message.url, "delivered")
    ]


async def test_steps_that_come_later_stand_behind_it(store: Store, archive: Path) -> None:
    old = await finished(store, "A1")
    await newest_delivery(store)
    await move(store, archive)
    refund = Record(
        order=old, entries=(Entry(T0 + 9, "decided", "refunded"),), message=message("REFUNDED")
    )
    await store.change_order(old.id, lambda _: refund)
    assert [entry.kind for entry in await store.timeline(old.id)] == ["archived", "decided"]
    (correction,) = await store.deliveries(order_id=old.id)
    assert correction.state is DeliveryState.DUE
    assert await move(store, archive) == []
    assert rows(archive, "SELECT max(n) FROM timeline") == [(5,)]


async def test_many_are_moved_in_parts(store: Store, archive: Path) -> None:
    for n in range(PART + 5):
        await sell(store, f"A{n}")
    await newest_delivery(store)
    assert len(await look(store)) > 1
    assert len(await move(store, archive)) == PART + 5
    assert rows(archive, "SELECT count(*), count(DISTINCT order_id) FROM timeline") == [
        (3 * (PART + 5), PART + 5)
    ]
    assert await move(store, archive) == []


async def test_one_that_was_placed_while_the_clock_was_wrong_hides_nobody(
    store: Store, archive: Path
) -> None:
    await sell(store, "ahead", at=NOW)
    old = await sell(store, "A1")
    assert await move(store, archive) == [old.id]


# what stays


async def _open(store: Store) -> Order:
    return await place(store, "X", placed_at=T0)


async def _young(store: Store) -> Order:
    return await sell(store, "X", at=OLD)


async def _watched(store: Store) -> Order:
    return await sell(store, "X", status=Status.FAILED, due_at=T0 + 5)


async def _in_doubt(store: Store) -> Order:
    return await sell(store, "X", ask_since=T0, due_at=T0 + 5)


async def _told_lately(store: Store) -> Order:
    order = await sell(store, "X")
    await deliver(store, order, at=OLD)
    return order


async def _due(store: Store) -> Order:
    order = await sell(store, "X")
    await deliver(store, order, state="due")
    return order


async def _dead(store: Store) -> Order:
    order = await sell(store, "X")
    await deliver(store, order, state="dead")
    return order


async def _corrected_lately(store: Store) -> Order:
    order = await finished(store, "X")
    step = Record(order=order, entries=(Entry(OLD, "decided", "x"),))
    await store.change_order(order.id, lambda _: step)
    return order


async def _alarming(store: Store) -> Order:
    order = await finished(store, "X")
    alarm = Record(order=order, alert=Alarm(T0, Kind.CONTRADICTION, "look"))
    await store.change_order(order.id, lambda _: alarm)
    return order


STAYS = [_open, _young, _watched, _in_doubt, _told_lately, _due, _dead, _corrected_lately]


@pytest.mark.parametrize("make", [*STAYS, _alarming], ids=lambda make: make.__name__[1:])
async def test_it_stays_whole_while_something_may_come_of_it(
    store: Store, archive: Path, make: Any
) -> None:
    stays = await make(store)
    before = (await store.timeline(stays.id), await store.deliveries(order_id=stays.id))
    old = await finished(store, "behind")
    await newest_delivery(store)
    assert await move(store, archive) == [old.id]
    assert (await store.timeline(stays.id), await store.deliveries(order_id=stays.id)) == before


async def test_what_stayed_is_looked_at_again(store: Store, archive: Path) -> None:
    stays = await _alarming(store)
    await newest_delivery(store)
    for _ in range(2):
        assert await move(store, archive) == []
    await store.ack_alerts(None, NOW)
    assert await move(store, archive) == [stays.id]
    assert await move(store, archive) == []


async def test_the_newest_delivery_s_number_is_never_given_again(
    store: Store, archive: Path
) -> None:
    first = await finished(store, "A1")
    assert await move(store, archive) == []
    second = await finished(store, "A2")
    assert await move(store, archive) == [first.id]
    (told,) = await store.deliveries(order_id=second.id)
    assert told.id == 2


async def test_what_happens_between_reading_and_forgetting_is_not_forgotten(
    store: Store, archive: Path
) -> None:
    old = await finished(store, "A1")
    await newest_delivery(store)
    *_, part = await look(store)
    assert [each.id for each in part.orders] == [old.id]
    opened = await store.open_archive(archive)
    await opened.keep(part.orders)
    (told,) = await store.deliveries(order_id=old.id)
    assert await store.resend_delivery(told.id, NOW, Entry(NOW, "resent", "x"))
    assert await store.forget(part, OLD, NOW, "archive.db") == []
    assert len(await store.timeline(old.id)) == 6
    (due,) = await store.deliveries(order_id=old.id)
    assert due.state is DeliveryState.DUE

    def arrive(before: Delivery) -> DeliveryRecord:
        done = replace(before, state=DeliveryState.DELIVERED, next_at=None, attempts=2)
        return DeliveryRecord(delivery=done, entry=Entry(NOW, "told", "x"))

    await store.change_delivery(told.id, arrive)
    (later,) = (await store.old_part(NOW + 1, Place(again=True))).orders
    await opened.keep([later])
    await opened.close()
    assert rows(archive, "SELECT attempts FROM deliveries") == [(2,)]
    assert rows(archive, "SELECT count(*) FROM timeline") == [(7,)]


# interrupted, repeated, refused


async def test_a_move_that_ended_before_the_journal_forgot_is_done_again(
    store: Store, archive: Path
) -> None:
    old = await finished(store, "A1")
    await newest_delivery(store)
    await move(store, archive, keep_only=True)
    assert len(await store.timeline(old.id)) == 5
    assert await move(store, archive) == [old.id]
    assert rows(archive, "SELECT count(*) FROM timeline") == [(5,)]
    assert rows(archive, "SELECT count(*) FROM deliveries") == [(1,)]


@pytest.mark.parametrize(
    "differs",
    ["UPDATE timeline SET text = 'y' WHERE n = 2", "UPDATE deliveries SET url = 'http://other/'"],
)
async def test_an_archive_that_holds_something_else_is_refused_and_nothing_is_lost(
    store: Store, archive: Path, differs: str
) -> None:
    old = await finished(store, "A1")
    await sell(store, "A2")
    await newest_delivery(store)
    await move(store, archive, keep_only=True)
    with closing(sqlite3.connect(archive)) as other, other:
        other.execute(differs)
        other.execute("DELETE FROM timeline WHERE order_id = 2")
    with pytest.raises(NotDone, match="name another file"):
        await move(store, archive)
    assert len(await store.timeline(old.id)) == 5
    assert rows(archive, "SELECT count(*) FROM timeline WHERE order_id = 2") == [(0,)]


async def test_the_journal_and_other_files_are_no_archive(
    journal: Path, store: Store, tmp_path: Path
) -> None:
    linked, foreign, garbage = (tmp_path / name for name in ("linked.db", "foreign.db", "x.txt"))
    linked.hardlink_to(journal)
    with closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE customers (name)")
        other.commit()
    garbage.write_bytes(b"a letter to my aunt\n" * 500)
    wal = journal.with_name(journal.name + "-wal")
    nowhere = tmp_path / "no" / "folder.db"
    for path in (journal, linked, wal, foreign, garbage, nowhere, tmp_path):
        with pytest.raises(NotDone):
            await store.open_archive(path)
    await place(store)
    assert garbage.read_bytes() == b"a letter to my aunt\n" * 500
    assert rows(foreign, "SELECT name FROM sqlite_schema") == [("customers",)]
    assert len(rows(journal, "SELECT id FROM orders")) == 1


async def test_the_archive_is_beside_the_journal_and_for_its_owner_alone(
    journal: Path, store: Store
) -> None:
    path = store.archive_path(None)
    assert path == journal.with_name("gateway-archive.db")
    assert store.archive_path(Path("/a/b")) == Path("/a/b")
    await (await store.open_archive(path)).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in path.parent.glob("*archive*")} == {path.name}


async def test_the_room_of_what_was_moved_is_used_again(journal: Path, archive: Path) -> None:
    store = await open_journal(journal)
    for n in range(200):
        await finished(store, f"A{n}")
    await newest_delivery(store)
    await move(store, archive)
    await store.close()
    pages = rows(journal, "PRAGMA page_count")
    store = await open_journal(journal)
    for n in range(20):
        await finished(store, f"B{n}")
    await store.close()
    assert rows(journal, "PRAGMA page_count") == pages
