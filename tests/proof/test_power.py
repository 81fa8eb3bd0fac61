"""Nothing that was acknowledged is missing after a power cut, at whatever instant it comes.

One busy hour of a gateway is recorded on a watched disk; then its power is cut at many instants
after the fact, because the record knows at each of them what was durable and what had been
acknowledged. The control run shows that the check sees: with `synchronous=NORMAL`, where SQLite
does not sync a commit, the same check must find something missing.
"""

import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from gateway.store.open import open_store
from tests.proof.disk_effort import effort, hurry
from tests.proof.disk_upstream import Books
from tests.proof.power_check import findings
from tests.proof.power_image import Cut, Replay
from tests.proof.power_load import Ack, Load, Said
from tests.proof.power_revive import revive
from tests.proof.vfs import Event, Kind, Trouble, watched
from tests.support import FakeUpstream, House, LogLines, Panel, open_houses

pytestmark = pytest.mark.timeout(900)
Note = Callable[[str, object], None]

ORDERS = effort(40, 200)
CUTS = effort(40, 600)
REVIVED = effort(2, 40)
SEED = 20231
# In pages; SQLite's own 1000 would let a short hour pass without one.
CHECKPOINTS_OFTEN = "PRAGMA wal_autocheckpoint = 40"


@dataclass(frozen=True, slots=True)
class Recording:
    """A busy hour: the folder, what was done on its disk, and what was acknowledged when."""

    folder: Path
    log: list[Event]
    acks: list[Ack]
    bought: frozenset[str]

    def known_at(self, instant: int) -> list[Ack]:
        return [ack for ack in self.acks if ack.at <= instant]

    def cuts(self, number: int) -> list[int]:
        """Give this many instants in their order: any, and those at which something was said."""
        said = [ack.at for ack in self.acks]
        anywhere = range(said[0], len(self.log) + 1)
        chance = Random(SEED)
        return sorted(chance.choice(chance.choice((said, anywhere))) for _ in range(number))


Recorder = Callable[..., Awaitable[Recording]]


@pytest.fixture
def record(
    tmp_path: Path,
    upstream: FakeUpstream,
    panel: Panel,
    log: LogLines,
    monkeypatch: pytest.MonkeyPatch,
) -> Recorder:
    """Lets a gateway live through a busy hour, with these settings of its writer."""
    hurry(monkeypatch)
    folder = tmp_path / "day"

    async def live(*pragmas: str, trouble: Trouble | None = None) -> Recording:
        books = Books(upstream)
        with watched(folder) as disk:
            async with open_houses(folder, log) as open_house:
                house = await open_house(upstream.url, reseller={"callback_url": panel.url})
                await _set(house, pragmas)
                disk.trouble = trouble
                load = Load(house, disk, books, panel, [])
                await load.run(ORDERS, SEED)
                disk.heal()
        assert {ack.said for ack in load.acks} == set(Said)
        return Recording(folder, disk.log, load.acks, frozenset(books.bought))

    folder.mkdir()
    return live


async def _set(house: House, pragmas: Iterable[str]) -> None:
    script = "; ".join(pragmas)
    await house.on_journal(lambda connection: connection.executescript(script))


async def cut_and_look(
    recording: Recording, where: Path, cuts: list[int], *variants: Cut
) -> list[str]:
    """Cut the power at these instants; returns everything that was missing."""
    replay, found = Replay(recording.log), []
    for number, instant in enumerate(cuts):
        replay.go_to(instant)
        variant = variants[number % len(variants)]
        image = folder_for(where, f"{number}")
        replay.write_to(image, variant, seed=number)
        lost = await findings(image / "gateway.db", recording.known_at(instant))
        found += [f"cut at {instant}, {variant.value}: {sentence}" for sentence in lost]
        shutil.rmtree(image)
    return found


def folder_for(where: Path, name: str) -> Path:
    (where / name).mkdir()
    return where / name


