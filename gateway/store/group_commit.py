"""One writer for all: what waits is written in one transaction, and each waiter hears after.

With `synchronous=FULL` one fsync serves all who wait. A whole batch is one function on the
connection's thread, because a task that is cancelled between BEGIN and COMMIT would leave the
transaction open and every writer locked out. Knows connections and transactions, but no table.
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

# By exact type: a broken rule or a value of a wrong type is one item's own fault.
_BROKEN = frozenset({sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError})
MAX_BATCH = 256  # items a commit: beyond this the fsync is no longer what a write costs


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
    """Group commit: collects what waits while a batch is being written."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction; returns its result once that is durable.

        A caller that is cancelled changes nothing: what it asked for is written all the same.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                works = [work for work, _ in batch]
                try:
                    results = await self._thread.run(partial(_commit, works=works))
                except Exception as error:  # noqa: BLE001  every waiter must hear, whatever it was
                    results = [_unavailable(error)] * len(batch)
                for (_, future), result in zip(batch, results, strict=True):
                    _tell(future, result)
        finally:
            self._draining = None  # whatever happened, the next writer begins anew

    async def finish(self) -> None:
        """Wait until nothing is being written."""
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
