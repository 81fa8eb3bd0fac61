"""One day of a gateway on each kind of journal, seen from outside: both behave the same."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import (
    FakeUpstream,
    OpenHouse,
    Panel,
    drops,
    eventually,
    invoice,
    reserved_port,
    says,
)
from tests.support.panel import answers

pytestmark = pytest.mark.timeout(60)
on_both = pytest.mark.parametrize("journal_url", ["sqlite", "postgresql"], indirect=True)

PENDING = "R#{trx_id} S1_1187.{user_id}, status PENDING. RefId: ML_1 . Sisa saldo 5"


@on_both
async def test_an_order_is_bought_once_called_back_told_and_there_after_a_restart(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(PENDING)
    calm = {"schedule_s": [3600]}
    house = await open_house(upstream.url, recheck=calm)
    line = await house.order(callback_url=panel.url)
    assert line == "R#T1 S1_1187.123456789, status PENDING. RefId: ML_1 . Sisa saldo 5"
    again = await asyncio.gather(*(house.get(house.order_target()) for _ in range(8)))
    assert {answer.text.partition(",")[0] for answer in again} == {"R#T1 S1_1187.123456789"}
    assert len(upstream.orders) == 1
    panel.reply = answers(503, 200)
    assert await house.call_back("SUCCESS") == 200
    await house.becomes("SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS", "SUCCESS"])
    key = house.keys
    await house.stop()

    house = await open_house(upstream.url, recheck=calm)
    house.keys = key
    assert ", status SUCCESS. " in await house.order(callback_url=panel.url)
    assert ", status SUCCESS. " in await house.status()
    assert "Sisa saldo 5" in await house.status()
    assert len(upstream.orders) == 1
    (told,) = await house.deliveries()
    assert (told["state"], told["attempts"]) == ("delivered", 2)
    kinds = await house.kinds()
    assert kinds[:2] == ["asked", "sending"]
    assert kinds.count("told") + kinds.count("not_told") == 2


@on_both
async def test_an_uncertain_order_is_settled_by_who_starts_next(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = drops
    house = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    assert ", status PENDING. " in await house.order(callback_url=panel.url)
    await house.stop()
    upstream.look_up = invoice("SUCCESS", "Budi")
    house = await open_house(upstream.url)
    house.skip(3600)
    await house.becomes("SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert len(upstream.orders) == 1


@on_both
async def test_while_the_journal_can_not_record_nothing_is_sold_and_then_it_is(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    upstream.order = says(PENDING)
    house = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    house.errors_expected = True
    await house.break_journal()
    assert (await house.get(house.order_target())).status == 503
    assert (await house.get("/readyz")).status == 503
    assert upstream.orders == []
    await house.break_journal(broken=False)
    await eventually(house.gateway.membership.takes_orders)  # others hear it again by then
    assert ", status PENDING. " in await house.order()
    assert len(upstream.orders) == 1


async def command(folder: Path, url: str, *words: str) -> tuple[int, str]:
    """Execute a command of the product on the journal of a house; returns its code and output."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("otomax-gateway")), *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={
            **os.environ,
            "OTOMAX_GATEWAY_SERVER__PUBLIC_URL": "http://gateway.test",
            "OTOMAX_GATEWAY_STORAGE__URL": url,
        },
    )
    said, complained = await process.communicate()
    return process.returncode or 0, (said or complained).decode()


@on_both
async def test_commands_work_while_the_gateway_runs_and_while_it_does_not(
    open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    upstream.order = says(PENDING)
    house = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    url = house.gateway.settings.storage.url
    await house.order()
    code, said = await command(tmp_path, url, "order", "list", "--json")
    assert (code, json.loads(said)[0]["upstream_trx_id"]) == (0, "toko-T1")
    code, said = await command(tmp_path, url, "reseller", "add", "warung", "--upstream-key", "k")
    assert (code, said[:11]) == (0, "otg_warung_")
    house.secrets.add(said.strip())
    await house.stop()
    code, said = await command(tmp_path, url, "reseller", "list", "--json")
    assert (code, [row["code"] for row in json.loads(said)]) == (0, ["toko", "warung"])


async def test_a_command_says_in_a_line_that_the_database_is_away(tmp_path: Path) -> None:
    with reserved_port() as port:
        url = f"postgresql://u:CANARY@127.0.0.1:{port}/db"
        code, said = await command(tmp_path, url, "order", "list")
    assert code == 1
    assert f"postgresql://127.0.0.1:{port}/db: " in said
    assert len(said.splitlines()) == 1
    assert "CANARY" not in said
