"""What can be set on a sandbox. Data only; the command line and the tests fill it in."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CALLBACK_REPEATS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Pauses between the attempts of one callback. The document gives no schedule: short at first, so
that a test need not wait; ten attempts in all, so that a receiver that is gone does not keep the
sandbox busy for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """Every setting, with the default that suits somebody who tries things by hand.

    Attributes:
        delay_s: seconds from one status of an order to its next.
        slow_s: seconds until a slow order is answered.
        accounts: apikey to balance in whole Rupiah, and no other apikey is known. None: every
            apikey is.
        callback_repeats_s: pauses in seconds between the attempts of a callback until one gets a
            200.
        callback_timeout_s: seconds for connecting, and for each wait for bytes.
        clock: seconds since the epoch, for the times in invoices.
        report: called with one line for each order and each callback, without secrets. None:
            silent.
    """

    delay_s: float = 1.0
    slow_s: float = 20.0
    accounts: Mapping[str, int] | None = None
    callback_repeats_s: tuple[float, ...] = CALLBACK_REPEATS_S
    callback_timeout_s: float = 10.0
    clock: Callable[[], float] = time.time
    report: Callable[[str], None] | None = None
