"""Our books against the upstream's, an order at a time, and which day is which."""

from datetime import date

import pytest
from msgspec.structs import replace

from gateway.domain.evidence import Evidence, Silence, Source, Status
from gateway.domain.order import Order
from gateway.domain.reconciling import amount_of, bounds_of, day_of, differences, was_sent

MIDNIGHT = 1_794_502_800_000  # 2026-11-13 00:00 in WIB
SOLD = Order(
    reseller="toko",
    trx_id="T1",
    product_code="S1",
    dest="1234",
    user_id="1234",
    account="key1",
    placed_at=MIDNIGHT,
    status=Status.SUCCESS,
    note="SN",
    named=True,
    product_price=1511,
    invoice_number="I1",
    sends=1,
    first_sent_at=MIDNIGHT,
    final_at=MIDNIGHT,
)
FAILED = replace(SOLD, status=Status.FAILED, named=False, note="EXPIRED", product_price=None)
OPEN = replace(SOLD, status=Status.PENDING, final_at=None)


def test_a_day_is_one_in_wib() -> None:
    assert bounds_of(date(2026, 11, 13)) == (MIDNIGHT, MIDNIGHT + 86_400_000)
    assert day_of(MIDNIGHT) == date(2026, 11, 12)
    assert day_of(MIDNIGHT - 1) == date(2026, 11, 11)


def said(verdict: Status | Silence, **more: object) -> Evidence:
    return Evidence(source=Source.LOOKUP, verdict=verdict, **more)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("order", "evidence", "found"),
    [
        (SOLD, said(Status.SUCCESS), []),
        (SOLD, said(Status.SUCCESS, note="SN ", product_price=1511, invoice_number="I1"), []),
        (SOLD, said(Status.SUCCESS, note="another"), ["SN"]),
        (
            SOLD,
            said(Status.SUCCESS, product_price=1600, invoice_number="I2"),
            ["price", "invoice"],
        ),
        (SOLD, said(Status.REFUNDED), ["the journal says SUCCESS, the upstream REFUNDED"]),
        (SOLD, said(Status.PENDING), ["the journal says SUCCESS, the upstream PENDING"]),
        (
            SOLD,
            said(Silence.NOT_FOUND),
            ["the journal says SUCCESS, the upstream knows no such order"],
        ),
        (FAILED, said(Silence.NOT_FOUND), []),
        (FAILED, said(Status.FAILED, note="other words"), []),
        (FAILED, said(Status.SUCCESS), ["the journal says FAILED, the upstream SUCCESS"]),
        (
            replace(FAILED, named=True),
            said(Silence.NOT_FOUND),
            ["the journal says FAILED, the upstream knows no such order"],
        ),
        (OPEN, said(Status.PAID), []),
        (OPEN, said(Status.PENDING), []),
        (OPEN, said(Status.SUCCESS), ["the journal says PENDING, the upstream SUCCESS"]),
    ],
)
def test_what_differs(order: Order, evidence: Evidence, found: list[str]) -> None:
    told = differences(order, evidence)
    assert [one.partition(":")[0] for one in told] == found


def test_what_left_the_saldo() -> None:
    assert amount_of(SOLD) == 1511
    assert amount_of(replace(SOLD, product_price=None)) is None
    assert amount_of(FAILED) == amount_of(OPEN) == 0
    assert was_sent(SOLD)
    assert not was_sent(replace(FAILED, first_sent_at=None))
