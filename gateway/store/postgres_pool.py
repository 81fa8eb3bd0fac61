"""Connections to PostgreSQL, and what is done where one of them breaks. Knows no table.

A write whose connection breaks may have been committed, and nobody heard of it. So nothing is
simply done again: `Database.repeat` is for what may be done twice, or finds its own traces when it
comes again; `Database.transact` asks PostgreSQL what became of a transaction before it begins
another. Either gives up after `PATIENCE_S` with `JournalUnavailable`: the write is not known to be
durable, no more.

Commits are grouped by PostgreSQL itself: whoever commits while another's fsync is under way shares
the next one.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Final, TypeVar

import asyncpg

from gateway.domain.errors import JournalUnavailable

T = TypeVar("T")
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
Row = asyncpg.Record

# So long something is tried again: a panel hears 503 well before it gives up (15 s), and a
# connection that was cut, or a server that only restarts its workers, is back by then.
PATIENCE_S: Final = 2.0
# A pool from which no connection comes back for so long has run dry. Longer than a thousand
# orders, which is all that wait at one time, need for their turn.
WAIT_FOR_CONNECTION_S: Final = 5.0
CONNECT_S: Final = 5.0
# One statement of ours takes a millisecond; where it takes this long the server hangs, or somebody
# holds a lock. The server gives up first, for then it is certain that nothing was written.
STATEMENT_MS: Final = 4_000
LOCK_MS: Final = 2_000
IDLE_MS: Final = 10_000  # a gateway that was stopped inside a transaction must not hold others up
ANSWER_S: Final = 5.0  # and then we do: the network hangs
# A gateway that stops has 5 s left for all of this (contract §12), also where nothing answers.
LAST_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.25

# What the next try may mend: a broken connection, a server that goes down or comes up, a standby
# that answers in the primary's place, a deadlock, a lock that was held.
_AGAIN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shutdown, a cancelled statement
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
)
# What comes of asyncpg where a connection breaks, or a statement is refused. It calls a mistake of
# its own what a connection that broke at an odd moment may lead to, and has no root for all.
TROUBLES: Final = (
    OSError,
    ValueError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# By how their SQLSTATE begins: what no order has at fault, though trying again does not help. A
# full disk, too many connections, a right that was taken away, damage.
_AWAY: Final = ("08", "25", "28", "3D", "42501", "53", "54", "55", "57", "58", "XX")

# PostgreSQL keeps neither in a text, SQLite has room for the first. None reaches the journal from
# the doors, which refuse control characters; should one come from elsewhere, a settlement that is
# written with a mark in its place is better than one that never can be.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_END_OF_NUMBERS: Final = 2**63
_MARK: Final = "\ufffd"


def storable(value: Any) -> Any:
    """Return a parameter with a mark for what PostgreSQL keeps in no text; lists too."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return _UNSTORABLE.sub(_MARK, value)
    return [storable(item) for item in value] if isinstance(value, list) else value


def numbers(ids: Collection[int] | None) -> list[int] | None:
    """Return those numbers that a row may have: whoever asks may have typed any."""
    return None if ids is None else [number for number in ids if 0 <= number < _END_OF_NUMBERS]


