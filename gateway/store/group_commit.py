"""One writer for all: what waits is written in one transaction, and each waiter hears after.

With `synchronous=FULL` one fsync serves all who wait. A whole batch is one function on the
connection's thread, or one message to its scribe, because a task that is cancelled between BEGIN
and COMMIT would leave the transaction open and every writer locked out. Knows connections and
transactions, but no table.

What is asked for the same way is done together (`Many`). Where that needs nothing read, it is
drafted on the event loop. Once a batch was large, a process of its own (`Scribe`) writes the
drafts from then on; whatever it does not write is done upon the connection in the same turn.

`JournalUnavailable` says that a write is not known to be durable, no more. Where COMMIT itself
failed, the running gateway sees nothing of it; but a crash right then lets SQLite take up what of
it reached the file. Nothing was done upon it, so that is an order whose send was begun and did not
leave, or evidence that will be heard again.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import aiosqlite

from gateway.domain.errors import JournalUnavailable
from gateway.store.draft import Draft, MustRead
from gateway.store.sqlite_scribe import Scribe

A = TypeVar("A")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Many = Callable[[sqlite3.Connection, list[A]], list[T]]
"""Does for each of a list what is asked, and returns as many results; raises where one fails."""

# By exact type: a broken rule or a value of a wrong type is one item's own fault.
_BROKEN = frozenset({sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError})
# Under load a batch that follows another waits a moment for more to come: a tenth less CPU an
# order (measured at 64 orders at a time). The first batch never waits, so a single order does not.
COMPANY = 24  # items that need not wait
COMPANY_S = 0.001
# Items of one batch from which on there is much to write, and the scribe begins. Fewer are written
# as fast by the thread, for the loop has time to wait for it.
MANY = 24
# What nobody waits for (a reply that was told before it is written) leaves the way to others:
# under load it is written when so much of it has come together, or after so long. Measured by
# turns: 0.57 of a bare proxy in place of 0.44, and 326 µs of CPU an order in place of 402.
PATIENT = 48  # items
PATIENT_S = 0.05
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


class Item(NamedTuple):
    """What somebody waits for: what is asked, of whom, and where the result goes."""

    many: Many[Any, Any]
    asked: Any
    future: asyncio.Future[Any]


class Memory:
    """What is remembered of the journal beside it; this one remembers nothing."""

    def keep(self) -> None:
        """Take what was staged for true: it is committed."""

    def unstage(self) -> None:
        """Drop what was staged: it was not even begun to be written."""

    def forget(self) -> None:
        """Take nothing for true that is not read again."""


class Writer:
    """Group commit: collects what waits while a batch is being written.

    While a batch hangs nothing is collected, and what was is refused: it must not be written, and
    sold, when the disk comes back after an hour and whoever asked has long gone elsewhere. The
    batch itself is waited for: nobody can tell whether it will be durable.

    Args:
        thread: the writing connection's.
        memory: told what became of each batch.
        scribe: writes for that thread what needs nothing read; None where nobody does.
        patience_s: how long a batch may take until it hangs.
    """

    def __init__(
        self,
        thread: Thread,
        memory: Memory | None = None,
        *,
        scribe: Scribe | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._thread = thread
        self._scribe = scribe
        self._turn = asyncio.Lock()  # of the one who writes: the thread, or the scribe
        self._loop = asyncio.get_running_loop()
        self._memory = memory or Memory()
        self.patience_s = patience_s
        self._waiting: list[Item] = []
        self._patient: list[Item] = []
        self._patient_until = 0.0  # in the loop's time
        self._was_patient = False  # the last batch was one of what is patient
        self._wake: asyncio.Future[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._alone: set[asyncio.Task[Any]] = set()  # at work between two batches, or waiting
        self._hangs = False

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction; returns its result once that is durable.

        A caller that is cancelled changes nothing: what it asked for is written all the same.

        Raises:
            JournalUnavailable: it is not known to be durable.
        """
        result: T = await self.add(self._each, work)
        return result

    async def write_aside(self, work: Work[T]) -> T:
        """Do the same for what changes nothing that is remembered of the journal."""
        result: T = await self.add(_each_aside, work)
        return result

    def add(self, many: Many[A, T], asked: A, *, patient: bool = False) -> "asyncio.Future[T]":
        """Ask for something that is done together with whatever is asked the same way.

        Args:
            many: does it; the same function object for what goes together.
            asked: what it is given.
            patient: nobody is kept waiting by it, so that others may go before it.

        Returns:
            What to await: the result once it is durable, or JournalUnavailable.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._hangs:
            future.set_exception(JournalUnavailable(_HANGS))
            return future
        if patient:
            if not self._patient:
                self._patient_until = self._loop.time() + PATIENT_S
            self._patient.append(Item(many, asked, future))
        else:
            self._waiting.append(Item(many, asked, future))
        if self._wake is not None and self._is_pressing():
            _rouse(self._wake)
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())
        return future

    async def alone(self, work: Work[T]) -> T:
        """Run a function upon the connection, outside any transaction, between two batches.

        It keeps its turn to its end, though the caller is cancelled: the thread goes on all the
        same, and the scribe must not write beside it.
        """
        doing = self._loop.create_task(self._in_turn(work))
        self._alone.add(doing)
        doing.add_done_callback(self._alone.discard)
        return await asyncio.shield(doing)

    async def _in_turn(self, work: Work[T]) -> T:
        async with self._turn:
            return await self._thread.run(work)

    def _each(self, connection: sqlite3.Connection, works: list[Work[Any]]) -> list[Any]:
        """Do one work after the other; whatever they change is read again."""
        _no_draft(connection)
        try:
            return [work(connection) for work in works]
        finally:
            self._memory.forget()

    async def _drain(self) -> None:
        try:
            while self._waiting or self._patient:
                await self._pressing()
                await self._write_batch(self._next_batch())
                if 0 < len(self._waiting) < COMPANY:
                    await asyncio.sleep(COMPANY_S)
        finally:
            self._draining = None  # whatever happened, the next writer begins anew

    def _is_pressing(self) -> bool:
        """Whether anything is to be written now."""
        return bool(self._waiting) or len(self._patient) >= PATIENT

    async def _pressing(self) -> None:
        """Wait until something is to be written, or what is patient has waited long enough."""
        if self._is_pressing() or self._loop.time() >= self._patient_until:
            return
        self._wake = self._loop.create_future()
        timer = self._loop.call_at(self._patient_until, _rouse, self._wake)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    def _next_batch(self) -> list[Item]:
        """Take what is written next: what is patient only when its time has come."""
        is_due = len(self._patient) >= PATIENT or self._loop.time() >= self._patient_until
        # By turns where both have to be written, so that neither keeps the other waiting.
        goes = is_due and not self._was_patient
        self._was_patient = bool(self._patient) and (goes or not self._waiting)
        if self._was_patient:
            batch, self._patient = self._patient[:MAX_BATCH], self._patient[MAX_BATCH:]
            self._patient_until = self._loop.time()  # what is left has waited as long
        else:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        return batch

    async def _write_batch(self, batch: list[Item]) -> None:
        """Write a batch; everybody in it hears, whatever happens."""
        patience = self._loop.call_later(self.patience_s, self._refuse_the_rest)
        try:
            async with self._turn:
                results = await self._written(batch)
        except Exception as error:  # noqa: BLE001  every waiter must hear, whatever it was
            results = [_unavailable(error)] * len(batch)
        finally:
            patience.cancel()
            self._hangs = False
        for item, result in zip(batch, results, strict=True):
            tell(item.future, result)

    async def _written(self, batch: list[Item]) -> list[Any]:
        """Have a batch written by who can; returns its results, exceptions among them."""
        results = await self._by_scribe(batch)
        if results is None:
            results = await self._thread.run(partial(_commit, batch=batch, memory=self._memory))
        return results

    async def _by_scribe(self, batch: list[Item]) -> list[Any] | None:
        """Have a batch written by the scribe; None where nothing of it was."""
        if self._scribe is None:
            return None
        if not self._scribe.is_ready:
            if len(batch) >= MANY:
                self._scribe.start()
            return None
        draft = Draft()
        try:
            results = _together(cast("sqlite3.Connection", draft), batch)
        except Exception:  # noqa: BLE001  who is to hear of it is found out upon the connection
            self._memory.unstage()
            return None
        is_written = False
        try:
            is_written = await self._scribe.write(draft.statements)
        finally:
            (self._memory.keep if is_written else self._memory.forget)()
        return results if is_written else None

    def _refuse_the_rest(self) -> None:
        """Refuse what waits for a batch that hangs: none of it was begun."""
        self._hangs = True
        refused = self._waiting + self._patient
        self._waiting, self._patient = [], []
        for item in refused:
            tell(item.future, JournalUnavailable(_HANGS))

    async def finish(self) -> None:
        """Wait until nothing is being written, however long: a batch that hangs may still be."""
        while self._draining is not None or self._alone:
            drain = set() if self._draining is None else {self._draining}
            await asyncio.wait(drain | self._alone)


def _rouse(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _each_aside(connection: sqlite3.Connection, works: list[Work[Any]]) -> list[Any]:
    _no_draft(connection)
    return [work(connection) for work in works]


def _no_draft(connection: sqlite3.Connection) -> None:
    """Have what may do anything done upon a real connection."""
    if isinstance(connection, Draft):
        raise MustRead


def tell(future: asyncio.Future[Any], result: object) -> None:
    """Give a result to who waits for it; an exception is raised there."""
    if future.cancelled():
        return
    if isinstance(result, StopIteration):
        result = RuntimeError(repr(result))  # a future can not carry it
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


def _unavailable(error: Exception) -> Exception:
    """The journal's own troubles are one thing to everybody else; ours pass as they are."""
    if isinstance(error, sqlite3.Error | OSError | ValueError):
        return JournalUnavailable(f"the journal can not be used: {error}")
    return error


