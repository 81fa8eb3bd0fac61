"""Three kills at random moments under load: every promise is then held against the books.

The judge uses nothing of what the gateway says about itself: what was bought and what became of it
stands in the upstream's books, what panels were told in the receiver's file, what they were
answered is remembered here. The journal is asked last, and must agree.
"""

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from tests.journey.conftest import UPSTREAM_KEYS
from tests.journey.office import Office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import KILLED, until, until_async

SEED = 20240607
ORDERS = 150
KILLS = 3
PANELS = 12  # orders at the same time
PAUSE_S = 0.4  # between two orders of one panel at most, so that callbacks come meanwhile
SETTLED_S = 90.0

# Destinations' ends and how often: the sandbox's table (`sandbox --help`). 012 never ends.
MIX = {
    "001": 4,  # success at once
    "002": 6,  # pending, then success
    "003": 4,  # pending, then failed
    "004": 3,  # success, then refunded
    "005": 2,  # pending, then partial success
    "006": 1,  # answered late
    "007": 3,  # bought, no answer
    "008": 2,  # bought, answered with HTML
    "009": 2,  # bought, answered HTTP 500
    "010": 1,  # not bought, no answer
    "011": 3,  # never called back
    "103": 1,  # refused: INSUFFICIENT_BALANCE
    "105": 1,  # refused: INVALID_USER_ID
    "112": 1,  # refused: SERVER_ERROR
}
SENDS_AT_MOST = 3  # contract T6


@dataclass(slots=True)
class Wanted:
    """An order as its panel remembers it."""

    reseller: str
    trx_id: str
    dest: str
    answers: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"


@dataclass(slots=True)
class Load:
    """The panels, the gateway that they order at, and who kills it."""

    office: Office
    panel: PanelProcess
    chance: random.Random
    orders: list[Wanted]
    answered: int = 0

    async def place_all(self) -> None:
        queue = iter(self.orders)

        async def one_panel() -> None:
            for wanted in queue:
                await asyncio.sleep(self.chance.uniform(0, PAUSE_S))
                await self._place(wanted)

        await asyncio.gather(*(one_panel() for _ in range(PANELS)))

    async def _place(self, wanted: Wanted) -> None:
        """Order, and ask again until an answer comes: that is how panels see a restart."""

        async def ask() -> str | None:
            return await self.office.order(
                wanted.trx_id,
                wanted.dest,
                f"{self.panel.url}/{wanted.name}",
                reseller=wanted.reseller,
            )

        wanted.answers.append(
            await until_async(ask, SETTLED_S, lambda: f"{wanted} was never answered")
        )
        self.answered += 1

    def _has_answered(self, aim: int) -> bool:
        return self.answered >= aim

    async def kill_now_and_then(self) -> None:
        """Kill the gateway in the middle of what it does, and start it again, KILLS times."""
        gateway = await self.office.serve()
        for aim in sorted(self.chance.sample(range(PANELS, ORDERS - PANELS), KILLS)):
            await until(partial(self._has_answered, aim), SETTLED_S, gateway.last_words)
            await asyncio.sleep(self.chance.uniform(0, 0.05))
            gateway.end()
            assert gateway.code == KILLED
            assert self.answered < ORDERS, "under load"
            gateway = await self.office.serve()


def wanted_orders(chance: random.Random) -> list[Wanted]:
    """Return the orders of two resellers; both use the same trx_ids."""
    ends = chance.choices(list(MIX), weights=list(MIX.values()), k=ORDERS)
    resellers = list(UPSTREAM_KEYS)
    return [
        Wanted(resellers[number % 2], f"L{number // 2}", f"{chance.randrange(10**6):06}{end}")
        for number, end in enumerate(ends)
    ]


async def test_three_kills_under_load(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    chance = random.Random(SEED)
    orders = wanted_orders(chance)
    for wanted in chance.sample(orders, ORDERS // 5):
        await panel.refuse(wanted.name, chance.randint(1, 3))
    load = Load(office, panel, chance, orders)
    await asyncio.gather(load.place_all(), load.kill_now_and_then())
    journal = await settled_journal(office)
    books = await upstream.ledger()
    told = defaultdict(list)
    for each in panel.told():
        told[each.name].append(each)
    assert journal.keys() == {wanted.name for wanted in orders}, "every answered order is there"
    for wanted in orders:
        _judge(wanted, journal[wanted.name], books.get(wanted.name), told[wanted.name])
    assert Counter(order["status"] for order in journal.values()).keys() == {
        *("SUCCESS", "FAILED", "REFUNDED", "PARTIAL_SUCCESS")
    }
    deliveries = await office.desk("delivery.list", limit=10_000)
    assert {delivery["state"] for delivery in deliveries} <= {"delivered", "superseded"}
    assert [event for event in office.logs() if event["level"] in ("error", "critical")] == []


async def settled_journal(office: Office) -> dict[str, Any]:
    """Return every order by its name, once all are final, confirmed, and told."""

    async def look() -> dict[str, Any] | None:
        orders = await office.desk("order.list", limit=10_000)
        due = await office.desk("delivery.list", state="due", limit=1)
        moving = [order for order in orders if order["due_at"] is not None or _may_move(order)]
        return None if due or moving else {order["upstream_trx_id"]: order for order in orders}

    return await until_async(look, SETTLED_S, lambda: f"not settled: {office.logs()[-40:]}")


def _may_move(order: dict[str, Any]) -> bool:
    """Whether the upstream has not said its last word yet: 004 is refunded after its success."""
    refund_comes: bool = order["dest"].endswith("004") and order["status"] == "SUCCESS"
    return order["final_at"] is None or refund_comes


def _judge(wanted: Wanted, order: dict[str, Any], booked: Any, told: list[Any]) -> None:
    """Hold one order against the books, and against what its panel heard."""
    assert order["dest"] == wanted.dest
    booked = booked or {"requests": 0, "purchases": []}
    purchases = booked["purchases"]
    assert len(purchases) <= 1, wanted
    assert booked["requests"] <= (SENDS_AT_MOST if not purchases else 1), (wanted, booked)
    history = purchases[0]["history"] if purchases else ["FAILED"]
    assert order["status"] == history[-1], (wanted, order)
    heard = [status for status, _ in groupby(each.status for each in told)]
    finals = [status for status in history if status != "PENDING"]
    assert heard in (finals, finals[-1:]), (wanted, heard, history)
    assert told[-1].answered == 200
    for status in heard:
        assert len({each.line for each in told if each.status == status}) == 1
    assert {each.values["trx_id"] for each in told} == {wanted.trx_id}
    (answer,) = wanted.answers
    said = answer.partition(", status ")[2].partition(".")[0]
    assert said in {"PENDING", *history}, (wanted, answer)
