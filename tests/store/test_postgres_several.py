"""Several processes on one journal: none undoes what another has written, or does it twice."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace

from gateway.domain.alert import Alarm, Kind, What
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.store import (
    AdminRow,
    Busy,
    DeliveryRecord,
    Entry,
    JournalInUse,
    PausedHost,
    ProductChange,
    ProductRow,
    Record,
    SessionRow,
    Store,
)
from gateway.store.keeping import RESTORED, Restored
from gateway.store.open import open_store
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
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def stores(postgres: PostgresServer, database: str) -> AsyncIterator[list[Store]]:
    """What three gateways have open."""
    url = postgres.url(database)
    opened = [await open_journal(url), await open_store(url), await open_store(url)]
    yield opened
    for store in opened:
        await store.close()


def looked_up(before: Order) -> Record:
    entry = Entry(T0, "looked_up", f"{before.lookups}")
    return Record(order=replace(before, lookups=before.lookups + 1), entries=(entry,))


async def test_one_of_equal_requests_is_new(stores: list[Store]) -> None:
    for n in range(10):
        asked = [store.place(record(order(f"T{n}"))) for store in stores for _ in range(4)]
        placed = await asyncio.gather(*asked)
        assert sum(is_new for _, is_new in placed) == 1
        assert len({found.id for found, _ in placed}) == 1


async def test_changes_of_one_order_follow_each_other(stores: list[Store]) -> None:
    placed = await place(stores[0])
    asked = [store.change_order(placed.id, looked_up) for store in stores for _ in range(20)]
    await asyncio.gather(*asked)
    assert (await stores[0].order(placed.id)).lookups == 60
    steps = [e.text for e in await stores[0].timeline(placed.id) if e.kind == "looked_up"]
    assert steps == [str(n) for n in range(60)]


async def test_what_is_remembered_is_not_decided_upon_when_it_is_old(stores: list[Store]) -> None:
    ours, theirs, _ = stores
    placed = await place(ours)
    await theirs.change_order(placed.id, looked_up)
    await ours.change_order(placed.id, looked_up)
    assert (await ours.order(placed.id)).lookups == 2

    def only_if_final(before: Order) -> Record:
        if before.is_open:
            raise ValueError(before.trx_id)
        return Record(order=before, entries=(Entry(T0, "x", "x"),))

    await theirs.change_order(placed.id, lambda before: Record(order=sold(before)))
    written = await ours.change_order(placed.id, only_if_final)
    assert written.order == await theirs.order(placed.id)


async def test_attempts_of_one_delivery_follow_each_other(stores: list[Store]) -> None:
    number = await tell(stores[0], await place(stores[0]), message())

    def attempt(before: Delivery) -> DeliveryRecord:
        told = replace(before, attempts=before.attempts + 1)
        return DeliveryRecord(delivery=told, entry=Entry(T0, "told", "x"))

    await asyncio.gather(*(s.change_delivery(number, attempt) for s in stores for _ in range(10)))
    told = await stores[0].delivery(number)
    assert told is not None
    assert told.attempts == 30


async def test_an_older_message_is_never_due_beside_a_newer(stores: list[Store]) -> None:
    """Whoever resends it, and whoever settles its order anew, at the same moment."""

    def ends(before: Delivery) -> Delivery:
        return replace(before, state=DeliveryState.DEAD, next_at=None)

    def corrected(before: Order) -> Record:
        return Record(order=before, message=message("SUCCESS"), tell_at=T0)

    for n in range(15):
        placed = await place(stores[0], f"A{n}")
        first = await tell(stores[0], placed, message("FAILED"))
        await change_delivery(stores[0], first, ends, Entry(T0, "not_told", "x"))
        settled = asyncio.create_task(stores[1].change_order(placed.id, corrected))
        await asyncio.sleep(n * 0.0004)
        await stores[2].resend_delivery(first, T0 + 9, Entry(T0, "resent", "x"))
        await settled
        due = await stores[0].due_deliveries(T0 + 9, 99, Busy())
        assert [d.message.status for d in due if d.order_id == placed.id] == ["SUCCESS"]


async def test_an_alert_is_raised_and_ended_by_one_and_told_once(stores: list[Store]) -> None:
    full = Alarm(T0, Kind.DISK_LOW, "full", "")
    raised = await asyncio.gather(*(store.raise_alert(full) for store in stores for _ in range(4)))
    assert raised.count(True) == 1
    ended = await asyncio.gather(
        *(store.end_alert(Kind.DISK_LOW, "", T0) for store in stores for _ in range(4))
    )
    assert sum(ended) == 1
    claims = [store.claim_notices(T0, lease_ms=99, limit=9) for store in stores]
    claimed = [notice for part in await asyncio.gather(*claims) for notice in part]
    assert sorted(notice.what for notice in claimed) == [What.ENDED, What.RAISED]


async def test_each_notice_is_claimed_by_one_and_reminded_of_once(stores: list[Store]) -> None:
    for n in range(40):
        await stores[0].raise_alert(Alarm(T0, Kind.SALDO_LOW, f"{n}", f"key{n}"))
    claims = [store.claim_notices(T0, lease_ms=99, limit=5) for store in stores for _ in range(6)]
    claimed = [notice.id for part in await asyncio.gather(*claims) for notice in part]
    assert len(claimed) == len(set(claimed))
    left = await stores[0].claim_notices(T0, lease_ms=99, limit=99)
    assert len(claimed) + len(left) == 40
    due = T0 + 1000
    reminded = await asyncio.gather(
        *(store.remind(due, every_ms=1000, at_most=9) for store in stores)
    )
    assert sum(reminded) == 40
    assert await stores[0].remind(due, every_ms=1000, at_most=9) == 0


async def test_what_all_saw_at_once_is_written_once(stores: list[Store]) -> None:
    product = ProductRow(product_code="S1", name="x", price=7, status="active")
    change = ProductChange(
        account="key1", product_code="S1", at=T0, kind="new", name="x", price=7, status="active"
    )
    seen = [(product, change)]
    noted = await asyncio.gather(
        *(store.note_products("key1", seen, [], forget_before=0) for store in stores)
    )
    assert sorted(noted) == [0, 0, 1]
    assert len(await stores[0].product_changes()) == 1
    await asyncio.gather(
        *(store.add_saldi(T0 + n, {"key1": 5, "key2": 6}) for n, store in enumerate(stores))
    )
    assert [seen.saldo for seen in await stores[0].saldo_history("key1", 0)] == [5]


async def test_a_turn_is_one_nodes_until_it_is_over_or_its_node_is_gone(
    stores: list[Store],
) -> None:
    for store in stores:
        await store.nodes.join(60)
    turns = await asyncio.gather(*(store.nodes.turn("look", 60) for store in stores))
    assert sorted(turns) == [False, False, True]
    assert await asyncio.gather(*(store.nodes.turn("look", 60) for store in stores)) == turns
    first = stores[turns.index(True)]
    others = [store for store in stores if store is not first]
    assert await others[0].nodes.turn("another", 0.01)
    await asyncio.sleep(0.05)
    assert await others[1].nodes.turn("another", 60)
    await first.nodes.leave()
    assert await others[0].nodes.turn("look", 60)


async def test_a_lease_lasts_as_long_as_who_holds_it_was_told(stores: list[Store]) -> None:
    """Nodes are restarted one by one with another `storage.lease_s`."""
    short, long, watching = (store.nodes for store in stores)
    await short.join(0.3)
    await long.join(60)
    await watching.join(0.2)
    peers = []
    for _ in range(4):
        await asyncio.sleep(0.2)
        peers.append(len((await watching.beat(0)).peers))
    assert (peers[0], peers[-1]) == (2, 1), "the lease of 0.3 s is over, that of 60 s is not"
    assert not (await short.beat(0)).held
    assert (await long.beat(0)).held


async def test_what_one_node_pauses_and_who_logs_in_there_all_know(stores: list[Store]) -> None:
    one, two, _ = stores
    await one.pause_host(PausedHost(host="p.test:80", since=T0, who="cli"))
    assert [row.host for row in await two.paused_hosts()] == ["p.test:80"]
    admin = AdminRow(name="budi", role="operator", password="h", created_at=T0, changed_at=T0)
    added = await asyncio.gather(*(store.add_admin(admin) for store in stores))
    assert added.count(True) == 1
    session = SessionRow(
        hash=b"h" * 32, admin="budi", created_at=T0, seen_at=T0, address="::1", agent=""
    )
    await one.add_session(session, password="h", keep=5)
    found = await two.session(session.hash)
    assert found is not None
    await two.end_sessions(ids=[found.id])
    assert await one.session(session.hash) is None


async def test_a_journal_that_was_brought_back_is_marked_when_nobody_works_on_it(
    stores: list[Store],
) -> None:
    one, two, three = stores
    placed = await place(one, due_at=T0 + 9000)
    final = await place(one, "A2")
    await one.change_order(final.id, lambda before: Record(order=sold(before)))
    await one.note_time(T0 + 2, furthest=T0 + 90_000)
    await two.nodes.join(60)
    beating = asyncio.ensure_future(_beat(two))
    with pytest.raises(JournalInUse, match="stop every gateway"):
        await three.mark_restored(T0 + 5)
    beating.cancel()
    assert await one.meta(RESTORED) is None
    await three.mark_restored(T0 + 5)
    kept = await one.meta(RESTORED)
    assert kept is not None
    mark = msgspec.json.decode(kept, type=Restored)
    assert (mark.at, mark.taken_at, mark.asked) == (T0 + 5, T0 + 2, False)
    due = [(await one.order(each.id)).due_at for each in (placed, final)]
    assert due == [T0 + 5, T0 + 5], "what is final may have moved meanwhile"


async def _beat(store: Store) -> None:
    while True:
        await store.nodes.beat(0)
        await asyncio.sleep(0.2)
