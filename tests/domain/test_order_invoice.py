"""What is kept of the upstream's own object of an order: what it says is true, and no more."""

import pytest
from msgspec.structs import replace

from gateway.domain.order import Evidence, Source, Status
from gateway.domain.truth import apply
from tests.domain.cases import RULES, T0, final, uncertain

LATER = T0 + 100_000


def heard(source: Source, verdict: Status, invoice: str | None) -> Evidence:
    return Evidence(source=source, verdict=verdict, note="SN", invoice=invoice, asked_at=LATER)


@pytest.mark.parametrize("source", Source)
def test_what_is_applied_is_kept(source: Source) -> None:
    order = apply(uncertain(), heard(source, Status.SUCCESS, "{new}"), LATER, RULES).order
    assert (order.status, order.invoice) == (Status.SUCCESS, "{new}")


def test_what_says_nothing_of_it_leaves_it() -> None:
    before = replace(uncertain(), invoice="{old}")
    assert apply(
        before, heard(Source.CALLBACK, Status.SUCCESS, None), LATER, RULES
    ).order.invoice == ("{old}")


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUNDED, Status.PARTIAL_SUCCESS])
def test_what_is_not_believed_is_not_kept(status: Status) -> None:
    for before in (
        final(Status.SUCCESS, note="SN"),
        replace(final(Status.SUCCESS, note="SN"), invoice="{old}"),
    ):
        after = apply(before, heard(Source.CALLBACK, status, "{new}"), LATER, RULES).order
        assert (after.status, after.invoice) == (Status.SUCCESS, before.invoice)


def test_what_agrees_fills_a_gap_and_only_a_look_up_replaces() -> None:
    agrees = heard(Source.CALLBACK, Status.SUCCESS, "{new}")
    assert apply(final(Status.SUCCESS, note="SN"), agrees, LATER, RULES).order.invoice == "{new}"
    known = replace(final(Status.SUCCESS, note="SN"), invoice="{old}")
    assert apply(known, agrees, LATER, RULES).order.invoice == "{old}"
    asked = heard(Source.LOOKUP, Status.SUCCESS, "{new}")
    assert apply(known, asked, LATER, RULES).order.invoice == "{new}"
