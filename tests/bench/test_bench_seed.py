"""What fills a journal is what the product writes, and holds every rule of its tables."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.bench.names import old_name
from gateway.bench.seed import seed_due, seed_old, seed_open, undelivered
from gateway.store import Record
from gateway.store.open import open_store
from tests.store.journals import RULES, T0, account, message, order, record, reseller, sold

NUMBER = 300
DAY_MS = 86_400_000


async def _journal(folder: Path, *, settled: bool) -> Path:
    """A journal with one order, as a gateway leaves it."""
    path = folder / "gateway.db"
    store = await open_store(path)
    await store.put_resellers([reseller(f"toko{n}") for n in range(8)], [account("key1")])
    placed, _ = await store.place(record(order(reseller="toko0")))
    if settled:
        await store.change_order(
            placed.id,
            lambda before: Record(order=sold(before), message=message(host="h:1"), tell_at=T0),
        )
    await store.close()
    return path


def _rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return connection.execute(sql).fetchall()


async def test_old_orders_are_found_by_their_names(tmp_path: Path) -> None:
    path = await _journal(tmp_path, settled=True)
    seed_old(path, NUMBER, lambda _: None, whole=True)
    store = await open_store(path)
    for number in range(NUMBER):
        found = await store.order_by_trx_id(f"toko{number % 8}", old_name(number))
        assert found is not None
        assert not found.is_open
        assert len(await store.timeline(found.id)) == 1
        (delivery,) = await store.deliveries(order_id=found.id)
        assert delivery.reseller == found.reseller
    assert await store.count_open() == 0
    assert await store.due_orders(T0 + DAY_MS, 10, ()) == [], "nobody looks at them any more"
    await store.close()
    names = [name for (name,) in _rows(path, "SELECT trx_id FROM orders WHERE id > 1")]
    assert len(set(names)) == NUMBER
    assert names != sorted(names), "an index is hit all over"


async def test_open_orders_are_all_due_and_some_are_being_sent(tmp_path: Path) -> None:
    path = await _journal(tmp_path, settled=False)
    seed_open(path, NUMBER)
    store = await open_store(path)
    assert await store.count_open() == NUMBER + 1
    assert await store.interrupt_sends(T0) == 200 + 1, "these, and the one that was copied"
    far = T0 + round(RULES.lease_s) * 1000
    assert len(await store.due_orders(far, 2 * NUMBER, ())) == NUMBER + 1
    await store.close()
    assert _rows(path, "SELECT count(*) FROM orders") == [(NUMBER + 1,)]


async def test_what_is_due_is_for_every_host_and_reseller_in_turn(tmp_path: Path) -> None:
    path = await _journal(tmp_path, settled=True)
    urls = seed_due(path, NUMBER, [5, 6, 7])
    hosts = [url.split("/")[2] for url in urls if url.startswith("http://127")]
    assert len(set(urls)) == len(urls) == NUMBER + 1, "and the one that was copied"
    assert [hosts.count(f"127.0.0.1:{port}") for port in (5, 6, 7)] == [100, 100, 100]
    assert undelivered(path) == NUMBER + 1
    again = seed_due(path, NUMBER, [5, 6, 7])
    assert len(again) == 2 * NUMBER + 1, "as often as wanted"
    pairs = _rows(path, "SELECT count(DISTINCT reseller), count(DISTINCT host) FROM deliveries")
    assert pairs == [(8, 4)]
