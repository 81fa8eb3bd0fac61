"""The upstream's heart in virtual time: no sockets, no real seconds, its own sender and clock."""

import asyncio
import json
import random
import re
import time

import pytest

from gateway.sandbox.core import Answer, Asked, HangUp
from gateway.sandbox.faults import ALL, Faults
from tests.sandbox.world import EPOCH, KEY, World, code, in_virtual_time, said


def test_a_purchase_lives_in_virtual_time() -> None:
    async def play(world: World) -> list[str]:
        first = said(world.buy("t-1", "123456789003"))
        await asyncio.sleep(3599)
        between = said(world.buy("t-1", "123456789003"))
        await asyncio.sleep(2)
        return [first, between, said(world.buy("t-1", "123456789003"))]

    started = time.monotonic()
    lines, world = in_virtual_time(play, delay_s=3600.0)
    assert time.monotonic() - started < 10, "of an hour"
    assert [re.findall(r"status (\w+)", line) for line in lines] == [
        ["PENDING"],
        ["PENDING"],
        ["FAILED"],
    ]
    ((at, target),) = world.sender.sent
    assert (at, target.query["status"], target.path) == (3600.0, "FAILED", "/callback/t-1")
    (purchase,) = world.ledger.purchases
    assert [at for at, _ in purchase.history] == [EPOCH, EPOCH + 3600]
    assert world.ledger.order_requests("t-1") == 3


def test_what_is_no_route_and_what_is_no_get_is_answered_so() -> None:
    async def play(world: World) -> list[int]:
        paths = ("/", "/v4/otomax/order", "/v1/status/", "/v1/status/a/b", "/v1/otomax/status/")
        answers = [world.upstream.ask(Asked("GET", path)) for path in paths]
        order = world.order("t-1")
        answers.append(world.upstream.ask(Asked("HEAD", order.path, order.query)))
        return [answer.status for answer in answers if isinstance(answer, Answer)]

    statuses, world = in_virtual_time(play)
    assert statuses == [404] * 5 + [405]
    assert world.ledger.purchases == []


def test_a_held_answer_is_on_the_wire_until_it_is_due_or_its_asker_leaves() -> None:
    async def play(world: World) -> list[int]:
        most = []
        for leaves in (False, True):
            trx_id = f"t-{leaves}"
            first = world.order(trx_id)
            answer = world.upstream.ask(first)
            assert answer.after_s == 10
            await asyncio.sleep(9.9)
            if leaves:
                world.upstream.left(first)
            world.buy(trx_id)
            most.append(world.ledger.traffic.most_at_once(trx_id))
            await asyncio.sleep(10)
            world.buy(trx_id)
            assert world.ledger.traffic.most_at_once(trx_id) == most[-1]
        return most

    most, world = in_virtual_time(play, latency_s=10.0)
    assert most == [2, 1]
    assert len(world.ledger.purchases) == 2


@pytest.mark.parametrize(
    ("latency_s", "pause_s", "bought"),
    [(0.0, 1.9, 2), (0.0, 2.1, 1), (10.0, 9.0, 2), (10.0, 11.0, 1)],
)
def test_double_buy_sells_twice_to_whoever_overlaps_and_only_to_them(
    latency_s: float, pause_s: float, bought: int
) -> None:
    async def play(world: World) -> None:
        world.buy("t-1")
        await asyncio.sleep(pause_s)
        world.buy("t-1")
        await asyncio.sleep(60)
        assert ", status SUCCESS. " in said(world.buy("t-1"))
        told = json.loads(said(world.look_up("t-1")))["data"]
        assert told["invoice_number"] == world.ledger.purchases[0].invoice_number

    _, world = in_virtual_time(
        play, faults=Faults({"double-buy": 1.0}), latency_s=latency_s, race_s=2.0
    )
    purchases = world.ledger.purchases_of("t-1")
    assert len(purchases) == len({p.invoice_number for p in purchases}) == bought
    money = world.ledger.money(KEY)
    assert (money.prices_rp, money.adds_up) == (bought * 1511, True)


def test_without_the_fault_two_at_once_buy_once() -> None:
    async def play(world: World) -> None:
        world.buy("t-1")
        world.buy("t-1")

    _, world = in_virtual_time(play, latency_s=10.0)
    assert len(world.ledger.purchases_of("t-1")) == 1
    assert world.ledger.traffic.most_at_once("t-1") == 2


