"""The table of alerts is whole: every kind says what it is, how it ends and what to do."""

import pytest

from gateway.domain.alert import KINDS, Kind
from gateway.domain.saldo import Limits
from gateway.domain.truth import NOT_KNOWN, NOT_LOOKED_UP, kind_of
from gateway.domain.watch import (
    Thresholds,
    is_backup_old,
    is_disk_low,
    is_upstream_silent,
    rupiah,
    span,
)

T = Thresholds(
    orders_open_s=60,
    upstream_silent_s=60,
    delivery_late_s=60,
    saldo=Limits(1000, 6),
    disk_free_mib=10,
    backup_s=100,
)
OFF = Thresholds(0, 0, 0, Limits(0, 0), 0, 0)
MIB = 1024 * 1024


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_says_everything_in_both_languages(kind: Kind) -> None:
    sort = KINDS[kind]
    for said in (sort.title, sort.ends, sort.todo):
        assert said.id
        assert said.en
        assert said.id != said.en
    assert len(sort.title.id) <= 50
    assert sort.todo.id.endswith(".")
    assert sort.todo.en.endswith(".")


def test_who_does_not_answer_contradicts_nobody() -> None:
    assert {kind_of(NOT_KNOWN), kind_of(NOT_LOOKED_UP)} == {Kind.UNANSWERED}
    assert kind_of("lookup said SUCCESS while the order is FAILED") is Kind.CONTRADICTION


@pytest.mark.parametrize(
    ("failing_s", "failures", "silent"),
    [(None, 0, False), (59.0, 9, False), (60.0, 2, False), (60.0, 3, True)],
)
def test_the_upstream_is_silent_after_a_while_and_some_calls(
    failing_s: float | None, failures: int, *, silent: bool
) -> None:
    assert is_upstream_silent(failing_s, failures, T) is silent
    assert not is_upstream_silent(failing_s, failures, OFF)


def test_a_disk_is_low_until_there_is_clearly_enough() -> None:
    assert is_disk_low(10 * MIB - 1, T, was_low=False)
    assert not is_disk_low(10 * MIB, T, was_low=False)
    assert is_disk_low(11 * MIB, T, was_low=True)
    assert not is_disk_low(12 * MIB, T, was_low=True)
    assert not is_disk_low(0, OFF, was_low=False)


@pytest.mark.parametrize(
    ("made_at", "first_order_at", "old"),
    [
        (None, None, False),  # nothing to lose yet
        (5, None, False),
        (None, 1_000_000, False),
        (None, 899_999, True),
        (900_000, 5, False),
        (899_999, 5, True),
    ],
)
def test_a_backup_is_old_where_there_is_something_to_lose(
    made_at: int | None, first_order_at: int | None, *, old: bool
) -> None:
    assert is_backup_old(made_at, first_order_at, 1_000_000, 100) is old
    assert not is_backup_old(made_at, first_order_at, 1_000_000, 0)


def test_figures_are_written_as_people_say_them() -> None:
    assert [span(s) for s in (5, 90, 3600, 7300)] == [
        ("1 menit", "1 min"),
        ("2 menit", "2 min"),
        ("1 jam", "1 h"),
        ("2 jam", "2 h"),
    ]
    assert rupiah(1250000) == "Rp1.250.000"
