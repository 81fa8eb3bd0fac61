"""Callbacks in that prove nothing: a webhook in text form, without token or signature."""

import asyncio
from urllib.parse import quote

import pytest

from gateway.domain.order import Status
from gateway.flow import inbox
from gateway.store import Form
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    eventually,
    invoice,
    stays,
)

INVOICE = "APIKUY_ML_1_0001"


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel; its workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


async def hint(house: House, status: str = "SUCCESS", **changes: str | None) -> int:
    """Call back as the document's Otomax callback does, to an address without a token."""
    fields = {
        "invoice_number": INVOICE,
        "trx_id": "toko-T1",
        "status": status,
        "sn": "Budi",
        "msg": "R",
        **changes,
    }
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)
    answer = await house.get(f"/callback?{query}")
    assert answer.status != 200 or answer.text == "OK"
    return answer.status


async def kept(house: House) -> int:
    return (await house.count_rows())["waiting_callbacks"]


@pytest.mark.parametrize("said", [*Status, "DONE", None])
@pytest.mark.parametrize("truth", ["SUCCESS", "FAILED", "PAID"])
async def test_it_is_a_reason_to_look_up_and_what_that_says_is_applied(
    calm: House, upstream: FakeUpstream, panel: Panel, said: str | None, truth: str
) -> None:
    upstream.look_up = invoice(truth, "the truth")
    await calm.order()
    if said == "PENDING":  # says what is known
        assert await hint(calm, said) == 200
        await stays(lambda: upstream.look_ups, [], 0.1)
        return
    assert await hint(calm, status=said or "") == 200
    assert (await calm.becomes(truth))["note"] == "the truth"
    assert len(upstream.look_ups) == 1
    await eventually(lambda: panel.statuses == ([] if truth == "PAID" else [truth]))