def test_a_late_look_up_finds_it_when_its_time_has_come() -> None:
    async def play(world: World) -> list[str]:
        world.buy("t-1")
        codes = [code(world.look_up("t-1"))]
        await asyncio.sleep(4.9)
        codes.append(code(world.look_up("t-1")))
        await asyncio.sleep(0.2)
        return [*codes, code(world.look_up("t-1"))]

    codes, _ = in_virtual_time(play, faults=Faults({"lookup-late": 1.0}), late_s=5.0)
    assert codes == ["INVOICE_NOT_FOUND", "INVOICE_NOT_FOUND", "success"]


def test_each_turn_of_one_order_has_its_own_luck() -> None:
    async def play(world: World) -> list[int]:
        asks = (world.buy, world.look_up)
        answers = [ask("t-1") for ask in asks for _ in range(40)]
        return [answer.status for answer in answers if isinstance(answer, Answer)]

    rates = {"error-500": 0.5, "lookup-500": 0.5}
    statuses, _ = in_virtual_time(play, faults=Faults(rates))
    assert len(statuses) == 80
    for half in (statuses[:40], statuses[40:]):
        assert 8 < half.count(500) < 32


def test_a_refusal_after_a_purchase_comes_in_every_form_and_changes_nothing() -> None:
    async def play(world: World) -> set[str]:
        forms = set()
        for number in range(60):
            assert ", status PENDING. " in said(world.buy(f"t-{number}"))
            text = said(world.buy(f"t-{number}"))
            if text.startswith("R#"):
                assert f"R#t-{number} S1_1187.55002, status FAILED. " in text
                forms.add("words" if "Saldo Anda tidak" in text else "code")
            else:
                assert json.loads(text)["message"] != "success"
                forms.add("envelope")
        return forms

    forms, world = in_virtual_time(play, faults=Faults({"refused-after": 1.0}))
    assert forms == {"words", "code", "envelope"}
    assert len(world.ledger.purchases) == 60
    assert {purchase.status.value for purchase in world.ledger.purchases} == {"PENDING"}


@pytest.mark.parametrize(
    ("fault", "dest", "told"),
    [
        ("callback-twice", "55002", [(1.0, "SUCCESS"), (1.0, "SUCCESS"), (1.75, "SUCCESS")]),
        ("callback-missing", "55002", []),
        ("callback-missing", "55004", []),
        ("callback-backwards", "55002", [(1.0, "SUCCESS"), (2.25, "PENDING")]),
        ("callback-backwards", "55004", [(0.05, "SUCCESS"), (1.0, "REFUNDED"), (2.25, "SUCCESS")]),
        ("callback-early", "55002", [(0.02, "SUCCESS")]),
        ("callback-early", "55001", [(0.02, "SUCCESS")]),
        ("callback-early", "55004", [(0.02, "SUCCESS"), (1.02, "REFUNDED")]),
        ("callback-early", "55006", [(0.02, "SUCCESS")]),
        ("callback-early", "55012", []),
    ],
)
def test_what_goes_wrong_with_callbacks(
    fault: str, dest: str, told: list[tuple[float, str]]
) -> None:
    async def play(world: World) -> Answer | HangUp:
        answer = world.buy("t-1", dest)
        await asyncio.sleep(60)
        return answer

    answer, world = in_virtual_time(play, faults=Faults({fault: 1.0}))
    sent = [(round(at, 3), target.query["status"]) for at, target in world.sender.sent]
    assert sent == told
    early = fault == "callback-early" and dest != "55012"
    assert answer.after_s == (20.0 if dest == "55006" else 0) + (0.3 if early else 0)
    assert ", status PENDING. " in said(answer) or dest in {"55001", "55004"}


@pytest.mark.parametrize(
    ("fault", "dest", "word", "truth"),
    [
        ("callback-false-failed", "55002", "FAILED", "SUCCESS"),
        ("callback-false-failed", "55005", "FAILED", "PARTIAL_SUCCESS"),
        ("callback-false-failed", "55012", "FAILED", None),
        ("callback-false-success", "55003", "SUCCESS", "FAILED"),
    ],
)
def test_a_false_word_is_said_once_before_or_after_the_true_one_and_books_know_it(
    fault: str, dest: str, word: str, truth: str | None
) -> None:
    async def play(world: World) -> None:
        for number in range(40):
            world.buy(f"t-{number}", dest)
        await asyncio.sleep(60)

    _, world = in_virtual_time(play, faults=Faults({fault: 1.0, "callback-missing": 0.0}))
    orders = set()
    for purchase in world.ledger.purchases:
        told = [(one.status.value, one.true) for one in purchase.callbacks]
        assert sorted(told) == sorted([(word, False), *([(truth, True)] if truth else [])])
        orders.add(told[0][0])
        assert purchase.status.value == (truth or "PENDING")
    assert orders == ({word, truth} if truth else {word})
    assert world.ledger.money(KEY).adds_up


