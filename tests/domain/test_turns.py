"""Whose turn it is: resellers one after the other, each one's orders as they came."""

import sys
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.turns import Turn, Turns


def test_a_reseller_that_waits_alone_is_served_in_its_order() -> None:
    turns = Turns()
    for number in (3, 1, 2):
        turns.add("toko", Turn(number, 1))
    assert [turns.pop() for _ in range(3)] == [Turn(3, 1), Turn(1, 1), Turn(2, 1)]
    assert len(turns) == 0


def test_one_order_does_not_wait_behind_a_thousand_of_another_reseller() -> None:
    turns = Turns()
    for number in range(1000):
        turns.add("toko", Turn(number, 1))
    turns.add("warung", Turn(5000, 1))
    turns.add("kios", Turn(6000, 1))
    assert [turns.pop().order_id for _ in range(5)] == [0, 5000, 6000, 1, 2]
    turns.add("warung", Turn(5001, 1))
    assert [turns.pop().order_id for _ in range(3)] == [3, 5001, 4]


def test_an_order_waits_once_and_its_newer_send_is_the_one_that_leaves() -> None:
    turns = Turns()
    turns.add("toko", Turn(1, 1))
    turns.add("toko", Turn(2, 1))
    turns.add("toko", Turn(1, 2))
    assert len(turns) == 2
    assert 1 in turns
    assert [turns.pop(), turns.pop()] == [Turn(1, 2), Turn(2, 1)]
    assert 1 not in turns
    with pytest.raises(IndexError):
        turns.pop()


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=60))
def test_everything_comes_out_once_and_nobody_is_passed_over(steps: list[str | None]) -> None:
    """None takes one out; a letter adds one of that reseller's."""
    turns, numbers = Turns(), count()
    waiting: dict[int, str] = {}
    served_while: dict[str, list[str]] = {}
    for step in [*steps, *[None] * 60]:
        if step is not None:
            number = next(numbers)
            if step not in waiting.values():
                served_while[step] = []
            waiting[number] = step
            turns.add(step, Turn(number, 1))
        elif waiting:
            served = waiting.pop(turns.pop().order_id)
            served_while[served] = []
            for other in set(waiting.values()) - {served}:
                served_while[other].append(served)
                assert len(set(served_while[other])) == len(served_while[other])
        assert len(turns) == len(waiting)
    assert waiting == {}


def test_a_hundred_thousand_that_wait_take_ten_megabytes() -> None:
    turns = Turns()
    for number in range(100_000):
        turns.add(f"r{number % 50}", Turn(1_000_000 + number, 1))
    queues = sum(sys.getsizeof(queue) for queue in turns._queues.values())
    numbers = 100_000 * sys.getsizeof(1_000_000)
    assert sys.getsizeof(turns._sends) + queues + numbers < 10 * 1024 * 1024
