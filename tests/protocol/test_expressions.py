"""The expressions of the sheets over whatever our lines may hold: each finds its own alone."""

import re
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order, Status
from gateway.protocol import otomax, text
from gateway.protocol.expressions import MEANINGS, NATIVE, TEXT, TEXT_USER
from gateway.protocol.fields import is_destination
from gateway.protocol.panel import sample
from gateway.protocol.text import parse_order_request
from gateway.protocol.words import plain, tame
from tests.support.hostile import COUNT, hostile_names

KINDS = ("sukses", "gagal", "pending", "ulang")
OWN = {
    Status.SUCCESS: "sukses",
    Status.PARTIAL_SUCCESS: "sukses",
    Status.FAILED: "gagal",
    Status.REFUNDED: "gagal",
    Status.PENDING: "pending",
    Status.PAID: "pending",
}
SALDI = (None, 0, 987654321, -5)
LINES = {
    "order": (TEXT, text.order_answer),
    "status": (TEXT, text.status_answer),
    "native": (NATIVE, otomax.order_answer),
}


def found(expressions: Mapping[str, str], line: str) -> list[str]:
    return [kind for kind in KINDS if re.search(expressions[kind], line)]


def group(expression: str, line: str) -> str | None:
    match = re.search(expression, line)
    return None if match is None else match[1]


def check(form: str, order: Order, saldo: int | None) -> None:
    expressions, answer = LINES[form]
    line = answer(order, saldo)
    assert found(expressions, line) == [OWN[order.status]], line
    assert group(expressions["saldo"], line) == (None if saldo is None else str(saldo)), line
    sn = group(expressions["sn"], line)
    if OWN[order.status] != "sukses":
        assert sn is None, line
        return
    told = otomax.sn_of(order) if form == "native" else tame(order.note, order.status)
    assert sn == told, line


def test_each_has_a_meaning_in_the_operators_words() -> None:
    assert TEXT.keys() == NATIVE.keys() == MEANINGS.keys()


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("status", Status)
def test_each_finds_its_own_status_and_no_other(form: str, status: Status) -> None:
    for saldo in SALDI:
        check(form, replace(sample(status), note="Budi - 1(2) . RefId: ML_1"), saldo)


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("status", Status)
def test_no_hostile_name_fools_one(form: str, status: Status) -> None:
    names = hostile_names()
    assert len(names) == COUNT == 500
    for number, name in enumerate(names):
        note = plain(f"{name} - 1(2) . RefId: ML_1" if number % 2 else name) or "x"
        check(form, replace(sample(status), note=note), SALDI[number % len(SALDI)])


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("status", Status)
def test_no_hostile_destination_fools_one(form: str, status: Status) -> None:
    permitted = [name for name in hostile_names() if is_destination(name)]
    assert len(permitted) > 100
    for name in permitted:
        said = replace(sample(status), user_id=name, dest=name, server_id=None, note="x y")
        check(form, said, 5)
        check(form, replace(said, said_dest=name), 5)


@pytest.mark.parametrize("code", Code)
def test_what_decides_nothing_is_read_as_that(code: Code) -> None:
    note = explain(code)
    for dest in ("123", *filter(is_destination, hostile_names())):
        asked = replace(parse_order_request("product_code=S1&user_id=1&trx_id=T1"), user_id=dest)
        for saldo in SALDI:
            line = text.error_answer(asked, note, saldo)
            assert found(TEXT, line) == ["ulang"], line
        asked_natively = replace(
            otomax.parse_trx_request("memberID=TOKO&product=S1&dest=1&refID=T1"), user_id=dest
        )
        line = otomax.error_answer(asked_natively, note)
        assert found(NATIVE, line) == ["ulang"], line


def test_a_saldo_is_read_where_it_is_asked_for() -> None:
    assert group(TEXT_USER, "TopupKuy. a@b.id. plan Platinum Member. balance 1234344") == "1234344"
    assert group(NATIVE["saldo"], otomax.render_balance(1234344)) == "1234344"


@pytest.mark.parametrize("expressions", [TEXT, NATIVE, {"saldo": TEXT_USER}])
def test_none_loses_anything_when_it_is_copied(expressions: Mapping[str, str]) -> None:
    for expression in expressions.values():
        assert expression == expression.strip()
        assert expression.isascii()
        assert "(?P" not in expression  # PCRE and .NET name groups in other ways
