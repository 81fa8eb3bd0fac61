"""Notice that the system's clock was set, and keep what was planned as it was planned.

The journal's dates are of the clock that wrote them. When that clock is set, by an hour or a year,
ahead or back, every date that is still to come is moved with it: nothing is forgotten for a year,
nothing is done a year too early. While the gateway was down nobody could notice; so the time is
written down now and then, and a start that finds itself before the last time written moves the
dates back. A clock that was set ahead meanwhile can not be told from a long night: what counts
seconds for safety's sake counts from the start of this process (`Rules.clock_since`).

Where several gateways share a journal the time is that of its database, for their own clocks may
be an hour apart: it is asked every second. When that clock is set each of them notices, and one
moves the dates.
"""

from collections.abc import Callable

from gateway.clock import MEASURED, MeasuredClock, SteadyClock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable
from gateway.flow.directory import Directory
from gateway.flow.settlement import Settlement
from gateway.flow.worker import Bell, run_forever
from gateway.log import get_logger
from gateway.store import Entry, Store

log = get_logger(__name__)

_EVERY_S = 1.0
# What a clock is corrected by in ordinary service. No promise counts in less.
TOLERATED_MS = 250
_NOTED_EVERY_MS = 60 * MS_PER_S  # one small commit a minute


class Timekeeper:
    """Watches the clock.

    Args:
        store: the journal.
        settlement: is told since when time can be trusted.
        directory: its keys end at a date, too.
        clock: the gateway's.
        furthest_s: no date of ours lies further ahead than this, seconds; one that does was
            written while the clock was wrong.
        wake: called when dates were moved.
    """

    def __init__(  # noqa: PLR0913  a clock that was set touches all of these
        self,
        store: Store,
        settlement: Settlement,
        directory: Directory,
        clock: SteadyClock,
        *,
        furthest_s: float,
        wake: Callable[[], None],
    ) -> None:
        self.furthest_s = furthest_s
        self.bell = Bell()
        self._store = store
        self._settlement = settlement
        self._directory = directory
        self._clock = clock
        self._wake = wake
        self._noted_at = 0
        self._is_shared = store.nodes.is_shared
        self._measured = MeasuredClock(clock.running)
        self._seen = 0  # how often dates had been moved when this clock was right
        self._keys_moved = False

    async def begin(self) -> None:
        """Compare with the clock of the process before, before anything is done.

        Raises:
            JournalUnavailable: the journal can not be read or written.
        """
        await self.follow()
        now = self._clock()
        self._settlement.trust_clock_since(now)
        noted_at = await self._store.noted_time()
        if noted_at is not None and noted_at > now + TOLERATED_MS:
            await self._move(now - noted_at)
        await self.step()

    async def follow(self) -> None:
        """Take the time from the journal, where that has a clock of its own.

        Raises:
            JournalUnavailable: the journal can not be read.
        """
        if self._is_shared:
            for _ in range(MEASURED // 2):
                await self._measure()
            self._clock.follow(self._measured)
            self._seen = (await self._store.nodes.changes()).clock
        self._clock.look()

    async def run(self) -> None:
        """Look at the clock, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Look once. Always False.

        Raises:
            JournalUnavailable: the clock was set, and dates can not be moved now: until they can,
                time goes on as it did.
        """
        if self._is_shared:
            await self._measure()
            if self._clock.ahead() > TOLERATED_MS:
                # Nobody stands in a line here: what is done at this moment must find each date
                # still to come. So the dates go first, and this clock goes first when it is set
                # back.
                await self._move(self._clock.ahead())
                self._clock.look()
                self._settlement.trust_clock_since(self._clock())
        set_by = self._clock.look()
        if abs(set_by) > TOLERATED_MS:
            # The dates are moved before anything that is written in the new time: what asks the
            # journal first is written first.
            self._settlement.trust_clock_since(self._clock())
            try:
                await self._move(set_by)
            except JournalUnavailable:
                self._clock.turn(-set_by)
                self._settlement.trust_clock_since(self._clock())
                raise
        if self._keys_moved:
            await self._directory.load()
            self._keys_moved = False
        await self._note()
        return False

    async def _measure(self) -> None:
        """Ask the journal what time it is."""
        asked_at = self._clock.running()
        self._measured.heard(asked_at, await self._store.nodes.time())

    async def _note(self) -> None:
        now = self._clock()
        if not 0 <= now - self._noted_at < _NOTED_EVERY_MS:
            furthest = now + round(self.furthest_s * MS_PER_S)
            await self._store.note_time(now, furthest=furthest)
            self._noted_at = now

    async def _move(self, by: int) -> None:
        direction, seconds = "ahead" if by > 0 else "back", abs(by) / MS_PER_S
        text = f"the clock was set {direction} by {seconds:.1f} s; dates moved with it"
        alert = Entry(self._clock(), "alert", text)
        moved = await self._store.move_times(by, alert, self._seen)
        self._seen = (await self._store.nodes.changes()).clock
        self._keys_moved = True
        log.warning("clock.set", seconds=by / MS_PER_S, moved=moved)
        self._wake()
