"""What every journal does, whatever it is made of: each test runs on each backend."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import DeliveryState
from gateway.domain.order import Order, Status
from gateway.store import Entry, Form, OrderFilter, Record, Store
from tests.store.journals import (
    ACCOUNTS,
    T0,
    Where,
    message,
    only_sqlite,
    open_journal,
    order,
    place,
    record,
    saldi,
    sold,
    tell,
)
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(30)

FULL: dict[str, Any] = {
    "server_id": "34",
    "said_dest": "12|34",
    "callback_url": "http://p.test/é",
    "callback_names": "sn,msg",
    "status": Status.PAID,
    "note": "Böse 王 😀 \"';--",
    "invoice_number": "INV",
    "product_price": 10**14,
    "sends": 2,
    "sending": False,
    "send_ended_at": T0 + 2,
    "named": True,
    "lookups": 3,
    "misses": 1,
    "looked_up_at": T0 + 3,
    "ask_since": T0 + 1,
    "due_at": T0 + 4,
}


# orders


async def test_an_order_is_found_as_it_was_placed(store: Store) -> None:
    placed, is_new = await store.place(record(order(**FULL)))
    assert is_new
    assert placed == replace(order(**FULL), id=placed.id)
    assert await store.order_by_trx_id("toko", "A1") == placed
    assert await store.order_by_invoice("INV", "toko") == placed
    assert await store.order_by_invoice("INV", None) == placed
    assert await store.order(placed.id) == placed
    assert await store.timeline(placed.id) == [Entry(T0, "asked", "x"), Entry(T0, "sending", "1")]


async def test_a_trx_id_is_placed_once_and_then_found_untouched(store: Store) -> None:
    first = await place(store)
    again = record(order(product_code="OTHER", dest="9"), message=message(), saldo=5, alert="x")
    assert await store.place(again) == (first, False)
    assert await store.place(record(order())) == (first, False)
    assert await store.timeline(first.id) == [Entry(T0, "asked", "x"), Entry(T0, "sending", "1")]
    assert await store.deliveries() == []
    assert await saldi(store) == dict.fromkeys(ACCOUNTS)


async def test_equal_requests_at_the_same_time_are_placed_once(store: Store) -> None:
    results = await asyncio.gather(*(store.place(record(order())) for _ in range(50)))
    assert sum(is_new for _, is_new in results) == 1
    assert len({placed.id for placed, _ in results}) == 1


async def test_two_resellers_may_use_the_same_trx_id(store: Store) -> None:
    ours = await place(store)
    theirs = await place(store, reseller="warung")
    assert ours.id != theirs.id
    assert await store.order_by_trx_id("toko", "A1") == ours
    assert await store.order_by_trx_id("warung", "A1") == theirs


async def test_a_trx_id_is_compared_by_bytes(store: Store) -> None:
    for trx_id in ("00123", "123", "0123", "a", "A", "123.0", "1.23e2"):
        await place(store, trx_id)
    found = await store.order_by_trx_id("toko", "123")
    assert found is not None
    assert found.trx_id == "123"
    for trx_id in ("0000123", "aa", "123 ", " 123", "%", "_", "123\x00", "١٢٣"):
        assert await store.order_by_trx_id("toko", trx_id) is None


async def test_an_invoice_is_found_among_one_resellers_or_all(store: Store) -> None:
    ours = await place(store, invoice_number="INV1", named=True)
    assert await store.order_by_invoice("INV1", "warung") is None
    assert await store.order_by_invoice("INV1", None) == ours
    assert await store.order_by_invoice("inv1", None) is None
    newer = await place(store, "A2", invoice_number="INV1", named=True)
    assert await store.order_by_invoice("INV1", "toko") == newer


async def test_an_order_of_nobody_is_not_placed(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)FOREIGN KEY"):
        await store.place(record(order(reseller="nobody")))
    assert await store.order_by_trx_id("nobody", "A1") is None
    assert await store.count_open() == 0


# changes


async def test_a_change_sees_what_is_and_writes_what_it_decides(store: Store) -> None:
    placed = await place(store)
    seen: list[Order] = []

    def decide(before: Order) -> Record:
        seen.append(before)
        return Record(
            order=sold(before),
            entries=(Entry(T0 + 1, "answered", "SUCCESS"), Entry(T0 + 1, "decided", "applied")),
            message=message(),
            tell_at=T0 + 5,
            alert=Entry(T0 + 1, "alert", "look at this"),
            saldo=77,
        )

    written = await store.change_order(placed.id, decide)
    assert seen == [placed]
    assert written.order == await store.order_by_trx_id("toko", "A1") == sold(placed)
    assert [e.kind for e in await store.timeline(placed.id)] == [
        "asked",
        "sending",
        "answered",
        "decided",
        "alert",
    ]
    (told,) = await store.deliveries()
    assert (told.order_id, told.reseller, told.message) == (placed.id, "toko", message())
    assert (told.state, told.attempts, told.next_at) == (DeliveryState.DUE, 0, T0 + 5)
    assert await saldi(store) == {"key1": 77, "key2": None}
    assert await store.count_open() == 0


async def test_every_field_that_changes_is_written(store: Store) -> None:
    placed = await place(store)
    frozen = {"callback_url"}
    changed = replace(placed, **{k: v for k, v in FULL.items() if k not in frozen})
    await store.change_order(placed.id, lambda _: Record(order=changed))
    assert await store.order_by_trx_id("toko", "A1") == changed


async def test_what_an_order_is_for_can_not_be_changed(store: Store) -> None:
    placed = await place(store)
    other = replace(
        placed, reseller="warung", trx_id="B", product_code="S2", dest="9", account="key2"
    )
    await store.change_order(placed.id, lambda _: Record(order=other))
    assert await store.order_by_trx_id("toko", "A1") == placed


async def test_what_is_sent_has_an_upstream_key_and_what_is_not_needs_none(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)CHECK"):
        await place(store, account=None)
    with pytest.raises(Exception, match=r"(?i)FOREIGN KEY"):
        await place(store, account="key9")
    unsent: dict[str, Any] = {"sends": 0, "sending": False, "first_sent_at": None}
    failed: dict[str, Any] = {"status": Status.FAILED, "final_at": T0, "due_at": None}
    placed = await place(store, account=None, **unsent, **failed)
    assert placed.account is None


async def test_a_look_up_that_is_owed_is_always_due(store: Store) -> None:
    placed = await place(store)
    owed = replace(sold(placed), ask_since=T0 + 1)
    with pytest.raises(Exception, match=r"(?i)CHECK"):
        await store.change_order(placed.id, lambda _: Record(order=owed))
    asked = replace(owed, due_at=T0 + 2)
    await store.change_order(placed.id, lambda _: Record(order=asked))
    assert await store.due_orders(T0 + 2, 9, set()) == [asked]


class OddError(Exception):
    """Something a decision raises."""


async def test_a_decision_that_raises_changes_nothing_and_hurts_nobody_else(store: Store) -> None:
    orders = [await place(store, f"A{n}") for n in range(6)]

    def decide(before: Order) -> Record:
        if before.trx_id in {"A1", "A4"}:
            raise OddError(before.trx_id)
        return Record(order=sold(before), entries=(Entry(T0, "answered", "x"),))

    results = await asyncio.gather(
        *(store.change_order(placed.id, decide) for placed in orders), return_exceptions=True
    )
    assert [isinstance(r, OddError) for r in results] == [False, True, False, False, True, False]
    for placed in orders:
        now = await store.order_by_trx_id("toko", placed.trx_id)
        bad = placed.trx_id in {"A1", "A4"}
        assert now == (placed if bad else sold(placed))
        assert len(await store.timeline(placed.id)) == (2 if bad else 3)


async def test_a_change_that_the_journal_refuses_is_undone_whole(store: Store) -> None:
    bad, good = await place(store), await place(store, "A2")

    def forget(before: Order) -> Record:
        return Record(order=replace(before, due_at=None), message=message(), saldo=1)

    def reach_too_far(before: Order) -> Record:
        # the order is written first, then the timeline refuses
        entry = Entry(T0, "x", None)  # type: ignore[arg-type]
        return Record(order=sold(before), entries=(entry,), message=message(), saldo=1)

    results = await asyncio.gather(
        store.change_order(bad.id, forget),
        store.change_order(bad.id, reach_too_far),
        store.change_order(good.id, lambda before: Record(order=sold(before))),
        return_exceptions=True,
    )
    assert [isinstance(r, Exception) for r in results] == [True, True, False]
    assert await store.order_by_trx_id("toko", "A1") == bad
    assert await store.order_by_trx_id("toko", "A2") == sold(good)
    assert await store.deliveries() == []
    assert await saldi(store) == dict.fromkeys(ACCOUNTS)


@pytest.mark.parametrize("odd", [StopIteration(), KeyError("x"), AssertionError()])
async def test_whatever_a_decision_raises_the_next_writer_is_served(
    store: Store, odd: Exception
) -> None:
    placed = await place(store)

    def decide(_: Order) -> Record:
        raise odd

    with pytest.raises((type(odd), RuntimeError)):
        await asyncio.wait_for(store.change_order(placed.id, decide), 5)
    await asyncio.wait_for(place(store, "A2"), 5)


async def test_an_unknown_order_is_an_error_of_its_caller_alone(store: Store) -> None:
    change = store.change_order(999, lambda before: Record(order=before))
    results = await asyncio.gather(change, place(store), return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert isinstance(results[1], Order)


async def test_changes_of_one_order_follow_each_other(store: Store) -> None:
    placed = await place(store)

    def count(before: Order) -> Record:
        return Record(order=replace(before, lookups=before.lookups + 1))

    await asyncio.gather(*(store.change_order(placed.id, count) for _ in range(300)))
    now = await store.order_by_trx_id("toko", "A1")
    assert now is not None
    assert now.lookups == 300


async def test_many_writers_are_all_served(store: Store) -> None:
    placed = await asyncio.gather(
        *(store.place(record(order(f"T{n}", due_at=T0 + n))) for n in range(1000))
    )
    assert all(is_new for _, is_new in placed)
    assert len({found.id for found, _ in placed}) == 1000
    assert all(found.trx_id == f"T{n}" for n, (found, _) in enumerate(placed))
    assert await store.count_open() == 1000


async def add_entry(store: Store, placed: Order, entry: Entry) -> None:
    """Write a step of an order's timeline, and nothing else."""
    await store.change_order(placed.id, lambda now: Record(order=now, entries=(entry,)))


