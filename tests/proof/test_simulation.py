"""Thousands of orders in virtual time, under every fault at once: no promise may break.

`make test` runs the quick form, `PROOF=1` the long one, `SEED=n` tells one world again. A world is
as many orders as WORLD says; what happens in it hangs on its seed alone.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.proof.judge import count
from tests.proof.sim_world import Outcome, simulate

WORLD = 250  # orders
QUICK, LONG = 8, 120  # worlds: 2,000 and 30,000 orders
PARTS = 2  # so that two processors share the work; the figures of all parts are to be added up
SECONDS = 1800  # for the long form, on a machine that has other things to do

# What resellers ask in a world or two, if these are small.
EVERY_WAY = {
    *("order in text", "order in native", "order in json", "order without a trx_id"),
    *("order in json of one in text", "order in text of one in json"),
    *("order in native of one in json", "order in json of one in native"),
    *("status in text", "status in native", "status in json"),
}

Record = Callable[[str, Any], None]


def _seeds() -> list[range]:
    """Return the seeds of each part."""
    if "SEED" in os.environ:
        return [range(int(os.environ["SEED"]), int(os.environ["SEED"]) + 1)]
    last = LONG if os.environ.get("PROOF") else QUICK
    return [range(1 + part, last + 1, PARTS) for part in range(PARTS)]


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("seeds", _seeds(), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_promise_breaks(seeds: range, record_property: Record) -> None:
    outcomes = [simulate(seed, WORLD) for seed in seeds]
    _record(outcomes, record_property)
    assert not [line for outcome in outcomes for line in _told(outcome)]


def test_a_world_happens_again_by_its_seed() -> None:
    first, again, other = simulate(3, 60), simulate(3, 60), simulate(5, 60)
    assert first == again
    assert first.digest != other.digest
    assert first.asked.keys() | other.asked.keys() >= EVERY_WAY


def _told(outcome: Outcome) -> list[str]:
    """One line for whatever went wrong in a world, with what tells it again."""
    again = f"SEED={outcome.seed} .venv/bin/pytest -n 0 {os.path.relpath(__file__)} -k promise"
    lines = [f"{again}: {violation}" for violation in outcome.violations]
    return lines + [f"{again}: {trouble}" for trouble in outcome.troubles]


def _record(outcomes: Sequence[Outcome], record: Record) -> None:
    hits: Counter[str] = sum((outcome.hits for outcome in outcomes), Counter())
    statuses: Counter[str] = sum((outcome.statuses for outcome in outcomes), Counter())
    broken = count(violation for outcome in outcomes for violation in outcome.violations)
    record("simulated orders", sum(outcome.orders for outcome in outcomes))
    record("simulated worlds", len(outcomes))
    record("simulated days", round(sum(outcome.days for outcome in outcomes), 1))
    record("simulated ends of the process", sum(outcome.crashes for outcome in outcomes))
    record("simulated faults that hit", hits.total())
    for kind, number in sorted(hits.items()):
        record(f"simulated fault: {kind}", number)
    asked: Counter[str] = sum((outcome.asked for outcome in outcomes), Counter())
    for kind, number in sorted(asked.items()):
        record(f"simulated request: {kind}", number)
    for status, number in sorted(statuses.items()):
        record(f"simulated order ended: {status}", number)
    for name, number in broken.items():
        record(name, number)
    record("simulated troubles logged", sum(len(outcome.troubles) for outcome in outcomes))
