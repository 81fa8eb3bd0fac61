"""How long a balance lasts, and when it is low."""

import pytest

from gateway.domain.saldo import Limits, Seen, hours_left, is_low, spend_per_hour

HOUR = 3_600_000
NOW = 1_700_000_000_000


def history(*saldi: int, every_ms: int = HOUR) -> list[Seen]:
    """Balances, the last of them seen now."""
    begin = NOW - (len(saldi) - 1) * every_ms
    return [Seen(begin + n * every_ms, saldo) for n, saldo in enumerate(saldi)]


def test_what_falls_is_spending_and_what_rises_is_left_out() -> None:
    assert spend_per_hour(history(1000, 900, 5000, 4800), NOW) == 100
    assert hours_left(history(1000, 900, 5000, 4800), NOW) == 48


@pytest.mark.parametrize(
    "seen",
    [
        [],
        history(1000),
        history(1000, 900, every_ms=HOUR // 4),
        history(1000, 1000, 2000),
    ],
)
def test_what_is_not_known_is_not_guessed(seen: list[Seen]) -> None:
    assert hours_left(seen, NOW) is None


def test_the_day_before_yesterday_counts_no_more() -> None:
    old = [Seen(NOW - 30 * HOUR, 1_000_000), Seen(NOW - 25 * HOUR, 2000)]
    assert spend_per_hour([*old, *history(2000, 1900, 1800)], NOW) == 100


def test_time_in_which_nothing_was_seen_counts() -> None:
    seen = [Seen(NOW - 10 * HOUR, 1000), Seen(NOW - 9 * HOUR, 500)]
    assert spend_per_hour(seen, NOW) == 50
    assert hours_left(seen, NOW) == 10


def test_an_overdrawn_balance_is_empty_now() -> None:
    assert hours_left(history(100, 0, -50), NOW) == 0


@pytest.mark.parametrize(
    ("saldo", "hours", "was_low", "low"),
    [
        (999, None, False, True),
        (1000, None, False, False),
        (1100, None, True, True),
        (1200, None, True, False),
        (9000, 5.9, False, True),
        (9000, 6.0, False, False),
        (9000, 7.0, True, True),
        (9000, 7.2, True, False),
    ],
)
def test_low_is_low_until_it_clearly_is_not(
    saldo: int, hours: float | None, *, was_low: bool, low: bool
) -> None:
    assert is_low(saldo, hours, Limits(1000, 6), was_low=was_low) is low


def test_a_limit_of_0_is_none() -> None:
    assert not is_low(0, 0.0, Limits(0, 0), was_low=False)
