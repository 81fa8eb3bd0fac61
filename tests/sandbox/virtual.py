"""A loop in virtual time: it never waits, it moves its clock to whatever is due next.

Only that may live here: it shows that the sandbox's heart runs where no real second passes.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are those of its own timers."""

    def __init__(self) -> None:
        self.clock = _Selector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def run(loop: VirtualLoop, main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end, and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
