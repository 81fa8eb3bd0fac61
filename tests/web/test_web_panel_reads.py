"""The sheet's own expressions over real replies, and one truth in every dialect."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl

import pytest

from gateway.domain.order import Status
from gateway.protocol.expressions import NATIVE as NATIVE_EXPRESSIONS
from gateway.protocol.expressions import TEXT, TEXT_USER
from tests.support import FakeUpstream, OpenHouse, Panel, eventually, invoice, says
from tests.support.hostile import hostile_names
from tests.web.native import NATIVE, balance, native

KINDS = ("sukses", "gagal", "pending", "ulang")
OWN = {
    "SUCCESS": "sukses",
    "PARTIAL_SUCCESS": "sukses",
    "FAILED": "gagal",
    "REFUNDED": "gagal",
    "PENDING": "pending",
    "PAID": "pending",
}
PLAYERS = ["Budi", *hostile_names()[:40]]
SALDO = "987654"


def read(expressions: Mapping[str, str], line: str) -> tuple[list[str], str | None, str | None]:
    """Which kinds a panel takes a line for, the SN and the saldo that it reads."""
    kinds = [kind for kind in KINDS if re.search(expressions[kind], line)]
    sn, saldo = (re.search(expressions[name], line) for name in ("sn", "saldo"))
    return kinds, sn and sn[1], saldo and saldo[1]


def check(expressions: Mapping[str, str], line: str, status: str, *, harmless: bool) -> None:
    kinds, sn, saldo = read(expressions, line)
    assert kinds == [OWN[status]], line
    assert saldo == SALDO, line
    assert (sn is not None) == (OWN[status] == "sukses"), line
    if sn is not None:
        assert "RefId: ML_1" in sn, line
        assert not harmless or sn == "Budi - 1(2) . RefId: ML_1"


def note_of(player: str) -> str:
    cleaned = re.sub(r"[\r\n]", " ", player)
    return f"{cleaned} - 1(2) . RefId: ML_1"


@pytest.mark.parametrize("status", Status)
async def test_an_order_reads_as_what_it_is_in_both_panels_dialects(
    open_house: OpenHouse, upstream: FakeUpstream, status: Status
) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    for number, player in enumerate(PLAYERS):
        note, harmless = note_of(player), player == "Budi"
        line = f"status {status}. {note} . Sisa saldo {SALDO}"
        upstream.order = says(
            "R#{trx_id} S1_1187.123456789|1234, " + line.replace("{", "(").replace("}", ")")
        )
        upstream.look_up = invoice(status, note)
        first = await house.order(f"A{number}")
        if status is not Status.REFUNDED:  # of a refund only the look-up is believed
            check(TEXT, first, status, harmless=harmless)
        await house.becomes(status, f"toko-A{number}")
        check(TEXT, await house.order(f"A{number}"), status, harmless=harmless)
        check(TEXT, await house.status(f"A{number}"), status, harmless=harmless)
        asked = await native(house, f"A{number}")
        check(NATIVE_EXPRESSIONS, asked, status, harmless=harmless)


def _is_told(panel: Panel, times: int) -> bool:
    return len(panel.targets) == times


@pytest.mark.parametrize("status", ["SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"])
@pytest.mark.parametrize("profile", ["toss", "otomax", "report"])
async def test_a_delivery_reads_as_what_it_is(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, profile: str, status: str
) -> None:
    house = await open_house(
        upstream.url, reseller={"delivery": profile, "callback_url": panel.url}
    )
    upstream.order = says("R#{trx_id} S1_1187.1|2, status PENDING. x . Sisa saldo " + SALDO)
    for number, player in enumerate(PLAYERS[:6]):
        note = note_of(player)
        upstream.look_up = invoice(status, note)
        await house.order(f"A{number}")
        assert await house.call_back(status, f"toko-A{number}", sn=note) == 200
        await eventually(partial(_is_told, panel, number + 1))
        told = dict(parse_qsl(panel.targets[-1].partition("?")[2], keep_blank_values=True))
        line = told["message"] if profile == "otomax" else told["msg"]
        expressions = TEXT if profile == "toss" else NATIVE_EXPRESSIONS
        check(expressions, line, status, harmless=player == "Budi")


async def test_a_saldo_reads_as_what_it_is(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    upstream.user = says(f"TopupKuy. a@b.id. plan Platinum Member. balance {SALDO}")
    found = re.search(TEXT_USER, await house.user())
    assert found is not None
    assert found[1] == SALDO
    answer = await house.get(f"/balance?{balance()}")
    assert read(NATIVE_EXPRESSIONS, answer.text) == ([], None, SALDO)


async def test_what_decides_nothing_reads_as_to_be_repeated(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url, reseller=dict(NATIVE), limits={"orders_per_s": 1, "max_open_orders": 1}
    )
    await house.order("A1")
    for line, expressions in (
        (await house.order("A2"), TEXT),
        (await house.order("A1", "9"), TEXT),
        (await house.status("A9"), TEXT),
        (await native(house, "A2"), NATIVE_EXPRESSIONS),
        (await native(house, "A1", "9"), NATIVE_EXPRESSIONS),
        (await native(house, "A9", check="1"), NATIVE_EXPRESSIONS),
        (await native(house, "A9", sign="x"), NATIVE_EXPRESSIONS),
    ):
        assert read(expressions, line)[0] == ["ulang"], line


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("placed_in", ["text", "native", "json"])
async def test_one_trx_id_is_one_purchase_and_one_truth_in_all_three(
    open_house: OpenHouse, upstream: FakeUpstream, status: Status, placed_in: str
) -> None:
    house = await open_house(upstream.url, reseller=dict(NATIVE))
    note = note_of("Budi")
    upstream.order = says(
        f"R#{{trx_id}} S1_1187.1|2, status {status}. {note} . Sisa saldo {SALDO}"
    )
    upstream.json_order = invoice(status, note, http=201)
    upstream.look_up = invoice(status, note)
    ask: dict[str, Callable[[], Awaitable[object]]] = {
        "text": lambda: house.order("A1"),
        "native": lambda: native(house, "A1"),
        "json": lambda: house.order_json("A1"),
    }
    await ask[placed_in]()
    for dialect in ("json", "text", "native"):  # each repeats the order of another one
        await ask[dialect]()
    text, told_natively = await house.order("A1"), await native(house, "A1", check="1")
    told = json.loads((await house.ask_json("GET", "/v1/status/trx-id/A1")).text)["data"]
    assert (told["status"], told["response_note"], told["trx_id"]) == (status, note, "A1")
    assert read(TEXT, text)[0] == read(NATIVE_EXPRESSIONS, told_natively)[0] == [OWN[status]]
    assert len(upstream.orders) + len(upstream.json_orders) == 1
    assert len(await house.orders()) == 1
