"""How long to wait before the next try, from a schedule in seconds. Pure arithmetic."""

from collections.abc import Sequence

MS_PER_S = 1000


def delay_ms(schedule_s: Sequence[float], tries: int) -> int:
    """Return the wait before try `tries` (0 is the first) in ms; the last entry repeats."""
    return round(schedule_s[min(tries, len(schedule_s) - 1)] * MS_PER_S)
