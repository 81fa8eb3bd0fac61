"""An order whose journal was brought back: as one that may have been sent, and whose it is."""

import pytest
from msgspec.structs import replace

from gateway.domain.evidence import Evidence, Silence, Source, Status
from gateway.domain.order import Order, Rules
from gateway.domain.restored import is_that_purchase, maybe_sent
from gateway.domain.truth import apply

NOW = 1_795_000_000_000
RULES = Rules(schedule_s=(2, 5), settle_s=40, expire_s=1800, lease_s=95)
NEW = Order(
    reseller="toko",
    trx_id="T1",
    product_code="S1",
    dest="123456789|1234",
    user_id="123456789",
    account="key1",
    placed_at=NOW,
)


def look(order: Order, verdict: Status | Silence, at: int) -> Evidence:
    return Evidence(source=Source.LOOKUP, verdict=verdict, asked_at=at)


def test_it_is_due_and_not_under_way() -> None:
    order = maybe_sent(NEW, NOW - 5_000, NOW)
    assert (order.sends, order.sending, order.is_open) == (1, False, True)
    assert (order.due_at, order.first_sent_at, order.send_ended_at) == (NOW, NOW, NOW - 5_000)
    assert maybe_sent(NEW, NOW + 5_000, NOW).send_ended_at == NOW, "a clock that was ahead"


def test_it_is_sent_only_after_not_found_and_when_the_dust_had_settled() -> None:
    order = maybe_sent(NEW, NOW, NOW)
    early = apply(order, look(order, Silence.NOT_FOUND, NOW + 39_000), NOW + 39_000, RULES)
    assert not early.send
    silent = apply(order, look(order, Silence.NO_ANSWER, NOW + 50_000), NOW + 50_000, RULES)
    assert not silent.send
    late = apply(order, look(order, Silence.NOT_FOUND, NOW + 41_000), NOW + 41_000, RULES)
    assert late.send
    assert late.order.sends == 2, "one more may have been"


def test_a_refusal_of_its_send_proves_nothing() -> None:
    """The gateway of before may have bought it, and the upstream looks at the saldo first."""
    order = maybe_sent(NEW, NOW, NOW)
    sent = apply(order, look(order, Silence.NOT_FOUND, NOW + 41_000), NOW + 41_000, RULES).order
    refused = Evidence(source=Source.REPLY, verdict=Status.FAILED, note="INSUFFICIENT_BALANCE")
    assert apply(sent, refused, NOW + 42_000, RULES).order.is_open


@pytest.mark.parametrize(
    ("product_code", "dest", "same"),
    [
        ("S1", "1234567891234", True),
        ("S1", "123456789(1234)", True),
        ("S1", "", True),
        (None, "1234567891234", True),
        (None, "", True),
        ("S2", "1234567891234", False),
        ("s1", "1234567891234", False),
        ("S1", "1234567891235", False),
    ],
)
def test_whose_purchase_it_is(product_code: str | None, dest: str, same: bool) -> None:  # noqa: FBT001
    assert is_that_purchase(NEW, product_code, dest) is same
    assert is_that_purchase(replace(NEW, dest="1234567891234"), product_code, dest) is same
