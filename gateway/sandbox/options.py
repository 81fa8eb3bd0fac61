"""What can be set on a sandbox. Data only; the command line and the tests fill it in."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.sandbox.faults import Faults

CallbackForm = Literal["auto", "text", "json", "both"]
"""GET with a query, POST with signed JSON, one after the other, or as the order itself came."""

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
        faults: what goes wrong, how often, by which seed. The default is nothing.
        latency_s: seconds that every answer to an order is held back.
        early_s: seconds that an answer is held back where `callback-early` hits.
        hold_s: seconds until the connection is closed where `held-reply` hits: more than its
            client's time-out.
        late_s: seconds after a purchase that look-ups do not find it where `lookup-late` hits:
            less than what the gateway waits in `recheck.settle_s`.
        race_s: seconds after a purchase in which another request buys again where `double-buy`
            hits, unless the first is still unanswered: then it does as long as that lasts.
        callbacks: the form of the callbacks to an order's own URL; `auto` calls an order that
            came as JSON back as JSON, and every other one as text.
        webhook: where every callback is also sent to as signed JSON. None: nowhere.
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
    faults: Faults = field(default_factory=Faults)
    latency_s: float = 0.0
    early_s: float = 0.3
    hold_s: float = 90.0
    late_s: float = 5.0
    race_s: float = 2.0
    callbacks: CallbackForm = "auto"
    webhook: str | None = None
    callback_repeats_s: tuple[float, ...] = CALLBACK_REPEATS_S
    callback_timeout_s: float = 10.0
    clock: Callable[[], float] = time.time
    report: Callable[[str], None] | None = None
