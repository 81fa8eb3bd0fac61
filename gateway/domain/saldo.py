"""How long a balance at the upstream lasts. Pure arithmetic over what was seen of it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_MS_PER_HOUR = 3_600_000
WINDOW_MS = 24 * _MS_PER_HOUR  # a day holds the busy evening and the quiet morning alike
_LEAST_MS = _MS_PER_HOUR // 2  # in less, one big order would look like a habit
# What is over must be over by this much, so that an alert does not come and go with each order.
_CLEAR_RATIO = 1.2


class Seen(NamedTuple):
    """A balance that was seen: when, in Unix milliseconds, and how much, Rupiah."""

    at: int
    saldo: int


class Limits(NamedTuple):
    """Below what a balance is low: Rupiah, and hours until it is empty; 0 is no limit."""

    below: int
    hours: float


def spend_per_hour(history: Sequence[Seen], now: int) -> float | None:
    """Return what was spent in an hour, Rupiah, over the last day at most.

    Every fall from one balance to the next is spending, every rise a top-up, which is left out.

    Args:
        history: oldest first; of one upstream key.
        now: Unix milliseconds.

    Returns:
        None where less than half an hour is known.
    """
    recent = [seen for seen in history if seen.at >= now - WINDOW_MS]
    if not recent or now - recent[0].at < _LEAST_MS:
        return None
    fallen = sum(max(0, before.saldo - after.saldo) for before, after in pairwise(recent))
    return fallen * _MS_PER_HOUR / (now - recent[0].at)


def lasts_hours(saldo: int, pace: float | None) -> float | None:
    """Return in how many hours a balance, Rupiah, is empty at a pace of `spend_per_hour`."""
    return max(0, saldo) / pace if pace else None


def hours_left(history: Sequence[Seen], now: int) -> float | None:
    """Return in how many hours the balance is empty at the pace of the last day.

    Args:
        history: as for `spend_per_hour`.
        now: Unix milliseconds.

    Returns:
        None where that is not known, or nothing was spent.
    """
    return lasts_hours(history[-1].saldo, spend_per_hour(history, now)) if history else None


def is_low(saldo: int, hours: float | None, limits: Limits, *, was_low: bool) -> bool:
    """Whether a balance is low; one that was is so until it is clearly not.

    Args:
        saldo: Rupiah.
        hours: from `hours_left`.
        limits: below which it is low.
        was_low: whether it was before.
    """
    ratio = _CLEAR_RATIO if was_low else 1.0
    # Within a limit of 0 nothing is, for that is none.
    is_little = limits.below > 0 and saldo < limits.below * ratio
    is_soon = hours is not None and limits.hours > 0 and hours < limits.hours * ratio
    return is_little or is_soon
