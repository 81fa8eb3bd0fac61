"""What becomes of a purchase: its next statuses in time, and the callbacks that tell of them.

Timers of the running loop, one a step. Which steps there are stands in `outcomes`, what they cost
in `ledger`, what goes wrong with the telling in `faults`. How a callback is carried is the part of
a `Sender`: over HTTP in `callbacks`, and by other means in a simulation.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from yarl import URL

from gateway.sandbox.answers import Spoiler
from gateway.sandbox.exchange import Signed
from gateway.sandbox.faults import Fault
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import Outcome, Reply
from gateway.sandbox.purchases import Purchase, Status
from gateway.sandbox.wire import callback_body, callback_target, signature

_SOON_S = 0.05
"""An order that is final at once is called back this long after: just behind its reply."""

_EARLY_S = 0.02
"""An early callback goes out this long after its order came: well before a held answer."""

# Where the false words stand, from the last true one, in spans of `delay_s`; and how long after
# the order at the earliest, in seconds. All differ, so that no two fall due at one instant: which
# of them came first would then be chance, and not the seed.
_FALSE_SPANS, _FALSE_EARLIEST_S = (-0.5, 0.5), 0.01
_STRANGER_SPANS, _STRANGER_EARLIEST_S = (-0.4, 0.4), 0.0
_AGAIN_SPANS = 0.75
_BACKWARDS_SPANS = 1.25

_FALSE: dict[Fault, tuple[frozenset[Status], Status]] = {
    Fault.CALLBACK_FALSE_FAILED: (
        frozenset({Status.PENDING, Status.SUCCESS, Status.PARTIAL_SUCCESS}),
        Status.FAILED,
    ),
    Fault.CALLBACK_FALSE_SUCCESS: (
        frozenset({Status.FAILED, Status.REFUNDED}),
        Status.SUCCESS,
    ),
}
"""Of which last statuses a false word can be said, and which word."""


class Sender(Protocol):
    """Carries callbacks until they are acknowledged. Neither method waits.

    It counts in `purchase.callback_attempts` and `purchase.callbacks_acknowledged`.
    """

    def send(self, purchase: Purchase, target: URL) -> None:
        """Begin a GET; `target` is the whole URL and stays the same in every attempt."""

    def post(self, purchase: Purchase, target: URL, signed: Signed) -> None:
        """Begin a POST of a JSON body with its `x-signature`."""


class Lives:
    """Walks every purchase through its outcome. `close` stops all of them at once."""

    def __init__(self, ledger: Ledger, sender: Sender, options: SandboxOptions) -> None:
        self._ledger = ledger
        self._sender = sender
        self._options = options
        self._faults = options.faults
        self._spoiler = Spoiler(options.faults, options.hold_s)
        self._timers: set[asyncio.TimerHandle] = set()

    def calls_early(self, purchase: Purchase, outcome: Outcome) -> bool:
        """Whether the first callback of a purchase goes out before its order is answered."""
        told = outcome.calls_back and outcome.statuses != (Status.PENDING,)
        return told and self._faults.hits(Fault.CALLBACK_EARLY, purchase.lot)

    def begin(self, purchase: Purchase, outcome: Outcome) -> None:
        """Plan the later steps of a purchase that was just bought in its first status."""
        delay_s = self._options.delay_s
        starts_s = self._options.slow_s if outcome.reply is Reply.SLOW else 0.0
        soon_s = min(_SOON_S, delay_s / 2)
        if self.calls_early(purchase, outcome):
            # The first word goes out at once; what comes after it keeps its distance.
            soon_s = 0.0
            starts_s = _EARLY_S - (delay_s if purchase.status is Status.PENDING else 0.0)
        if purchase.status is not Status.PENDING and outcome.calls_back:
            self._later(starts_s + soon_s, lambda: self._tell_step(purchase, 0))
        for number, status in enumerate(outcome.statuses[1:], 1):
            self._later(
                starts_s + number * delay_s,
                lambda number=number, status=status: (  # type: ignore[misc]
                    self._move(purchase, number, status, outcome)
                ),
            )
        if outcome.calls_back:
            ends_s = starts_s + (len(outcome.statuses) - 1) * delay_s
            self._plan_falsehoods(purchase, outcome, ends_s)

    def close(self) -> None:
        """Plan nothing any more; purchases stay what they are."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _move(self, purchase: Purchase, number: int, status: Status, outcome: Outcome) -> None:
        self._ledger.move(purchase, status)
        if outcome.calls_back:
            self._tell_step(purchase, number)

    def _tell_step(self, purchase: Purchase, number: int) -> None:
        """Tell of the status that was just reached; `number` is its place in the outcome."""
        # A false SUCCESS is said beside the true word, never instead of it: nobody could know.
        lied = self._faults.hits(Fault.CALLBACK_FALSE_SUCCESS, purchase.lot)
        if not lied and self._faults.hits(Fault.CALLBACK_MISSING, purchase.lot, number):
            return
        as_told = replace(purchase)
        self._say(purchase, as_told)
        if self._faults.hits(Fault.CALLBACK_TWICE, purchase.lot, number):
            self._say(purchase, as_told)
            again_s = _AGAIN_SPANS * self._options.delay_s
            self._later(again_s, lambda: self._say(purchase, as_told))

    def _plan_falsehoods(self, purchase: Purchase, outcome: Outcome, ends_s: float) -> None:
        """Plan what is told against the books; `ends_s` is when the last status is reached."""
        lot, delay_s, last = purchase.lot, self._options.delay_s, outcome.statuses[-1]
        for fault, (told_of, word) in _FALSE.items():
            if last in told_of and self._faults.hits(fault, lot):
                spans = self._faults.pick(fault, lot, 1, _FALSE_SPANS, "side")
                self._later(
                    max(_FALSE_EARLIEST_S, ends_s + spans * delay_s),
                    lambda word=word: self._say(  # type: ignore[misc]
                        purchase, replace(purchase, status=word)
                    ),
                )
        if len(outcome.statuses) > 1 and self._faults.hits(Fault.CALLBACK_BACKWARDS, lot):
            earlier = outcome.statuses[-2]
            self._later(
                ends_s + _BACKWARDS_SPANS * delay_s,
                lambda: self._say(purchase, replace(purchase, status=earlier)),
            )
        if self._faults.hits(Fault.CALLBACK_STRANGER, lot):
            stranger = self._spoiler.stranger_of(purchase, Fault.CALLBACK_STRANGER)
            spans = self._faults.pick(Fault.CALLBACK_STRANGER, lot, 1, _STRANGER_SPANS, "side")
            self._later(
                max(_STRANGER_EARLIEST_S, ends_s + spans * delay_s),
                lambda: self._say(purchase, stranger),
            )

    def _say(self, purchase: Purchase, as_told: Purchase) -> None:
        """Send one callback about a purchase, in every form that is set, with what is told."""
        callback_url = purchase.order.callback_url
        if callback_url is None and self._options.webhook is None:
            return
        self._ledger.tell(purchase, as_told)
        form = self._options.callbacks
        if form == "auto":
            form = "json" if purchase.order.as_json else "text"
        if callback_url is not None and form != "json":
            self._sender.send(purchase, callback_target(as_told, callback_url))
        targets = [callback_url if form != "text" else None, self._options.webhook]
        for target in targets:
            if target is not None:
                body = callback_body(as_told)
                signed = Signed(body, signature(body, purchase.account.apikey))
                self._sender.post(purchase, URL(target), signed)

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            step()

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)
