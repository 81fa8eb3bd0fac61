"""`kill -9` at random moments under load and network faults: every promise is then held.

    KILLS=200 SEED=7 pytest -n 0 -s tests/journey/test_load_kill.py

A gateway is started and killed KILLS times, at random moments of its life and of its start, while
three resellers, who use the same trx_ids, order ten times a life, in every dialect, and ask again
in the same one or another; who gave no trx_id never asks again. The upstream's outcomes are mixed,
its replies, look-ups and callbacks are spoiled (`gateway.sandbox.faults`), and some panels refuse
what they are told at first. The judge uses nothing of what the gateway says about
itself but its journal, and that must agree with everybody else's.
"""

import asyncio
import random

import pytest

from tests.journey.conftest import RecordProperty
from tests.journey.load import (
    KILLS,
    SEED,
    SETTINGS,
    Load,
    refuse_some,
    settled,
    tell,
    wanted_orders,
)
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED
from tests.proof.judge import count

LIFE_S = (0.05, 0.8)  # from its fork; on an idle machine a gateway listens after 0.15 s


async def kill(load: Load, office: Office) -> None:
    """Start and kill the gateway, with new orders for each life; the last one lives."""
    for number in range(KILLS):
        load.give()
        gateway = office.begin_serving()
        await asyncio.sleep(load.chance.uniform(*LIFE_S))
        gateway.end()
        assert gateway.code == KILLED, gateway.last_words()
        assert load.unanswered > 0, f"kill {number + 1} was under no load"
    load.give()
    await office.serve()


@pytest.mark.timeout(120 + 3 * KILLS)
async def test_killed_at_random_moments_under_load(
    members: Office,
    panel: PanelProcess,
    spoiled_upstream: UpstreamProcess,
    record_property: RecordProperty,
) -> None:
    chance, office = random.Random(SEED), members
    office.settings |= SETTINGS | {"upstream.base_url": spoiled_upstream.url}
    orders = wanted_orders(chance, KILLS + 1)
    await refuse_some(orders, panel, chance)
    load = Load(lambda: office, panel, chance, orders)
    await load.run(kill(load, office))
    run, violations = await settled(orders, lambda: office, panel, spoiled_upstream)
    for name, value in {"kills": KILLS, "orders": len(run.cases), **count(violations)}.items():
        record_property(name, value)
    assert violations == [], tell(violations)
    errors = [event for event in office.logs() if event["level"] in ("error", "critical")]
    assert errors == [], f"KILLS={KILLS} SEED={SEED}"
    begun = [event for event in office.logs() if event["event"] == "journal.scribe_began"]
    assert begun, "a quarter of the gateways have one as soon as it has started"
