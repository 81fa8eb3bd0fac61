"""What every journal does with what a reseller is told, and with callbacks of unknown orders."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import Delivery, DeliveryState
from gateway.store import Busy, DeliveryFilter, Entry, Form, Record, Store
from tests.store.journals import T0, change_delivery, message, place, tell

pytestmark = pytest.mark.timeout(30)


class OddError(Exception):
    """Something a decision raises."""


# the outbox


async def test_a_newer_message_takes_the_place_of_what_was_not_told(store: Store) -> None:
    ours, theirs = await place(store), await place(store, "A2")
    first = await tell(store, ours, message("FAILED"))
    untouched = await tell(store, theirs, message("FAILED"))
    second = await tell(store, ours, message("SUCCESS"))
    old, new = await store.delivery(first), await store.delivery(second)
    assert old is not None
    assert new is not None
    assert (old.state, old.next_at) == (DeliveryState.SUPERSEDED, None)
    assert (new.state, new.message.status) == (DeliveryState.DUE, "SUCCESS")
    due = await store.due_deliveries(T0, 9, Busy())
    assert [d.id for d in due] == [untouched, second]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
async def test_what_was_told_or_is_dead_stays_so(store: Store, state: DeliveryState) -> None:
    placed = await place(store)
    first = await tell(store, placed, message("FAILED"))
    await change_delivery(
        store, first, lambda d: replace(d, state=state, next_at=None), Entry(T0, "told", "x")
    )
    await tell(store, placed, message("SUCCESS"))
    old = await store.delivery(first)
    assert old is not None
    assert old.state is state


async def test_a_change_without_a_message_leaves_the_outbox_alone(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())
    await store.change_order(placed.id, lambda before: Record(order=before))
    kept = await store.delivery(first)
    assert kept is not None
    assert kept.state is DeliveryState.DUE


async def test_due_deliveries_come_longest_due_first_without_the_busy(store: Store) -> None:
    hosts = ["a:80", "b:80", "a:80", "c:80"]
    whose = ["toko", "toko", "warung", "warung"]
    placed = [await place(store, f"A{n}", reseller=code) for n, code in enumerate(whose)]
    ids = [
        await tell(store, o, message(host=host), at=T0 + at)
        for o, host, at in zip(placed, hosts, (3, 1, 1, 9), strict=True)
    ]

    async def due(now: int, limit: int = 9, **busy: Any) -> list[int]:
        if "orders" in busy:
            busy["orders"] = {placed[n].id for n in busy["orders"]}
        return [ids.index(d.id) for d in await store.due_deliveries(now, limit, Busy(**busy))]

    assert await due(T0) == []
    assert await due(T0 + 8) == [1, 2, 0]
    assert await due(T0 + 8, limit=2) == [1, 2]
    assert await due(T0 + 9, hosts=("a:80",)) == [1, 3]
    assert await due(T0 + 9, orders=(1, 3)) == [2, 0]
    assert await due(T0 + 9, resellers={"toko"}) == [2, 3]
    assert await due(T0 + 9, limit=1, resellers=["warung"], hosts=("b:80",)) == [0]
    assert await due(T0 + 9, orders=(1,), hosts=("c:80", "a:80")) == []
    assert await due(T0 + 9, resellers=("toko", "warung")) == []


async def test_a_pair_is_left_alone_and_neither_its_host_nor_its_reseller(store: Store) -> None:
    ids = {}
    for number, (code, host) in enumerate(
        [("toko", "a:80"), ("toko", "b:80"), ("warung", "a:80"), ("warung", "b:80")]
    ):
        placed = await place(store, f"A{number}", reseller=code)
        ids[code, host] = await tell(store, placed, message(host=host), at=T0 + number)
    pairs = [("toko", "a:80"), ("warung", "b:80")]
    due = await store.due_deliveries(T0 + 9, 9, Busy(pairs=pairs))
    assert [d.id for d in due] == [ids["toko", "b:80"], ids["warung", "a:80"]]


async def _fill(store: Store) -> dict[tuple[str, str], list[int]]:
    """Put more into the outbox than one look lists: 12 of each pair, the longest due first."""
    ids: dict[tuple[str, str], list[int]] = {}
    number = 0
    for code in ("toko", "warung"):
        for host in ("a:80", "b:80", "c:80"):
            for _ in range(12):
                placed = await place(store, f"A{number}", reseller=code)
                told = await tell(store, placed, message(host=host), at=T0 + number)
                ids.setdefault((code, host), []).append(told)
                number += 1
    return ids


async def test_where_much_is_due_every_pair_is_listed(store: Store) -> None:
    ids = await _fill(store)
    due = await store.due_deliveries(T0 + 999, 30, Busy(of_each=2))
    assert [d.id for d in due] == [number for pair in ids for number in ids[pair][:2]]
    due = await store.due_deliveries(T0 + 999, 5, Busy(of_each=2))
    assert [d.id for d in due] == [number for pair in ids for number in ids[pair][:2]][:5]
    early = await store.due_deliveries(T0 + 24, 9, Busy(of_each=3))
    assert [d.id for d in early] == [
        *ids["toko", "a:80"][:3],
        *ids["toko", "b:80"][:3],
        ids["toko", "c:80"][0],
    ]


@pytest.mark.parametrize("limit", [20, 999])  # of much a part is listed, of little everything
async def test_the_busy_are_left_out_however_much_is_due(store: Store, limit: int) -> None:
    ids = await _fill(store)
    orders = {d.id: d.order_id for d in await store.deliveries(limit=999)}

    async def pairs(**busy: Any) -> list[tuple[str, str]]:
        due = await store.due_deliveries(T0 + 999, limit, Busy(of_each=2, **busy))
        return sorted({(d.reseller, d.message.host) for d in due})

    everyone = sorted(ids)
    assert await pairs() == everyone
    assert await pairs(resellers=["toko"]) == everyone[3:]
    assert await pairs(resellers=["warung"]) == everyone[:3]
    assert await pairs(resellers=["toko", "warung"]) == []
    assert await pairs(hosts=["a:80", "b:80"]) == [("toko", "c:80"), ("warung", "c:80")]
    assert await pairs(pairs=everyone[1:]) == everyone[:1]
    assert await pairs(pairs=everyone[:5]) == everyone[5:]
    taken = [orders[number] for number in ids["toko", "a:80"][:11]]
    due = await store.due_deliveries(T0 + 999, limit, Busy(orders=taken))
    assert [d.id for d in due if (d.reseller, d.message.host) == everyone[0]] == [
        ids["toko", "a:80"][11]
    ]


async def test_a_delivery_changes_by_what_it_is_now_with_a_step_for_its_order(
    store: Store,
) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())

    def later(before: Delivery) -> Delivery:
        return replace(
            before, attempts=before.attempts + 1, next_at=T0 + 60, last_result="HTTP 500"
        )

    written = await change_delivery(store, first, later, Entry(T0 + 1, "told", "HTTP 500"))
    assert written == await store.delivery(first)
    assert (written.attempts, written.next_at, written.last_result) == (1, T0 + 60, "HTTP 500")
    assert (await store.timeline(placed.id))[-1] == Entry(T0 + 1, "told", "HTTP 500")


async def test_the_request_of_a_delivery_never_changes(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())
    await change_delivery(
        store,
        first,
        lambda d: replace(d, message=message("FAILED"), reseller="warung"),
        Entry(T0, "told", "x"),
    )
    kept = await store.delivery(first)
    assert kept is not None
    assert (kept.message, kept.reseller) == (message(), "toko")


async def test_a_delivery_whose_decision_raises_stays_and_leaves_no_step(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())
    steps = await store.timeline(placed.id)

    def decide(before: Delivery) -> Delivery:
        raise OddError(before.id)

    with pytest.raises(OddError):
        await change_delivery(store, first, decide, Entry(T0, "told", "x"))
    kept = await store.delivery(first)
    assert kept is not None
    assert kept.state is DeliveryState.DUE
    assert await store.timeline(placed.id) == steps


async def test_a_delivery_is_resent_with_its_whole_schedule_before_it(store: Store) -> None:
    placed = await place(store)
    first = await tell(store, placed, message())

    def die(before: Delivery) -> Delivery:
        dead = replace(before, state=DeliveryState.DEAD, next_at=None, attempts=14)
        return replace(dead, done_at=T0 + 1, last_result="HTTP 500")

    await change_delivery(store, first, die, Entry(T0 + 1, "not_told", "x"))
    resent = await store.resend_delivery(first, T0 + 9, Entry(T0 + 9, "resent", "by hand"))
    assert resent is not None
    assert resent == await store.delivery(first)
    assert (resent.state, resent.attempts, resent.next_at, resent.done_at) == (
        DeliveryState.DUE,
        0,
        T0 + 9,
        None,
    )
    assert resent.message == message()
    assert (await store.timeline(placed.id))[-1] == Entry(T0 + 9, "resent", "by hand")


async def test_an_older_delivery_is_not_resent_after_a_newer(store: Store) -> None:
    ours, theirs = await place(store), await place(store, "A2")
    first = await tell(store, ours, message("SUCCESS"))
    second = await tell(store, ours, message("REFUNDED"))
    await tell(store, theirs, message())  # newer, but of another order
    old, steps = await store.delivery(first), await store.timeline(ours.id)
    assert await store.resend_delivery(first, T0 + 9, Entry(T0, "resent", "x")) is None
    assert await store.delivery(first) == old
    assert await store.timeline(ours.id) == steps
    assert await store.resend_delivery(second, T0 + 9, Entry(T0, "resent", "x")) is not None


@pytest.mark.parametrize("turned", [False, True])
async def test_a_delivery_that_is_resent_at_the_moment_of_a_newer_gives_way(
    store: Store, *, turned: bool
) -> None:
    """Whichever is written first: it is compared with what is, not with what was."""
    placed = await place(store)
    first = await tell(store, placed, message("SUCCESS"))
    await _ends(store, first, DeliveryState.DEAD, T0)
    newer = Record(order=placed, message=message("REFUNDED"), tell_at=T0)
    asked: list[Awaitable[object]] = [
        store.change_order(placed.id, lambda _: newer),
        store.resend_delivery(first, T0 + 9, Entry(T0, "resent", "x")),
    ]
    await asyncio.gather(*(reversed(asked) if turned else asked))
    due = await store.due_deliveries(T0 + 9, 9, Busy())
    assert [d.message.status for d in due] == ["REFUNDED"]


async def _ends(store: Store, number: int, state: DeliveryState, at: int) -> None:
    await change_delivery(
        store,
        number,
        lambda d: replace(d, state=state, next_at=None, attempts=14, done_at=at),
        Entry(at, "not_told", "x"),
    )


async def _resend(store: Store, *, dry_run: bool = False, **wanted: Any) -> tuple[int, int]:
    meant = DeliveryFilter(**{"since": 0, "until": T0 + 999, **wanted})
    entry = None if dry_run else Entry(T0 + 999, "resent", "all")
    resent, skipped, next_id = 0, 0, 1
    while True:
        part = await store.resend_part(meant, next_id, T0 + 999, entry)
        resent, skipped = resent + part.resent, skipped + part.skipped
        if part.next_id is None:
            return resent, skipped
        assert part.next_id > next_id
        next_id = part.next_id


async def test_everything_dead_is_resent_with_its_whole_schedule_before_it(store: Store) -> None:
    placed = [await place(store, f"A{n}") for n in range(3)]
    ids = [await tell(store, o, message()) for o in placed]
    for number in ids[:2]:
        await _ends(store, number, DeliveryState.DEAD, T0 + 5)
    assert await _resend(store) == (2, 0)
    for number in ids[:2]:
        row = await store.delivery(number)
        assert row is not None
        assert (row.state, row.attempts, row.next_at) == (DeliveryState.DUE, 0, T0 + 999)
        assert row.done_at is None
        assert row.message == message()
        assert (await store.timeline(row.order_id))[-1] == Entry(T0 + 999, "resent", "all")
    assert await _resend(store) == (0, 0)
    untouched = await store.delivery(ids[2])
    assert untouched is not None
    assert untouched.next_at == T0


async def test_what_is_resent_is_the_newest_of_its_order(store: Store) -> None:
    placed = await place(store)
    for status in ("SUCCESS", "REFUNDED"):
        await _ends(store, await tell(store, placed, message(status)), DeliveryState.DEAD, T0)
    assert await _resend(store, dry_run=True) == (1, 1)
    assert await _resend(store) == (1, 1)
    due = await store.due_deliveries(T0 + 999, 9, Busy())
    assert [d.message.status for d in due] == ["REFUNDED"]


async def test_a_dry_run_changes_nothing(store: Store) -> None:
    placed = await place(store)
    number = await tell(store, placed, message())
    await _ends(store, number, DeliveryState.DEAD, T0)
    before, steps = await store.delivery(number), await store.timeline(placed.id)
    assert await _resend(store, dry_run=True) == (1, 0)
    assert await store.delivery(number) == before
    assert await store.timeline(placed.id) == steps


async def test_what_is_resent_can_be_chosen(store: Store) -> None:
    rows = [("toko", "a:80", 1), ("toko", "b:80", 5), ("warung", "a:80", 5), ("warung", "b:80", 9)]
    for number, (code, host, at) in enumerate(rows):
        placed = await place(store, f"A{number}", reseller=code)
        told = await tell(store, placed, message(host=host))
        await _ends(store, told, DeliveryState.DELIVERED, T0 + at)
    await tell(store, await place(store, "B"), message(), at=T0 + 7)

    async def count(**wanted: Any) -> int:
        resent, skipped = await _resend(store, dry_run=True, **wanted)
        assert skipped == 0
        return resent

    assert await count() == 0, "none is dead"
    delivered = {"state": DeliveryState.DELIVERED}
    assert await count(**delivered) == 4
    assert await count(**delivered, since=T0 + 5) == 3
    assert await count(**delivered, since=T0 + 5, until=T0 + 8) == 2
    assert await count(**delivered, reseller="toko") == 2
    assert await count(**delivered, host="a:80") == 2
    assert await count(**delivered, host="a:80", reseller="warung", since=T0 + 6) == 0
    assert await count(state=DeliveryState.DUE, since=T0 + 7) == 1, "by when it was made"
    assert await count(state=DeliveryState.DUE, since=T0 + 8) == 0


async def test_a_long_outbox_is_resent_in_parts(store: Store) -> None:
    for number in range(1100):
        placed = await place(store, f"A{number}")
        await tell(store, placed, message())
    rows = await store.deliveries(limit=2000)
    await asyncio.gather(*(_ends(store, row.id, DeliveryState.DEAD, T0) for row in rows))
    meant = DeliveryFilter(since=T0, until=T0)
    first = await store.resend_part(meant, 1, T0, None)
    assert first.resent < 1100, "a transaction must not be long"
    assert await _resend(store) == (1100, 0)
    assert {row.state for row in await store.deliveries(limit=2000)} == {DeliveryState.DUE}


async def test_deliveries_are_listed_newest_first(store: Store) -> None:
    ours, theirs = await place(store), await place(store, "A2")
    ids = [await tell(store, o, message()) for o in (ours, theirs, ours)]
    listed = await store.deliveries()
    assert [d.id for d in listed] == ids[::-1]
    assert [d.id for d in await store.deliveries(limit=1)] == [ids[2]]
    assert [d.id for d in await store.deliveries(order_id=ours.id)] == [ids[2], ids[0]]
    superseded = await store.deliveries(state=DeliveryState.SUPERSEDED)
    assert [d.id for d in superseded] == [ids[0]]
    assert await store.delivery(999) is None


# callbacks whose order is not known


async def test_a_callback_is_kept_once_until_it_is_done_with(store: Store) -> None:
    await store.keep_callback("toko-9", Form.TEXT, "status=SUCCESS", T0 + 5)
    await store.keep_callback("toko-9", Form.TEXT, "status=SUCCESS", T0 + 9)
    await store.keep_callback("toko-9", Form.TEXT, "status=REFUNDED", T0 + 1)
    assert await store.waiting_callbacks(T0, 9) == []
    first, second = await store.waiting_callbacks(T0 + 5, 9)
    assert (first.text, first.received_at) == ("status=REFUNDED", T0 + 1)
    assert (second.upstream_trx_id, second.text, second.received_at) == (
        "toko-9",
        "status=SUCCESS",
        T0 + 5,
    )
    assert (first.form, second.form) == (Form.TEXT, Form.TEXT)
    assert await store.waiting_callbacks(T0 + 5, 1) == [first]
    await store.put_off_callback(first.id, T0 + 60)
    assert await store.waiting_callbacks(T0 + 59, 9) == [second]
    await store.put_off_callback(second.id, None)
    assert [c.id for c in await store.waiting_callbacks(T0 + 60, 9)] == [first.id]
