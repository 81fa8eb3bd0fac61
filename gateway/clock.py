"""What time it is, in the one unit that the journal, the wire and the log share.

Only the reading of clocks may live here; nothing else in the package reads them. Whoever needs the
time takes a `Clock` as an argument, so that a test or a simulation hands in its own.
"""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives Unix time in milliseconds."""


MEASURED = 8  # answers that are kept; clocks drift by some 0.1 ms a second at most
MEASURED_AGAIN_MS = 50  # beyond that, and what the answer took, a clock was set


_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the first one is Linux's


def now_ms() -> int:
    """Tell the time.

    Returns:
        Unix time in whole milliseconds. It follows the system's clock, so it can jump both ways.
    """
    return time.time_ns() // 1_000_000


def running_ms() -> int:
    """Tell the milliseconds that this machine has run, asleep or awake; they never jump."""
    return time.clock_gettime_ns(_RUNNING) // 1_000_000


class SteadyClock:
    """Unix time that does not jump by itself when somebody sets the system's clock.

    What the gateway promises in seconds (how long an uncertain send is left to settle, when a
    message is tried again) must not shrink or grow because a clock was wrong. So time goes on
    steadily, until `look` takes over what the system's clock says, and says how far that was.

    Args:
        wall: Unix milliseconds, as the system has them.
        running: milliseconds that never jump.
    """

    def __init__(self, wall: Clock = now_ms, running: Callable[[], int] = running_ms) -> None:
        self._wall = wall
        self._running = running
        self._began_at = wall() - running()

    def __call__(self) -> int:
        """Tell the time, Unix milliseconds."""
        return self._began_at + self._running()

    def before(self, at: int) -> Callable[[], bool]:
        """Return what tells whether a time of now's reckoning is still to come.

        It counts what this machine runs, asleep, awake or stopped, and does not move when the
        clock is set.
        """
        running, end = self._running, at - self._began_at
        return lambda: running() < end

    def follow(self, wall: Clock) -> None:
        """Take the time from another clock than this machine's, from the next `look` on."""
        self._wall = wall

    def running(self) -> int:
        """Tell the milliseconds that never jump."""
        return self._running()

    def turn(self, by: int) -> None:
        """Set this clock ahead by so many milliseconds."""
        self._began_at += by

    def ahead(self) -> int:
        """Tell by how many milliseconds the followed clock is ahead; takes nothing over."""
        return self._wall() - self()

    def look(self) -> int:
        """Take over the system's clock; returns by how many milliseconds it was set ahead."""
        set_by = self.ahead()
        self.turn(set_by)
        return set_by


class MeasuredClock:
    """The clock of another machine: what this one runs, and how far that one is ahead of it.

    Asked over the network, so no answer is exact: it was right at some moment between the question
    and its end, and the quickest of the last answers is believed. One that can not be true beside
    it says that the clock was set.

    Args:
        running: milliseconds that never jump.
    """

    def __init__(self, running: Callable[[], int]) -> None:
        self._running = running
        self._answers: list[tuple[int, int]] = []  # how long it took, and the offset; newest last

    def __call__(self) -> int:
        """Tell the time, Unix milliseconds."""
        return self._running() + min(self._answers)[1]

    def heard(self, asked_at: int, told: int) -> None:
        """Take an answer that came just now to a question of `asked_at`, in running ms."""
        took = self._running() - asked_at
        offset = told - asked_at - took // 2
        if self._answers and abs(offset - min(self._answers)[1]) > took + MEASURED_AGAIN_MS:
            self._answers.clear()
        self._answers = [*self._answers[-MEASURED + 1 :], (took, offset)]
