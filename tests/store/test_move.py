"""A journal is moved whole or not at all, and two are never in use."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import DeliveryState
from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.domain.order import Order, Status
from gateway.store import (
    Entry,
    Form,
    JournalInUse,
    JournalUnusable,
    OrderFilter,
    Record,
    Store,
)
from gateway.store.move import Moved, move_journal
from gateway.store.move_form import OF_POSTGRES_ALONE, Table, common
from gateway.store.move_postgres import postgres_source
from gateway.store.move_sqlite import sqlite_source
from gateway.store.open import name_of, open_store
from tests.store.journals import (
    ACCOUNTS,
    CODES,
    T0,
    Where,
    account,
    change_delivery,
    message,
    open_journal,
    order,
    place,
    record,
    reseller,
    sold,
    tell,
)
from tests.store.run_move import Watched
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(60)

SCRIPT = Path(__file__).with_name("run_move.py")
# A line's end, escapes, a bell, what turns the line about, what is invisible, what has no name.
HOSTILE = (
    "a\r\nb\t\x1b[2J\x07 \u202egnp\u2066 \u200b \x7f\x9b \ufffe\U0010ffff é 王 😀 '\";--\\N\\."
)
ENDS = {
    Status.SUCCESS: True,
    Status.PARTIAL_SUCCESS: True,
    Status.REFUNDED: True,
    Status.FAILED: False,
}


@pytest.fixture
async def empty(postgres: PostgresServer) -> AsyncIterator[str]:
    """The name of an empty database."""
    name = await postgres.make(empty=True)
    yield name
    await postgres.drop(name)


@pytest.fixture
def target(postgres: PostgresServer, empty: str) -> str:
    return postgres.url(empty)


async def fill(where: Where, copies: int = 3) -> None:
    """Make a journal in which there is something of everything."""
    store = await open_journal(where)
    await store.put_resellers(
        [reseller("toko", name=HOSTILE, pin=b"\0pin", max_price=1, suspended=True)],
        [account(ACCOUNTS[0], sealed=b"\xff\0")],
    )
    for copy in range(copies):
        await fill_orders(store, f"{copy:05}")
    await store.keep_callback("toko-nobody", Form.JSON, HOSTILE, T0)
    await store.raise_alert(Alarm(T0, Kind.CLOCK_SET, HOSTILE))
    await store.put_meta("odd", bytes(range(256)))
    await store.note_time(T0, furthest=10**6)
    await store.close()


async def fill_orders(store: Store, copy: str) -> None:
    await place(store, f"open{copy}", due_at=T0 + 5)
    paid = {"status": Status.PAID, "named": True, "sending": False, "send_ended_at": T0 + 2}
    await place(
        store, f"paid{copy}", note=HOSTILE, dest="é 1#2", user_id="é", server_id="", **paid
    )
    for number, (status, named) in enumerate(ENDS.items()):
        placed = await place(store, f"{status}{copy}", reseller=CODES[number % 2])
        ended = replace(sold(placed), status=status, named=named, product_price=10**14)
        entry = Entry(T0 + 1, "answered", HOSTILE)
        await store.change_order(
            placed.id,
            lambda _, ended=ended, entry=entry: Record(  # type: ignore[misc]
                order=ended, entries=(entry,)
            ),
        )
        first = await tell(store, ended, message(str(status), f"p{number}.test:80"))
        if number % 2:
            await change_delivery(
                store,
                first,
                lambda before: replace(
                    before, state=DeliveryState.DELIVERED, attempts=1, next_at=None, done_at=T0 + 9
                ),
                Entry(T0 + 9, "delivered", "200"),
            )


async def all_of(where: Where) -> dict[str, Any]:
    """Return what a journal says it holds."""
    store = await open_store(where, connections=2)
    try:
        orders = await store.orders(OrderFilter(limit=10_000))
        return {
            "orders": orders,
            "timelines": [await store.timeline(order.id) for order in orders],
            "deliveries": await store.deliveries(limit=10_000),
            "resellers": await store.resellers(),
            "accounts": await store.accounts(),
            "callbacks": await store.waiting_callbacks(T0 * 2, 1000),
            "alerts": await store.alerts(with_acked=True),
            "meta": [await store.meta(key) for key in ("odd", "time")],
        }
    finally:
        await store.close()


async def moved(source: Where, target: Where) -> Moved:
    return await move_journal(source, target, Watched("-"))


async def refused(where: Where) -> str:
    try:
        store = await open_store(where)
    except JournalUnusable as error:
        return str(error)
    await store.close()
    return "it is opened"


async def usable(where: Where) -> bool:
    """Whether a gateway would work on it, and find orders there."""
    try:
        store = await open_store(where)
    except JournalUnusable:
        return False
    found = await store.order_by_trx_id("toko", "open00000")
    await store.close()
    return found is not None


# what is moved


async def test_a_journal_with_everything_goes_there_and_back(tmp_path: Path, target: str) -> None:
    source, back = tmp_path / "gateway.db", tmp_path / "back.db"
    await fill(source)
    before = await all_of(source)
    told = await moved(source, target)
    assert (told.rows["orders"], told.rows["deliveries"]) == (18, 12)
    assert (told.resumed, told.changed_texts) == (False, 0)
    assert await all_of(target) == before
    assert (await moved(target, back)).rows == told.rows
    assert await all_of(back) == before
    for gone, there in ((source, target), (target, back)):
        assert f"was moved to {name_of(there)}" in await refused(gone)


async def test_new_numbers_follow_those_that_were_moved(tmp_path: Path, target: str) -> None:
    source = tmp_path / "gateway.db"
    await fill(source)
    highest = max(order.id for order in (await all_of(source))["orders"])
    await moved(source, target)
    store = await open_store(target)
    placed = await place(store, "new")
    assert placed.id == highest + 1
    assert [entry.kind for entry in await store.timeline(placed.id)] == ["asked", "sending"]
    changed = await store.change_order(1, record)
    assert len(await store.timeline(changed.order.id)) == 4
    again, is_new = await store.place(record(order("open00001")))
    assert (is_new, again.id) == (False, 7)
    await store.close()


async def test_what_was_being_sent_before_a_move_is_looked_up_at_once(
    tmp_path: Path, target: str
) -> None:
    """Nobody sends it any more, and one that waited for its turn has a date half an hour away."""
    source = tmp_path / "gateway.db"
    store = await open_journal(source)
    waits = await place(store, "waits", due_at=now_ms() + 3_600_000)
    await store.close()
    await moved(source, target)
    store = await open_store(target)
    await store.nodes.join(60)
    due = await store.due_orders(await store.nodes.time(), 9, set())
    assert [order.id for order in due] == [waits.id]
    live = await place(store, "live", due_at=now_ms() + 3_600_000)
    other = await open_store(target)
    await other.nodes.join(60)
    due = await store.due_orders(await store.nodes.time(), 9, set())
    assert live.id not in [order.id for order in due], "it is being sent"
    await other.close()
    await store.close()


async def test_an_empty_journal_is_moved_too(tmp_path: Path, target: str) -> None:
    source = tmp_path / "gateway.db"
    await (await open_store(source)).close()
    assert set((await moved(source, target)).rows.values()) == {0}
    store = await open_store(target)
    assert await store.orders(OrderFilter()) == []
    await store.close()


async def test_what_postgresql_keeps_in_no_text_is_marked_and_told(
    tmp_path: Path, target: str
) -> None:
    source = tmp_path / "gateway.db"
    await fill(source)
    with closing(sqlite3.connect(source)) as connection:
        sql = "UPDATE orders SET note = CAST(? AS TEXT) WHERE id = ?"
        # A zero, a lone surrogate as some write it, half a character.
        for number, odd in enumerate((b"a\0b", b"c\xed\xa0\x80d", b"e\xc3"), 1):
            connection.execute(sql, (odd, number))
        connection.commit()
    assert (await moved(source, target)).changed_texts == 3
    notes = {order.id: order.note for order in (await all_of(target))["orders"]}
    assert notes[1] == "a\ufffdb"
    assert notes[2] == "c\ufffd\ufffd\ufffdd"
    assert notes[3] == "e\ufffd"


async def test_every_table_of_both_schemas_is_moved(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    path = tmp_path / "gateway.db"
    await (await open_store(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        of_sqlite = {name for (name,) in connection.execute(sql)}
    other = await asyncpg.connect(postgres.url(database))
    rows = await other.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await other.close()
    async with (
        sqlite_source(path) as ours,
        postgres_source(postgres.url(database), "x") as theirs,
    ):
        tables = common(await ours.tables(), await theirs.tables())
    assert {table.name for table in tables} == of_sqlite
    assert {row["tablename"] for row in rows} == of_sqlite | OF_POSTGRES_ALONE
    assert all(table.key for table in tables)


def test_schemas_that_hold_something_else_are_not_moved() -> None:
    one = Table("orders", ("id", "note"), ("id",))
    fenced = Table("orders", ("id", "note", "fence"), ("id",))
    assert common([one], [fenced, Table("otomax_gateway", ("form",), ())]) == [one]
    more = Table("orders", ("id", "note", "price"), ("id",))
    new = Table("notices", ("id",), ("id",))
    with pytest.raises(NotDone, match="columns of orders: price"):
        common([more], [fenced])
    with pytest.raises(NotDone, match="columns of orders: price"):
        common([one], [more])
    with pytest.raises(NotDone, match="tables: notices"):
        common([one, new], [fenced])
    with pytest.raises(NotDone, match="tables: notices"):
        common([one], [fenced, new])


# what is refused


async def test_a_target_that_is_not_empty_is_refused(
    tmp_path: Path, postgres: PostgresServer, database: str, target: str, empty: str
) -> None:
    source, other = tmp_path / "gateway.db", tmp_path / "other.db"
    await fill(source)
    with pytest.raises(NotDone, match="is not empty"):
        await moved(source, postgres.url(database))
    await postgres.execute("CREATE TABLE somebodys (x integer)", empty)
    with pytest.raises(JournalUnusable, match="no journal of otomax-gateway"):
        await moved(source, target)
    other.write_bytes(b"x" * 4096)
    with pytest.raises((JournalUnusable, JournalUnavailable)):
        await moved(postgres.url(database), other)
    other.unlink()
    await (await open_store(other)).close()
    with pytest.raises(NotDone, match="is not empty"):
        await moved(postgres.url(database), other)
    assert await usable(source)
    with pytest.raises(NotDone, match="the other PostgreSQL"):
        await moved(source, tmp_path / "third.db")


async def test_a_journal_in_use_is_not_moved(
    tmp_path: Path, postgres: PostgresServer, database: str, target: str
) -> None:
    source = tmp_path / "gateway.db"
    store = await open_journal(source)
    with pytest.raises(JournalInUse, match="in use by process"):
        await moved(source, target)
    await store.close()
    store = await open_journal(postgres.url(database))
    with pytest.raises(JournalInUse, match="connections of gateways"):
        await moved(postgres.url(database), tmp_path / "back.db")
    await store.close()
    with pytest.raises(JournalUnusable, match="there is no journal"):
        await moved(tmp_path / "nothing.db", target)


async def test_a_gateway_that_slept_through_the_move_sells_nothing_more(
    tmp_path: Path, postgres: PostgresServer, database: str
) -> None:
    url = postgres.url(database)
    await fill(url)
    await moved(url, tmp_path / "gateway.db")
    # As one that had its connections before: no mark is looked at any more.
    connection = await asyncpg.connect(url)
    for sql in ("UPDATE orders SET fence = fence + 1", "INSERT INTO orders DEFAULT VALUES"):
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="was moved"):
            await connection.execute(sql)
    await connection.close()


async def test_a_copy_of_another_journal_is_not_overwritten(tmp_path: Path, target: str) -> None:
    source, other = tmp_path / "gateway.db", tmp_path / "other.db"
    await fill(source)
    await fill(other)
    killed(source, target, "commit")
    with pytest.raises(NotDone, match=r"unfinished copy of .*gateway\.db"):
        await moved(other, target)
    assert await usable(other)


async def test_no_password_is_shown(tmp_path: Path, postgres: PostgresServer, target: str) -> None:
    source = tmp_path / "gateway.db"
    await fill(source)
    url = target.replace("postgres@", "postgres:s3cret@")
    told = await moved(source, url)
    assert "s3cret" not in told.target + await refused(source)
    with pytest.raises(JournalUnavailable) as error:
        await moved(url.replace("/test", "/nothere"), source)
    assert "s3cret" not in str(error.value)


# what was cut off


def killed(source: Where, target: Where, point: str) -> dict[str, Any]:
    """Move in a process of its own; returns what it said where it was not killed."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(source), str(target), point],
        env={"PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == (0 if point == "-" else -signal.SIGKILL), done.stderr.decode()
    return json.loads(done.stdout) if point == "-" else {}


POINTS = {
    # where it is killed: whether the next one finds a whole copy
    "row5": False,
    "row60": False,
    "end_writing": False,
    "commit": True,
    "put_mark": True,
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("way", ["there", "back"])
async def test_wherever_it_is_killed_one_journal_is_in_use_and_it_can_be_repeated(
    way: str, point: str, tmp_path: Path, target: str
) -> None:
    file = tmp_path / "gateway.db"
    source, to = (file, target) if way == "there" else (target, file)
    await fill(source)
    before = await all_of(source)
    killed(source, to, point)
    assert await usable(source) is (point != "put_mark")
    if POINTS[point]:
        assert "copy of" in await refused(to)
    said = killed(source, to, "-")
    assert said["resumed"] is POINTS[point]
    assert await all_of(to) == before
    assert "was moved to" in await refused(source)


@pytest.mark.parametrize("way", ["there", "back"])
async def test_who_sold_on_after_a_move_that_was_cut_off_begins_anew(
    way: str, tmp_path: Path, target: str
) -> None:
    file = tmp_path / "gateway.db"
    source, to = (file, target) if way == "there" else (target, file)
    await fill(source)
    killed(source, to, "commit")
    store = await open_store(source)
    placed: Order = await place(store, "meanwhile")
    await store.close()
    assert killed(source, to, "-")["resumed"] is False
    store = await open_store(to)
    assert await store.order_by_trx_id("toko", "meanwhile") == placed
    await store.close()


async def test_what_was_made_last_is_made_as_it_was(
    tmp_path: Path, postgres: PostgresServer, database: str, target: str
) -> None:
    async def form(url: str) -> list[Any]:
        connection = await asyncpg.connect(url)
        indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        others = (
            "SELECT conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
        )
        triggers = (
            "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
        )
        found = [
            await connection.fetch(sql) for sql in (indexes, others, f"{triggers} ORDER BY 1, 2")
        ]
        await connection.close()
        return found

    await fill(tmp_path / "gateway.db")
    await moved(tmp_path / "gateway.db", target)
    assert await form(target) == await form(postgres.url(database))
