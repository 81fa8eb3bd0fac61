"""Callbacks in, the token route (contract §7, T7 to T9)."""

import asyncio

import pytest

from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    after,
    chunks_of,
    drops,
    eventually,
    invoice,
    raw_exchange,
    refuses,
    says,
    stays,
)


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel; its workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


async def test_success_is_applied_at_once_and_delivered(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    answer = await calm.get(
        f"/callback/{calm.token('toko-T1')}?invoice_number=APIKUY_1&trx_id=toko-T1&status=SUCCESS"
        "&product_price=1511&sn=Budi%20-%201(2)%20.%20RefId:%20ML_1&msg=R"
    )
    assert (answer.status, answer.text) == (200, "OK")
    shown = await calm.shown()
    assert (shown["status"], shown["note"]) == ("SUCCESS", "Budi - 1(2) . RefId: ML_1")
    assert (shown["invoice_number"], shown["product_price"]) == ("APIKUY_1", 1511)
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert panel.told[0]["sn"] == "Budi - 1(2) . RefId: ML_1"
    assert upstream.look_ups == []


@pytest.mark.parametrize("status", ["PENDING", "PAID"])
async def test_an_open_word_is_applied_and_delivered_to_nobody(
    calm: House, upstream: FakeUpstream, panel: Panel, status: str
) -> None:
    await calm.order()
    assert await calm.call_back(status, sn="RefId : ML_2") == 200
    shown = await calm.shown()
    assert (shown["status"], shown["note"]) == (status, "RefId : ML_2")
    assert shown["due_at"] is not None
    await stays(lambda: panel.targets, [])


async def test_partial_success_is_applied_delivered_and_told_to_the_operator(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    assert await calm.call_back("PARTIAL_SUCCESS") == 200
    await eventually(lambda: panel.statuses == ["PARTIAL_SUCCESS"])
    assert len(await calm.alerts()) == 1
    assert ", status PARTIAL_SUCCESS. " in await calm.order()


@pytest.mark.parametrize(
    ("said", "note"), [("FAILED", "Stok habis"), ("REFUNDED", "Dana kembali")]
)
async def test_bad_news_is_confirmed_by_a_look_up_first(
    calm: House, upstream: FakeUpstream, panel: Panel, said: str, note: str
) -> None:
    upstream.look_up = invoice(said, note)
    await calm.order()
    assert await calm.call_back(said, sn="from the callback") == 200
    await calm.becomes(said)
    assert len(upstream.look_ups) == 1
    await eventually(lambda: panel.statuses == [said])
    assert panel.told[0]["sn"] == note
    assert f", status {said}. {note} . Sisa saldo" in await calm.order()


@pytest.mark.parametrize("said", ["FAILED", "REFUNDED"])
@pytest.mark.parametrize("truth", ["PENDING", "SUCCESS"])
async def test_bad_news_that_the_upstream_does_not_confirm_is_not_true(
    calm: House, upstream: FakeUpstream, panel: Panel, said: str, truth: str
) -> None:
    upstream.look_up = invoice(truth, "Budi")
    await calm.order()
    assert await calm.call_back(said) == 200
    await eventually(lambda: upstream.look_ups)
    await calm.becomes(truth)
    await stays(lambda: [status for status in panel.statuses if status != truth], [])


async def test_bad_news_waits_while_the_upstream_can_not_be_asked(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    house = await open_house(upstream.url, reseller={"callback_url": panel.url})
    upstream.look_up = refuses("SERVER_ERROR", 500)
    await house.order()
    await house.call_back("FAILED")
    await eventually(lambda: len(upstream.look_ups) >= 3)
    assert (await house.shown())["status"] == "PENDING"
    upstream.look_up = invoice("FAILED", "Stok habis")
    await house.becomes("FAILED")
    await eventually(lambda: panel.statuses == ["FAILED"])


@pytest.mark.parametrize("said", ["FAILED", "REFUNDED", "PENDING", "SUCCESS"])
async def test_a_success_stays_when_the_look_up_says_so(
    calm: House, upstream: FakeUpstream, panel: Panel, said: str
) -> None:
    upstream.look_up = invoice("SUCCESS", "Budi")
    await calm.order()
    await calm.call_back("SUCCESS", sn="Budi")
    assert await calm.call_back(said, sn="Budi") == 200
    if said in ("FAILED", "REFUNDED"):
        await eventually(lambda: upstream.look_ups)
    else:
        await stays(lambda: upstream.look_ups, [], 0.2)

    async def is_settled() -> bool:
        return (await calm.shown())["due_at"] is None

    await eventually(is_settled)
    shown = await calm.shown()
    assert (shown["status"], shown["note"]) == ("SUCCESS", "Budi")
    assert panel.statuses == ["SUCCESS"]


@pytest.mark.parametrize("said", ["FAILED", "REFUNDED"])
async def test_a_refund_after_success_is_confirmed_and_the_correction_delivered(
    calm: House, upstream: FakeUpstream, panel: Panel, said: str
) -> None:
    await calm.order()
    await calm.call_back("SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    upstream.look_up = invoice(said, "Dibatalkan")
    await calm.call_back(said)
    await calm.becomes(said)
    await eventually(lambda: panel.statuses == ["SUCCESS", said])
    assert panel.told[1]["sn"] == "Dibatalkan"
    assert f", status {said}. Dibatalkan" in await calm.status()
    assert await calm.alerts() != []
    kinds = await calm.kinds()
    assert kinds.count("called_back") == 2
    assert kinds.count("looked_up") == 1


async def test_another_sn_for_a_success_is_an_alert_and_changes_nothing(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    await calm.call_back("SUCCESS", sn="Budi")
    await calm.call_back("SUCCESS", sn="Siti")
    assert (await calm.shown())["note"] == "Budi"
    assert len(await calm.alerts()) == 1
    await eventually(lambda: panel.statuses)
    await stays(lambda: panel.statuses, ["SUCCESS"])


async def test_fifty_replays_change_nothing(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    codes = await asyncio.gather(*(calm.call_back("SUCCESS") for _ in range(50)))
    assert set(codes) == {200}
    await eventually(lambda: panel.targets)
    await stays(lambda: panel.statuses, ["SUCCESS"])
    assert len(await calm.deliveries()) == 1
    assert await calm.alerts() == []
    assert len(upstream.asked) == 1


async def test_a_callback_before_the_reply_wins_and_the_reply_does_not_move_it_back(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, says("R#{trx_id} S1_1187.1, status PENDING. a . Sisa saldo 99"))
    waiting = asyncio.create_task(calm.order(dest="1"))
    await eventually(lambda: upstream.orders)
    assert await calm.call_back("SUCCESS", sn="Budi") == 200
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    gate.set()
    assert await waiting == "R#T1 S1_1187.1, status SUCCESS. Budi . Sisa saldo 99"
    shown = await calm.shown()
    assert (shown["status"], shown["sending"], shown["due_at"]) == ("SUCCESS", False, None)
    assert len(upstream.orders) == 1
    assert panel.statuses == ["SUCCESS"]


async def test_a_callback_before_a_lost_reply_settles_the_order(
    calm: House, upstream: FakeUpstream
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, drops)
    waiting = asyncio.create_task(calm.order())
    await eventually(lambda: upstream.orders)
    await calm.call_back("SUCCESS", sn="Budi")
    gate.set()
    assert await waiting == "R#T1 S1_1187.123456789, status SUCCESS. Budi"
    assert len(upstream.asked) == 1


async def test_a_refusal_after_the_callback_said_success_fails_nothing(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    gate = asyncio.Event()
    upstream.order = after(gate, refuses("INSUFFICIENT_BALANCE", 400))
    upstream.look_up = invoice("SUCCESS", "Budi")
    waiting = asyncio.create_task(calm.order())
    await eventually(lambda: upstream.orders)
    await calm.call_back("SUCCESS", sn="Budi")
    gate.set()
    assert ", status SUCCESS. Budi" in await waiting
    await eventually(lambda: upstream.look_ups)
    await stays(lambda: panel.statuses, ["SUCCESS"])
    assert (await calm.shown())["status"] == "SUCCESS"


@pytest.mark.parametrize(
    "token",
    ["", "x", "{}x", "x{}", "toko-T1", ".toko-T1", "%00", "%FF", "%D9%A1", "A" * 24 + ".toko-T1"],
)
async def test_a_wrong_token_is_forbidden_and_no_evidence(
    calm: House, upstream: FakeUpstream, token: str
) -> None:
    await calm.order()
    before = await calm.shown()
    code = await calm.call_back("SUCCESS", token=token.format(calm.token("toko-T1")))
    assert code == (404 if token == "" else 403)
    assert await calm.shown() == before


async def test_every_changed_character_makes_a_token_wrong(calm: House) -> None:
    await calm.order()
    token = calm.token("toko-T1")
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        code = await calm.call_back("SUCCESS", token=token[:place] + other + token[place + 1 :])
        assert code == 403
    assert (await calm.shown())["status"] == "PENDING"


async def test_a_token_is_good_for_its_own_order_alone(
    calm: House, upstream: FakeUpstream
) -> None:
    await calm.add("kios")
    await calm.order("T1")
    await calm.order("T2")
    await calm.order("T1", reseller="kios")
    for other in ("toko-T2", "kios-T1"):
        assert calm.token(other) != calm.token("toko-T1")
        assert await calm.call_back("SUCCESS", "toko-T1", token=calm.token(other)) == 200
    assert {shown["status"] for shown in await calm.orders()} == {"PENDING"}
    # It is no more than a reason to ask about the order whose token it was.
    await eventually(lambda: len(upstream.look_ups) == 2)
    assert {asked.trx_id for asked in upstream.look_ups} == {"toko-T2", "kios-T1"}


async def test_the_tokens_of_two_orders_share_nothing(calm: House) -> None:
    macs = {calm.token(f"toko-T{n}").partition(".")[0] for n in range(200)}
    assert len(macs) == 200
    assert {len(mac) for mac in macs} == {24}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status=SUCCESS",
        "trx_id=toko-T1",
        "trx_id=toko-T1&status=",
        "trx_id=toko-T1&status=success",
        "trx_id=toko-T1&status=DONE",
        "trx_id=toko-T1&status=SUCCESS&status=FAILED",
        "trx_id=toko-T1&status=SUCCESS&sn=a&sn=b",
        "trx_id=toko-T1&status=SUCCESS&sn=%FF",
        "trx_id=toko-T1&trx_id=toko-T1&status=SUCCESS",
        "trx_id=T1&status=SUCCESS",
        "trx_id=toko-T1%00&status=SUCCESS",
    ],
)
async def test_what_can_not_be_understood_is_only_a_reason_to_look_up(
    calm: House, upstream: FakeUpstream, query: str
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_2")
    await calm.order()
    answer = await calm.get(f"/callback/{calm.token('toko-T1')}?{query}")
    assert (answer.status, answer.text) == (200, "OK")
    await eventually(lambda: upstream.look_ups)
    assert (await calm.kinds()).count("called_back") == 1
    assert (await calm.shown())["status"] == "PENDING"


SAMPLE = "invoice_number=I1&trx_id=toko-T1&status=SUCCESS&product_price=15&sn=Budi%20-%201&msg="


@pytest.mark.parametrize(
    "msg",
    [
        "R",  # as an HTTP client sends the document's sample: the rest was a fragment
        "R#toko-T1%20I1%20X.1(2),%20status%20FAILED.%20no",  # from one that knows no fragments
        "R%23toko-T1%20I1%20X.1(2),%20status%20FAILED.%20no",
        "status+FAILED",
    ],
)
async def test_the_msg_is_never_evidence_and_is_built_anew_for_the_panel(
    calm: House, upstream: FakeUpstream, panel: Panel, msg: str
) -> None:
    await calm.order()
    head = f"GET /callback/{calm.token('toko-T1')}?{SAMPLE}{msg} HTTP/1.1"
    sent = f"{head}\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert chunks_of(await raw_exchange(calm.port, sent.encode())) == [(200, b"OK")]
    await eventually(lambda: panel.targets)
    assert panel.told[0]["msg"] == (
        "R#T1 I1 S1_1187.123456789(), status SUCCESS. Budi - 1 . Sisa saldo 12345"
    )


async def test_a_callback_is_stored_before_it_is_answered(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    await calm.break_journal()
    for _ in range(3):
        assert await calm.call_back("SUCCESS") == 503
    await calm.break_journal(broken=False)
    assert (await calm.shown())["status"] == "PENDING"
    assert await calm.call_back("SUCCESS") == 200
    assert (await calm.shown())["status"] == "SUCCESS"
    await eventually(lambda: panel.statuses == ["SUCCESS"])


async def test_a_callback_whose_order_is_not_known_is_kept_and_tried_again(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    """After the journal was restored from a backup, for example."""
    for _ in range(3):
        assert await calm.call_back("SUCCESS", sn="Budi") == 200
    assert len(await calm.gateway.store.waiting_callbacks(calm.clock(), 10)) <= 1
    assert await calm.orders() == []
    await calm.order()
    assert (await calm.shown())["status"] == "PENDING"
    calm.skip(120)
    await calm.becomes("SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    assert await calm.gateway.store.waiting_callbacks(calm.clock() + 10**9, 10) == []


async def test_a_callback_names_the_order_of_its_delivery(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    query = "status=SUCCESS&sn=Budi&trx_id=toko-T1&product_price=15&invoice_number=I1"
    await calm.get(f"/callback/{calm.token('toko-T1')}?{query}")
    await eventually(lambda: panel.targets)
    assert list(panel.told[0]) == [
        *("status", "sn", "trx_id", "product_price", "invoice_number", "msg")
    ]
