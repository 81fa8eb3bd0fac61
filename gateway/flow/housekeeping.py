"""Keep the journal small on its disk: its log is emptied in quiet moments, and never long.

SQLite's own part of that is in the store. Here is when it is done, what is counted of it, and when
the operator must know: a log that grows in spite of everything means a disk that is full, or a
program that holds the journal open.
"""

from gateway import metrics
from gateway.clock import Clock
from gateway.domain.alert import Alarm, Kind
from gateway.domain.errors import JournalUnavailable
from gateway.flow.worker import Bell
from gateway.log import get_logger
from gateway.store import JournalSize, Store

log = get_logger(__name__)

_MIB = 1024 * 1024
_EVERY_S = 2.0
_WITHOUT_A_FILE_S = 3600.0  # a journal that lives in no file of ours has no log
# A log below this is left alone however quiet it is: emptying it costs two fsyncs.
_SHORT = _MIB
# Four times what SQLite lets it become by itself; emptied though orders come.
LONG = 16 * _MIB
ALARM = 64 * _MIB  # contract: WAL bounded
TOO_LONG = (
    f"the journal's log (the file -wal beside it) has passed {ALARM // _MIB} MiB: is the disk"
    " full, or does another program hold the journal open?"
)


class Housekeeper:
    """Watches how large the journal is.

    Args:
        store: the journal.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.bell = Bell()
        self._store = store
        self._clock = clock
        self._before = JournalSize(journal=0, log=0, log_written_at=0)
        self._is_told: bool | None = None  # None: by the process before, perhaps

    async def run(self) -> None:
        """Look at the journal, for ever."""
        while True:
            try:
                await self.step()
            except JournalUnavailable as error:
                log.warning("journal.failed", reason=str(error))
            pause_s = _EVERY_S if self._before.journal else _WITHOUT_A_FILE_S
            await self.bell.wait(pause_s)

    async def step(self) -> None:
        """Look once.

        Raises:
            JournalUnavailable: the log can not be emptied, or nothing can be written down.
        """
        size = self._store.size()
        metrics.journal_bytes.set(size.journal)
        metrics.journal_log_bytes.set(size.log)
        is_quiet = size == self._before
        self._before = size
        try:
            if size.log > LONG or (is_quiet and size.log > _SHORT):
                await self._empty()
        finally:
            await self._tell(self._store.size().log)

    async def _empty(self) -> None:
        if not await self._store.empty_log():
            log.info("journal.log_in_use", log_bytes=self._before.log)
        self._before = self._store.size()

    async def _tell(self, log_bytes: int) -> None:
        """Raise the alert once, and end it when it is no longer true."""
        if log_bytes > ALARM and not self._is_told:
            alarm = Alarm(self._clock(), Kind.JOURNAL_LOG_LONG, TOO_LONG, about="")
            if await self._store.raise_alert(alarm):
                metrics.alert(alarm.kind).inc()
                log.warning("alert.raised", text=TOO_LONG)
            self._is_told = True
        elif log_bytes <= LONG and self._is_told is not False:
            await self._store.end_alert(Kind.JOURNAL_LOG_LONG, "", self._clock())
            self._is_told = False
