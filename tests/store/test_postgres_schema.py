"""Which database is a journal, its migrations, and what it refuses whatever the code says."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.domain.errors import JournalUnavailable
from gateway.store import Entry, Form, JournalUnusable, Record, Store
from gateway.store.migrate import migrations
from gateway.store.open import open_store, running_gateway
from tests.store.journals import T0, message, open_journal, order, place, record, sold, tell
from tests.support.postgres import PostgresServer
from tests.support.wait import reserved_port

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).parents[2]
OPENER = """
import asyncio, sys
from gateway.store.open import open_store

async def main():
    await (await open_store(sys.argv[1])).close()

sys.stdin.readline()  # all of them have started by now, and begin together
asyncio.run(main())
"""


@pytest.fixture
async def empty(postgres: PostgresServer) -> AsyncIterator[str]:
    """The name of a database with nothing in it."""
    name = await postgres.make(empty=True)
    yield name
    await postgres.drop(name)


async def test_five_that_start_at_once_make_one_journal(
    postgres: PostgresServer, empty: str
) -> None:
    starting = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", OPENER, postgres.url(empty)),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(5)
    ]
    ended = await asyncio.gather(*(process.communicate(b"\n") for process in starting))
    assert [said for _, said in ended] == [b""] * 5
    assert [process.returncode for process in starting] == [0] * 5
    connection = await asyncpg.connect(postgres.url(empty))
    forms = await connection.fetch("SELECT form FROM otomax_gateway")
    await connection.close()
    assert [row["form"] for row in forms] == [max(migrations("postgres"))]


def test_a_number_means_the_same_form_on_both() -> None:
    ours, sqlites = migrations("postgres"), migrations("sqlite")
    assert max(ours) == max(sqlites)
    assert list(sqlites) == list(range(1, max(sqlites) + 1))
    assert min(ours) == 5


async def test_a_journal_of_a_newer_gateway_is_refused(
    postgres: PostgresServer, database: str
) -> None:
    await postgres.execute("UPDATE otomax_gateway SET form = 99", database)
    with pytest.raises(JournalUnusable, match="this journal has form 99, this gateway knows"):
        await open_store(postgres.url(database))


async def test_a_migration_that_fails_leaves_nothing(postgres: PostgresServer, empty: str) -> None:
    await postgres.execute("CREATE TYPE deliveries AS (x int)", empty)  # in the way of a table
    with pytest.raises(JournalUnavailable, match="deliveries"):
        await open_store(postgres.url(empty))
    await postgres.execute("DROP TYPE deliveries", empty)
    await (await open_store(postgres.url(empty))).close()


async def test_a_database_that_holds_something_else_is_refused(
    postgres: PostgresServer, empty: str
) -> None:
    await postgres.execute("CREATE TABLE customers (name text)", empty)
    with pytest.raises(JournalUnusable, match="no journal of otomax-gateway"):
        await open_store(postgres.url(empty))
    connection = await asyncpg.connect(postgres.url(empty))
    assert await connection.fetchval("SELECT to_regclass('orders')") is None
    await connection.close()


async def test_a_server_that_may_lose_a_commit_is_refused(
    postgres: PostgresServer, database: str
) -> None:
    await postgres.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    with pytest.raises(JournalUnusable, match="synchronous_commit is off"):
        await open_store(postgres.url(database))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("/test", "/nowhere_"), JournalUnusable, "does not exist"),
        (("postgres@", "nobody:CANARY@"), JournalUnusable, "nobody"),
        (("?host", "?sslmode=CANARY&host"), JournalUnusable, "the URL is not understood"),
        (("?host", "?CANARY=1&host"), JournalUnavailable, "CANARY"),
    ],
)
async def test_a_wrong_url_is_told_in_a_line_without_its_password(
    postgres: PostgresServer,
    database: str,
    change: tuple[str, str],
    error: type[Exception],
    said: str,
) -> None:
    url = postgres.url(database).replace(*change)
    assert url != postgres.url(database)
    with pytest.raises(error) as caught:
        await open_store(url)
    text = str(caught.value)
    assert text.startswith("postgresql:///")
    assert "\n" not in text
    if "CANARY=1" not in url:
        assert said in text
        assert "CANARY" not in text
    assert caught.value.__suppress_context__


async def test_a_server_that_is_away_at_the_start_may_come_back() -> None:
    with reserved_port() as port:
        url = f"postgresql://u:CANARY@127.0.0.1:{port}/db"
        with pytest.raises(JournalUnavailable) as caught:
            await open_store(url)
    assert str(caught.value).startswith(f"postgresql://127.0.0.1:{port}/db: ")
    assert "CANARY" not in str(caught.value)


async def test_what_it_needs_is_said_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("gateway.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(JournalUnusable, match=r"pip install 'otomax-gateway\[postgres\]'"):
        await open_store("postgresql://u:CANARY@h/db")


async def test_nobody_holds_it(postgres: PostgresServer, database: str) -> None:
    first = await open_journal(postgres.url(database))
    second = await open_store(postgres.url(database))
    first.announce({"control": "here"})
    assert running_gateway(postgres.url(database)) == {}
    placed = await place(first)
    assert await second.order(placed.id) == placed
    assert first.size().journal == 0
    assert await first.empty_log()
    await first.close()
    await second.close()


async def test_a_gateway_that_starts_leaves_the_sends_of_the_others_alone(
    postgres: PostgresServer, database: str
) -> None:
    first = await open_journal(postgres.url(database))
    sending = await place(first, due_at=T0 + 9)
    second = await open_store(postgres.url(database))
    assert await second.interrupt_sends(T0) == 0
    assert await second.order(sending.id) == sending
    await first.close()
    await second.close()


# what the database itself refuses


@pytest.fixture
async def store(postgres: PostgresServer, database: str) -> AsyncIterator[Store]:
    opened = await open_journal(postgres.url(database))
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE orders SET status = 'PENDING', final_at = NULL, due_at = 1, {fence}",
            "a final order is never opened again",
        ),
        ("UPDATE orders SET trx_id = 'B', {fence}", "what an order is for never changes"),
        ("UPDATE orders SET dest = '9', {fence}", "what an order is for never changes"),
        ("UPDATE orders SET account = 'key2', {fence}", "what an order is for never changes"),
        ("UPDATE orders SET dialect = 'json', {fence}", "what an order is for never changes"),
        ("DELETE FROM orders", "a trx_id is used for ever"),
        ("TRUNCATE orders CASCADE", "a trx_id is used for ever"),
        ("UPDATE orders SET note = 'x'", "a change of an order raises its fence"),
        ("UPDATE deliveries SET attempts = 3", "a change of a delivery raises its fence"),
        ("UPDATE deliveries SET next_at = NULL, {fence}", "check constraint"),
        ("UPDATE orders SET sends = 4, {fence}", "check constraint"),
        ("UPDATE orders SET named = false, {fence}", "check constraint"),
        ("UPDATE orders SET ask_since = 1, {fence}", "check constraint"),
        ("DELETE FROM resellers", "foreign key"),
    ],
)
async def test_the_journal_refuses_what_must_never_be(
    postgres: PostgresServer, database: str, store: Store, sql: str, said: str
) -> None:
    placed = await place(store)
    await tell(store, placed, message())
    await store.change_order(placed.id, lambda now: Record(order=sold(now)))
    with pytest.raises(asyncpg.PostgresError, match=said):
        await postgres.execute(sql.format(fence="fence = fence + 1"), database)
    assert await store.order(placed.id) == sold(placed)


async def test_what_is_refused_shows_nothing_of_the_row(store: Store) -> None:
    placed = await place(store)
    bad = replace(placed, due_at=None, note="CANARY")
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await store.change_order(placed.id, lambda _: Record(order=bad))
    assert "CANARY" not in str(caught.value)


async def test_what_postgresql_keeps_in_no_text_is_marked(store: Store) -> None:
    """SQLite keeps a NUL; here a mark stands in its place, so that it can be written at all."""
    placed = await place(store)
    odd = replace(sold(placed), note="a\0b\ud800c")
    entry = Entry(T0, "answered", "\0")
    change = Record(order=odd, entries=(entry,), message=message("S\0"), alert=entry)
    await store.change_order(placed.id, lambda _: change)
    assert (await store.order(placed.id)).note == "a\ufffdb\ufffdc"
    assert (await store.timeline(placed.id))[-1].text == "\ufffd"
    await store.change_order(placed.id, lambda now: Record(order=replace(now, note="x")))
    assert (await store.order(placed.id)).note == "x"
    await store.keep_callback("toko-9\0", Form.TEXT, "q\0", T0)
    assert [c.text for c in await store.waiting_callbacks(T0, 9)] == ["q\ufffd"]


async def test_long_texts_are_kept_where_an_index_is(store: Store) -> None:
    placed = await place(store)
    long = "".join(f"{n} " for n in range(20_000))
    alert = Entry(T0, "alert", long)
    for _ in range(2):
        await store.change_order(placed.id, lambda now: Record(order=now, alert=alert))
        await store.keep_callback("toko-9", Form.JSON, long, T0)
        await store.raise_alert(alert)
    assert [a.text for a in await store.alerts()] == [long, long]
    assert [c.text for c in await store.waiting_callbacks(T0, 9)] == [long]


async def test_a_number_that_was_drawn_for_nothing_leaves_a_gap_and_no_more(store: Store) -> None:
    first = await place(store)
    told = replace(record(order()), message=lambda _: message())
    assert await store.place(told) == (first, False)
    second = await store.place(replace(told, order=order("A2")))
    assert second[1]
    assert second[0].id > first.id
    assert [d.order_id for d in await store.deliveries()] == [second[0].id]
