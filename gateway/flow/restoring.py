"""After a journal was brought back: ask first, sell then, and take over what it has lost.

Three things keep the money (contract §12, T2). Nothing is sold until whatever was open in the
journal has been looked up, and until no send of the gateway of before can still arrive. Nobody is
told anything until what was still to be told has been looked up, for he may have been told better
since. And for a week a trx_id that the journal does not know is looked up before it is sent: what
the upstream has under that name is that very order, and is taken over, never bought again.

On every other day all of this costs one comparison.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.domain.alert import Alarm, Kind
from gateway.domain.delivery import DeliveryState
from gateway.domain.errors import Code, JournalUnavailable, Refused
from gateway.domain.evidence import OPEN_STATUSES, Evidence
from gateway.domain.order import Dialect, Order, Silence, Source
from gateway.domain.reseller import Reseller
from gateway.domain.restored import is_that_purchase, maybe_sent
from gateway.domain.schedule import answers
from gateway.flow.directory import Directory
from gateway.flow.recheck import MAX_LOOKUPS, Recheck
from gateway.flow.settlement import Settlement
from gateway.flow.worker import AFTER_TROUBLE_S
from gateway.log import get_logger
from gateway.protocol.adopted import purchase_in
from gateway.protocol.shown import when
from gateway.store import Entry, Form, OrderFilter, Record, Store
from gateway.store.keeping import RESTORED, Restored

log = get_logger(__name__)

_PAGE = 500  # rows of a listing at a time
# Orders that the upstream does not answer about (a key that is refused, perhaps) are asked about
# so often; then those that it does answer about wait for them no longer, and they stay open.
PATIENT_ROUNDS = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# Look-ups of new trx_ids at the same time; beyond it one is as if the upstream did not answer.
MAX_LOOKING = 128
# A name that the upstream does not know is not asked about again within this, in the loop's time.
_GAP_S, _MAX_REMEMBERED = 2.0, 10_000
_CALLED_BACK_S = 10.0  # for the look-up of what was called back: nobody waits for it
_NOTHING = "-"
BUSY = "the journal was restored: what was open in it is looked up first"
_TAKEN_OVER = "the journal was restored without this order: the upstream has it, nothing is bought"
_IN_DOUBT = "the journal was restored: whether this was sent before is looked up before a send"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A trx_id that may have been sent before.

    Attributes:
        evidence: what the upstream has under that name; None where it did not answer.
        said: how it was said.
    """

    evidence: Evidence | None
    said: str


async def listed(find: Callable[[], AsyncIterator[int]]) -> list[int]:
    """Return what is found, however long the journal is away."""
    while True:
        try:
            return [number async for number in find()]
        except JournalUnavailable as error:
            log.warning("journal.failed", reason=str(error))
        await asyncio.sleep(AFTER_TROUBLE_S)


