"""What every journal finds of its orders, and counts, part by part."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.delivery import DeliveryState
from gateway.domain.order import Dialect, Order, Status
from gateway.store import OrderSearch, Record, Store, Tally, postgres_search, sqlite_search
from tests.store.journals import T0, message, place, sold, tell

pytestmark = pytest.mark.timeout(30)


async def sell(store: Store, trx_id: str, *, after: int = 1_500, **changes: Any) -> Order:
    """Journal an order that is successful `after` milliseconds."""
    frozen = {"reseller", "product_code", "dest", "dialect", "placed_at"} & changes.keys()
    placed = await place(store, trx_id, **{name: changes.pop(name) for name in frozen})
    final = replace(sold(placed), final_at=placed.placed_at + after, **changes)
    return (await store.change_order(placed.id, lambda _: Record(order=final))).order


async def found(store: Store, **wanted: Any) -> list[str]:
    """The trx_ids of what is found, in however many parts."""
    search, names = OrderSearch(**wanted), []
    while True:
        part = await store.find_orders(search, 2)
        names += [order.trx_id for order in part.orders]
        if part.next_id is None:
            return names
        search = replace(search, before_id=part.next_id)


async def tallied(store: Store, **wanted: Any) -> dict[tuple[str, int], tuple[int, int]]:
    """Counts and sums, in however many parts."""
    search = OrderSearch(**wanted)
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    while True:
        part = await store.tally_orders(search)
        for one in part.tallies:
            count, rupiah = sums.get((one.status, one.span), (0, 0))
            sums[one.status, one.span] = (count + one.count, rupiah + one.rupiah)
        if part.next_id is None:
            return sums
        search = replace(search, before_id=part.next_id)


def everywhere(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """Set how much is looked at, on each backend."""
    for backend in (sqlite_search, postgres_search):
        monkeypatch.setattr(backend, name, value)


@pytest.fixture(params=[20_000, 2], ids=["whole", "parts"], autouse=True)
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that hold everything, and parts that hold next to nothing."""
    for name in ("PART", "TALLY_PART"):
        everywhere(monkeypatch, name, request.param)


@pytest.fixture
async def shop(store: Store) -> Store:
    """Six orders: two open, two sold, one failed, one refunded."""
    await sell(store, "A-1", note="Budi - RefId: ML_77", invoice_number="INV1", product_price=500)
    await place(store, "A2", reseller="warung", dialect=Dialect.JSON, placed_at=T0 + 10)
    failed: dict[str, Any] = {"status": Status.FAILED, "note": "100% salah", "after": 90_000}
    await sell(store, "A3", product_code="S2_50", placed_at=T0 + 20, **failed)
    await sell(store, "A4", reseller="warung", dest="98765", placed_at=T0 + 30, product_price=700)
    await place(store, "A5", placed_at=T0 + 40)
    await sell(store, "A6", placed_at=T0 + 50, status=Status.REFUNDED, note="back")
    return store


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["A6", "A5", "A4", "A3", "A2", "A-1"]),
        ({"reseller": "warung"}, ["A4", "A2"]),
        ({"reseller": "nobody"}, []),
        ({"trx_id": "A4"}, ["A4"]),
        ({"trx_id": "warung-A4"}, ["A4"]),
        ({"trx_id": "toko-A4"}, []),
        ({"trx_id": "A-1"}, ["A-1"]),
        ({"trx_id": "A4", "reseller": "toko"}, []),
        ({"trx_id": "A"}, []),
        ({"invoice_number": "INV1"}, ["A-1"]),
        ({"invoice_number": "INV"}, []),
        ({"product_code": "S2"}, ["A3"]),
        ({"product_code": "S_"}, []),
        ({"dest": "876"}, ["A4"]),
        ({"note": "ml_7"}, ["A-1"]),
        ({"note": "0%"}, ["A3"]),
        ({"note": "B%i"}, []),
        ({"note": "'; --"}, []),
        ({"statuses": ["SUCCESS"]}, ["A4", "A-1"]),
        ({"statuses": ["PENDING", "PAID"]}, ["A5", "A2"]),
        ({"statuses": ["PENDING"], "reseller": "warung"}, ["A2"]),
        ({"statuses": ["FAILED", "REFUNDED"]}, ["A6", "A3"]),
        ({"statuses": ["FAILED"], "reseller": "toko"}, ["A3"]),
        ({"statuses": ["FAILED"], "reseller": "warung"}, []),
        ({"statuses": ["SUCCESS", "PENDING"], "reseller": "warung"}, ["A4", "A2"]),
        ({"dialect": "json"}, ["A2"]),
        ({"from_id": 3, "before_id": 5}, ["A4", "A3"]),
        ({"from_id": 3, "before_id": 3}, []),
        ({"statuses": ["FAILED"], "from_id": 4}, []),
        ({"statuses": ["PENDING"], "before_id": 5}, ["A2"]),
    ],
    ids=str,
)
async def test_what_matches_is_found_newest_first_and_nothing_else(
    shop: Store, wanted: dict[str, Any], names: list[str]
) -> None:
    assert await found(shop, **wanted) == names
    counted = await tallied(shop, **wanted)
    assert sum(count for count, _ in counted.values()) == len(names)


