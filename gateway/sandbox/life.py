"""What becomes of a purchase: its next statuses in time, and the callbacks that tell of them.

Timers of the running loop, one a step. Which steps there are stands in `outcomes`, what they cost
in `ledger`.
"""

import asyncio
from collections.abc import Callable

from gateway.sandbox.callbacks import CallbackSender
from gateway.sandbox.ledger import Ledger, Purchase, Status
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import Outcome, Reply
from gateway.sandbox.wire import callback_target

_SOON_S = 0.05
"""An order that is final at once is called back this long after: just behind its reply."""


class Lives:
    """Buys, and walks every purchase through its outcome. `close` stops all of them at once."""

    def __init__(self, ledger: Ledger, sender: CallbackSender, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._sender = sender
        self._options = options
        self._timers: set[asyncio.TimerHandle] = set()

    def begin(self, purchase: Purchase, outcome: Outcome) -> None:
        """Plan the later steps of a purchase that was just bought in its first status."""
        delay_s = self._options.delay_s
        asked_late_s = self._options.slow_s if outcome.reply is Reply.SLOW else 0.0
        if purchase.status is not Status.PENDING and outcome.calls_back:
            soon_s = min(_SOON_S, delay_s / 2)
            self._later(asked_late_s + soon_s, lambda: self._call_back(purchase))
        for number, status in enumerate(outcome.statuses[1:], 1):
            self._later(
                asked_late_s + number * delay_s,
                lambda status=status: self._move(purchase, status, outcome),  # type: ignore[misc]
            )

    def close(self) -> None:
        """Plan nothing any more; purchases stay what they are."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _move(self, purchase: Purchase, status: Status, outcome: Outcome) -> None:
        self._ledger.move(purchase, status)
        if outcome.calls_back:
            self._call_back(purchase)

    def _call_back(self, purchase: Purchase) -> None:
        if purchase.order.callback_url is not None:
            target = callback_target(purchase, purchase.order.callback_url)
            self._sender.send(purchase, target)

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            step()

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)
