"""A day's orders against the upstream's word: what differs is told, a look-up alone changes it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain.errors import NotDone
from gateway.domain.reconciling import WIB, bounds_of, day_of
from gateway.flow.reconciling import LAST
from tests.support import FakeUpstream, House, invoice, refuses
from tests.support.upstream import drops


def today(house: House) -> str:
    begins, _ = bounds_of(day_of(house.clock() + 86_400_000))
    return str(datetime.fromtimestamp(begins / 1000, UTC).astimezone(WIB).date())


async def reconcile(house: House, day: str | None = None) -> dict[str, Any]:
    """Do what the command does."""
    wanted = await house.gateway.desk.do("reconcile.begin", {"day": day or today(house)})
    total: dict[str, Any] = {"orders": 0, "asked": 0, "unanswered": 0, "differences": []}
    reached = wanted["last"]
    while reached is not None:
        values = {"first": wanted["first"], "last": reached}
        part = await house.gateway.desk.do("reconcile.some", values)
        total = {name: total[name] + part[name] for name in total}
        reached = part["next"]
    return total


async def test_a_refund_that_nobody_called_back_is_found_and_told(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("SUCCESS", "SN1")
    house.clock.stay_in_the_hour()
    for n in range(12):
        await house.order(f"T{n}")
        await house.status(f"T{n}")
        await house.becomes("SUCCESS", f"toko-T{n}")
    assert (await reconcile(house))["differences"] == []
    asked_before = len(upstream.look_ups)

    async def one_refunded(asked: Any) -> Any:
        word = "REFUNDED" if asked.trx_id == "toko-T7" else "SUCCESS"
        return await invoice(word, "SN1")(asked)

    upstream.look_up = one_refunded
    house.clock.skip(3)
    total = await reconcile(house)
    assert (total["orders"], total["asked"], total["unanswered"]) == (12, 12, 0)
    (found,) = total["differences"]
    assert (found["order"], found["status"], found["status_after"]) == (
        "toko-T7",
        "SUCCESS",
        "REFUNDED",
    )
    assert (await house.shown("toko-T7"))["status"] == "REFUNDED"
    assert len(upstream.look_ups) == asked_before + 13, "each once, and the one that differs again"
    assert len(upstream.orders) == 12, "a reconciliation buys nothing"


async def test_only_the_day_is_looked_at(house: House, upstream: FakeUpstream) -> None:
    upstream.look_up = invoice("SUCCESS", "SN1")
    house.clock.stay_in_the_hour()
    for n in range(3):
        await house.order(f"T{n}")
    day = today(house)
    house.clock.skip(86_400)
    for n in range(3, 5):
        await house.order(f"T{n}")
    assert (await reconcile(house, day))["orders"] == 3
    assert (await reconcile(house))["orders"] == 2
    yesterday = await house.gateway.desk.do("reconcile.begin", {})
    assert yesterday["day"] == day
    assert (await reconcile(house, "2020-01-01"))["orders"] == 0


async def test_an_upstream_that_is_down_is_not_asked_about_everything(
    house: House, upstream: FakeUpstream
) -> None:
    house.clock.stay_in_the_hour()
    for n in range(30):
        await house.order(f"T{n}")
    upstream.look_up = drops
    total = await reconcile(house)
    assert total["unanswered"] == total["asked"] == 8
    assert total["differences"] == []


async def test_what_was_never_sent_is_not_asked_about(
    house: House, upstream: FakeUpstream
) -> None:
    house.clock.stay_in_the_hour()
    await house.order("T1", product_code="no such/code")
    upstream.look_up = refuses("INVOICE_NOT_FOUND")
    total = await reconcile(house)
    assert (total["orders"], total["asked"]) == (1, 0)


async def test_the_last_one_is_kept_and_bounded(house: House) -> None:
    result = {
        "day": "2026-11-25",
        "saldo": 5,
        "differences": [{"order": str(n)} for n in range(500)],
    }
    await house.gateway.desk.do("reconcile.keep", {"result": result})
    last = await house.gateway.desk.do("reconcile.last", {})
    assert len(last["differences"]) == 100
    raw = await house.gateway.store.meta(LAST)
    assert raw is not None
    assert json.loads(raw) == last


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "9999-01-01"])
async def test_no_such_day(house: House, day: str) -> None:
    with pytest.raises(NotDone):
        await house.gateway.desk.do("reconcile.begin", {"day": day})