def test_a_false_success_never_stands_alone() -> None:
    async def play(world: World) -> None:
        world.buy("t-1", "55003")
        await asyncio.sleep(60)

    rates = {"callback-false-success": 1.0, "callback-missing": 1.0}
    _, world = in_virtual_time(play, faults=Faults(rates))
    assert {target.query["status"] for _, target in world.sender.sent} == {"SUCCESS", "FAILED"}


def test_a_strangers_callback_names_nobody_we_know() -> None:
    async def play(world: World) -> None:
        world.buy("t-1")
        await asyncio.sleep(60)

    _, world = in_virtual_time(play, faults=Faults({"callback-stranger": 1.0}))
    stranger = next(t for _, t in world.sender.sent if t.query["trx_id"] != "t-1")
    assert stranger.path == "/callback/t-1"
    assert stranger.query["invoice_number"].startswith("APIKUY_ZZ_")
    assert "ZZ_" in stranger.query["sn"] or stranger.query["status"] == "FAILED"
    assert [told.own for told in world.ledger.purchases[0].callbacks].count(False) == 1


@pytest.mark.parametrize(("fault", "look_up"), [("stranger", False), ("lookup-stranger", True)])
@pytest.mark.parametrize("bought", [True, False])
def test_a_strangers_text_is_whole_and_of_another_order(
    fault: str, *, look_up: bool, bought: bool
) -> None:
    async def play(world: World) -> str:
        answer = world.buy("toko-7", "55002" if bought else "55103")
        return said(world.look_up("toko-7") if look_up else answer)

    text, world = in_virtual_time(play, faults=Faults({fault: 1.0}))
    assert len(world.ledger.purchases) == bought
    if look_up:
        data = json.loads(text)["data"]
        assert data["trx_id"] in {"toko-70", "0toko-7", "toko-1"}
        assert data["status"] in {"SUCCESS", "FAILED"}
    else:
        assert re.fullmatch(
            r"R#(toko-70|0toko-7|toko-1) S1_1187\.\S+, status (SUCCESS|FAILED)\. .* "
            r"\. Sisa saldo \d+",
            text,
        )


def heard(world: World, trx_id: str, answers: list[Answer | HangUp]) -> list[object]:
    """What the world heard of one order, without the numbers that count in order of arrival."""
    seen: list[object] = [
        (answer.status, answer.content_type, len(answer.body), answer.missing, answer.after_s)
        if isinstance(answer, Answer)
        else (answer.after_s, answer.reset)
        for answer in answers
    ]
    for purchase in world.ledger.purchases_of(trx_id):
        seen += [(round(t.at - purchase.created_at, 3), t.status) for t in purchase.callbacks]
    return seen


def play_shuffled(seed: int, shuffle: int) -> dict[str, list[object]]:
    """Order and look up 300 orders twice, in an order and at times of chance."""
    names = [f"toko1-T{1000 + number}" for number in range(300)]

    async def one(world: World, trx_id: str, chance: random.Random) -> list[Answer | HangUp]:
        # Beyond the spans of double-buy and lookup-late, in which time is what decides.
        pauses = [chance.uniform(0, 50), *(chance.uniform(10, 20) for _ in range(4))]
        await asyncio.sleep(pauses[0])
        answers = []
        for pause, ask in zip(
            pauses[1:], (world.buy, world.look_up, world.buy, world.look_up), strict=True
        ):
            answers.append(ask(trx_id))
            await asyncio.sleep(pause)
        return answers

    async def play(world: World) -> dict[str, list[Answer | HangUp]]:
        chance = random.Random(shuffle)
        order = chance.sample(names, len(names))
        found = await asyncio.gather(*(one(world, name, chance) for name in order))
        await asyncio.sleep(60)
        return dict(zip(order, found, strict=True))

    answers, world = in_virtual_time(
        play, faults=Faults({ALL: 0.15, "reset-before": 0.05}, seed), hold_s=5.0, delay_s=2.0
    )
    assert all(world.ledger.money(account.apikey).adds_up for account in world.ledger.accounts())
    return {trx_id: heard(world, trx_id, answers[trx_id]) for trx_id in names}


def test_the_same_seed_gives_the_same_faults_in_whatever_order_requests_arrive() -> None:
    first = play_shuffled(seed=7, shuffle=1)
    assert first == play_shuffled(seed=7, shuffle=2)
    assert first != play_shuffled(seed=8, shuffle=1)
