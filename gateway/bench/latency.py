"""What an order takes at a rate that both sides bear easily, by the clock of who planned it.

Requests go out when they are due, whoever was answered meanwhile, and what an answer took is
counted from when it was due: a server that stalls can not hide it by being asked less.
"""

from collections.abc import Sequence

from gateway.bench.figures import Figure, percentile
from gateway.bench.load import Outcome
from gateway.bench.stage import At, Stage

_SHARE = 0.3  # of what the gateway answers at most
_SHARES = {"p50": 0.5, "p99": 0.99}
_LOOP = "asyncio"


def run_latency(stage: Stage) -> list[Figure]:
    """Measure both sides at the same rate."""
    house = stage.house("latency")
    with house.serving(_LOOP) as gateway, stage.yardstick("proxy", _LOOP) as proxy:
        at = At(house.port, gateway.pid)
        most = stage.orders("latency", at, house)
        rate = float(f"{_SHARE * most.answered / most.seconds:.1g}")
        what = f"latency at {rate:g}/s"
        ours, theirs = stage.in_turn(
            what,
            lambda: stage.orders(what, at, house, rate=rate),
            lambda: stage.orders(what, proxy, house, rate=rate),
        )
    return [_figure(name, rate, ours, theirs) for name in _SHARES]


def _figure(name: str, rate: float, ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> Figure:
    share = _SHARES[name]
    return Figure(
        name=f"latency-{name}",
        title=f"latency {name} at {rate:g}/s",
        unit="ms",
        gateway=[percentile(outcome.took_ms, share) for outcome in ours],
        yardstick=[percentile(outcome.took_ms, share) for outcome in theirs],
        costs=True,
        adds=True,
    )
