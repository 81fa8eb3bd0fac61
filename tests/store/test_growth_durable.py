"""What an archive was given is on its disk when `keep` returns, seen below SQLite."""

from pathlib import Path

import pytest

from tests.proof.vfs import What, watched
from tests.store.journals import open_journal
from tests.store.test_growth_archive import OLD, finished, look, newest_delivery

pytestmark = pytest.mark.timeout(30)


async def test_what_is_kept_is_synced_before_the_journal_may_forget_it(tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    with watched(tmp_path) as disk:
        store = await open_journal(tmp_path / "gateway.db")
        await finished(store, "A1")
        await newest_delivery(store)
        *_, part = await look(store)
        assert part.orders
        archive = await store.open_archive(path)
        before = disk.now
        await archive.keep(part.orders)
        done = [event for event in disk.log[before:] if Path(event.path).name == path.name]
        undo = [event for event in disk.log[before:] if event.path.endswith("-journal")]
        await archive.close()
        await store.forget(part, OLD, OLD, path.name)
        await store.close()
    assert What.WROTE in {event.what for event in done}
    assert done[-1].what is What.SYNCED
    assert undo[-1].what is What.DELETED, "and it is not rolled back by a power cut"


async def test_a_deletion_of_the_rollback_journal_is_synced_too(tmp_path: Path) -> None:
    """Else a power cut right after it brings the journal back, and takes the part away."""
    store = await open_journal(tmp_path / "gateway.db")
    archive = await store.open_archive(tmp_path / "archive.db")
    level = await archive._thread.run(  # type: ignore[attr-defined]
        lambda connection: connection.execute("PRAGMA synchronous").fetchone()
    )
    await archive.close()
    await store.close()
    assert level == (3,), "EXTRA"
