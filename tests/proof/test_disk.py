"""A disk that fails at any write or sync: nobody is told a lie, and the gateway goes on after it.

The same day is lived again and again, each time with the trouble one write, or one sync, later,
until a day ends before its trouble comes.
"""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from gateway.store import OrderFilter
from gateway.store.open import open_store
from gateway.store.sqlite import SqliteStore
from tests.proof.disk_day import Day
from tests.proof.disk_effort import LONG, hurry
from tests.proof.disk_upstream import AT_ONCE, PENDING, Books
from tests.proof.power_check import findings
from tests.proof.power_image import Cut, Replay
from tests.proof.power_load import Ack, Said
from tests.proof.power_revive import revive
from tests.proof.vfs import Disk, Kind, Trouble, What, watched
from tests.support import FakeUpstream, House, LogLines, Panel, eventually, open_houses
from tests.support.house import RESELLER

pytestmark = pytest.mark.timeout(1800)
Note = Callable[[str, object], None]

AFTER_THE_END = 1_000_000
# Of some 250 writes and 30 syncs; the first ones make the journal, the last ones are of its end.
SOME_WRITES = (1, 60, 105, 150, 200)
SOME_SYNCS = (2, 8, 12, 16, 20)
# Which of them is a commit with a new order in it hangs on what else was to be written just then:
# so as many as it takes to meet one, and a few at least.
SOME_COMMITS, FEW_KILLS = range(12, 24), 3


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def places(kind: Kind) -> Iterable[int]:
    """Return which write, or sync, is to fail: some, or one after the other without an end."""
    if LONG:
        return count(1)
    return SOME_SYNCS if kind is Kind.FSYNC else SOME_WRITES


def folder_for(path: Path) -> Path:
    path.mkdir()
    return path


async def live(folder: Path, trouble: Trouble, upstream: FakeUpstream, panel: Panel) -> Day:
    """Live through one day with this trouble; returns it with all that is wrong about it."""
    panel.targets.clear()
    with watched(folder_for(folder)) as disk:
        day = Day(folder, disk, upstream, panel)
        disk.fail(trouble)
        try:
            await day.live()
        except Exception as error:
            error.add_note(f"the trouble was {trouble}")
            raise
    day.wrong += await findings(folder / "gateway.db", day.acks)
    return day


async def test_an_undisturbed_day(tmp_path: Path, upstream: FakeUpstream, panel: Panel) -> None:
    day = await live(tmp_path / "day", Trouble(Kind.FULL, AFTER_THE_END), upstream, panel)
    assert (day.wrong, day.refused, day.starts) == ([], 0, 2)
    assert max(SOME_WRITES) < day.disk.writes
    assert max(SOME_SYNCS) < day.disk.syncs


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("kind", Kind)
async def test_a_disk_that_fails_makes_nobody_lie_and_is_got_over(
    tmp_path: Path,
    kind: Kind,
    lasting: bool,  # noqa: FBT001  a case, by its name
    upstream: FakeUpstream,
    panel: Panel,
    record_property: Note,
) -> None:
    wrong: list[str] = []
    days = refused = ended = 0
    for place in places(kind):
        trouble = Trouble(kind, place, lasting)
        day = await live(tmp_path / "day", trouble, upstream, panel)
        if not day.disk.fired:
            break
        days, refused, ended = days + 1, refused + day.refused, ended + day.starts - 2
        wrong += [f"{trouble}: {sentence}" for sentence in day.wrong]
        shutil.rmtree(day.folder)
    record_property("days with a failing disk", days)
    record_property("answers of 503", refused)
    record_property("starts that ended with an error", ended)
    record_property("lies and losses by a failing disk", len(wrong))
    assert wrong == []
    assert refused or not lasting, "a lasting one is met by every order"


# a commit in doubt


async def test_what_a_failed_commit_left_in_the_file_is_bought_at_most_once(
    tmp_path: Path,
    upstream: FakeUpstream,
    panel: Panel,
    log: LogLines,
    record_property: Note,
) -> None:
    """A sync fails at COMMIT, everybody hears 503, and the process is killed at that instant.

    The file holds the commit all the same, so the next start finds what nobody was told of.
    """
    found, wrong, kills = 0, [], 0
    for place in places(Kind.FSYNC) if LONG else SOME_COMMITS:
        if found and kills >= FEW_KILLS and not LONG:
            break
        day = await live(tmp_path / f"{place}", Trouble(Kind.FSYNC, place), upstream, panel)
        if not day.disk.fired:
            break
        kills += 1
        image, acks = killed_at_the_failed_sync(day)
        wrong += await findings(image / "gateway.db", acks)
        found += await in_doubt(image, acks)
        sent = {ack.order for ack in acks if ack.said is Said.SENT}
        wrong += await revive(image, day.books.bought.keys() & sent, log, panel)
    record_property("kills at a commit in doubt", kills)
    record_property("orders found that nobody was told of", found)
    record_property("wrong after a commit in doubt", len(wrong))
    assert wrong == []
    assert found


