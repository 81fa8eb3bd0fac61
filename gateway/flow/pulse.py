"""Tells whoever looks on that something changed: no more than that, and no memory of what.

An order's way rings it some times, so ringing costs next to nothing, and nobody who looks on is
waited for. It is a number that grows and one event, however many look on and however much happens.
"""

import asyncio


class Pulse:
    """A number that grows whenever something changed."""

    def __init__(self) -> None:
        self.beats = 0
        self._next: asyncio.Future[None] | None = None

    def beat(self) -> None:
        """Say that something changed."""
        self.beats += 1
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def after(self, beats: int, at_most_s: float) -> int:
        """Wait until it has beaten more often than this, at most so many seconds.

        Returns:
            How often it has beaten.
        """
        if self.beats == beats:
            if self._next is None or self._next.done():
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._next}, timeout=at_most_s)
        return self.beats