async def test_what_a_cancelled_writer_asked_for_is_written_and_nobody_is_locked_out(
    store: Store,
) -> None:
    placed = await place(store)
    writers = [
        asyncio.create_task(
            add_entry(store, placed, Entry(T0 + n, "told", f"{n}")), name=f"writer {n}"
        )
        for n in range(40)
    ]
    await asyncio.sleep(0)  # each has asked, none has been served
    for n, writer in enumerate(writers):
        if n % 2:
            writer.cancel()
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert sum(isinstance(r, asyncio.CancelledError) for r in results) == 20
    await asyncio.wait_for(place(store, "A2"), 5)
    assert [e.text for e in await store.timeline(placed.id)][2:] == [str(n) for n in range(40)]


async def test_a_writer_that_is_cancelled_while_it_is_written_is_written(store: Store) -> None:
    for n in range(30):
        writer = asyncio.create_task(store.place(record(order(f"C{n}"))))
        for _ in range(n % 5 + 1):
            await asyncio.sleep(0)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    await asyncio.wait_for(place(store, "last"), 5)

    async def all_there() -> bool:  # one may be written a moment after the last
        return await store.count_open() == 31

    await eventually(all_there)


async def test_timelines_keep_their_order(store: Store) -> None:
    ours, theirs = await place(store), await place(store, "A2")
    for n in (3, 1, 2):  # a clock may be set back
        await add_entry(store, ours, Entry(T0 + n, "told", f"o{n}"))
        await add_entry(store, theirs, Entry(T0, "told", f"t{n}"))
    assert [e.text for e in await store.timeline(ours.id)][2:] == ["o3", "o1", "o2"]
    assert [e.text for e in await store.timeline(theirs.id)][2:] == ["t3", "t1", "t2"]
    assert await store.timeline(999) == []


