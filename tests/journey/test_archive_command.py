"""What an operator types to move old timelines, while the gateway runs and while it does not."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.journey.office import Office
from tests.journey.parties import PanelProcess
from tests.journey.processes import until

AT_ONCE = "123456001"  # the sandbox's destination that succeeds at once
WHOLE_S = 30.0
_AGE = 100 * 86_400_000
_AGED = (
    "UPDATE orders SET placed_at = placed_at - :age, final_at = final_at - :age",
    "UPDATE timeline SET at = at - :age",
    "UPDATE deliveries SET created_at = created_at - :age, done_at = done_at - :age",
)


def age(journal: Path) -> None:
    """Let everything in a journal that nobody holds have happened a hundred days ago."""
    with closing(sqlite3.connect(journal)) as connection, connection:
        for sql in _AGED:
            connection.execute(sql, {"age": _AGE})


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
async def test_old_timelines_are_moved(
    office: Office,
    panel: PanelProcess,
    runs: bool,  # noqa: FBT001  a case, by its name
) -> None:
    names = [f"ar.{runs}.{n}" for n in range(3)]
    gateway = await office.serve()
    for name in names:
        await office.order(name, AT_ONCE, f"{panel.url}/toko1-{name}")
    for name in names:
        await until(partial(panel.told, f"toko1-{name}"), WHOLE_S)
    await until(lambda: len(office.json("delivery", "list", "--state", "delivered")) == 3, WHOLE_S)
    await office.stop(gateway)
    age(office.folder / "gateway.db")
    if runs:
        gateway = await office.serve()

    assert office.run("archive").code == 2
    assert office.run("archive", "--older-than", "1 year").code == 2
    young = office.run("archive", "--older-than", "6d")
    assert (young.code, young.err) == (1, "nothing is moved that is younger than 7 days\n")
    assert office.json("archive", "--older-than", "90d", "--dry-run")["orders"] == 2
    moved = office.json("archive", "--older-than", "90d", "--to", "old.db")
    # The newest delivery stays, and its order with it.
    assert (moved["orders"], moved["deliveries"], moved["left"]) == (2, 2, 1)
    assert moved["file"] == str(office.folder / "old.db")
    shown = office.run("order", "show", f"toko1-{names[0]}").out
    assert "diarsipkan / archived" in shown
    assert "moved to old.db: steps " in shown
    said = office.run("archive", "--older-than", "90d")
    assert said.out.startswith(f"moved to {office.folder / 'gateway-archive.db'}: orders 0,")
    if runs:
        await office.stop(gateway)
