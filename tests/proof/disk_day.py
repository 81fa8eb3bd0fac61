"""One scripted day of a gateway whose disk fails somewhere on the way, and what everybody saw.

The day goes: start on a fresh folder, add a reseller, orders of every outcome, status requests, a
repeat, a callback, deliveries, stop, and start again on the same files. Whoever is told 503 comes
back later, as a panel and the upstream do; the service manager starts again what ended; and a disk
that fails for good is repaired after it was seen that the gateway says so.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gateway.domain.errors import JournalUnavailable
from gateway.store import JournalUnusable
from tests.proof.disk_upstream import AT_ONCE, LOST, PENDING, REFUSED, Books
from tests.proof.power_load import Ack, Said
from tests.proof.vfs import Disk
from tests.support import FakeUpstream, House, Panel, captured_log, eventually, open_houses
from tests.support.house import RESELLER

# By trx_id, what each order is for; None is refused by the gateway itself.
ORDERS = {"T1": AT_ONCE, "T2": PENDING, "T3": REFUSED, "T4": LOST, "T5": None}
_STATUS = re.compile(r", status ([A-Z_]+)\.")
_REPLY_S = 0.4  # what `server.reply_timeout_s` promises here
_ANSWER_S = 3.0  # nobody may be left without an answer
_STOP_S = 5.0 + _REPLY_S  # contract, section 12
_STARTS = 4
_BUSY = 503


class Ended(Exception):  # noqa: N818  the name says what is the matter
    """The gateway ended with an error at its start."""


@dataclass(slots=True)
class Day:
    """A day, and what is wrong about it.

    Attributes:
        folder: the gateway's folder.
        disk: its watched disk, with the trouble that is to come.
        upstream: where it buys.
        panel: where it delivers.
        acks: what was acknowledged, and when.
        wrong: what must not be, a sentence each.
        refused: answers of 503.
        starts: how many times the gateway was started.
    """

    folder: Path
    disk: Disk
    upstream: FakeUpstream
    panel: Panel
    acks: list[Ack] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused: int = 0
    starts: int = 0
    books: Books = field(init=False)
    _keys: dict[str, str] = field(default_factory=dict)

    async def live(self) -> None:
        """Live through the day."""
        self.books = Books(self.upstream)
        self.books.arrived = lambda order: self._note(Said.SENT, order)
        async with self._started() as house:
            await self._morning(house)
            await self._afternoon(house)
        self.disk.heal()
        async with self._started() as house:
            await self._evening(house)

    # -- start and stop

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[House]:
        """Start the gateway, again where it ends with an error, and stop it at the end."""
        async with AsyncExitStack() as stack:
            for _ in range(_STARTS):
                try:
                    house = await self._start(stack)
                except Ended:
                    self.disk.heal() if self._lasts else None
                    continue
                yield house
                async with asyncio.timeout(_STOP_S):
                    await house.stop()
                return
        raise AssertionError(f"it does not start in {_STARTS} times")

    async def _start(self, stack: AsyncExitStack) -> House:
        self.starts += 1
        async with AsyncExitStack() as undo:
            log = undo.enter_context(captured_log())
            open_house = await undo.enter_async_context(open_houses(self.folder, log))
            try:
                async with asyncio.timeout(_ANSWER_S):
                    house = await open_house(
                        self.upstream.url,
                        reseller={"callback_url": self.panel.url},
                        server={"reply_timeout_s": _REPLY_S},
                    )
            except (JournalUnusable, JournalUnavailable) as error:
                raise Ended from error
            await self._know_key(house)
            stack.push_async_exit(undo.pop_all())
        return house

    async def _know_key(self, house: House) -> None:
        """Keep the reseller's key; the operator rotates one that was lost on its way to him."""
        if RESELLER not in house.keys and RESELLER not in self._keys:
            rotated = await house.gateway.desk.resellers.rotate_key(RESELLER)
            self._keys[RESELLER] = rotated["key"]
        self._keys |= house.keys
        house.keys |= self._keys

    # -- what happens

    async def _morning(self, house: House) -> None:
        """Everybody asks once, and looks at what a lasting trouble does."""
        for trx_id in ORDERS:
            await self._order(house, trx_id)
            await self._look(house)
        for trx_id in ("T1", "T2"):
            await self._ask(house, trx_id, self._status_target(house, trx_id))
        await self._order(house, "T1")
        await self._get(house, f"/v1/otomax/user?apikey={house.keys[RESELLER]}")
        await self._call_back(house)
        await self._look(house)

    async def _afternoon(self, house: House) -> None:
        """Who was not answered comes back, until everything is said and done."""
        for trx_id in ORDERS:
            await self._until(house, partial(self._order, house, trx_id))
        await self._until(house, lambda: self._call_back(house))
        await self._until(house, lambda: self._is_done(house))

    async def _evening(self, house: House) -> None:
        """A new start finds what was said."""
        orders = {order["trx_id"]: order for order in await house.orders()}
        for trx_id in ORDERS:
            name, status = f"toko-{trx_id}", orders.get(trx_id, {}).get("status")
            if status != self.books.truth(name):
                self.wrong.append(f"{name}: ends as {status}")
        told = [(told["trx_id"], told["status"]) for told in self.panel.told]
        self.wrong += [
            f"{trx_id}: the panel was told {status}"
            for trx_id, status in told
            if status != self.books.truth(f"toko-{trx_id}")
        ]
        self.wrong += [f"{t}: no delivery came" for t in ORDERS if t not in dict(told)]
        bought = self.books.bought.items()
        self.wrong += [f"{name}: bought {times} times" for name, times in bought if times > 1]

    # -- single steps; each returns whether it is done

    async def _order(self, house: House, trx_id: str) -> bool:
        target = house.order_target(trx_id, product_code=ORDERS[trx_id])
        return await self._ask(house, trx_id, target)

    def _status_target(self, house: House, trx_id: str) -> str:
        return f"/v1/otomax/status/{trx_id}?apikey={house.keys[RESELLER]}"

    async def _ask(self, house: House, trx_id: str, target: str) -> bool:
        status, text = await self._get(house, target)
        found = _STATUS.search(text)
        if status == _BUSY or found is None or found[1] == "ERROR":
            if status == _BUSY and "FAILED" in text:
                self.wrong.append(f"{trx_id}: 503 with {text}")
            return False
        name, said = f"toko-{trx_id}", found[1]
        self._note(Said.ANSWERED, name, said)
        if said not in ("PENDING", self.books.truth(name)):
            self.wrong.append(f"{name}: the panel was answered {text}")
        return True

    async def _call_back(self, house: House) -> bool:
        """The upstream calls back what it sold, where it did."""
        if not self.books.bought["toko-T2"]:
            return False
        self.books.pending.discard("toko-T2")
        async with asyncio.timeout(_ANSWER_S):
            code = await house.call_back("SUCCESS", "toko-T2", invoice_number="INV_toko-T2")
        if code not in (200, _BUSY):
            self.wrong.append(f"a callback was answered {code}")
        if code == 200:
            self._note(Said.CALLED_BACK, "toko-T2", "SUCCESS")
        return code == 200

    async def _get(self, house: House, target: str) -> tuple[int, str]:
        async with asyncio.timeout(_ANSWER_S):
            answer = await house.get(target)
        self.refused += answer.status == _BUSY
        if answer.status not in (200, _BUSY):
            self.wrong.append(f"{target.partition('?')[0]}: HTTP {answer.status}")
        return answer.status, answer.text

    async def _is_done(self, house: House) -> bool:
        orders: list[dict[str, Any]] = await house.orders()
        still_open = [order for order in orders if order["status"] == "PENDING"]
        return not still_open and not await house.deliveries("due")

    def _note(self, said: Said, order: str, status: str = "") -> None:
        self.acks.append(Ack(self.disk.now, said, order, status))

    # -- the trouble

    @property
    def _lasts(self) -> bool:
        """Whether the disk fails now, and goes on until it is repaired."""
        trouble = self.disk.trouble
        return trouble is not None and trouble.lasting and self.disk.fired > 0

    async def _look(self, house: House) -> None:
        """Where the disk fails for good, see that the gateway says so, and have it repaired."""
        if not self._lasts:
            return
        if (await self._get(house, "/readyz"))[0] != _BUSY:
            self.wrong.append("readyz does not say that the journal can not be written")
        new = house.order_target("T9", product_code=AT_ONCE)
        if (await self._get(house, new))[0] != _BUSY:
            self.wrong.append("an order was taken while the journal can not be written")
        self.disk.heal()
        await eventually(lambda: self._is_ready(house), within_s=2)

    async def _is_ready(self, house: House) -> bool:
        return (await self._get(house, "/readyz"))[0] == 200

    async def _until(self, house: House, step: Callable[[], Awaitable[bool]]) -> None:
        async def done() -> bool:
            await self._look(house)
            return await step()

        await eventually(done)
