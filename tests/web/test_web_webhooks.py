"""Signed callbacks in, with a token and as the dashboard's webhook (contract §7, T7 to T9)."""

from typing import Any

import pytest

from gateway.domain.order import Status
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    eventually,
    invoice,
    raw_exchange,
    stays,
)
from tests.web.webhooks import INVOICE, SN, brought_to, door, send, signature, webhook_body

FORMS = pytest.mark.parametrize("form", ["token", "webhook"])


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel; its workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


@FORMS
@pytest.mark.parametrize("status", ["SUCCESS", "PARTIAL_SUCCESS"])
async def test_good_news_is_applied_at_once_and_delivered(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str, status: str
) -> None:
    await calm.order()
    assert await send(calm, door(calm, form), webhook_body(status)) == 200
    shown = await calm.shown()
    assert (shown["status"], shown["note"]) == (status, SN)
    assert (shown["invoice_number"], shown["product_price"]) == (INVOICE, 1511)
    await eventually(lambda: panel.statuses == [status])
    # A JSON callback has no order of names to mirror, and its balance has been seen.
    assert list(panel.told[0]) == [
        *("invoice_number", "trx_id", "status", "sn", "msg", "product_price")
    ]
    assert panel.told[0]["msg"].endswith(f"{SN} . Sisa saldo 987654")
    assert upstream.look_ups == []


@FORMS
@pytest.mark.parametrize("status", ["PENDING", "PAID"])
async def test_an_open_word_is_applied_and_delivered_to_nobody(
    calm: House, panel: Panel, form: str, status: str
) -> None:
    await calm.order()
    assert await send(calm, door(calm, form), webhook_body(status)) == 200
    shown = await calm.shown()
    assert (shown["status"], shown["note"]) == (status, SN)
    await stays(lambda: panel.targets, [])


@FORMS
@pytest.mark.parametrize("said", ["FAILED", "REFUNDED"])
async def test_bad_news_is_confirmed_by_a_look_up_first(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str, said: str
) -> None:
    upstream.look_up = invoice(said, "Stok habis")
    await calm.order()
    assert await send(calm, door(calm, form), webhook_body(said)) == 200
    assert (await calm.becomes(said))["note"] == "Stok habis"
    assert len(upstream.look_ups) == 1
    await eventually(lambda: panel.statuses == [said])


