"""How bad it gets in one simulated world: every rate in one place, chosen by the seed.

Data alone. What the faults of the upstream are called and do stands in `gateway.sandbox.faults`;
the rest is the network's, the disk's, the panels' and the process's own.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

SETTLE_S = 40.0
# What was sent arrives at the latest this long after its connection was closed: what the upstream
# holds back for longer than `settle_s` no gateway can wait for.
LATE_AT_MOST_S = 0.9 * SETTLE_S

# A callback of the upstream that says SUCCESS with the order's own token is its word (contract
# T9): where it lies the panel is told a lie, and no gateway can know. So that one never happens.
_NEVER = {"callback-false-success": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """The rates of one world, each from 0 to 1.

    Attributes:
        upstream: rates of the sandbox's faults by name.
        gone: a request to the upstream whose connection breaks; it may arrive later all the same.
        slow: a request, or its reply, that takes up to longer than anybody waits.
        disk: a call of the journal that fails.
        refused: a delivery that a panel answers with an error, or not at all.
        forgotten: a delivery that a panel takes, and whose answer is lost.
        hang_up: a panel that goes away before its answer.
        crashes: ends of the process for each 100 orders.
        named_crash: an end of the process at a named point of an order's way, for each passing.
        short: the schedules of deliveries are minutes instead of days.
    """

    upstream: Mapping[str, float]
    gone: float
    slow: float
    disk: float
    refused: float
    forgotten: float
    hang_up: float
    crashes: float
    named_crash: float
    short: bool = True


def _all(rate: float) -> Mapping[str, float]:
    return {"all": rate, "double-buy": 1.0, **_NEVER}


_FAIR = Weather(
    upstream={"all": 0.0, "double-buy": 1.0},
    gone=0.002,
    slow=0.01,
    disk=0.0,
    refused=0.02,
    forgotten=0.01,
    hang_up=0.02,
    crashes=0.5,
    named_crash=0.0,
)
_ROUGH = Weather(
    upstream=_all(0.04),
    gone=0.03,
    slow=0.05,
    disk=0.002,
    refused=0.1,
    forgotten=0.05,
    hang_up=0.1,
    crashes=3.0,
    named_crash=0.002,
    short=False,
)
_STORM = Weather(
    upstream=_all(0.1),
    gone=0.12,
    slow=0.12,
    disk=0.02,
    refused=0.4,
    forgotten=0.2,
    hang_up=0.2,
    crashes=5.0,
    named_crash=0.004,
)
_WEATHERS = (_FAIR, _ROUGH, _ROUGH, _STORM)


def weather_of(chance: random.Random) -> Weather:
    """Choose what it will be like."""
    return chance.choice(_WEATHERS)