def killed_at_the_failed_sync(day: Day) -> tuple[Path, list[Ack]]:
    """Write down the folder as a kill at the first failed sync leaves it; with what was said."""
    failed = next(n for n, event in enumerate(day.disk.log) if event.what is What.SYNC_FAILED)
    replay = Replay(day.disk.log)
    replay.go_to(failed)
    image = folder_for(day.folder / "killed")
    replay.write_to(image, Cut.ALL)
    shutil.copy(day.folder / "secret.key", image)
    return image, [ack for ack in day.acks if ack.at <= failed]


async def in_doubt(image: Path, acks: list[Ack]) -> int:
    """Count the orders in a journal of which nobody was told anything."""
    store = await open_store(image / "gateway.db")
    orders = await store.orders(OrderFilter(limit=100))
    await store.close()
    known = {ack.order for ack in acks}
    return len([order for order in orders if order.upstream_trx_id not in known])


# a disk that hangs, and one that can not be read


@pytest.fixture
async def at_work(
    tmp_path: Path, upstream: FakeUpstream, panel: Panel, log: LogLines
) -> AsyncIterator[tuple[House, Disk, Books]]:
    """A gateway on a watched disk that has sold one order."""
    books = Books(upstream)
    with watched(tmp_path) as disk:
        async with open_houses(tmp_path, log) as open_house:
            house = await open_house(
                upstream.url,
                reseller={"callback_url": panel.url},
                server={"reply_timeout_s": 0.6},
            )
            await house.order("T0", product_code=AT_ONCE)
            await eventually(lambda: house.deliveries("delivered"))
            yield house, disk, books
            disk.heal()


async def is_ready(house: House) -> bool:
    return (await house.get("/readyz")).status == 200


async def test_while_a_sync_hangs_nothing_is_taken_that_would_be_sold_later(
    at_work: tuple[House, Disk, Books],
) -> None:
    house, disk, books = at_work
    writer = cast("SqliteStore", house.gateway.store)._writer
    writer.patience_s = 0.2
    disk.held = threading.Event()
    try:
        under_way = asyncio.create_task(house.get(house.order_target("T1", product_code=AT_ONCE)))
        await eventually(lambda: writer._draining is not None)
        waiting = await house.get(house.order_target("T2", product_code=AT_ONCE))
        for _ in range(3):
            assert (await house.get("/readyz")).status == 503
        assert await house.call_back("SUCCESS", "toko-T0") == 503
        late = await house.get(house.order_target("T3", product_code=AT_ONCE))
        assert "status SUCCESS" in await house.status("T0"), "reading goes on"
        assert [a.status for a in (await under_way, waiting, late)] == [503] * 3
    finally:
        disk.held.set()
    await eventually(partial(is_ready, house), within_s=5)
    await house.becomes("SUCCESS", "toko-T1")
    assert {order["trx_id"] for order in await house.orders()} == {"T0", "T1"}
    assert books.bought == {"toko-T0": 1, "toko-T1": 1}
    assert "status SUCCESS" in await house.order("T2", product_code=AT_ONCE)


async def test_a_journal_that_can_not_be_read_says_nothing_wrong_and_is_got_over(
    at_work: tuple[House, Disk, Books], panel: Panel
) -> None:
    house, disk, books = at_work
    store = cast("SqliteStore", house.gateway.store)
    store._known.forget()
    store._known._limit = 0  # so that everything has to be read
    reader = store._reading_thread
    disk.fired = 0
    disk.blind.add(await reader.run(lambda _: threading.get_ident()))
    status_target = f"/v1/otomax/status/T0?apikey={house.keys[RESELLER]}"
    told = [await house.get(house.order_target("T1", product_code=PENDING))]
    told += [await house.get(status_target) for _ in range(2)]
    told += [await house.get(house.order_target("T0", product_code=AT_ONCE))]
    assert await house.call_back("SUCCESS", "toko-T1") == 503
    assert disk.fired
    assert told[1].status == told[2].status == 503
    assert not any("FAILED" in answer.text for answer in told)
    disk.heal()
    books.pending.clear()
    assert await house.call_back("SUCCESS", "toko-T1", invoice_number="INV_toko-T1") == 200
    await house.becomes("SUCCESS", "toko-T1")
    assert (await house.get(status_target)).status == 200
    await eventually(lambda: len(panel.told) == 2)
    assert books.bought == {"toko-T0": 1, "toko-T1": 1}
