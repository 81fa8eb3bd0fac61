"""An event loop in which time is a number: nothing waits, and what is due next happens next.

Only time and the end of processes live here. `VirtualLoop` is asyncio's own loop with a selector
that never looks at a socket: where it would wait, time moves on instead. So `sleep`, `timeout` and
`call_later` work as ever, a day costs what happens in it, and with the same seeds everything
happens in the same order.

A `Life` is one life of the gateway's process: every task that is begun inside belongs to it, and
ends with it.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_LIFE: ContextVar["Life | None"] = ContextVar("life", default=None)


class _Time(selectors.SelectSelector):
    """Waits by moving the time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen: something waits for ever")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Time()
        self.stalled_s = 0.0  # in which nobody did anything
        super().__init__(self._virtual)
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor(  # type: ignore[override]  # asyncio says it with TypeVarTuples
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Do at once what would be done on a thread: no thread ends in virtual time."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  it is raised to who awaits it
            done.set_exception(error)
        return done

    def stall(self, seconds: float) -> None:
        """Let time pass while nobody does anything, as for a process that is stopped."""
        self._virtual.now += seconds
        self.stalled_s += seconds


class Life:
    """One life of a process."""

    def __init__(self) -> None:
        self.over = False
        self.tasks: dict[asyncio.Task[Any], None] = {}  # in their order: a set would have none

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task that belongs to this life, and so does whatever it begins."""
        context = _outside()
        context.run(_LIFE.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def end(self) -> None:
        """End it at this instant: from now on nothing that it does reaches anybody."""
        self.over = True
        while self.tasks:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.sleep(0)


def outside(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin a task of the world, which outlives every process."""
    return asyncio.get_running_loop().create_task(work, context=_outside())


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a world from its beginning to its end, in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def now() -> float:
    """Return the virtual time, seconds."""
    return asyncio.get_running_loop().time()


def stalled_s() -> float:
    """Return for how many seconds nobody did anything, in all."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.stalled_s


async def never() -> NoReturn:
    """Wait until the end of this task: what a process that has ended would hear."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers the dead")


def _outside() -> Context:
    context = copy_context()
    context.run(_LIFE.set, None)
    return context


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None
) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, context=context)
    life = _LIFE.get() if context is None else context.get(_LIFE)
    if life is not None:
        life.tasks[task] = None
        task.add_done_callback(lambda ended: life.tasks.pop(ended, None))
        if life.over:
            task.cancel()
    return task


def current_life() -> Life | None:
    """Return whose life the running task is part of."""
    return _LIFE.get()
