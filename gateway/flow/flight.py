"""An order on its way in, and everybody who waits for it: equal requests share one flight.

Nothing is decided here. `intake` makes flights, says what became of them, and forgets them.
"""

import asyncio

from gateway.domain.order import Order
from gateway.flow.submission import Told


class Flight:
    """An order on its way, and who waits for it.

    Attributes:
        product_code: as asked.
        dest: as asked.
        order: as journaled, once it is.
        is_new: whether this flight journaled it.
        was_used: its trx_id was used before all the same, and the journal had lost it.
        is_twin: another gateway journaled it at the same time.
        came_at: when the first request for it came, Unix milliseconds.
        told: what who waits is to hear, once it is known.
        error: why it came to nothing, where it did.
        answered: somebody who waited was answered before its end: who asks from then on asks for
            a used trx_id, and does not wait.
        abandoned: who waited was told that it is not recorded, and has no trx_id to ask for it by.
        has_ended: what was told is in the journal.
    """

    __slots__ = (
        "_waiting",
        "abandoned",
        "answered",
        "came_at",
        "dest",
        "error",
        "has_ended",
        "is_new",
        "is_twin",
        "order",
        "product_code",
        "told",
        "was_used",
    )

    def __init__(self, product_code: str, dest: str, came_at: int) -> None:
        self.came_at = came_at
        self.product_code = product_code
        self.dest = dest
        self.order: Order | None = None
        self.is_new = False
        self.was_used = False
        self.is_twin = False
        self.told: Told | None = None
        self.error: Exception | None = None
        self.answered = False
        self.abandoned = False
        self.has_ended = False
        self._waiting: list[asyncio.Future[None]] = []

    def tell(self, told: Told) -> None:
        """Let everybody hear this who waits."""
        self.told, self.answered = told, True
        self.wake()

    def wake(self) -> None:
        """Wake everybody who waits."""
        for future in self._waiting:
            _wake(future)
        self._waiting.clear()

    def end(self) -> None:
        """Note that what was told is in the journal, or will not be soon."""
        self.has_ended = True
        self.wake()

    async def wait(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """Wait to be woken, at most until this moment of the loop's time.

        Not for the order's task: that goes on after a PENDING was told.
        """
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_at(until, _wake, future)
        try:
            await future
        finally:
            timer.cancel()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