class Restoring:
    """Keeps the money after a journal was brought back.

    Attributes:
        sells: set when orders may be sold.
        tells: set when resellers may be told.
    """

    def __init__(
        self,
        store: Store,
        recheck: Recheck,
        settlement: Settlement,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self.sells = asyncio.Event()
        self.tells = asyncio.Event()
        self._store = store
        self._recheck = recheck
        self._settlement = settlement
        self._directory = directory
        self._clock = clock
        self._mark: Restored | None = None
        self._was_answered = False
        self._looking = 0
        self._unknown: dict[str, float] = {}  # names, asked about longest ago first

    async def begin(self) -> None:
        """Read whether this journal was brought back, before anything else is done with it.

        Raises:
            JournalUnavailable: the journal can not be read or written.
        """
        said = await self._store.meta(RESTORED)
        self._mark = None if said is None else msgspec.json.decode(said, type=Restored)
        if self._mark is None or self._mark.asked:
            self.sells.set()
            self.tells.set()
            return
        self._settlement.hold_sends(held=True)
        since = when(self._mark.taken_at) or "its last order"
        text = f"the journal was restored: what was ordered after {since} only the upstream knows"
        await self._store.raise_alert(Alarm(self._clock(), Kind.JOURNAL_RESTORED, text))
        log.warning("journal.restored", at=self._mark.at, taken_at=self._mark.taken_at)

    @property
    def is_asking(self) -> bool:
        """Whether nothing may be sold yet."""
        return self._mark is not None and not self.sells.is_set()

    @property
    def looks(self) -> bool:
        """Whether a trx_id that the journal does not know is looked up before it is sent."""
        return self._mark is not None and (self.is_asking or self._clock() < self._mark.look_until)

    async def run(self) -> None:
        """Ask about everything that was open, then let orders and messages go; never ends."""
        if self._mark is not None and not self._mark.asked:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await self._ask_about(await listed(self._open_orders))
            # What the gateway of before sent last may still arrive: no sooner can "not found" be
            # believed. When it ended is not known, but it had ended when this began.
            await asyncio.sleep(began + self._settlement.rules.settle_s - loop.time())
            self._settlement.hold_sends(held=False)
            self.sells.set()
            log.info("restoring.sells")
            await self._ask_about(await listed(self._untold_orders))
            await self._note_asked(self._mark)
            self.tells.set()
            log.info("restoring.ended")
        await asyncio.get_running_loop().create_future()

    async def _note_asked(self, mark: Restored) -> None:
        self._mark = replace(mark, asked=True)
        while True:
            try:
                await self._store.set_meta(RESTORED, msgspec.json.encode(self._mark))
            except JournalUnavailable as error:
                log.warning("journal.failed", reason=str(error))
            else:
                return
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def _open_orders(self) -> AsyncIterator[int]:
        before_id: int | None = None
        statuses = tuple(status.value for status in OPEN_STATUSES)
        while True:
            wanted = OrderFilter(statuses=statuses, before_id=before_id, limit=_PAGE)
            page = await self._store.orders(wanted)
            for order in page:
                yield order.id
            if len(page) < _PAGE:
                return
            before_id = page[-1].id

    async def _untold_orders(self) -> AsyncIterator[int]:
        """Give the orders whose message was still due when the backup was made."""
        before_id: int | None = None
        state = DeliveryState.DUE
        while True:
            page = await self._store.deliveries(state=state, before_id=before_id, limit=_PAGE)
            for delivery in page:
                yield delivery.order_id
            if len(page) < _PAGE:
                return
            before_id = page[-1].id

    async def _ask_about(self, order_ids: Sequence[int]) -> None:
        """Look these up; returns when the upstream has answered about each."""
        left, rounds, pause_s = list(dict.fromkeys(order_ids)), 0, _FIRST_PAUSE_S
        while left:
            log.info("restoring.asks", orders=len(left))
            left = await self._ask_once(left)
            rounds += 1
            if left and rounds >= PATIENT_ROUNDS and self._was_answered:
                log.warning("restoring.unanswered", orders=len(left))
                return
            if left:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _ask_once(self, order_ids: Sequence[int]) -> list[int]:
        """Look these up once; returns those about which nothing was heard."""
        waiting, left = iter(order_ids), list[int]()

        async def work() -> None:
            for order_id in waiting:
                if not await self._has_answer(order_id):
                    left.append(order_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_LOOKUPS):
                group.create_task(work())
        return left

    async def _has_answer(self, order_id: int) -> bool:
        try:
            order = await self._store.order(order_id)
            if order.first_sent_at is None:
                return True  # what was never on its way can not have changed there
            found = await self._recheck.ask_in_turn(order)
        except JournalUnavailable as error:
            log.warning("journal.failed", reason=str(error))
            return False
        self._was_answered |= found.answered
        return found.answered

    async def doubt(self, order: Order, within_s: float) -> Doubt | None:
        """Return whether a new order may have been sent before; None: it may be sold.

        Args:
            order: as it would be journaled.
            within_s: how long the upstream may take.

        Raises:
            JournalUnavailable: nothing is sold yet.
            Refused: the upstream has another purchase under this name (T10).
        """
        if self.is_asking:
            raise JournalUnavailable(BUSY)
        if order.unnamed:
            return None  # its name was made this very moment
        evidence, said = await self._look(order, within_s)
        if evidence.verdict is Silence.NOT_FOUND:
            return None
        if not answers(evidence):
            return Doubt(None, said)
        bought = purchase_in(evidence)
        if not is_that_purchase(order, bought.product_code, bought.dest):
            raise Refused(Code.DUPLICATE_TRX_ID)
        return Doubt(evidence, said)

    async def _look(self, order: Order, within_s: float) -> tuple[Evidence, str]:
        nothing = Evidence(source=Source.LOOKUP, verdict=Silence.NO_ANSWER)
        if self._looking >= MAX_LOOKING:
            return nothing, "too many look-ups at this moment"
        self._looking += 1
        try:
            async with asyncio.timeout(within_s):
                return await self._recheck.hear(order)
        except TimeoutError:
            return nothing, f"no answer within {within_s:g} s"
        finally:
            self._looking -= 1

    async def take_over(self, order: Order, doubt: Doubt, asked: Entry) -> tuple[Order, bool]:
        """Journal an order that may have been sent before, with what the upstream says of it.

        Args:
            order: as it is asked for, or as the upstream has it.
            doubt: from `doubt`.
            asked: the first step of its timeline.

        Returns:
            The order as it is then, and whether it is new. Nothing is sent for it here.
        """
        assert self._mark is not None  # noqa: S101  only in doubt after a restore
        now = self._clock()
        text = _IN_DOUBT if doubt.evidence is None else _TAKEN_OVER
        entries = (asked, Entry(now, "decided", text))
        record = Record(order=maybe_sent(order, self._mark.at, now), entries=entries)
        placed, is_new = await self._store.place(record)
        if is_new:
            self._settlement.open_orders += 1
            log.warning("order.taken_over", upstream_trx_id=placed.upstream_trx_id, what=text)
        if doubt.evidence is not None:
            placed = (await self._settlement.settle(placed.id, doubt.evidence, doubt.said)).order
        self._settlement.ring(placed)
        return placed, is_new

    async def adopt(
        self, reseller: Reseller, trx_id: str, *, dialect: Dialect, within_s: float
    ) -> Order | None:
        """Take over an order that is asked about and that the journal does not know.

        Args:
            reseller: whose.
            trx_id: of a permitted form.
            dialect: what it is told in.
            within_s: how long the upstream may take.

        Returns:
            None where the upstream does not know it either, or on an ordinary day.

        Raises:
            JournalUnavailable: the upstream did not answer, so that nobody knows.
        """
        name = f"{reseller.code}-{trx_id}"
        if not self.looks or reseller.account is None or self._was_unknown(name):
            return None
        order = self._lost(reseller, trx_id, dialect)
        evidence, said = await self._look(order, within_s)
        if evidence.verdict is Silence.NOT_FOUND:
            self._note_unknown(name)
            return None
        if not answers(evidence):
            raise JournalUnavailable(f"order {name} is not known, and the upstream says nothing")
        bought = purchase_in(evidence)
        order = replace(
            order,
            product_code=bought.product_code or _NOTHING,
            dest=bought.dest or _NOTHING,
            user_id=bought.user_id or _NOTHING,
            server_id=bought.server_id,
        )
        asked = Entry(self._clock(), "asked", "nothing of its request is known any more")
        return (await self.take_over(order, Doubt(evidence, said), asked))[0]

    def _lost(self, reseller: Reseller, trx_id: str, dialect: Dialect) -> Order:
        return Order(
            reseller=reseller.code,
            trx_id=trx_id,
            product_code=_NOTHING,
            dest=_NOTHING,
            user_id=_NOTHING,
            account=reseller.account,
            callback_url=reseller.callback_url,
            placed_at=self._clock(),
            dialect=dialect,
        )

    async def adopt_called_back(self, upstream_trx_id: str, form: Form) -> Order | None:
        """Take over an order that was called back and that the journal does not know."""
        code, _, trx_id = upstream_trx_id.partition("-")
        reseller = self._directory.by_code(code)
        if reseller is None or not trx_id or not self.looks:
            return None
        dialect = Dialect.JSON if form is Form.JSON else Dialect.TEXT
        try:
            return await self.adopt(reseller, trx_id, dialect=dialect, within_s=_CALLED_BACK_S)
        except JournalUnavailable:
            return None  # it is kept, and tried again

    def _was_unknown(self, name: str) -> bool:
        at = self._unknown.get(name)
        return at is not None and asyncio.get_running_loop().time() - at < _GAP_S

    def _note_unknown(self, name: str) -> None:
        self._unknown.pop(name, None)
        self._unknown[name] = asyncio.get_running_loop().time()
        if len(self._unknown) > _MAX_REMEMBERED:
            del self._unknown[next(iter(self._unknown))]