# what is due


async def test_due_orders_come_longest_due_first_without_the_skipped(store: Store) -> None:
    late, soon, later = [
        await place(store, trx_id, due_at=T0 + s)
        for trx_id, s in (("late", -5), ("soon", 0), ("later", 1))
    ]
    done = await place(store, "done")
    await store.change_order(done.id, lambda before: Record(order=sold(before)))

    async def due(now: int, limit: int = 9, skip: set[int] | None = None) -> list[str]:
        return [o.trx_id for o in await store.due_orders(now, limit, skip or set())]

    assert await due(T0 - 6) == []
    assert await due(T0) == ["late", "soon"]
    assert await due(T0 + 1) == ["late", "soon", "later"]
    assert await due(T0 + 1, limit=1) == ["late"]
    assert await due(T0 + 1, skip={late.id}) == ["soon", "later"]
    assert await due(T0 + 1, limit=1, skip={late.id, soon.id}) == ["later"]
    assert await due(T0 + 1, skip={late.id, soon.id, later.id}) == []
    assert await due(T0 + 1, skip=set(range(100, 40_100))) == ["late", "soon", "later"]


async def test_a_final_order_with_a_question_is_due_too(store: Store) -> None:
    placed = await place(store)
    asked = replace(sold(placed), ask_since=T0, due_at=T0)
    await store.change_order(placed.id, lambda _: Record(order=asked))
    assert await store.due_orders(T0, 9, set()) == [asked]
    assert await store.count_open() == 0


