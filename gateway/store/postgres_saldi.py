"""The balances that were seen, written into the PostgreSQL journal a moment later, together.

Every order of one upstream key would write the same row, and each would wait for the COMMIT of the
one before it: one fsync after the other, where all of them could share one. A balance is only ever
the last one seen, so it is not part of an order's transaction here, as it is in SQLite; what a
crash loses of it the next answer brings again.
"""

import asyncio
from contextlib import suppress
from typing import Final

from gateway.domain.errors import JournalUnavailable
from gateway.store.postgres_pool import Database, Session

_EVERY_S: Final = 0.2  # so late other gateways hear of it
_WRITE: Final = (
    "UPDATE accounts SET saldo = seen.saldo FROM unnest($1::text[], $2::bigint[]) seen (id, saldo)"
    " WHERE accounts.id = seen.id AND accounts.saldo IS DISTINCT FROM seen.saldo"
)


class Saldi:
    """Balances that wait to be written.

    Args:
        database: where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[str, int] = {}  # by account, Rupiah
        self._later: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def see(self, account: str, saldo: int) -> None:
        """Write a balance down soon."""
        self._seen[account] = saldo
        if self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(_EVERY_S, self._begin)

    def _begin(self) -> None:
        task = asyncio.ensure_future(self._write_quietly())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_quietly(self) -> None:
        with suppress(JournalUnavailable):  # with the next one that is seen
            await self.write()

    async def write(self) -> None:
        """Write down what was seen, now.

        Raises:
            JournalUnavailable: it can not be, and waits on.
        """
        if self._later is not None:
            self._later.cancel()
            self._later = None
        seen, self._seen = self._seen, {}
        if not seen:
            return
        values = (list(seen), list(seen.values()))

        async def work(session: Session) -> None:
            await session.count(_WRITE, *values)

        try:
            await self._database.repeat(work)
        except JournalUnavailable:
            self._seen = {**seen, **self._seen}
            raise

    async def finish(self) -> None:
        """Write what is left, where that is possible."""
        await self._write_quietly()
        while self._writing:
            await asyncio.wait(self._writing)
