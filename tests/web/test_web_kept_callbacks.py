"""Signed callbacks whose order is not known (yet): after a restore, for example (contract §7)."""

import asyncio

import pytest

from gateway.store import Form, WaitingCallback
from tests.support import FakeUpstream, House, OpenHouse, Panel, eventually, invoice, stays
from tests.web.webhooks import SN, door, send, signature, webhook_body

FORMS = pytest.mark.parametrize("form", ["token", "webhook"])
BODY = webhook_body("SUCCESS")


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel; its workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


async def kept(house: House) -> list[WaitingCallback]:
    return await house.gateway.store.waiting_callbacks(house.clock() + 10**9, 1000)


async def is_kept_no_more(house: House) -> None:
    async def look() -> bool:
        return await kept(house) == []

    await eventually(look)


@FORMS
async def test_it_is_kept_once_and_applied_when_its_order_turns_up(
    calm: House, panel: Panel, form: str
) -> None:
    codes = await asyncio.gather(*(send(calm, door(calm, form), BODY) for _ in range(50)))
    assert set(codes) == {200}
    assert [found.form for found in await kept(calm)] == [Form.JSON]
    assert await calm.orders() == []
    await calm.order()
    assert (await calm.shown())["status"] == "PENDING"
    calm.skip(120)
    assert (await calm.becomes("SUCCESS"))["note"] == SN
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    await is_kept_no_more(calm)
    assert (await calm.order()).endswith("Sisa saldo 12345")  # not the one of long ago


@FORMS
async def test_bad_news_that_was_kept_is_confirmed_like_any(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str
) -> None:
    assert await send(calm, door(calm, form), webhook_body("FAILED")) == 200
    upstream.look_up = invoice("SUCCESS", "Budi")
    await calm.order()
    calm.skip(120)
    await calm.becomes("SUCCESS")
    await eventually(lambda: upstream.look_ups)
    await stays(lambda: [word for word in panel.statuses if word != "SUCCESS"], [], 0.2)


@FORMS
async def test_its_signature_is_checked_again_under_its_orders_own_key(
    calm: House, upstream: FakeUpstream, form: str
) -> None:
    """The reseller got another upstream key before the order was placed."""
    assert await send(calm, door(calm, form), BODY) == 200
    calm.secrets |= {"new-upstream-key", signature(BODY)}
    await calm.gateway.desk.resellers.change("toko", upstream_key="new-upstream-key")
    await calm.order()
    calm.skip(120)
    await is_kept_no_more(calm)
    assert (await calm.shown())["status"] == "PENDING"
    assert "called_back" not in await calm.kinds()
    assert "callback.dropped" in calm.log.text


WRONG = {
    "zeros": "0" * 64,
    "of another key": signature(BODY, "upstream-key-of-kios"),
    "of another body": signature(webhook_body("FAILED")),
}


@pytest.mark.parametrize("wrong", ["", *WRONG.values()], ids=["empty", *WRONG])
async def test_without_a_token_nothing_is_kept_that_is_not_signed_right(
    calm: House, wrong: str
) -> None:
    await calm.add("kios")
    assert await send(calm, "/callback", BODY, wrong) == 401
    assert await kept(calm) == []


@pytest.mark.parametrize("wrong", ["", "x", "0" * 63, "g" * 64, "é" * 64])
async def test_with_a_token_nothing_is_kept_that_can_not_be_signed(
    calm: House, wrong: str
) -> None:
    assert await send(calm, door(calm, "token"), BODY, wrong) == 401
    assert await kept(calm) == []


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_with_a_token_a_wrong_signature_is_dropped_when_the_key_is_known(
    calm: House, wrong: str
) -> None:
    """Its order's key may be known as late as the order."""
    assert await send(calm, door(calm, "token"), BODY, wrong) == 200
    await calm.order()
    calm.skip(120)
    await is_kept_no_more(calm)
    assert (await calm.shown())["status"] == "PENDING"
    assert "called_back" not in await calm.kinds()


@pytest.mark.parametrize("trx_id", ["nobody-T1", "kunci-T1"])
async def test_the_reseller_must_be_known_and_have_a_key(calm: House, trx_id: str) -> None:
    await calm.add("kunci", upstream_key=None)
    body = webhook_body("SUCCESS", trx_id)
    for key in ("upstream-key-of-toko", "upstream-key-of-kunci", "", "None"):
        assert await send(calm, "/callback", body, signature(body, key)) == 401
    assert await kept(calm) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\x00", webhook_body("SUCCESS", "toko-T2")])
async def test_with_a_token_what_says_nothing_is_kept_as_a_reason_to_look_up(
    calm: House, upstream: FakeUpstream, body: bytes
) -> None:
    for more in (b"", b" ", b"\n"):
        assert await send(calm, door(calm, "token"), body + more) == 200
    assert len(await kept(calm)) == 1
    await calm.order()
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    calm.skip(120)
    await is_kept_no_more(calm)
    await eventually(lambda: upstream.look_ups)
    assert (await calm.shown())["status"] == "PENDING"


async def test_callbacks_of_every_form_wait_for_one_order_and_the_first_decides(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.look_up = invoice("SUCCESS", SN)
    await send(calm, "/callback", webhook_body("PENDING"))
    await send(calm, "/callback", BODY)
    await send(calm, door(calm, "token"), webhook_body("FAILED"))
    assert await calm.call_back("SUCCESS", sn=SN) == 200
    assert (await calm.get("/callback?trx_id=toko-T1&status=SUCCESS")).status == 200
    assert len(await kept(calm)) == 5
    await calm.order()
    calm.skip(120)
    await is_kept_no_more(calm)
    await calm.becomes("SUCCESS")
    await eventually(lambda: panel.statuses)
    await stays(lambda: panel.statuses, ["SUCCESS"], 0.2)
    assert len(upstream.orders) == 1


@FORMS
async def test_it_is_kept_before_it_is_answered(calm: House, form: str) -> None:
    await calm.break_journal()
    assert await send(calm, door(calm, form), BODY) == 503
    await calm.break_journal(broken=False)
    assert await kept(calm) == []
    assert await send(calm, door(calm, form), BODY) == 200
    assert len(await kept(calm)) == 1


async def test_one_that_waits_long_is_tried_less_often_and_given_up_after_a_week(
    calm: House,
) -> None:
    calm.errors_expected = True
    await send(calm, "/callback", BODY)
    gaps = []
    for _ in range(8):
        calm.gateway.inbox.bell.ring()

        async def was_tried() -> bool:
            due = await calm.gateway.store.waiting_callbacks(calm.clock(), 10)
            return due == []

        await eventually(was_tried)
        gap = 0
        while not await calm.gateway.store.waiting_callbacks(calm.clock(), 10):
            calm.clock.skip(30)
            gap += 30
        gaps.append(gap)
    assert gaps[0] == 60
    assert gaps == sorted(gaps)
    assert gaps[-1] == 900
    calm.skip(8 * 24 * 3600)
    await is_kept_no_more(calm)
    assert "callback.given_up" in calm.log.text
