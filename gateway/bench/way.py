"""The whole way of an order: placed, called back, settled, delivered. What it costs of a CPU."""

from gateway.bench.figures import Figure
from gateway.bench.orders import cpu_of_1000
from gateway.bench.stage import At, Stage

_LOOP = "asyncio"


def run_way(stage: Stage) -> list[Figure]:
    """Measure whole ways; beside each the proxy's CPU for orders alone, for it knows no more."""
    house = stage.house("way")
    orders = stage.size.way_orders
    with house.serving(_LOOP) as gateway, stage.yardstick("proxy", _LOOP) as proxy:
        at = At(house.port, gateway.pid)
        ours, theirs = stage.in_turn(
            "whole way",
            lambda: stage.way("whole way", at, house, orders),
            lambda: stage.orders("whole way", proxy, house),
        )
    return [
        Figure(
            name="way",
            title="whole way, order to delivery",
            unit="1/s",
            gateway=[orders / way.seconds for way in ours],
        ),
        Figure(
            name="way-cpu",
            title="whole way, CPU (the proxy's: order alone)",
            unit="s/1,000",
            gateway=[1000 * way.cpu_s / orders for way in ours],
            yardstick=[cpu_of_1000(outcome) for outcome in theirs],
            costs=True,
        ),
    ]
