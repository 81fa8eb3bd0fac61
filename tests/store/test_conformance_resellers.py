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
    with pytest.raises(Exception, match=r"(?i)CHECK"):
        await store.put_resellers([reseller(name="changed"), bad])
    taken = reseller("other", keys=before[0].keys)  # a key of somebody else
    with pytest.raises(Exception, match=r"(?i)UNIQUE"):
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
    with pytest.raises(Exception, match=r"(?i)FOREIGN KEY"):
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


# seals


async def test_every_seal_and_nothing_else_is_sealed_anew(store: Store) -> None:
    await store.put_meta("root", b"sealed root")
    await store.put_meta("other", b"sealed by nobody")
    many = [reseller(f"r{n}", key=b"many", pin=b"1", password=b"2") for n in range(450)]
    await store.put_resellers(many)
    seen: list[bytes] = []

    def anew(blob: bytes) -> bytes:
        seen.append(blob)
        return blob if blob == b"2" else b"anew " + blob

    done = await store.seal_anew(anew, ("root",))
    keys = len(many) + 2  # and the two that were there
    assert done == (1 + 2 + keys + 450 * 2, 1 + 2 + keys + 450)
    assert len(seen) == done.held
    assert await store.meta("root") == b"anew sealed root"
    assert await store.meta("other") == b"sealed by nobody"
    assert {row.sealed for row in await store.accounts()} == {
        b"anew sealed key1",
        b"anew sealed key2",
    }
    rows = await store.resellers()
    assert {row.pin for row in rows} == {None, b"anew 1"}
    assert {row.password for row in rows} == {None, b"2"}
    assert {key.sealed for row in rows for key in row.keys} == {b"anew sealed"}


async def test_a_seal_that_does_not_open_ends_it_and_can_be_repeated(store: Store) -> None:
    def refuses(blob: bytes) -> bytes:
        raise LookupError(str(len(blob)))

    with pytest.raises(LookupError):
        await store.seal_anew(refuses, ())
    assert (await store.seal_anew(lambda blob: blob, ())).changed == 0
