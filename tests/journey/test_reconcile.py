"""What an operator's cron types every night, and what it hears by the exit code."""

import json
import time
from datetime import UTC, datetime

from gateway.domain.reconciling import WIB
from tests.journey.office import Office
from tests.journey.parties import PanelProcess
from tests.journey.processes import until

AT_ONCE = "123456001"


def today() -> str:
    return str(datetime.fromtimestamp(time.time(), UTC).astimezone(WIB).date())


async def test_exit_codes_tell_cron_what_to_do(office: Office, panel: PanelProcess) -> None:
    gateway = await office.serve()
    for n in range(3):
        await office.order(f"re.{n}", AT_ONCE, f"{panel.url}/toko1-re.{n}")
    await until(lambda: panel.told("toko1-re.2"), 30)
    day = today()
    clean = office.run("reconcile", "--day", day)
    assert (clean.code, clean.err) == (0, "")
    assert "orders 3, asked 3, sold 3 for Rp 4533; differences 0" in clean.out
    assert office.json("reconcile")["orders"] == 0, "yesterday"
    await office.stop(gateway)
    rested = json.loads(office.run("reconcile", "--day", day, "--json").out)
    assert (rested["orders"], rested["differences"]) == (3, [])
    assert rested["moved"]["unexplained"] == 0
    office.settings["upstream.base_url"] = "http://127.0.0.1:9"
    down = office.run("reconcile", "--day", day)
    assert down.code == 3
    assert office.run("reconcile", "--day", "tomorrow").code == 1
