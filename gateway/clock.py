"""The wall clock: what time it is, in the one unit that the journal, the wire and the log share.

Only the reading of the wall clock may live here; nothing else in the package reads it. Whoever
needs the time takes a `Clock` as an argument, so that a test or a simulation hands in its own.
"""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives Unix time in milliseconds, as `now_ms` does."""


def now_ms() -> int:
    """Tell the time.

    Returns:
        Unix time in whole milliseconds. It follows the system's clock, so it can jump both ways:
        durations are measured with the event loop's monotonic clock instead.
    """
    return time.time_ns() // 1_000_000