async def test_a_part_says_where_the_next_one_begins(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere(monkeypatch, "PART", 3)
    first = await shop.find_orders(OrderSearch(note="RefId"), 9)
    assert (first.orders, first.next_id) == ((), 4)
    second = await shop.find_orders(OrderSearch(note="RefId", before_id=4), 9)
    assert ([order.trx_id for order in second.orders], second.next_id) == (["A-1"], None)
    full = await shop.find_orders(OrderSearch(), 2)
    assert ([order.id for order in full.orders], full.next_id) == ([6, 5], 5)


async def test_orders_are_counted_by_status_and_by_how_long_they_took(shop: Store) -> None:
    assert await tallied(shop) == {
        ("SUCCESS", 1): (2, 1200),
        ("PENDING", 8): (2, 0),
        ("FAILED", 6): (1, 0),
        ("REFUNDED", 1): (1, 0),
    }
    assert (
        Tally("SUCCESS", 1, 1, 700)
        in (await shop.tally_orders(OrderSearch(reseller="warung"))).tallies
    )


async def test_a_time_is_a_number_of_an_order(shop: Store) -> None:
    at = {T0 - 1: 1, T0: 1, T0 + 1: 2, T0 + 10: 2, T0 + 45: 6, T0 + 50: 6, T0 + 51: 7}
    assert {when: await shop.first_order_since(when) for when in at} == at


async def test_of_an_empty_journal_nothing_is_found(store: Store) -> None:
    assert await store.first_order_since(T0) == 1
    assert await found(store) == []
    assert await tallied(store) == {}
    assert await store.oldest_open(5) == []


async def test_where_many_are_open_they_are_found_all_the_same(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere(monkeypatch, "FEW_OPEN", 1)
    assert await found(shop, statuses=["PENDING"]) == ["A5", "A2"]
    assert await found(shop, statuses=["PENDING"], reseller="warung") == ["A2"]
    assert await tallied(shop, statuses=["PENDING", "PAID"]) == {("PENDING", 8): (2, 0)}
    assert len(await shop.oldest_open(5)) == 1


async def test_the_oldest_open_orders_come_first(shop: Store) -> None:
    assert [order.trx_id for order in await shop.oldest_open(5)] == ["A2", "A5"]
    assert [order.trx_id for order in await shop.oldest_open(1)] == ["A2"]


async def test_deliveries_are_counted_as_far_as_is_wanted(shop: Store) -> None:
    due, dead = DeliveryState.DUE, DeliveryState.DEAD
    assert await shop.count_deliveries(due, 5) == 0
    for order_id in (1, 3, 4):
        await tell(shop, await shop.order(order_id), message())
    assert await shop.count_deliveries(due, 5) == 3
    assert await shop.count_deliveries(due, 2) == 2
    assert await shop.count_deliveries(dead, 5) == 0
