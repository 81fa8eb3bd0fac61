"""What an operator types about orders and alerts, while the gateway runs and while it does not."""

from typing import Any

import pytest

from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import until

FOR_EVER = "123456012"  # the sandbox's destination that stays pending
REFUSED = "123456103"
WHOLE_S = 30.0
REASON = "seen in the supplier's dashboard"


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
async def test_an_order_is_asked_about_and_decided(
    office: Office,
    panel: PanelProcess,
    upstream: UpstreamProcess,
    runs: bool,  # noqa: FBT001  a case, by its name
) -> None:
    name = f"op.{runs}"
    gateway = await office.serve()
    answer = await office.order(name, FOR_EVER, f"{panel.url}/toko1-{name}")
    assert ", status PENDING. " in (answer or "")
    if not runs:
        await office.stop(gateway)

    rechecked = office.json("order", "recheck", f"toko1-{name}")
    assert rechecked["said"].startswith("PENDING. RefId")
    assert rechecked["status"] == "PENDING"

    words = ("order", "settle", f"toko1-{name}", "success", "--reason", REASON, "--sn", "SN-77")
    settled = office.json(*words)
    assert (settled["status"], settled["note"]) == ("SUCCESS", "SN-77")
    again = office.run(*words)
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith(f"order toko1-{name} is final (SUCCESS): ")

    if not runs:
        gateway = await office.serve()
    told = await until(lambda: panel.told(f"toko1-{name}"), WHOLE_S)
    assert [each.status for each in told] == ["SUCCESS"]
    assert "status SUCCESS. SN-77 " in (await office.status(name) or "")
    shown: dict[str, Any] = office.json("order", "show", f"toko1-{name}")
    (step,) = [step for step in shown["timeline"] if step["kind"] == "overruled"]
    assert step["text"] == f"SUCCESS: {REASON}"
    await office.stop(gateway)


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
async def test_alerts_are_listed_and_noted(
    office: Office,
    panel: PanelProcess,
    runs: bool,  # noqa: FBT001  a case, by its name
) -> None:
    office.settings["delivery.schedule_s"] = "0,0.1"
    name = f"al.{runs}"
    await panel.refuse(f"toko1-{name}", 99)
    gateway = await office.serve()
    await office.order(name, REFUSED, f"{panel.url}/toko1-{name}")
    await until(lambda: office.json("delivery", "list", "--state", "dead"), WHOLE_S)
    if not runs:
        await office.stop(gateway)
    (alert,) = office.json("alert", "list")
    assert alert["order"] == f"toko1-{name}"
    assert " is dead since " in alert["text"]
    assert f"toko1-{name}" in office.run("alert", "list").out
    assert office.run("alert", "ack").code == 2
    assert office.json("alert", "ack", str(alert["id"])) == {"acked": [alert["id"]]}
    assert office.json("alert", "list") == []
    assert len(office.json("alert", "list", "--all")) == 1
    gone = office.run("alert", "ack", str(alert["id"]))
    assert (gone.code, gone.err) == (1, f"no open alert {alert['id']}\n")
    if runs:
        await office.stop(gateway)
