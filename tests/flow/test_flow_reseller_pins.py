"""A reseller's pin, password and form of deliveries, as the operator sets them (contract §9)."""

import json
import sqlite3
from typing import Any

import pytest

from gateway.domain.errors import NotDone
from gateway.flow.resellers import Resellers
from tests.support import House

PIN, PASSWORD = "483920", "kata-sandi-toko"


@pytest.fixture
def desk(house: House) -> Resellers:
    house.secrets |= {PIN, PASSWORD}
    return house.gateway.desk.resellers


def held(house: House, code: str = "toko") -> tuple[str, str] | None:
    return house.gateway.directory.pin_and_password(code)


async def sealed(house: House) -> list[Any]:
    rows: list[Any] = []

    def look(connection: sqlite3.Connection) -> None:
        rows.extend(connection.execute("SELECT pin, password FROM resellers").fetchone())

    await house.on_journal(look)
    return rows


async def test_they_are_kept_sealed_and_never_shown(house: House, desk: Resellers) -> None:
    shown = await desk.change("toko", pin=PIN, password=PASSWORD, allow_pin=True)
    assert held(house) == (PIN, PASSWORD)
    assert (shown["native"], shown["allow_pin"]) == (True, True)
    for value in (shown, await desk.show("toko"), await desk.show_all()):
        assert PIN not in json.dumps(value)
        assert PASSWORD not in json.dumps(value)
    for blob in await sealed(house):
        assert isinstance(blob, bytes)
        assert PIN.encode() not in blob
        assert PASSWORD.encode() not in blob


async def test_without_them_a_reseller_has_no_native_dialect(
    house: House, desk: Resellers
) -> None:
    shown = await desk.show("toko")
    assert (shown["native"], shown["allow_pin"]) == (False, False)
    assert held(house) is None
    await desk.add("kios", pin=PIN, password=PASSWORD)
    assert held(house, "kios") == (PIN, PASSWORD)


async def test_one_without_the_other_is_refused_and_changes_nothing(
    house: House, desk: Resellers
) -> None:
    together = "pin and password go together: give both, or remove both"
    for one in ({"pin": PIN}, {"password": PASSWORD}):
        with pytest.raises(NotDone, match=f"toko: {together}"):
            await desk.change("toko", **one)
        with pytest.raises(NotDone, match=f"kios: {together}"):
            await desk.add("kios", **one)
    await desk.change("toko", pin=PIN, password=PASSWORD)
    for gone in ("pin", "password"):
        with pytest.raises(NotDone, match=f"toko: {together}"):
            await desk.change("toko", **{gone: ""})
    assert held(house) == (PIN, PASSWORD)
    await desk.change("toko", pin="1144")
    assert held(house) == ("1144", PASSWORD)
    await desk.change("toko", pin="", password="")
    assert held(house) is None
    assert await sealed(house) == [None, None]


@pytest.mark.parametrize("bad", ["é", "1\n2", "x" * 65, "\u0661"])
async def test_a_pin_that_a_panel_could_write_differently_is_refused(
    desk: Resellers, bad: str
) -> None:
    for values in ({"pin": bad, "password": PASSWORD}, {"pin": PIN, "password": bad}):
        with pytest.raises(NotDone) as refused:
            await desk.change("toko", **values)
        assert str(refused.value) == "a pin or password is 1 to 64 printable ASCII characters"


async def test_a_file_sets_them_and_what_it_leaves_out_stays(
    house: House, desk: Resellers
) -> None:
    whole = {"code": "toko", "pin": PIN, "password": PASSWORD, "allow_pin": True}
    whole["delivery"] = "report"

    async def applied(**values: Any) -> list[str]:
        wanted = [{"code": "toko", **values}]
        dry = await desk.apply(wanted, dry_run=True)
        done = await desk.apply(wanted, dry_run=False)
        assert dry["changes"] == done["changes"]
        assert PIN not in json.dumps(done)
        changes: list[str] = done["changes"]
        return changes

    assert await applied(**whole) == [
        "~ toko: delivery: toss becomes report",
        "~ toko: allow_pin: no becomes yes",
        "~ toko: pin or password changes",
    ]
    before = await sealed(house)
    assert await applied(**whole) == [], "the same again is no change, however it is sealed"
    assert await sealed(house) == before
    assert await applied() == [
        "~ toko: delivery: report becomes toss",
        "~ toko: allow_pin: yes becomes no",
    ]
    assert held(house) == (PIN, PASSWORD)
    assert await applied(pin="1144") == ["~ toko: pin or password changes"]
    assert held(house) == ("1144", PASSWORD)
    assert await applied(pin="", password="") == ["~ toko: pin or password changes"]
    assert held(house) is None
    with pytest.raises(NotDone, match="go together"):
        await applied(pin=PIN)


@pytest.mark.parametrize("profile", ["toss", "otomax", "report"])
async def test_every_form_of_deliveries_can_be_chosen(desk: Resellers, profile: str) -> None:
    assert (await desk.change("toko", delivery=profile))["delivery"] == profile


async def test_no_other_form_can(desk: Resellers) -> None:
    with pytest.raises(NotDone, match="toko: delivery: wanted one of toss, otomax, report"):
        await desk.change("toko", delivery="json")
