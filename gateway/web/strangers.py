"""What becomes of who shows wrong keys: each household for itself, and nobody with a right one.

The key is always looked up first: behind one address there may be a guesser and three honest
panels, and a right key is answered as ever; but not a right pin, for that may have been guessed.
Looking one up is a hash of 1 µs, a fiftieth of the answer that says so; what is saved at a flood
is all the rest. A wrong key is answered with the same bytes each time, so nothing shows what is
thought of its sender.

Counted by a clock that nobody can set. Nothing here knows HTTP.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway import metrics
from gateway.log import get_logger
from gateway.web.households import Address, household

log = get_logger(__name__)

MINUTE_S = 60.0
# A panel with an old key, or one that was typed wrongly, is no attack: its operator wants to see
# what is wrong as soon as he tries again.
FREE = 10
FIRST_DELAY_S = 0.25  # as long as the answer to who orders too fast
MAX_DELAY_S = 4.0  # below the time-out of any panel: it shall read why
# From here on the answer is given at once: to hold a flood's connections costs us more than it.
FLOOD = 60
MAX_WAITING = 1000  # answers that wait to be given, in all: some 30 KiB each
MAX_WAITING_EACH = 16  # and to one household, so that it can not take all of these
REMEMBERED = 10_000  # households: some 200 bytes each


@dataclass(slots=True)
class _Record:
    """What one household did in the minute that began at `since`."""

    since: float
    wrong: int = 0
    before: int = 0
    waiting: int = 0


class Strangers:
    """Counts wrong keys, and says for how long each one's answer is to be kept back.

    Args:
        clock: seconds that never jump.

    Attributes:
        late: the answers that are to be kept back; nearly always none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sleep = asyncio.sleep
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self.late: dict[int, _Record] = {}

    @property
    def remembered(self) -> int:
        """How many households are remembered."""
        return len(self._records)

    def take_note(self, address: Address | None, answer: int) -> None:
        """Take note of a wrong key.

        Args:
            address: who showed it, behind trusted proxies.
            answer: what `keep_back` will be asked about.
        """
        metrics.keys_refused.inc()
        home = household(address) if address is not None else "-"
        record = self._record(home)
        record.wrong += 1
        if record.wrong == 1:
            log.warning("key.refused", address=home, in_minute_before=record.before)
        is_held = FREE < record.wrong < FLOOD
        if is_held and record.waiting < MAX_WAITING_EACH and len(self.late) < MAX_WAITING:
            record.waiting += 1
            self.late[answer] = record

    def guesses(self, code: str, address: Address | None, *, is_right: bool) -> bool:
        """Whether somebody there guesses a member's pin, so that a right one proves nothing.

        Args:
            code: the member's.
            address: who showed a pin or a sign, behind trusted proxies.
            is_right: it is the right one; else it is taken note of.
        """
        home = f"{code}@{household(address) if address is not None else '-'}"
        if is_right and home not in self._records:
            return False
        record = self._record(home)
        record.wrong += not is_right
        return record.wrong >= FLOOD

    async def keep_back(self, answer: int) -> None:
        """Wait for as long as this answer is to be kept back; others are not."""
        record = self.late.get(answer)
        if record is None:
            return
        try:
            await self._sleep(delay_s(record.wrong))
        finally:
            self.forget(answer)

    def forget(self, answer: int) -> None:
        """Note that an answer was given, or never will be."""
        record = self.late.pop(answer, None)
        if record is not None:
            record.waiting -= 1

    def _record(self, home: str) -> _Record:
        now = self._clock()
        record = self._records.get(home)
        if record is None:
            record = self._records[home] = _Record(now)
            if len(self._records) > REMEMBERED:
                self._records.popitem(last=False)
        elif now - record.since >= MINUTE_S:
            is_next = now - record.since < 2 * MINUTE_S
            record.since, record.wrong, record.before = now, 0, record.wrong if is_next else 0
        self._records.move_to_end(home)
        return record


def delay_s(wrong: int) -> float:
    """Return for how long the answer to the n-th wrong key of a minute is kept back, seconds."""
    if not FREE < wrong < FLOOD:
        return 0.0
    return min(FIRST_DELAY_S * 2.0 ** (wrong - FREE - 1), MAX_DELAY_S)
