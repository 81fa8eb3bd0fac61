"""What becomes of who tries passwords: he waits longer and longer, and nobody is locked out.

Counted for an address (a household, see `web.households`), and for an address with a name. Right
and wrong are kept back alike, before the password is looked at, so that waiting tells nothing; who
knows his password waits some seconds at worst, whatever others do elsewhere. Guesses at one name
from many addresses add a short wait to all of them.
"""

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

FREE = 3  # slips of the fingers
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 8.0  # an hour of guesses at it are 450
MAX_NAME_DELAY_S = 2.0  # for a name that is guessed at from everywhere
FORGET_S = 900.0
WAITING_EACH = 4  # log-ins of one address that wait or are looked at
WAITING = 64  # and of all: each holds a connection
REMEMBERED = 10_000  # some 200 bytes each


class TooMany(Exception):  # noqa: N818  an ordinary answer, no error of ours
    """So many log-ins wait that this one is not looked at."""


@dataclass(slots=True)
class _Record:
    wrong: int
    last: float


class Knocking:
    """Counts wrong passwords, and keeps log-ins back.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.sleep = asyncio.sleep
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._waiting: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def kept_back(self, home: str, name: str) -> AsyncIterator[None]:
        """Wait for as long as this log-in is to be kept back; holds its place meanwhile.

        Raises:
            TooMany: there is no place.
        """
        if self._waiting[home] >= WAITING_EACH or self._waiting.total() >= WAITING:
            raise TooMany
        self._waiting[home] += 1
        try:
            delay_s = self.delay_s(home, name)
            if delay_s:
                await self.sleep(delay_s)
            yield
        finally:
            self._waiting[home] -= 1
            if not self._waiting[home]:
                del self._waiting[home]

    def delay_s(self, home: str, name: str) -> float:
        """Return for how long a log-in is kept back, seconds."""
        here = max(self._wrong(home), self._wrong(f"{name}@{home}"))
        anywhere = self._wrong(f"{name}@")
        return max(_delay_s(here, MAX_DELAY_S), _delay_s(anywhere, MAX_NAME_DELAY_S))

    def note(self, home: str, name: str, *, right: bool) -> None:
        """Take note of what came of a log-in: who knew it is a guesser no more, from there."""
        for key in (home, f"{name}@{home}", f"{name}@"):
            if right:
                self._records.pop(key, None)
            else:
                self._count(key)

    def _count(self, key: str) -> None:
        wrong = self._wrong(key)
        self._records[key] = _Record(wrong + 1, self._clock())
        self._records.move_to_end(key)
        if len(self._records) > REMEMBERED:
            self._records.popitem(last=False)

    def _wrong(self, key: str) -> int:
        record = self._records.get(key)
        if record is None or self._clock() - record.last >= FORGET_S:
            return 0
        return record.wrong


def _delay_s(wrong: int, most_s: float) -> float:
    if wrong <= FREE:
        return 0.0
    return float(min(FIRST_DELAY_S * 2 ** min(wrong - FREE - 1, 10), most_s))
