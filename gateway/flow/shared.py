"""Work that is shared: whoever asks for what is under way already waits for the same.

What a call may cost, and how many there may be, is decided by whoever begins one.
"""

import asyncio
from collections.abc import Coroutine, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.flow.worker import Tasks

Name = TypeVar("Name", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Running(Generic[T]):
    """Work under way; `began_at` is in the loop's time."""

    task: "asyncio.Task[T]"
    began_at: float

    async def outcome(self, until: float) -> T:
        """Return what comes of it, and raise what it raises; who stops waiting changes nothing.

        Args:
            until: the loop's time at which to wait no longer.

        Raises:
            TimeoutError: it is not done by then, or was ended with the house.
        """
        left_s = until - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.wait({self.task}, timeout=left_s)
        if not self.task.done() or self.task.cancelled():
            raise TimeoutError
        return self.task.result()


class Shared(Generic[Name, T]):
    """Work under way, by the name under which it is shared."""

    def __init__(self) -> None:
        self._tasks = Tasks()
        self._running: dict[Name, Running[T]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Name]:
        return iter(self._running)

    def get(self, name: Name) -> Running[T] | None:
        """Return what is under way under this name."""
        return self._running.get(name)

    def begin(self, name: Name, work: Coroutine[Any, Any, T]) -> Running[T]:
        """Begin work under a name that nothing is under way under."""
        task = self._tasks.start(work)
        running = self._running[name] = Running(task, asyncio.get_running_loop().time())
        task.add_done_callback(lambda _: self._running.pop(name, None))
        return running

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way, at most this many seconds, and cancel the rest."""
        await self._tasks.finish(within_s)
