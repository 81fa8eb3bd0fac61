"""An hour of orders is missing: a journal is brought back, and nobody pays twice or waits on.

The judge is the upstream's own ledger. The gateway is killed as a machine would be, its journal is
gone, and what panels do afterwards is what panels do: they ask again, and some say nothing.
"""

import asyncio
import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.journey.office import PRODUCT, Office, variables
from tests.journey.parties import PanelProcess, UpstreamProcess, ask, ask_whole
from tests.journey.processes import (
    COMMAND,
    Process,
    clean_environment,
    until,
    until_async,
)

AT_ONCE, LATER, FAILS = "123456001", "123456002", "123456003"
NEVER_CALLED, FOR_EVER, REFUSED = "123456011", "123456012", "123456103"
WHOLE_S = 40.0


async def placed(office: Office, panel: PanelProcess, name: str, dest: str) -> str:
    line = await office.order(name, dest, f"{panel.url}/toko1-{name}")
    assert line is not None
    return line


def the_backup(office: Office, *words: str) -> dict[str, Any]:
    (office.folder / "copies").mkdir(exist_ok=True)
    made: dict[str, Any] = office.json("backup", "copies", *words)
    return made


def about(path: Path) -> tuple[int, int]:
    """Return a file's mode and size."""
    said = path.stat()
    return said.st_mode & 0o777, said.st_size


def lose_journal(office: Office, gateway: Process) -> None:
    gateway.end()
    for path in office.folder.glob("gateway.db*"):
        path.unlink()


async def readyz(office: Office) -> tuple[int, str]:
    starts = [event for event in office.logs() if event["event"] == "gateway.started"]
    return await ask_whole(f"{starts[-1]['admin']}/readyz")


async def sells(office: Office, gateway: Process) -> None:
    async def is_ready() -> bool:
        return await readyz(office) == (200, "ok")

    await until_async(is_ready, WHOLE_S, gateway.last_words)


