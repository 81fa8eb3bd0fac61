"""What goes wrong with JSON orders, in virtual time: the same as with text orders."""

import asyncio

import pytest

from gateway.sandbox.core import Answer, HangUp
from gateway.sandbox.faults import Faults
from tests.sandbox.world import World, body, code, in_virtual_time, said, status


@pytest.mark.parametrize(
    ("fault", "seen", "bought"),
    [
        ("reset-before", HangUp(reset=True), 0),
        ("lost-reply", HangUp(), 1),
        ("held-reply", HangUp(after_s=90.0), 1),
        ("reset-after", HangUp(reset=True), 1),
        ("error-500", "SERVER_ERROR", 1),
    ],
)
def test_what_goes_wrong_with_a_text_order_goes_wrong_with_a_json_order(
    fault: str, seen: HangUp | str, bought: int
) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json()

    answer, world = in_virtual_time(play, faults=Faults({fault: 1.0}))
    assert (answer if isinstance(answer, HangUp) else code(answer)) == seen
    assert len(world.ledger.purchases) == bought


def test_a_page_and_a_half_answer() -> None:
    async def play(world: World) -> list[Answer | HangUp]:
        return [world.buy_as_json(trx_id=f"t-{number}") for number in range(20)]

    pages, _ = in_virtual_time(play, faults=Faults({"html": 1.0}))
    assert all(said(answer).startswith("<!DOCTYPE html>") for answer in pages)
    cut, _ = in_virtual_time(play, faults=Faults({"cut": 1.0}))
    assert all(said(answer).startswith('{"statusCode":200') for answer in cut)
    assert not any(said(answer).endswith("}}") for answer in cut)
    assert {isinstance(answer, Answer) and answer.missing > 0 for answer in cut} == {True, False}


@pytest.mark.parametrize("bought", [True, False])
def test_a_stranger_is_the_whole_json_of_another_order(*, bought: bool) -> None:
    async def play(world: World) -> Answer | HangUp:
        return world.buy_as_json(trx_id="toko-7", user_id="55002" if bought else "55103")

    answer, world = in_virtual_time(play, faults=Faults({"stranger": 1.0}))
    data = body(answer)["data"]
    assert (status(answer), len(world.ledger.purchases)) == (201, bought)
    assert data["trx_id"] in {"toko-70", "0toko-7", "toko-1"}
    assert data["invoice_number"].startswith("APIKUY_ZZ_")
    assert data["status"] in {"SUCCESS", "FAILED"}


def test_a_refusal_after_a_purchase_is_an_envelope_or_a_failed_invoice() -> None:
    async def play(world: World) -> set[str]:
        forms = set()
        for number in range(60):
            assert status(world.buy_as_json(trx_id=f"t-{number}")) == 201
            again = world.buy_as_json(trx_id=f"t-{number}")
            if status(again) != 200:
                forms.add("envelope")
                continue
            data = body(again)["data"]
            assert (data["trx_id"], data["status"]) == (f"t-{number}", "FAILED")
            forms.add("words" if "Saldo Anda tidak" in data["response_note"] else "code")
        return forms

    forms, world = in_virtual_time(play, faults=Faults({"refused-after": 1.0}))
    assert forms == {"words", "code", "envelope"}
    assert {purchase.status.value for purchase in world.ledger.purchases} == {"PENDING"}


def test_double_buy_and_held_answers_hit_json_orders_too() -> None:
    async def play(world: World) -> None:
        first = world.order_as_json("/v1/order")
        world.upstream.ask(first)
        await asyncio.sleep(9)
        world.buy_as_json("/v2/order")
        world.upstream.left(first)

    _, world = in_virtual_time(play, faults=Faults({"double-buy": 1.0}), latency_s=10.0)
    assert len(world.ledger.purchases_of("t-1")) == 2
    assert world.ledger.traffic.most_at_once("t-1") == 2
    assert len(world.ledger.traffic._lines["t-1"].open_until) == 1


def test_unnamed_orders_have_each_their_own_luck() -> None:
    async def play(world: World) -> int:
        answers = [world.buy_as_json(trx_id=None) for _ in range(60)]
        await asyncio.sleep(60)
        return sum(isinstance(answer, HangUp) for answer in answers)

    rates = {"lost-reply": 0.5, "callback-missing": 0.5}
    lost, world = in_virtual_time(play, faults=Faults(rates))
    assert 15 < lost < 45
    assert 15 < len(world.sender.posted) < 45
    assert len(world.ledger.purchases) == 60