@pytest.mark.parametrize("pragmas", [(), (CHECKPOINTS_OFTEN,)], ids=["", "checkpoints"])
async def test_nothing_that_was_acknowledged_is_missing(
    tmp_path: Path, record: Recorder, pragmas: tuple[str, ...], record_property: Note
) -> None:
    recording = await record(*pragmas)
    cuts = recording.cuts(CUTS)
    missing = await cut_and_look(recording, tmp_path, cuts, *Cut)
    record_property("power cuts", len(cuts))
    record_property("acknowledgements", len(recording.acks))
    record_property("acknowledged and missing", len(missing))
    assert missing == []


async def test_nothing_is_missing_where_syncs_failed_before_the_cut(
    tmp_path: Path, record: Recorder, record_property: Note
) -> None:
    """What a failed sync was to write is lost for ever, though a later sync succeeds."""
    often = Trouble(Kind.FSYNC, 3, every=4)
    recording = await record(CHECKPOINTS_OFTEN, trouble=often)
    cuts = recording.cuts(CUTS)
    missing = await cut_and_look(recording, tmp_path, cuts, *Cut)
    record_property("power cuts after failed syncs", len(cuts))
    record_property("acknowledged and missing after failed syncs", len(missing))
    assert missing == []


async def test_no_request_is_on_the_wire_whose_order_is_not_durable(
    tmp_path: Path, record: Recorder, record_property: Note
) -> None:
    recording = await record()
    sent = [ack for ack in recording.acks if ack.said is Said.SENT]
    found = await cut_and_look(recording, tmp_path, [ack.at for ack in sent], Cut.NOTHING)
    record_property("requests on the wire", len(sent))
    record_property("requests without a durable order", len(found))
    assert found == []


async def test_the_check_sees_what_a_lesser_durability_loses(
    tmp_path: Path, record: Recorder, record_property: Note
) -> None:
    recording = await record("PRAGMA synchronous = NORMAL")
    cuts = recording.cuts(CUTS)
    missing = await cut_and_look(recording, tmp_path, cuts, Cut.NOTHING)
    record_property("power cuts of the NORMAL control run", len(cuts))
    record_property("lost by the NORMAL control run", len(missing))
    assert any("the order is not there" in sentence for sentence in missing)


async def test_a_new_gateway_works_off_what_a_cut_left(
    tmp_path: Path, record: Recorder, panel: Panel, log: LogLines, record_property: Note
) -> None:
    recording = await record(CHECKPOINTS_OFTEN)
    replay, found, cuts = Replay(recording.log), [], recording.cuts(REVIVED)
    for number, instant in enumerate(cuts):
        replay.go_to(instant)
        image = folder_for(tmp_path, f"{number}")
        replay.write_to(image, tuple(Cut)[number % len(Cut)], seed=number)
        shutil.copy(recording.folder / "secret.key", image)
        sent = {ack.order for ack in recording.known_at(instant) if ack.said is Said.SENT}
        found += await revive(image, recording.bought & sent, log, panel)
    record_property("gateways started after a cut", len(cuts))
    record_property("wrong after a cut", len(found))
    assert found == []


@pytest.mark.parametrize("cut", Cut)
async def test_a_cut_at_any_instant_of_the_first_start_leaves_a_journal_that_opens(
    tmp_path: Path, cut: Cut, record_property: Note
) -> None:
    with watched(folder_for(tmp_path, "day")) as disk:
        await (await open_store(tmp_path / "day" / "gateway.db")).close()
    replay = Replay(disk.log)
    for instant in range(0, disk.now + 1, effort(9, 1)):
        replay.go_to(instant)
        image = folder_for(tmp_path, f"{instant}")
        replay.write_to(image, cut, seed=instant)
        assert await findings(image / "gateway.db", []) == []
        shutil.rmtree(image)
    record_property("power cuts of a first start", disk.now)