@only_sqlite
async def test_interrupted_sends_become_due_now(store: Store) -> None:
    under_way = await place(store, "1", due_at=T0 + 9)
    await place(store, "2", sending=False, send_ended_at=T0, due_at=T0 + 9)
    await place(store, "3", due_at=T0 - 9)
    asked = await place(store, "4", due_at=T0 + 9)
    late_answer = replace(sold(asked), sending=True, due_at=T0 + 9)
    await store.change_order(asked.id, lambda _: Record(order=late_answer))
    assert await store.interrupt_sends(T0) == 1
    due = {o.trx_id: o.due_at for o in await store.due_orders(T0, 9, set())}
    assert due == {under_way.trx_id: T0, "3": T0 - 9}


async def test_listings_show_what_was_asked_for_newest_first(store: Store) -> None:
    placed = [await place(store, f"A{n}") for n in range(4)]
    theirs = await place(store, "B", reseller="warung")
    await store.change_order(placed[2].id, lambda before: Record(order=sold(before)))

    async def listed(**wanted: object) -> list[str]:
        found = await store.orders(OrderFilter(**wanted))  # type: ignore[arg-type]
        return [o.trx_id for o in found]

    assert await listed() == ["B", "A3", "A2", "A1", "A0"]
    assert await listed(reseller="warung") == ["B"]
    assert await listed(statuses=("SUCCESS",)) == ["A2"]
    assert await listed(statuses=("SUCCESS", "PENDING"), reseller="toko", limit=2) == ["A3", "A2"]
    assert await listed(before_id=placed[1].id) == ["A0"]
    assert await listed(before_id=theirs.id, limit=1) == ["A3"]
    assert await listed(reseller="x' OR 1 --") == []


# the rest


async def test_meta_is_kept_once(store: Store) -> None:
    assert await store.meta("salt") is None
    await store.put_meta("salt", b"\x00one")
    await store.put_meta("salt", b"two")
    assert await store.meta("salt") == b"\x00one"


async def test_a_journal_that_can_record_says_so_as_often_as_it_is_asked(store: Store) -> None:
    for _ in range(3):
        await store.check_writable()


async def test_everything_is_there_after_closing_and_opening(journal: Where) -> None:
    first = await open_journal(journal)
    placed = await place(first)
    told = await tell(first, placed, message())
    await first.put_meta("salt", b"s")
    await first.keep_callback("toko-9", Form.TEXT, "q", T0)
    await first.close()
    second = await open_journal(journal)
    assert await second.order_by_trx_id("toko", "A1") == placed
    assert len(await second.timeline(placed.id)) == 3
    assert await second.delivery(told) is not None
    assert await second.meta("salt") == b"s"
    assert len(await second.waiting_callbacks(T0, 9)) == 1
    await second.close()


async def test_what_is_being_written_when_it_is_closed_is_written(journal: Where) -> None:
    first = await open_journal(journal)
    writers = [asyncio.create_task(first.place(record(order(f"A{n}")))) for n in range(300)]
    await asyncio.sleep(0)
    await first.close()
    assert all(is_new for _, is_new in await asyncio.gather(*writers))
    second = await open_journal(journal)
    assert await second.count_open() == 300
    await second.close()
