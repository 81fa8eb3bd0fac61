"""How long a reseller's silent host is left alone: a breaker that only delays.

One breaker stands for one reseller at one host, so that what one reseller names can not delay what
another is told. An HTTP answer of any code means that the host is alive; what counts here is an
attempt that got none. After a few of these in a row the pair is *shut*: nothing is begun until a
moment, then one attempt goes ahead as a *probe*. Its answer opens the pair at once; without one
the pair stays shut for longer. A delivery that waits for this has lost nothing: no attempt of it
is counted, and no result is written.

Values in, values out: moments are milliseconds of a clock that never jumps, and whoever calls
keeps the value. No value (None) is a pair that is open and of which nothing speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.backoff import delay_ms

SHUT_AFTER = 5
"""Attempts in a row without an answer: one more than go to a host at a time by default, so that
one moment's trouble of the network shuts nobody."""

PAUSES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds until the first probe, the second …; the last repeats. A panel that came back waits a
minute at most, and a dead one costs an attempt a minute instead of every slot that it may have."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is remembered of a pair that is silent.

    Attributes:
        silent: attempts in a row without an answer, while the pair was open.
        pauses: how many times in a row it was shut; 0 while it is open.
        shut_until: nothing is begun before this moment; 0 while it is open.
        probing: the probe is under way.
    """

    silent: int = 0
    pauses: int = 0
    shut_until: int = 0
    probing: bool = False

    def is_shut(self, now: int) -> bool:
        """Whether nothing may be begun at this moment."""
        return self.probing or now < self.shut_until

    def begin(self) -> "Breaker":
        """Return the breaker with one more attempt begun: where the pair was shut, the probe."""
        return replace(self, probing=True) if self.pauses else self


def ended(
    breaker: Breaker | None,
    now: int,
    *,
    answered: bool,
    probe: bool,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Breaker | None:
    """Return what is remembered after an attempt has ended.

    Args:
        breaker: what is remembered so far.
        now: the moment.
        answered: whether any HTTP answer came.
        probe: whether this attempt was the probe; one that was begun before the pair was shut
            may end later, and its silence is no news.
        pauses_s: seconds until each probe.
    """
    if answered:
        return None
    breaker = breaker or Breaker()
    if breaker.pauses and not probe:
        return breaker
    if not breaker.pauses and breaker.silent + 1 < SHUT_AFTER:
        return replace(breaker, silent=breaker.silent + 1)
    until = now + delay_ms(pauses_s, breaker.pauses)
    return Breaker(breaker.silent + 1, breaker.pauses + 1, until)


def cut_off(breaker: Breaker | None) -> Breaker | None:
    """Return what is remembered after a probe ended without telling anything: we broke it off."""
    return None if breaker is None else replace(breaker, probing=False)
