"""Waits from a schedule."""

import pytest

from gateway.domain.backoff import delay_ms


@pytest.mark.parametrize(
    ("tries", "wait_ms"), [(0, 0), (1, 5_000), (2, 15_500), (3, 15_500), (1_000_000, 15_500)]
)
def test_the_last_wait_repeats(tries: int, wait_ms: int) -> None:
    assert delay_ms((0, 5, 15.5), tries) == wait_ms


def test_a_wait_is_whole_milliseconds() -> None:
    assert delay_ms((0.0015, 0.0004), 0) == 2
    assert delay_ms((0.0015, 0.0004), 1) == 0
    assert isinstance(delay_ms((0.1,), 0), int)