async def test_an_hour_of_orders_is_missing(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    office.settings["recheck.settle_s"] = "2"
    assert office.run("reseller", "set", "toko1", "--callback-url", f"{panel.url}/own").code == 0
    gateway = await office.serve()
    await placed(office, panel, "rs.old", AT_ONCE)
    await placed(office, panel, "rs.open", NEVER_CALLED)
    made = the_backup(office)
    lost = {
        "rs.sold": AT_ONCE,
        "rs.later": LATER,
        "rs.fails": FAILS,
        "rs.silent": NEVER_CALLED,
        "rs.refused": REFUSED,
        "rs.open2": FOR_EVER,
    }
    for name, dest in lost.items():
        await placed(office, panel, name, dest)
    await until(partial(panel.told, "toko1-rs.sold"), WHOLE_S)
    lose_journal(office, gateway)

    restored = office.json("restore", made["path"])
    assert (restored["orders"], restored["old"]) == (2, None)
    gateway = await office.serve()
    # Before what was open is looked up nothing is sold, nor said to have failed.
    assert await readyz(office) == (503, "restoring")
    query = {"product_code": PRODUCT, "user_id": AT_ONCE, "trx_id": "rs.early"}
    url = f"{office.url}/v3/otomax/order"
    code, line = await ask_whole(url, apikey=office.keys["toko1"], **query)
    assert code == 503, line
    await sells(office, gateway)

    # Panels repeat what they ordered; v3 hears what became of it, v1 that the trx_id was used.
    again = {name: await placed(office, panel, name, dest) for name, dest in lost.items()}
    assert ", status SUCCESS." in again["rs.sold"]
    other = await ask(
        f"{office.url}/v1/otomax/order",
        apikey=office.keys["toko1"],
        product_code=PRODUCT,
        user_id=AT_ONCE,
        trx_id="rs.sold",
    )
    assert other is not None
    assert "ERROR. DUPLICATE_TRX_ID" in other
    # What is new is sold, and once.
    assert ", status SUCCESS." in await placed(office, panel, "rs.new", AT_ONCE)
    # An order that was refused was never bought: asked again it is an order like any other.
    assert ", status FAILED. INSUFFICIENT_BALANCE" in again["rs.refused"]

    final = {
        "rs.open": "SUCCESS",
        "rs.sold": "SUCCESS",
        "rs.later": "SUCCESS",
        "rs.fails": "FAILED",
        "rs.silent": "SUCCESS",
        "rs.new": "SUCCESS",
    }
    for name, word in final.items():

        def told(name: str = name, word: str = word) -> bool:
            return word in {one.status for one in panel.told(f"toko1-{name}")}

        await until(told, WHOLE_S, gateway.last_words)
    ledger = await upstream.ledger()
    for name in (*lost, "rs.new", "rs.old", "rs.open"):
        assert len(ledger[f"toko1-{name}"]["purchases"]) <= 1, name
        if name != "rs.refused":
            assert ledger[f"toko1-{name}"]["requests"] == 1, name
    assert "toko1-rs.early" not in ledger
    await office.stop(gateway)


async def test_what_nobody_repeats_is_taken_over_from_callbacks_and_questions(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    assert office.run("reseller", "set", "toko1", "--callback-url", f"{panel.url}/own").code == 0
    gateway = await office.serve()
    made = the_backup(office)
    await placed(office, panel, "rc.called", LATER)
    await placed(office, panel, "rc.asked", NEVER_CALLED)
    lose_journal(office, gateway)
    assert office.run("restore", made["path"]).code == 0
    gateway = await office.serve()

    # The upstream calls back until it is heard; its order's address is the reseller's own now.
    def told() -> bool:
        lines = [one.line for one in panel.told() if "/own?" in one.line]
        return any("trx_id=rc.called&" in line and "SUCCESS" in line for line in lines)

    await until(told, WHOLE_S, gateway.last_words)

    async def is_known() -> bool:
        line = await office.status("rc.asked")
        return line is not None and ", status SUCCESS." in line

    await until_async(is_known, WHOLE_S, gateway.last_words)
    unknown = await office.status("rc.nobodys")
    assert unknown is not None
    assert "INVOICE_NOT_FOUND" in unknown
    for name in ("rc.called", "rc.asked"):
        assert await upstream.requests(f"toko1-{name}") == 1
    await office.stop(gateway)


async def test_a_restore_is_refused_while_a_gateway_runs_and_over_a_journal(
    office: Office, panel: PanelProcess
) -> None:
    gateway = await office.serve()
    await placed(office, panel, "rr.1", AT_ONCE)
    made = the_backup(office)
    running = office.run("restore", made["path"], "--force")
    assert running.code == 1
    assert "is in use by process" in running.err
    await office.stop(gateway)
    there = office.run("restore", made["path"])
    assert (there.code, there.err.count("\n")) == (1, 1)
    assert "--force replaces it" in there.err
    forced = office.json("restore", made["path"], "--force")
    old = Path(forced["old"])
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT trx_id FROM orders").fetchall() == [("rr.1",)]
    assert about(old)[0] == 0o600


async def test_another_key_file_is_noticed_before_anything_is_replaced(
    office: Office, panel: PanelProcess
) -> None:
    made = the_backup(office)
    journal = office.folder / "gateway.db"
    before = journal.read_bytes()
    key_file = office.folder / "secret.key"
    kept = key_file.read_text()
    key_file.unlink()
    missing = office.run("restore", made["path"], "--force")
    assert missing.code == 1
    assert "secret.key is missing" in missing.err
    key_file.write_text("Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyMTI=\n")
    key_file.chmod(0o600)
    wrong = office.run("restore", made["path"], "--force")
    assert wrong.code == 1
    assert "no key in" in wrong.err
    assert journal.read_bytes() == before
    assert not list(office.folder.glob("*.restoring*"))
    key_file.write_text(kept)
    key_file.chmod(0o600)
    assert office.run("restore", made["path"], "--force").code == 0


def test_backups_of_a_folder_are_counted(office: Office) -> None:
    mine = office.folder / "copies" / "mine.txt"
    for n in range(3):
        made = the_backup(office, "--keep", "2")
        mine.write_text("stays")
        assert len(made["removed"]) == (1 if n == 2 else 0)
    left = sorted(path.name for path in (office.folder / "copies").iterdir())
    assert len(left) == 3
    assert mine.exists()
    assert json.loads(office.run("backup", "copies", "--json").out)["orders"] == 0
    assert office.run("backup").code == 2
    assert office.run("restore").code == 2
    nowhere = office.run("backup", "no-such-folder/x.gz")
    assert (nowhere.code, nowhere.err.count("\n")) == (1, 1)


def test_other_databases_have_their_own_tools(office: Office) -> None:
    office.settings["storage.url"] = "postgresql://localhost/otomax"
    said = office.run("backup", "copies")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "pg_dump" in said.err


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
async def test_a_backup_holds_what_was_acknowledged(
    office: Office,
    panel: PanelProcess,
    runs: bool,  # noqa: FBT001  a case, by its name
) -> None:
    gateway = await office.serve()
    await placed(office, panel, f"rb.{runs}", AT_ONCE)
    if not runs:
        await office.stop(gateway)
    made = the_backup(office)
    assert (made["orders"], made["last_status"]) == (1, "SUCCESS")
    assert about(Path(made["path"])) == (0o600, made["bytes"])
    plain = office.json("backup", "copies/plain.db")
    with closing(sqlite3.connect(plain["path"])) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    if runs:
        await office.stop(gateway)


def test_a_terminal_sees_how_far_it_is(office: Office) -> None:
    """On a terminal a bar, anywhere else nothing beside the result."""
    (office.folder / "copies").mkdir()
    screen, terminal = pty.openpty()
    done = subprocess.run(
        [COMMAND, "backup", "copies", "--config", "config.toml"],
        cwd=office.folder,
        env=clean_environment() | variables(office.settings),
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    said = os.read(screen, 4096).decode()
    os.close(screen)
    assert done.returncode == 0, said
    assert "backup" in said
    assert "100%" in said
    assert b"verified" in done.stdout


# Every way in which the upstream answers, or does not: see the sandbox's table.
_WAYS = ("001", "002", "003", "005", "006", "007", "008", "009", "011", "101", "103")


async def repeated(office: Office, name: str, dest: str, callback_url: str) -> str:
    """Order as a panel does that asks again until something is said about its order."""
    query = {"product_code": PRODUCT, "user_id": dest, "callback_url": callback_url}
    url = f"{office.url}/v3/otomax/order"

    async def ask_once() -> str | None:
        code, line = await ask_whole(url, apikey=office.keys["toko1"], trx_id=name, **query)
        return line if code == 200 and ", status ERROR." not in line else None

    return await until_async(ask_once, WHOLE_S)


async def test_everything_in_flight_when_the_machine_dies(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    """The gateway dies among orders, the backup is one of before them, and panels repeat."""
    office.settings["recheck.settle_s"] = "4"
    gateway = await office.serve()
    made = the_backup(office)
    wanted = {f"rx.{way}.{n}": f"123456{way}" for way in _WAYS for n in range(2)}
    urls = {name: f"{panel.url}/toko1-{name}" for name in wanted}
    placing = [
        asyncio.create_task(office.order(name, dest, urls[name])) for name, dest in wanted.items()
    ]
    await asyncio.wait(placing, return_when=asyncio.FIRST_COMPLETED)
    lose_journal(office, gateway)
    await asyncio.gather(*placing, return_exceptions=True)
    assert office.run("restore", made["path"]).code == 0

    gateway = await office.serve()
    names = list(wanted)
    said = await asyncio.gather(
        *(repeated(office, name, wanted[name], urls[name]) for name in names)
    )
    assert len(said) == len(names)

    async def is_whole() -> bool:
        orders = await office.desk("order.list", limit=200)
        return {order["status"] for order in orders}.isdisjoint({"PENDING", "PAID"})

    await until_async(is_whole, 2 * WHOLE_S, gateway.last_words)
    ledger = await upstream.ledger()
    truth = {order["trx_id"]: order for order in await office.desk("order.list", limit=200)}
    for name in names:
        purchases = ledger.get(f"toko1-{name}", {"purchases": []})["purchases"]
        assert len(purchases) <= 1, name
        bought = bool(purchases) and purchases[0]["status"] != "FAILED"
        assert (truth[name]["status"] in {"SUCCESS", "PARTIAL_SUCCESS"}) is bought, name

        def told(name: str = name) -> bool:
            return truth[name]["status"] in {one.status for one in panel.told(f"toko1-{name}")}

        await until(told, WHOLE_S, gateway.last_words)
    await office.stop(gateway)
