"""What every step in the background needs: a bell that wakes it, tasks that end with the house.

Also the points of an order's way have their names here, so that a test can end the process at any
of them; nothing in the gateway listens to them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.domain.errors import JournalUnavailable, NotDone, Refused
from gateway.log import get_logger

log = get_logger(__name__)

AFTER_TROUBLE_S = 1.0  # the journal is tried again this soon


def _nobody_listens(_: str) -> None:
    """Do nothing: the way goes on."""


# Called with the name of each point that an order passes. Replaced only by crash tests.
passing: Callable[[str], None] = _nobody_listens


def passed(point: str) -> None:
    """Say that an order passed this point of its way."""
    passing(point)


class Bell:
    """Wakes a worker before its time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits, or who waits next."""
        self._event.set()

    async def wait(self, at_most_s: float) -> None:
        """Return when it rang, at the latest after this many seconds."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


class Tasks:
    """Tasks in the background that are held, logged when they break, and ended together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run this in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Refused | NotDone | JournalUnavailable):
            return  # an answer to whoever waits, not a mistake of ours
        if error is not None:
            log.error("task.failed", exc_info=error)

    async def finish(self, within_s: float) -> None:
        """Wait for what is running, at most this long, and cancel the rest."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_s
        while self._tasks and (left_s := give_up_at - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)  # one may begin another
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def run_forever(step: Callable[[], Awaitable[bool]], bell: Bell, *, every_s: float) -> None:
    """Run a worker's step whenever its bell rings and at least every so often.

    Args:
        step: does what is due; True when there may be more at once.
        bell: wakes it.
        every_s: the longest pause, seconds.
    """
    while True:
        try:
            if await step():
                continue
            await bell.wait(every_s)
        except JournalUnavailable as error:
            log.warning("journal.failed", reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)
