"""A busy hour of a gateway on a watched disk, and what everybody was promised when.

Each acknowledgement is noted with the instant of the disk at which it was *seen* by whom it was
given to. A power cut at that instant or later must not take it back.
"""

import asyncio
import re
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from random import Random
from typing import NamedTuple

from tests.proof.disk_upstream import AT_ONCE, LOST, PENDING, REFUSED, Books
from tests.proof.vfs import Disk
from tests.support import House, Panel, eventually
from tests.support.house import RESELLER

_STATUS = re.compile(r", status ([A-Z_]+)\.")
_WAVE = 8  # orders at the same time, at most
_PRODUCTS = (AT_ONCE, PENDING, REFUSED, LOST, None)  # None: refused by the gateway itself
_WEIGHTS = (4, 4, 1, 2, 1)


class Said(Enum):
    """What was acknowledged."""

    SENT = auto()  # the upstream has an order's request
    ANSWERED = auto()  # a panel has a line with a status
    CALLED_BACK = auto()  # the upstream was answered OK to a SUCCESS
    NOTED = auto()  # the journal shows a delivery as taken


class Ack(NamedTuple):
    """One acknowledgement: at which instant, what, of which order, and with which status."""

    at: int
    said: Said
    order: str
    status: str = ""


@dataclass(slots=True)
class Load:
    """Panels, an upstream that calls back, and their notes."""

    house: House
    disk: Disk
    books: Books
    panel: Panel
    acks: list[Ack]

    async def run(self, orders: int, seed: int) -> None:
        """Let this many orders go their way, some at the same time."""
        self.books.arrived = lambda order: self._note(Said.SENT, order)
        chance, numbers = Random(seed), count(1)
        while (begun := next(numbers)) <= orders:
            wave = [begun, *(next(numbers) for _ in range(chance.randrange(_WAVE)))]
            products = chance.choices(_PRODUCTS, _WEIGHTS, k=len(wave))
            await asyncio.gather(*map(self._one, wave, products))
            await self._look_at_deliveries()
        for trx_id in [order["trx_id"] for order in await self.house.orders()]:
            await self.house.becomes(self._truth(trx_id), f"toko-{trx_id}")
        await eventually(self._all_told)
        await self._look_at_deliveries()

    async def _all_told(self) -> bool:
        return not await self.house.deliveries("due")

    def _truth(self, trx_id: str) -> str:
        return self.books.truth(f"toko-{trx_id}")

    def _note(self, said: Said, order: str, status: str = "") -> None:
        self.acks.append(Ack(self.disk.now, said, order, status))

    async def _one(self, number: int, product: str | None) -> None:
        trx_id = f"T{number}"
        await self._ask(trx_id, self.house.order_target(trx_id, product_code=product))
        if product == PENDING:
            await self._call_back(trx_id)
        key = self.house.keys[RESELLER]
        await self._ask(trx_id, f"/v1/otomax/status/{trx_id}?apikey={key}")

    async def _ask(self, trx_id: str, target: str) -> None:
        """Ask as a panel does: again, where the gateway says that it can not record."""

        async def ask() -> str:
            answer = await self.house.get(target)
            return answer.text if answer.status == 200 else ""

        line = await eventually(ask)
        found = _STATUS.search(line)
        assert found, line
        assert found[1] != "ERROR", line
        self._note(Said.ANSWERED, f"toko-{trx_id}", found[1])

    async def _call_back(self, trx_id: str) -> None:
        name = f"toko-{trx_id}"
        self.books.pending.discard(name)

        async def call() -> bool:
            return await self.house.call_back("SUCCESS", name, invoice_number=f"INV_{name}") == 200

        await eventually(call)
        self._note(Said.CALLED_BACK, name, "SUCCESS")

    async def _look_at_deliveries(self) -> None:
        known = {ack.order for ack in self.acks if ack.said is Said.NOTED}
        for delivery in await self.house.deliveries("delivered"):
            if delivery["upstream_trx_id"] not in known:
                self._note(Said.NOTED, delivery["upstream_trx_id"], delivery["status"])