@FORMS
@pytest.mark.parametrize("said", ["FAILED", "REFUNDED"])
async def test_bad_news_that_the_upstream_does_not_confirm_is_not_true(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str, said: str
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await calm.order()
    assert await send(calm, door(calm, form), webhook_body(said)) == 200
    await eventually(lambda: upstream.look_ups)
    await stays(lambda: panel.targets, [])
    assert (await calm.shown())["status"] == "PENDING"


@FORMS
@pytest.mark.parametrize("state", [*Status])
@pytest.mark.parametrize("said", [*Status])
async def test_no_word_moves_an_order_away_from_what_the_upstream_answers(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str, state: str, said: str
) -> None:
    """In every state: what is called back a second time, and never was true."""
    await brought_to(calm, upstream, state)
    is_open = state in ("PENDING", "PAID")
    assert await send(calm, door(calm, form), webhook_body(said)) == 200
    if is_open and said not in ("FAILED", "REFUNDED"):
        assert (await calm.shown())["status"] == said  # its word is taken
        return
    await stays(lambda: [word for word in panel.statuses if word != state], [], 0.1)
    assert (await calm.shown())["status"] == state


@FORMS
async def test_a_refund_after_success_is_confirmed_and_the_correction_delivered(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str
) -> None:
    await brought_to(calm, upstream, "SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    upstream.look_up = invoice("REFUNDED", "Dibatalkan")
    assert await send(calm, door(calm, form), webhook_body("REFUNDED")) == 200
    await calm.becomes("REFUNDED")
    await eventually(lambda: panel.statuses == ["SUCCESS", "REFUNDED"])
    assert await calm.alerts() != []


# forged

BODY = webhook_body("SUCCESS")
RIGHT = signature(BODY)
WRONG = {
    "empty": "",
    "zeros": "0" * 64,
    "short": RIGHT[:-1],
    "long": f"{RIGHT}0",
    "backwards": RIGHT[::-1],
    "of another key": signature(BODY, "upstream-key-of-kios"),
    "of no key": signature(BODY, ""),
    "of another body": signature(webhook_body("FAILED")),
    "of the body but a byte": signature(BODY + b" "),
    "named": f"sha256={RIGHT}",
    "not ASCII": "é" * 64,
    "Arabic digits": "٣" * 64,
}


@FORMS
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_wrong_signature_is_refused_and_no_evidence(
    calm: House, upstream: FakeUpstream, form: str, wrong: str
) -> None:
    await calm.add("kios")
    await calm.order()
    before = await calm.shown(), await calm.count_rows()
    assert await send(calm, door(calm, form), BODY, wrong) == 401
    assert (await calm.shown(), await calm.count_rows()) == before
    await stays(lambda: upstream.look_ups, [], 0.1)


@FORMS
@pytest.mark.parametrize("headers", ["", f"X-Signature: {RIGHT}\r\nX-Signature: {RIGHT}\r\n"])
async def test_there_is_one_signature(calm: House, form: str, headers: str) -> None:
    await calm.order()
    head = f"POST {door(calm, form)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
    sent = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    assert (await raw_exchange(calm.port, sent)).startswith(b"HTTP/1.1 401 ")
    assert (await calm.shown())["status"] == "PENDING"


@FORMS
async def test_bytes_that_are_no_text_are_no_signature(calm: House, form: str) -> None:
    await calm.order()
    head = f"POST {door(calm, form)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Signature: "
    length = f"\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    sent = head.encode() + b"\xff\xc3" * 32 + length + BODY
    answer = await raw_exchange(calm.port, sent)
    assert answer.split(b" ")[1] in (b"400", b"401")
    assert (await calm.shown())["status"] == "PENDING"


@FORMS
async def test_a_signature_in_capitals_is_right(calm: House, form: str) -> None:
    await calm.order()
    assert await send(calm, door(calm, form), BODY, RIGHT.upper()) == 200
    assert (await calm.shown())["status"] == "SUCCESS"


@FORMS
async def test_what_was_signed_is_the_body_as_it_came(calm: House, form: str) -> None:
    """Whatever spaces, order of names, and letters it was written with."""
    await calm.order()
    spaced = webhook_body("SUCCESS", response_note="王 é").replace(b",", b" ,\n\t") + b"\r\n"
    assert await send(calm, door(calm, form), spaced) == 200
    assert (await calm.shown())["note"] == "王 é"


async def test_another_orders_token_gives_no_right_over_this_one(
    calm: House, upstream: FakeUpstream
) -> None:
    await calm.order("T1")
    await calm.order("T2")
    assert await send(calm, door(calm, "token", "toko-T2"), BODY) == 200
    assert {shown["status"] for shown in await calm.orders()} == {"PENDING"}
    # It is no more than a reason to ask about the order whose token it was.
    await eventually(lambda: upstream.look_ups)
    assert {asked.trx_id for asked in upstream.look_ups} == {"toko-T2"}


@pytest.mark.parametrize("token", ["x", "{}x", "x{}", ".toko-T1", "A" * 24 + ".toko-T1"])
async def test_a_wrong_token_is_forbidden_however_well_it_is_signed(
    calm: House, token: str
) -> None:
    await calm.order()
    before = await calm.shown()
    target = f"/callback/{token.format(calm.token('toko-T1'))}"
    assert await send(calm, target, BODY) == 403
    assert await send(calm, target, BODY, "") == 403
    assert await calm.shown() == before


@FORMS
async def test_a_reseller_can_not_speak_of_anothers_order(calm: House, form: str) -> None:
    """Two resellers with one trx_id: each order has a key of its own."""
    await calm.add("kios")
    await calm.order()
    await calm.order(reseller="kios")
    body = webhook_body("SUCCESS", "kios-T1")
    assert await send(calm, door(calm, form, "kios-T1"), body) == 401
    by_kios = signature(body, "upstream-key-of-kios")
    assert await send(calm, door(calm, form, "kios-T1"), body, by_kios) == 200
    assert (await calm.shown("kios-T1"))["status"] == "SUCCESS"
    assert (await calm.shown("toko-T1"))["status"] == "PENDING"


@FORMS
async def test_an_order_is_spoken_of_under_the_key_that_it_was_bought_with(
    calm: House, form: str
) -> None:
    await calm.order()
    calm.secrets.add("new-upstream-key")
    await calm.gateway.desk.resellers.change("toko", upstream_key="new-upstream-key")
    assert await send(calm, door(calm, form), BODY, signature(BODY, "new-upstream-key")) == 401
    assert await send(calm, door(calm, form), BODY) == 200
    assert (await calm.shown())["status"] == "SUCCESS"


@FORMS
async def test_they_come_from_their_addresses_alone(
    open_house: OpenHouse, upstream: FakeUpstream, form: str
) -> None:
    house = await open_house(
        upstream.url, upstream={"callback_ips": ["192.0.2.1"]}, recheck={"schedule_s": [3600]}
    )
    await house.order()
    before = await house.shown()
    assert await send(house, door(house, form), BODY) == 403
    assert await send(house, "/callback/x", BODY) == 403
    assert await house.shown() == before


# nothing in it


@FORMS
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "success"},
        {"status": "DONE"},
        {"status": None},
        {"status": 1},
        {"invoice_number": 5},
        {"response_note": 5},
        {"product": {"price": "1511"}},
        {"balance": "1"},
    ],
    ids=repr,
)
async def test_what_can_not_be_understood_is_only_a_reason_to_look_up(
    calm: House, upstream: FakeUpstream, form: str, changes: dict[str, Any]
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_2")
    await calm.order()
    body = webhook_body(**{"status": "SUCCESS", **changes})
    assert await send(calm, door(calm, form), body) == 200
    await eventually(lambda: upstream.look_ups)
    assert (await calm.kinds()).count("called_back") == 1
    assert (await calm.shown())["status"] == "PENDING"


NAMES_NOBODY = [
    b"",
    b"{}",
    b"null",
    b"[]",
    BODY[:-1],
    BODY.replace(b'"status"', b'"status":"FAILED","status"'),
    BODY.replace(b"987654", b"NaN"),
    BODY.replace(b"Budi", b"Bu\xff"),
    BODY.decode().encode("utf-16"),
    webhook_body("SUCCESS", None),
    webhook_body("SUCCESS", 1),
    webhook_body("SUCCESS", "T1"),
    webhook_body("SUCCESS", "toko-T1\n"),
    webhook_body("SUCCESS", "toko-'; DROP TABLE orders"),
    b"[" * 50_000,
]


@pytest.mark.parametrize("body", NAMES_NOBODY, ids=lambda body: ascii(body[:20]))
async def test_a_body_that_names_nobody_needs_a_token_and_is_only_a_reason_to_look_up(
    calm: House, upstream: FakeUpstream, body: bytes
) -> None:
    await calm.order()
    before = await calm.shown(), await calm.count_rows()
    assert await send(calm, "/callback", body) == 401
    assert (await calm.shown(), await calm.count_rows()) == before
    assert await send(calm, door(calm, "token"), body) == 200
    await eventually(lambda: upstream.look_ups)
    assert (await calm.shown())["status"] == "PENDING"