def _commit(connection: sqlite3.Connection, batch: Sequence[Item], memory: Memory) -> list[Any]:
    """Run a batch as one transaction; an item that fails is undone alone."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = _all(connection, batch, memory)
        connection.execute("COMMIT")
    except BaseException:
        memory.forget()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    memory.keep()
    return results


def _all(connection: sqlite3.Connection, batch: Sequence[Item], memory: Memory) -> list[Any]:
    """Do together what is asked the same way; an item that fails hears so alone."""

    def group(many: Many[Any, Any], asked: list[Any]) -> list[Any]:
        return _group(connection, many, asked, memory)

    return _by_group(batch, group)


def _together(connection: sqlite3.Connection, batch: Sequence[Item]) -> list[Any]:
    """Do together what is asked the same way; raises where one item fails."""
    return _by_group(batch, lambda many, asked: many(connection, asked))


def _by_group(
    batch: Sequence[Item], do: Callable[[Many[Any, Any], list[Any]], list[Any]]
) -> list[Any]:
    """Do what is asked by groups; results stand in the order of the batch."""
    groups: dict[Many[Any, Any], list[int]] = {}
    for place, item in enumerate(batch):
        groups.setdefault(item.many, []).append(place)
    results: list[Any] = [None] * len(batch)
    for many, places in groups.items():
        done = do(many, [batch[place].asked for place in places])
        for place, result in zip(places, done, strict=True):
            results[place] = result
    return results


def _group(
    connection: sqlite3.Connection, many: Many[Any, Any], asked: list[Any], memory: Memory
) -> list[Any]:
    """Do it for all at once; where that fails, for each alone, to know whose fault it is."""
    done = _try(connection, many, asked, memory)
    if isinstance(done, list):
        return done
    if len(asked) == 1:
        return [done]
    return [_group(connection, many, [one], memory)[0] for one in asked]


def _try(
    connection: sqlite3.Connection, many: Many[Any, Any], asked: list[Any], memory: Memory
) -> list[Any] | Exception:
    """Do it whole or not at all; returns what it raises."""
    done: list[Any] | Exception
    connection.execute("SAVEPOINT item")
    try:
        done = many(connection, asked)
    except Exception as error:
        if type(error) in _BROKEN:
            raise  # disk full, I/O, damage: nothing of this batch may be believed
        connection.execute("ROLLBACK TO item")
        memory.forget()
        done = error
    connection.execute("RELEASE item")
    return done
