"""What every journal does with links, the catalogue that was seen, and what is bought."""

import pytest
from msgspec.structs import replace

from gateway.store import LinkRow, ProductChange, ProductRow, Record, SoldPart, SoldProduct, Store
from tests.store.journals import T0, place, sold

pytestmark = pytest.mark.timeout(30)


def link(token: bytes = b"t", reseller: str = "toko", ends_at: int = T0 + 100) -> LinkRow:
    return LinkRow(
        hash=token.ljust(32, b"."), reseller=reseller, who="budi", created_at=T0, ends_at=ends_at
    )


async def test_a_link_is_found_by_its_hash_alone_and_taken_away(store: Store) -> None:
    number = await store.add_link(link())
    assert await store.link(link().hash) == replace(link(), id=number)
    assert await store.link(b"x" * 32) is None
    await store.see_link(number, T0 + 9)
    assert (await store.links())[0].seen_at == T0 + 9
    assert await store.end_link(number)
    assert not await store.end_link(number)
    assert await store.link(link().hash) is None


async def test_links_are_listed_by_reseller_and_forgotten_when_they_have_ended(
    store: Store,
) -> None:
    first = await store.add_link(link(b"1"))
    second = await store.add_link(link(b"2", "warung", T0 + 5))
    third = await store.add_link(link(b"3"))
    assert [row.id for row in await store.links()] == [third, second, first]
    assert [row.id for row in await store.links("toko")] == [third, first]
    await store.add_link(replace(link(b"4"), created_at=T0 + 5))
    assert await store.links("warung") == []
    assert len(await store.links()) == 3


def product(code: str, price: int | None = 1500, status: str = "active") -> ProductRow:
    return ProductRow(product_code=code, name=f"name of {code}", price=price, status=status)


def change(code: str, kind: str = "price", at: int = T0) -> ProductChange:
    return ProductChange(
        account="key1",
        product_code=code,
        at=at,
        kind=kind,
        name="x",
        price=7,
        price_before=None,
        status="",
    )


async def note(store: Store, account: str, *rows: ProductRow) -> int:
    return await store.note_products(account, [(row, None) for row in rows], [], forget_before=0)


async def test_the_catalogue_is_kept_by_upstream_key(store: Store) -> None:
    await note(store, "key1", product("B"), product("A", None))
    await note(store, "key2", product("A", 9))
    await store.note_products(
        "key1",
        [(product("B", 2, "inactive"), None), (product("C"), None)],
        [change("A", "gone")],
        forget_before=0,
    )
    assert await store.products("key1") == [product("B", 2, "inactive"), product("C")]
    assert await store.products("key2") == [product("A", 9)]
    assert await store.products("key3") == []


async def test_what_another_gateway_has_written_is_not_written_twice(store: Store) -> None:
    for expected in (2, 0):
        told = await store.note_products(
            "key1",
            [(product("A", 7), change("A")), (product("B", None), change("B", "new"))],
            [change("C", "gone")],
            forget_before=0,
        )
        assert told == expected
    assert len(await store.product_changes()) == 2
    assert await store.note_products("key1", [], [change("A", "gone")], forget_before=0) == 1


async def test_changes_are_listed_newest_first_and_forgotten_when_they_are_old(
    store: Store,
) -> None:
    seen = [
        (product("A"), change("A", "new")),
        (product("B"), change("B")),
        (product("A", 7), change("A")),
    ]
    await store.note_products("key1", seen, [change("A", "gone", T0 + 9)], forget_before=0)
    other = replace(change("A"), account="key2")
    await store.note_products("key2", [(product("A"), other)], [], forget_before=0)
    numbers = [one.id for one in await store.product_changes()]
    assert len(numbers) == 5
    assert numbers == sorted(numbers, reverse=True)
    mine = await store.product_changes("key1", "A")
    assert [one.kind for one in mine] == ["gone", "price", "new"]
    assert mine[0] == replace(change("A", "gone", T0 + 9), id=numbers[1])
    codes = [one.product_code for one in await store.product_changes("key1")]
    assert codes == ["A", "A", "B", "A"]
    older = await store.product_changes("key1", "A", before_id=mine[0].id, limit=1)
    assert older == [mine[1]]
    await store.note_products("key1", [], [], forget_before=T0 + 5)
    assert [one.kind for one in await store.product_changes()] == ["gone"]


async def test_what_a_reseller_bought_is_counted_by_product(store: Store) -> None:
    placed = [await place(store, f"A{n}", product_code=f"S{n % 2}") for n in range(5)]
    await place(store, "A0", reseller="warung", product_code="S9")
    await store.change_order(
        placed[0].id, lambda before: Record(order=replace(sold(before), product_price=1500))
    )
    found = await store.sold_products("toko", 1, None)
    assert found.next_id is None
    assert sorted(found.products, key=lambda one: (one.product_code, one.status)) == [
        SoldProduct(product_code="S0", status="PENDING", count=2, rupiah=0),
        SoldProduct(product_code="S0", status="SUCCESS", count=1, rupiah=1500),
        SoldProduct(product_code="S1", status="PENDING", count=2, rupiah=0),
    ]
    part = await store.sold_products("toko", placed[1].id, placed[3].id)
    assert sum(one.count for one in part.products) == 2
    assert await store.sold_products("kios", 1, None) == SoldPart()
