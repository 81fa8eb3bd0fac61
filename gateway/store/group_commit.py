"""One writer for all: what waits is written in one transaction, and each waiter hears after.

With `synchronous=FULL` one fsync serves all who wait. A whole batch is one function on the
connection's thread, because a task that is cancelled between BEGIN and COMMIT would leave the
transaction open and every writer locked out. Knows connections and transactions, but no table.

`JournalUnavailable` says that a write is not known to be durable, no more. Where COMMIT itself
failed, the running gateway sees nothing of it; but a crash right then lets SQLite take up what of
it reached the file. Nothing was done upon it, so that is an order whose send was begun and did not
leave, or evidence that will be heard again.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import aiosqlite

from gateway.domain.errors import JournalUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_Item = tuple[Work[Any], asyncio.Future[Any]]

# By exact type: a broken rule or a value of a wrong type is one item's own fault.
_BROKEN = frozenset({sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError})
MAX_BATCH = 256  # items a commit: beyond this the fsync is no longer what a write costs
# Longer than SQLite waits for a lock (5 s) and any disk that is only slow; shorter than panels are
# kept waiting (15 s). A disk that takes longer hangs.
PATIENCE_S = 10.0
_HANGS = "the journal can not be used: its disk does not answer"


class Thread:
    """A connection on its own thread that runs whole functions.

    aiosqlite has no public name for this; both private ones that it takes stand here alone.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._execute: Any = connection._execute  # noqa: SLF001
        self._raw: sqlite3.Connection = connection._conn  # noqa: SLF001

    async def run(self, work: Work[T]) -> T:
        """Run a function of the connection on its thread."""
        result: T = await self._execute(work, self._raw)
        return result

    async def close(self) -> None:
        """Close the connection and end its thread."""
        await self._connection.close()


class Writer:
    """Group commit: collects what waits while a batch is being written.

    While a batch hangs nothing is collected, and what was is refused: it must not be written, and
    sold, when the disk comes back after an hour and whoever asked has long gone elsewhere. The
    batch itself is waited for: nobody can tell whether it will be durable.

    Args:
        thread: the writing connection's.
        patience_s: how long a batch may take until it hangs.
    """

    def __init__(self, thread: Thread, patience_s: float = PATIENCE_S) -> None:
        self._thread = thread
        self.patience_s = patience_s
        self._waiting: list[_Item] = []
        self._draining: asyncio.Task[None] | None = None
        self._hangs = False

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction; returns its result once that is durable.

        A caller that is cancelled changes nothing: what it asked for is written all the same.

        Raises:
            JournalUnavailable: it is not known to be durable.
        """
        if self._hangs:
            raise JournalUnavailable(_HANGS)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._write_batch(batch)
        finally:
            self._draining = None  # whatever happened, the next writer begins anew

    async def _write_batch(self, batch: list[_Item]) -> None:
        """Write a batch; everybody in it hears, whatever happens."""
        works = [work for work, _ in batch]
        patience = asyncio.get_running_loop().call_later(self.patience_s, self._refuse_the_rest)
        try:
            results = await self._thread.run(partial(_commit, works=works))
        except Exception as error:  # noqa: BLE001  every waiter must hear, whatever it was
            results = [_unavailable(error)] * len(batch)
        finally:
            patience.cancel()
            self._hangs = False
        for (_, future), result in zip(batch, results, strict=True):
            _tell(future, result)

    def _refuse_the_rest(self) -> None:
        """Refuse what waits for a batch that hangs: none of it was begun."""
        self._hangs = True
        refused, self._waiting = self._waiting, []
        for _, future in refused:
            _tell(future, JournalUnavailable(_HANGS))

    async def finish(self) -> None:
        """Wait until nothing is being written, however long: a batch that hangs may still be."""
        while self._draining is not None:
            await asyncio.wait({self._draining})


def _tell(future: asyncio.Future[Any], result: object) -> None:
    if future.cancelled():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


def _unavailable(error: Exception) -> Exception:
    """The journal's own troubles are one thing to everybody else; ours pass as they are."""
    if isinstance(error, sqlite3.Error | OSError | ValueError):
        return JournalUnavailable(f"the journal can not be used: {error}")
    return error


def _commit(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """Run a batch as one transaction; an item that fails is undone alone."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [_one(connection, work) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return results


def _one(connection: sqlite3.Connection, work: Work[Any]) -> object:
    connection.execute("SAVEPOINT item")
    try:
        result = work(connection)
    except Exception as error:
        if type(error) in _BROKEN:
            raise  # disk full, I/O, damage: nothing of this batch may be believed
        connection.execute("ROLLBACK TO item")
        # A future can not carry a StopIteration; whatever it was is the waiter's to handle.
        result = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
    connection.execute("RELEASE item")
    return result