class Session:
    """A connection for a while: statements with their parameters, and what comes of them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._answer_s: float | None = None  # as the pool has it

    async def may_take(self, seconds: float) -> None:
        """Let what this transaction writes from now on take longer than anything else may."""
        sql = "SELECT set_config('statement_timeout', $1, true)"
        await self.value(sql, str(round(seconds * 1000)))
        self._answer_s = seconds + ANSWER_S - STATEMENT_MS / 1000

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        """Return every row."""
        return await self.connection.fetch(sql, *map(storable, values))

    async def row(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, or None where there is none."""
        return await self.connection.fetchrow(sql, *map(storable, values))

    async def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, or None where there is none."""
        return await self.connection.fetchval(sql, *map(storable, values))

    async def count(self, sql: str, *values: Any) -> int:
        """Execute; returns how many rows were written."""
        values = tuple(map(storable, values))
        done = await self.connection.execute(sql, *values, timeout=self._answer_s)
        return int(done.rpartition(" ")[2])


Work = Callable[[Session], Awaitable[T]]


class _Unheard:
    """A transaction whose COMMIT was begun: its number, and what it would have returned."""

    def __init__(self) -> None:
        self.number: str | None = None
        self.result: Any = None


class _StillOpenError(OSError):
    """A transaction of ours has not ended yet at the server."""


class Database:
    """A pool of connections, and work that is done on one of them.

    Who is cancelled changes nothing: what he asked for is done all the same, and `close` waits for
    it, for half a transaction would be a lock that is held.

    Args:
        pool: the connections.
    """

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def repeat(self, work: Work[T]) -> T:
        """Do what may be done twice, until it is known to be done.

        Raises:
            JournalUnavailable: it is not known to be done.
        """
        return await self.apart(self._persist(work))

    async def changed(self, sql: str, *values: Any) -> int:
        """Execute what may be executed twice; returns how many rows it wrote, that last time.

        Raises:
            JournalUnavailable: it is not known to be done.
        """

        async def work(session: Session) -> int:
            return await session.count(sql, *values)

        return await self.repeat(work)

    async def transact(self, work: Work[T]) -> T:
        """Do something in one transaction, once.

        Raises:
            JournalUnavailable: it is not known to be done.
        """
        unheard = _Unheard()
        return await self.apart(self._persist(lambda session: _transact(session, work, unheard)))

    async def apart(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, whatever happens to who waits for it."""
        if self._closed:
            doing.close()
            raise JournalUnavailable("the journal is closed")
        task = asyncio.ensure_future(doing)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # heard, for nobody may wait for it any more

    async def once(self, work: Work[T]) -> T:
        """Do something on a connection; what comes of a broken one is raised as it is."""
        async with self._pool.acquire(timeout=WAIT_FOR_CONNECTION_S) as connection:
            try:
                return await work(Session(connection))
            except (TimeoutError, asyncpg.ReadOnlySQLTransactionError):
                connection.terminate()  # the next one may lead to a server that answers
                raise

    async def _persist(self, work: Work[T]) -> T:
        patience = Patience()
        while True:
            try:
                return await self.once(work)
            except TROUBLES as error:
                await patience.bear(error)

    async def close(self) -> None:
        """Finish what is under way, and let the connections go.

        What the server does not answer within `LAST_S` is cut off: it undoes what was not
        committed, as when the gateway is killed.
        """
        self._closed = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=LAST_S)
        try:
            await asyncio.wait_for(self._pool.close(), LAST_S)
        except TROUBLES:
            self._pool.terminate()


class Patience:
    """How long something is tried again, with pauses that grow and are never quite the same."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + PATIENCE_S
        self._pause_s = _FIRST_PAUSE_S

    async def bear(self, error: Exception) -> None:
        """Wait a moment where the next try may mend it.

        Raises:
            JournalUnavailable: it may not, or was tried for long enough.
            Exception: the error, where what was asked for is at fault.
        """
        if _is_again(error) and self._loop.time() + self._pause_s < self._until:
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1))  # noqa: S311  no secret
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return
        raise _told(error) from None


async def _transact(session: Session, work: Work[T], unheard: _Unheard) -> T:
    if unheard.number is not None and await _is_committed(session, unheard.number):
        result: T = unheard.result
        return result
    unheard.number = None
    transaction = session.connection.transaction()
    await transaction.start()
    try:
        result = await work(session)
        number = await session.value("SELECT pg_current_xact_id_if_assigned()::text")
    except BaseException:
        if not session.connection.is_closed():
            await transaction.rollback()
        raise
    unheard.number, unheard.result = number, result
    await transaction.commit()
    return result


async def _is_committed(session: Session, number: str) -> bool:
    """Return what became of a transaction whose COMMIT was not answered."""
    status = await session.value("SELECT pg_xact_status($1::text::xid8)", number)
    if status == "in progress":
        raise _StillOpenError("a transaction whose connection broke has not ended yet")
    return bool(status == "committed")


def _is_again(error: Exception) -> bool:
    return isinstance(error, _AGAIN) and not isinstance(error, ValueError)


def is_unheard(error: Exception) -> bool:
    """Whether a statement that ended so may have been committed."""
    return not isinstance(error, asyncpg.PostgresError | ValueError) or isinstance(
        error, asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError
    )


def _told(error: Exception) -> Exception:
    """The journal's own troubles are one thing to everybody else; what is refused passes.

    Without its detail, which shows the row, and what is sealed in it.
    """
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None
        error.hint = None
        if not isinstance(error, _AGAIN) and not (error.sqlstate or "XX").startswith(_AWAY):
            return error
    elif isinstance(error, ValueError):  # asyncpg's own words would show the value
        return ValueError("the journal can not hold a value of this kind")
    elif isinstance(error, TimeoutError):
        return JournalUnavailable("the journal can not be used: PostgreSQL does not answer")
    return JournalUnavailable(f"the journal can not be used: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return what an error says, on one line."""
    said = str(error).strip() or type(error).__name__
    return said.splitlines()[0]
