"""Has a process of its own write the journal, from the first large batch to the gateway's end.

A thread that writes shares the interpreter with the event loop, and each of SQLite's statements
hands it over twice: at full load the loop was measured to wait for it a third of the time. A
process shares nothing: measured by turns 1.19 times the orders, and 1.2 of a bare client's
deliveries in place of 0.8. It takes 12 MiB.

It is one writer all the same: `group_commit` has one batch written at a time, by the process or by
the thread, and never by both. Whatever becomes of the process, what became of a batch is known:
with it is written its number, and whoever finds the process dead finds that number, or not. It is
found only where it is durable: SQLite shows others a commit after its fsync, and the gateway's own
connections keep the log's index, so nothing is recovered from what was not synced.
"""

import asyncio
import marshal
import math
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.log import get_logger
from gateway.store import sqlite_scribe_process
from gateway.store.draft import Statement
from gateway.store.sqlite_peek import read_meta
from gateway.store.sqlite_scribe_process import LAST_BATCH, LENGTH_BYTES, READY, WRITTEN

log = get_logger(__name__)

_PROGRAM = Path(sqlite_scribe_process.__file__)

_START_WITHIN_S = 10.0
# One that could not be started, or died, is not followed by the next at once.
_NOT_AGAIN_WITHIN_S = 60.0
_END_WITHIN_S = 5.0
_READ_AGAIN_S = 1.0
_LOOK_AGAIN_S = 0.005


class Scribe:
    """The writing process, from its start to its end.

    Args:
        path: the journal.
        lock: the descriptor of its lock, which the process holds, too.
        pragmas: what its connection is prepared with.
    """

    def __init__(self, path: Path, lock: int, pragmas: Sequence[str]) -> None:
        self._path = path
        self._lock = lock
        self._pragmas = list(pragmas)
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting: asyncio.Task[None] | None = None
        self._not_before = 0.0  # in the loop's time
        self._run = os.urandom(8).hex()  # no other gateway's batches have these numbers
        self._batches = 0

    @property
    def is_ready(self) -> bool:
        """Whether it can be told what to write."""
        return self._socket is not None and self._starting is None

    @property
    def pid(self) -> int | None:
        """The number of the process, where there is one."""
        return None if self._process is None else self._process.pid

    def add_pragma(self, pragma: str) -> None:
        """Have its connection prepared with this, too; before it is started."""
        assert self._socket is None  # noqa: S101  it would not hear of it
        self._pragmas.append(pragma)

    def start(self) -> None:
        """Start it in the background, unless it is there, died a moment ago, or is closed."""
        if self._process is not None or self._loop.time() < self._not_before:
            return
        try:
            self._socket = self._spawn()
        except OSError as error:
            self._give_up(str(error))
        else:
            self._starting = self._loop.create_task(self._prepare())

    def _spawn(self) -> socket.socket:
        """Start the process; returns our end of the line to it.

        Raises:
            OSError: there is no room for it, or no descriptor left.
        """
        ours, its = socket.socketpair()
        program = [sys.executable, "-I", "-S", str(_PROGRAM)]
        with its:
            try:
                self._process = subprocess.Popen(  # noqa: S603  ourselves
                    [*program, str(self._path), str(its.fileno())],
                    pass_fds=(its.fileno(), self._lock),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return ours

    async def _prepare(self) -> None:
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                is_open = await self._ask(marshal.dumps(self._pragmas)) == READY
        except TimeoutError:
            is_open = False
        if is_open:
            log.info("journal.scribe_began", pid=self.pid)
        else:
            await self._end("it did not open the journal")
        self._starting = None

    async def write(self, statements: list[Statement]) -> bool:
        """Have a batch written; True once it is durable, False where nothing of it was written.

        Where the process dies this takes until the journal can be read, however long: nobody may
        hear that an order is not recorded that is.
        """
        self._batches += 1
        number = f"{self._run}-{self._batches}"
        try:
            frame = marshal.dumps((number, statements))
        except ValueError:  # a value that is no plain one; SQLite may take it all the same
            return False
        said = await self._ask(frame)
        if said:
            return said == WRITTEN
        await self._end("it died")
        return await self._last_batch() == number.encode()

    async def _last_batch(self) -> bytes | None:
        while True:
            try:
                return await asyncio.to_thread(read_meta, self._path, LAST_BATCH)
            except (sqlite3.Error, RuntimeError) as error:  # the latter: no thread can be started
                log.warning("journal.failed", reason=f"the journal can not be read: {error}")
            await asyncio.sleep(_READ_AGAIN_S)

    async def _ask(self, frame: bytes) -> bytes:
        """Tell it something; returns what it says, nothing where it is dead.

        It does not survive who stops waiting for that: the next who tells it something would take
        this answer for its own, and what is written meanwhile would be older than what is there.
        """
        assert self._socket is not None  # noqa: S101  it is ready
        length = len(frame).to_bytes(LENGTH_BYTES)
        try:
            await self._loop.sock_sendall(self._socket, length + frame)
            return await self._loop.sock_recv(self._socket, 1)
        except OSError:
            return b""
        except asyncio.CancelledError:
            self._hang_up()
            self._kill()
            raise

    def _hang_up(self) -> None:
        """Let it end with what it is writing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _kill(self) -> None:
        """End it now; the loop waits for that, which is the last thing it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _give_up(self, why: str) -> None:
        log.warning("journal.no_scribe", reason=why)
        self._not_before = max(self._not_before, self._loop.time() + _NOT_AGAIN_WITHIN_S)

    async def _end(self, why: str) -> None:
        self._give_up(why)
        if self._process is not None:
            self._process.kill()
        await self._has_ended()

    async def close(self) -> None:
        """Let it end for good, and wait until it has: then it holds the journal no more."""
        self._not_before = math.inf
        await self._has_ended()

    async def _has_ended(self) -> None:
        if self._starting is not None and self._starting is not asyncio.current_task():
            self._starting.cancel()
            await asyncio.wait({self._starting})
            self._starting = None
        self._hang_up()
        if self._process is not None:
            await self._wait_for(self._process)
            self._process = None

    async def _wait_for(self, ending: subprocess.Popen[bytes]) -> None:
        """Wait until it is no more; without a thread, for there may be none left."""
        killed_at = self._loop.time() + _END_WITHIN_S
        while ending.poll() is None:
            if self._loop.time() >= killed_at:
                ending.kill()
            await asyncio.sleep(_LOOK_AGAIN_S)
