"""What every journal does with resellers, their keys, and the keys that they buy under."""

import pytest

from gateway.store import Record, Store
from tests.store.journals import T0, account, key_row, place, reseller, saldi

pytestmark = pytest.mark.timeout(30)


# resellers


async def test_resellers_are_kept_whole_by_code(store: Store) -> None:
    full = reseller(
        "zebra",
        name='Zé "bra"',
        account="key2",
        callback_url="http://p.test/",
        callback_hosts=("a.test", "b.test"),
        allow_ips=("203.0.113.0/24",),
        delivery="report",
        suspended=True,
        keys=(key_row(b"old", ends_at=T0 + 9), key_row(b"new", created_at=T0 + 1)),
    )
    await store.put_resellers([full])
    listed = await store.resellers()
    assert [row.code for row in listed] == ["toko", "warung", "zebra"]
    assert listed[2] == full


async def test_a_reseller_has_exactly_the_keys_that_were_written_last(store: Store) -> None:
    await store.put_resellers([reseller(keys=(key_row(b"one"), key_row(b"two")))])
    await store.put_resellers([reseller(keys=(key_row(b"two"), key_row(b"three")))])
    rows = await store.resellers()
    assert {key.hash for key in rows[0].keys} == {key_row(b"two").hash, key_row(b"three").hash}
    assert len(rows[1].keys) == 1
    await store.put_resellers([reseller(keys=())])
    assert (await store.resellers())[0].keys == ()


async def test_a_key_may_pass_from_a_reseller_to_another(store: Store) -> None:
    one, two = key_row(b"one"), key_row(b"two")
    await store.put_resellers([reseller(keys=(one,)), reseller("warung", keys=(two,))])
    await store.put_resellers([reseller(keys=(two,)), reseller("warung", keys=(one,))])
    assert [row.keys for row in await store.resellers()] == [(two,), (one,)]


async def test_resellers_are_written_all_or_none(store: Store) -> None:
    before = await store.resellers()
    bad = reseller("UPPER")
    with pytest.raises(Exception, match="CHECK"):
        await store.put_resellers([reseller(name="changed"), bad])
    taken = reseller("other", keys=before[0].keys)  # a key of somebody else
    with pytest.raises(Exception, match="UNIQUE"):
        await store.put_resellers([reseller("fresh"), taken])
    assert await store.resellers() == before


# upstream keys


async def test_upstream_keys_are_kept_once_and_for_ever(store: Store) -> None:
    rows = [reseller(account="key3"), reseller("warung", account=None)]
    await store.put_resellers(rows, [account("key3"), account("key1", sealed=b"other seal")])
    assert sorted(row.id for row in await store.accounts()) == ["key1", "key2", "key3"]
    first = next(row for row in await store.accounts() if row.id == "key1")
    assert first.sealed == account("key1").sealed
    assert [row.account for row in await store.resellers()] == ["key3", None]


async def test_a_reseller_under_an_unknown_upstream_key_is_not_written(store: Store) -> None:
    before, accounts = await store.resellers(), await store.accounts()
    with pytest.raises(Exception, match="FOREIGN KEY"):
        await store.put_resellers([reseller(account="key9")], [account("key8")])
    assert await store.resellers() == before
    assert await store.accounts() == accounts


async def test_a_saldo_is_seen_under_one_upstream_key(store: Store) -> None:
    assert await saldi(store) == {"key1": None, "key2": None}
    await store.see_saldo("key1", 12345)
    await store.see_saldo("key2", 0)
    await store.see_saldo("key9", 5)  # of nobody
    assert await saldi(store) == {"key1": 12345, "key2": 0}


async def test_what_is_heard_of_an_order_is_seen_under_its_own_upstream_key(store: Store) -> None:
    """The reseller has another one meanwhile."""
    placed = await place(store)
    await store.put_resellers([reseller(account="key2")])
    await store.change_order(placed.id, lambda before: Record(order=before, saldo=77))
    assert await saldi(store) == {"key1": 77, "key2": None}
    await store.change_order(placed.id, lambda before: Record(order=before))
    assert await saldi(store) == {"key1": 77, "key2": None}


async def test_a_saldo_survives_its_reseller_being_written_again(store: Store) -> None:
    await store.see_saldo("key1", 12345)
    rows = [reseller(name="new name", created_at=T0 + 99)]
    await store.put_resellers(rows, [account("key1")])
    row = (await store.resellers())[0]
    assert (row.name, row.created_at) == ("new name", T0)
    assert await saldi(store) == {"key1": 12345, "key2": None}
