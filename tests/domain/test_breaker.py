"""The breaker of a silent host (§10): it delays, and an answer opens it at once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.breaker import PAUSES_S, SHUT_AFTER, Breaker, cut_off, ended

NOW = 5_000_000


def silence(breaker: Breaker | None, now: int = NOW, *, probe: bool = False) -> Breaker | None:
    return ended(breaker, now, answered=False, probe=probe)


def shut(now: int = NOW) -> Breaker:
    breaker: Breaker | None = None
    for _ in range(SHUT_AFTER):
        breaker = silence(breaker, now)
    assert breaker is not None
    return breaker


def test_it_shuts_after_some_attempts_in_a_row_and_not_before() -> None:
    breaker: Breaker | None = None
    for _ in range(SHUT_AFTER - 1):
        breaker = silence(breaker)
        assert breaker is not None
        assert not breaker.is_shut(NOW)
    breaker = silence(breaker)
    assert breaker is not None
    assert breaker.is_shut(NOW)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker: Breaker | None = None
    for _ in range(SHUT_AFTER - 1):
        breaker = silence(breaker)
    breaker = ended(breaker, NOW, answered=True, probe=False)
    assert breaker is None, "a pair that is open needs no memory"
    breaker = silence(breaker)
    assert breaker is not None
    assert not breaker.is_shut(NOW)


def test_it_is_shut_until_its_moment_and_not_longer() -> None:
    breaker = shut()
    assert breaker.is_shut(NOW + 4_999)
    assert not breaker.is_shut(NOW + 5_000)


def test_then_one_attempt_goes_ahead_and_no_second() -> None:
    probing = shut().begin()
    assert probing.probing
    assert probing.is_shut(NOW + 5_000)
    assert probing.is_shut(NOW + 10**9), "as long as the probe takes"


def test_an_attempt_of_an_open_pair_is_no_probe() -> None:
    assert Breaker(silent=1).begin() == Breaker(silent=1)


def test_each_silent_probe_makes_the_pause_longer_up_to_a_minute() -> None:
    breaker: Breaker | None = shut()
    now, pauses = NOW, []
    for _ in range(7):
        assert breaker is not None
        pauses.append((breaker.shut_until - now) / 1000)
        now = breaker.shut_until
        breaker = silence(breaker.begin(), now, probe=True)
    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert all(earlier <= later for earlier, later in pairwise(PAUSES_S))


def test_an_answer_to_the_probe_opens_at_once() -> None:
    assert ended(shut().begin(), NOW + 5_000, answered=True, probe=True) is None


def test_so_does_a_late_answer_to_an_attempt_from_before() -> None:
    assert ended(shut(), NOW + 1, answered=True, probe=False) is None


@pytest.mark.parametrize("breaker", [shut(), shut().begin()])
def test_late_silence_of_an_attempt_from_before_is_no_news(breaker: Breaker) -> None:
    assert silence(breaker, NOW + 3_000) == breaker


def test_a_probe_that_was_broken_off_gives_way_to_the_next() -> None:
    breaker = cut_off(shut().begin())
    assert breaker is not None
    assert not breaker.is_shut(NOW + 5_000)
    assert breaker.begin().probing
    assert cut_off(None) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90_000)), max_size=60))
def test_nobody_waits_longer_than_a_minute_for_a_probe(steps: list[tuple[bool, int]]) -> None:
    breaker: Breaker | None = None
    now = NOW
    for answered, passes_ms in steps:
        if breaker is None or not breaker.is_shut(now):
            begun = None if breaker is None else breaker.begin()
            probe = begun is not None and begun.probing
            breaker = ended(begun, now, answered=answered, probe=probe)
        assert breaker is None or not breaker.is_shut(now + 60_000)
        now += passes_ms
