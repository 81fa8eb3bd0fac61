"""Signed callbacks that come again, in trouble, or in the log: what is written, and what not."""

import asyncio
import json

import pytest

from gateway import metrics
from tests.support import FakeUpstream, House, OpenHouse, Panel, eventually
from tests.web.webhooks import brought_to, door, send, signature, webhook_body

FORMS = pytest.mark.parametrize("form", ["token", "webhook"])
BODY = webhook_body("SUCCESS")
RIGHT = signature(BODY)


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream, panel: Panel) -> House:
    """A gateway with a panel; its workers ask only when there is a reason."""
    return await open_house(
        upstream.url, reseller={"callback_url": panel.url}, recheck={"schedule_s": [3600]}
    )


@FORMS
@pytest.mark.parametrize("said", ["SUCCESS", "REFUNDED", "PENDING", "DONE"])
async def test_hundreds_of_replays_write_nothing_more(
    calm: House, upstream: FakeUpstream, panel: Panel, form: str, said: str
) -> None:
    await brought_to(calm, upstream, "SUCCESS")
    await eventually(lambda: panel.statuses == ["SUCCESS"])
    target = door(calm, form)
    bodies = [webhook_body(said), webhook_body(said).replace(b",", b", ")]
    for body in bodies:
        assert await send(calm, target, body) == 200
    if said in ("REFUNDED", "DONE"):
        await eventually(lambda: upstream.look_ups)

    async def is_settled() -> bool:
        if calm.gateway.recheck._asking:
            return False
        calm.skip(2.1)  # after a look-up the next one waits for two seconds
        return (await calm.shown())["due_at"] is None

    await eventually(is_settled)
    rows, told = await calm.count_rows(), (await calm.shown())["status"]
    for _ in range(4):
        codes = await asyncio.gather(*(send(calm, target, bodies[n % 2]) for n in range(50)))
        assert set(codes) == {200}
    await eventually(is_settled)
    assert await calm.count_rows() == rows
    assert ((await calm.shown())["status"], panel.statuses) == (told, ["SUCCESS"])
    assert len(upstream.orders) == 1


@FORMS
async def test_however_it_is_spelled_it_is_written_once(
    calm: House, upstream: FakeUpstream, form: str
) -> None:
    await brought_to(calm, upstream, "SUCCESS")
    said = json.loads(webhook_body("REFUNDED"))
    for spaces in range(5):
        for values in (said, dict(reversed(said.items())), {**said, "tomorrow": spaces}):
            body = json.dumps(values, indent=spaces).encode()
            assert await send(calm, door(calm, form), body) == 200
    assert (await calm.kinds()).count("called_back") == 2  # SUCCESS and REFUNDED


async def test_an_old_balance_does_not_come_back(calm: House, upstream: FakeUpstream) -> None:
    await calm.order()
    await send(calm, "/callback", BODY)
    assert (await calm.order()).endswith("Sisa saldo 987654")
    await calm.order("T2")  # says 12345
    await send(calm, "/callback", BODY)
    assert (await calm.order()).endswith("Sisa saldo 12345")


@FORMS
async def test_it_is_stored_before_it_is_answered(calm: House, panel: Panel, form: str) -> None:
    await calm.order()
    await calm.break_journal()
    for _ in range(3):
        assert await send(calm, door(calm, form), BODY) == 503
    await calm.break_journal(broken=False)
    assert (await calm.shown())["status"] == "PENDING"
    assert await send(calm, door(calm, form), BODY) == 200
    await eventually(lambda: panel.statuses == ["SUCCESS"])


@FORMS
async def test_no_signature_stands_in_the_journal_or_the_log(calm: House, form: str) -> None:
    await calm.order()
    calm.secrets |= {RIGHT, "0" * 64}
    await send(calm, door(calm, form), BODY)
    await send(calm, door(calm, form), BODY, "0" * 64)
    assert RIGHT not in str(await calm.shown())


@FORMS
async def test_each_outcome_is_counted(calm: House, form: str) -> None:
    await calm.order()
    unknown = webhook_body("SUCCESS", "toko-T9")
    for target, body, made, outcome in (
        (door(calm, form), BODY, None, "stored"),
        (door(calm, form), BODY, "", "signature"),
        (door(calm, form, "toko-T9"), unknown, None, "kept"),
        ("/callback/x", BODY, None, "token"),
    ):
        before = metrics.callbacks.labels(outcome)._value.get()
        await send(calm, target, body, made)
        assert metrics.callbacks.labels(outcome)._value.get() == before + 1