async def test_what_can_not_be_stored_is_to_be_called_again(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("SUCCESS", "the truth")
    await calm.order()
    await calm.break_journal()
    assert await hint(calm) == 503
    await calm.break_journal(broken=False)
    assert await hint(calm) == 200
    await calm.becomes("SUCCESS")


@pytest.mark.parametrize("said", [*Status])
async def test_it_is_never_evidence(calm: House, upstream: FakeUpstream, said: str) -> None:
    """The upstream knows nothing: neither is the order sold, nor failed, nor is it named."""
    await calm.order()
    before = await calm.shown()
    assert await hint(calm, said) == 200
    if said != "PENDING":
        await eventually(lambda: upstream.look_ups)
    shown = await calm.shown()
    for name in ("status", "note", "invoice_number", "product_price", "final_at"):
        assert shown.get(name) == before.get(name)


@pytest.mark.parametrize("state", ["SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"])
async def test_no_hint_moves_a_final_order(
    calm: House, upstream: FakeUpstream, panel: Panel, state: str
) -> None:
    upstream.look_up = invoice(state, "Budi")
    await calm.order()
    await calm.call_back(state, sn="Budi")
    await calm.becomes(state)
    for said in (*Status, "DONE"):
        assert await hint(calm, said) == 200
    await eventually(lambda: upstream.look_ups)
    await stays(lambda: [word for word in panel.statuses if word != state], [], 0.2)
    assert (await calm.shown())["status"] == state


async def test_a_refund_that_was_hinted_at_is_found(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    await calm.order()
    await calm.call_back("SUCCESS", sn="Budi")
    upstream.look_up = invoice("REFUNDED", "Dibatalkan")
    assert await hint(calm, "REFUNDED") == 200
    await eventually(lambda: panel.statuses[-1:] == ["REFUNDED"])


async def test_a_hint_of_what_is_known_asks_nobody_and_alerts_nobody(
    calm: House, upstream: FakeUpstream
) -> None:
    """The webhook comes beside the order's own callback, for every order."""
    await calm.order()
    await calm.call_back("SUCCESS", sn="Budi")

    async def is_told() -> bool:
        return "told" in await calm.kinds()

    await eventually(is_told)
    rows = await calm.count_rows()
    for _ in range(5):
        assert await hint(calm, "SUCCESS") == 200
    await stays(lambda: upstream.look_ups, [], 0.1)
    assert await calm.count_rows() == rows


async def test_a_thousand_hints_write_one_and_ask_at_the_usual_pace(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await calm.order()
    await hint(calm)
    await eventually(lambda: upstream.look_ups)
    rows = await calm.count_rows()
    for _ in range(10):
        codes = await asyncio.gather(
            *(hint(calm, sn=f"{n}", msg=f"{n}", invoice_number=f"{n}") for n in range(100))
        )
        assert set(codes) == {200}
    grown = (await calm.count_rows())["timeline"] - rows["timeline"]
    assert grown <= 2 * len(upstream.look_ups)
    assert (await calm.kinds()).count("called_back") == 1
    assert len(upstream.look_ups) <= 10  # one in two seconds


async def test_an_order_is_found_by_its_invoice_where_the_hint_has_no_trx_id_of_ours(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("SUCCESS", "Budi", invoice_number=INVOICE)
    await calm.order()
    await calm.call_back("PENDING", invoice_number=INVOICE)
    for trx_id in ("", "null", "T1", "nobody-T1"):
        assert await hint(calm, "PAID", trx_id=trx_id) == 200
    await calm.becomes("SUCCESS")


@pytest.mark.parametrize(
    "query",
    ["", "x", "status=SUCCESS", "trx_id=nobody-T1", "trx_id=%FF", "invoice_number=I9", "%00=%00"],
)
async def test_a_hint_that_names_no_order_of_ours_is_answered_and_forgotten(
    calm: House, upstream: FakeUpstream, query: str
) -> None:
    await calm.order()
    rows = await calm.count_rows()
    answer = await calm.get(f"/callback?{query}" if query else "/callback")
    assert (answer.status, answer.text) == (200, "OK")
    assert await calm.count_rows() == rows
    await stays(lambda: upstream.look_ups, [], 0.1)


async def test_it_comes_from_the_upstreams_addresses_alone(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, upstream={"callback_ips": ["192.0.2.1"]})
    await house.order()
    rows = await house.count_rows()
    for trx_id in ("toko-T1", "toko-T2"):
        assert await hint(house, trx_id=trx_id) == 403
    assert await house.count_rows() == rows


# orders that are not known yet


async def test_one_whose_order_is_not_known_is_kept_and_tried_again(
    calm: House, upstream: FakeUpstream, panel: Panel
) -> None:
    for n in range(20):
        assert await hint(calm, sn=f"{n}") == 200
    assert await kept(calm) == 1
    upstream.look_up = invoice("SUCCESS", "Budi")
    await calm.order()
    calm.skip(120)
    assert (await calm.becomes("SUCCESS"))["note"] == "Budi"
    await eventually(lambda: panel.statuses == ["SUCCESS"])

    async def is_done_with() -> bool:
        return await kept(calm) == 0

    await eventually(is_done_with)


async def test_where_anybody_may_call_nothing_unknown_is_kept(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url, upstream={"callback_ips": []}, recheck={"schedule_s": [3600]}
    )
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.order()
    rows = await house.count_rows()
    for n in range(2, 20):
        assert await hint(house, trx_id=f"toko-T{n}") == 200
    assert await house.count_rows() == rows
    assert await hint(house) == 200
    await house.becomes("SUCCESS")


async def test_no_more_than_so_many_are_kept(calm: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inbox.MAX_KEPT, Form.HINT, 20)
    codes = [await hint(calm, trx_id=f"toko-T{n}") for n in range(30)]
    assert codes == [200] * 20 + [503] * 10
    assert await kept(calm) == 20
    assert await calm.gateway.store.count_waiting_callbacks(Form.HINT) == 20
    # Who proves something is still heard, and so are hints for orders that are there.
    assert await calm.call_back("SUCCESS", "toko-T77") == 200
    await calm.order("T99")
    assert await hint(calm, trx_id="toko-T99") == 200
    # Room is found again when an order has turned up.
    await calm.order("T0")
    calm.skip(120)

    async def there_is_room() -> bool:
        return await hint(calm, trx_id="toko-T50") == 200

    await eventually(there_is_room)


async def test_the_same_hint_again_takes_no_room(
    calm: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(inbox.MAX_KEPT, Form.HINT, 5)
    for _ in range(50):
        assert await hint(calm) == 200
    assert await kept(calm) == 1


async def test_after_a_week_it_is_nobodys(calm: House) -> None:
    assert await hint(calm) == 200

    async def is_given_up() -> bool:
        calm.skip(24 * 3600)
        return await kept(calm) == 0

    await eventually(is_given_up)
    assert calm.log.errors() == []


async def test_it_is_stored_before_it_is_answered(calm: House) -> None:
    await calm.order()
    await calm.break_journal()
    for trx_id in ("toko-T1", "toko-T2"):
        assert await hint(calm, "PAID", trx_id=trx_id) == 503
    await calm.break_journal(broken=False)
    assert await kept(calm) == 0
    assert (await calm.kinds()).count("called_back") == 0
    assert await hint(calm, "PAID", trx_id="toko-T2") == 200
    assert await kept(calm) == 1
