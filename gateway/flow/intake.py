"""Accept an order, or say what became of it (contract §4, T10, T11).

An order's way is a task of its own: a panel that hangs up changes nothing, and equal requests at
the same time wait for the same task. Nothing is refused as FAILED here unless it was journaled so.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

import msgspec
from aiolimiter import AsyncLimiter
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import Code, JournalUnavailable, Refused
from gateway.domain.order import Dialect, Order, Status, begin_send, wait_for_turn
from gateway.domain.reseller import Reseller
from gateway.flow.elsewhere import ORDER, Elsewhere
from gateway.flow.flight import Flight
from gateway.flow.membership import Membership
from gateway.flow.price import PriceGuard, lowest
from gateway.flow.recheck import Recheck
from gateway.flow.restoring import Doubt, Restoring
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Submission, Told
from gateway.flow.worker import Tasks, passed
from gateway.store import Entry, Record, Store

_MARGIN_S = 0.25  # for reading the journal and writing the answer after the wait
# On the way into the journal, of all resellers. Each holds a connection and an order, some 50 KB,
# and a disk that hangs lets them stand for ten seconds; a healthy one takes 256 a commit.
MAX_ARRIVING = 1_000
# A refusal over a limit is said this late. Who asks as fast as he is answered, on 64 connections,
# would otherwise be refused a few thousand times a second, and nobody else be served; so he is 256
# times. Short enough that a second's pace is not changed by the waiting itself.
REFUSED_AFTER_S = 0.25
MAX_REFUSED = 1_000  # requests that wait for their refusal; beyond it one is refused at once
# A final order is answered by the journal. What a program reads of it beside the status is asked
# for once, and not waited for long; where the upstream did not give it, it is left in peace.
_OBJECT_WITHIN_S = 2.0
_OBJECT_AGAIN_S = 60
_ABANDONED = "who ordered was told that it is not recorded"
NOTHING = "-"  # stands in the journal for a product or destination that could not be taken


class Wish(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a reseller asks for, in any dialect.

    Attributes:
        trx_id: the reseller's id, of a permitted form.
        product_code: None where it could not be taken.
        dest: the glued destination, or None where it could not be taken.
        user_id: its first part.
        server_id: its second part, where the reseller told it.
        callback_url: a checked address, or None.
        fault: what is wrong with it, `<CODE> - <kalimat>`; it is journaled as failed.
        asked: how it was asked, for the timeline, without secrets.
        dialect: in which it was asked.
        unnamed: the reseller gave no trx_id; the one here is ours.
        max_price: the most that it may cost, whole Rupiah, or None.
    """

    trx_id: str
    product_code: str | None
    dest: str | None
    user_id: str | None
    server_id: str | None
    callback_url: str | None
    fault: str | None
    asked: str
    dialect: Dialect
    unnamed: bool = False
    max_price: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is accepted at most: orders a second for each reseller (0: any), open orders in all."""

    orders_per_s: float
    max_open_orders: int
    reply_timeout_s: float


class Intake:
    """Takes orders in."""

    def __init__(  # noqa: PLR0913  an order's way begins here and meets everyone
        self,
        store: Store,
        settlement: Settlement,
        submission: Submission,
        recheck: Recheck,
        clock: Clock,
        *,
        bounds: Bounds,
        price_guard: PriceGuard,
        restoring: Restoring,
        membership: Membership,
        elsewhere: Elsewhere,
    ) -> None:
        self._store = store
        self._membership = membership
        self._elsewhere = elsewhere
        membership.clear_at = self._clear_at
        self._settlement = settlement
        self._submission = submission
        self._recheck = recheck
        self._clock = clock
        self.bounds = bounds
        self._price_guard = price_guard
        self._restoring = restoring
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        self._flights: dict[tuple[str, str], Flight] = {}
        self._pace: dict[str, AsyncLimiter] = {}
        # On the way into the journal, and by reseller. New or repeats, nobody knows that before.
        self._arriving = 0
        self._arriving_of: Counter[str] = Counter()
        self._refused = 0  # requests that wait for their refusal

    async def place(self, reseller: Reseller, wish: Wish, *, repeat_asks: bool) -> Told:
        """Place an order, or tell what became of the one with this trx_id.

        Args:
            reseller: who may order.
            wish: what is asked for.
            repeat_asks: a used trx_id asks for its order's status; otherwise it is refused.

        Returns:
            The order as it is when the answer is due, and the upstream's line where that is it.

        Raises:
            Refused: nothing was decided.
            JournalUnavailable: the order is not recorded, and so not sold; or not in time, and
                then what became of it is told to who asks again with the same trx_id.
        """
        deadline = self.deadline()
        key = (reseller.code, wish.trx_id)
        product_code, dest = wish.product_code or NOTHING, wish.dest or NOTHING
        flight = self._flights.get(key)
        if flight is None:
            await self._admit(reseller, wish.trx_id)
            flight = self._flights.get(key) or self._begin(key, reseller, wish)
        if (flight.product_code, flight.dest) != (product_code, dest):
            raise Refused(Code.DUPLICATE_TRX_ID)
        if flight.answered and flight.order is not None:
            await self._journaled(flight, deadline)
            told = Told(await self._current(flight.order))
        else:
            told = await self._wait(flight, deadline, can_ask_again=not wish.unnamed)
            if (flight.is_new and not flight.was_used) or flight.is_twin:
                return told
        if not told.order.is_same_purchase(product_code, dest) or not repeat_asks:
            raise Refused(Code.DUPLICATE_TRX_ID)
        return Told(await self.latest(told.order, deadline, whole=wish.dialect is Dialect.JSON))

    def deadline(self) -> float:
        """Return when an answer to a request of now is due, in the loop's time."""
        margin_s = min(_MARGIN_S, self.bounds.reply_timeout_s / 10)
        return self._loop.time() + self.bounds.reply_timeout_s - margin_s

    async def _admit(self, reseller: Reseller, trx_id: str) -> None:
        """Refuse a new order over a limit. A trx_id that was used before is always answered."""
        code = self._over_limit(reseller)
        if code is None:
            return
        if await self._store.order_by_trx_id(reseller.code, trx_id) is not None:
            return
        if self._refused < MAX_REFUSED:
            self._refused += 1
            try:
                await asyncio.sleep(REFUSED_AFTER_S)
            finally:
                self._refused -= 1
        raise Refused(code)

    def _over_limit(self, reseller: Reseller) -> Code | None:
        if reseller.account is None:
            return Code.RESELLER_SUSPENDED
        open_soon = self._settlement.open_orders + self._arriving
        if open_soon >= self.bounds.max_open_orders or self._arriving >= MAX_ARRIVING:
            return Code.BUSY
        pace = self._pace_of(reseller.code)
        if pace is not None and not pace.has_capacity(1 + self._arriving_of[reseller.code]):
            return Code.RATE_LIMITED
        return None

    def _pace_of(self, code: str) -> AsyncLimiter | None:
        """Return a reseller's pace of new orders, by the bounds of now; None where any goes."""
        rate = self.bounds.orders_per_s / self._membership.count  # each has its share
        if not rate:
            return None
        burst = max(1.0, rate)
        pace = self._pace.get(code)
        if pace is None or (pace.max_rate, pace.time_period) != (burst, burst / rate):
            pace = self._pace[code] = AsyncLimiter(burst, burst / rate)
        return pace

    def _begin(self, key: tuple[str, str], reseller: Reseller, wish: Wish) -> Flight:
        product_code, dest = wish.product_code or NOTHING, wish.dest or NOTHING
        flight = self._flights[key] = Flight(product_code, dest, self._clock())
        self._arriving += 1
        self._arriving_of[reseller.code] += 1
        self._tasks.start(self._fly(flight, key, reseller, wish))
        return flight

    async def _fly(
        self, flight: Flight, key: tuple[str, str], reseller: Reseller, wish: Wish
    ) -> None:
        """An order's way, and its end for everybody who waits."""
        try:
            await self._walk(flight, reseller, wish)
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.end()

    async def _walk(self, flight: Flight, reseller: Reseller, wish: Wish) -> None:
        """An order's way from the panel to the upstream and back."""
        passed("place.before_commit")
        try:
            doubt = await self._doubt(reseller, wish) if self._restoring.looks else None
            if doubt is not None:
                await self._take_over(flight, doubt, reseller, wish)
                return
            limit = lowest(wish.max_price, reseller.max_price)
            if limit is not None and wish.fault is None:
                wish = await self._priced(wish, reseller, limit)
            if not self._membership.takes_orders():
                raise JournalUnavailable("this gateway is not heard by the others")
            order, flight.is_new = await self._store.place(self._record(reseller, wish))
        finally:
            self._arrived(reseller.code)
        passed("place.after_commit")
        flight.order = order
        if flight.is_new:
            self._store.nodes.tell(ORDER, order.id)
        pace = self._pace_of(reseller.code)
        if flight.is_new and pace is not None and pace.has_capacity():
            await pace.acquire()  # it has capacity, so this does not wait
        if not flight.is_new and self._is_twin(flight, order):
            flight.is_twin = True
            flight.tell(await self._as_told_there(order))
            return
        if not flight.is_new or not order.is_open:
            self._settlement.ring(order)
            flight.tell(Told(order))
            return
        self._settlement.open_orders += 1
        self._settlement.changed()
        if flight.abandoned:
            flight.tell(Told(await self._submission.never_send(order, _ABANDONED)))
            return
        await self._submission.submit(order, flight.tell)
        if flight.told is None:  # its turn did not come soon
            flight.tell(Told(await self._current(order)))

    async def _doubt(self, reseller: Reseller, wish: Wish) -> Doubt | None:
        """Return whether an order may have been sent before, by who has lost his journal.

        Raises:
            JournalUnavailable: nothing is sold yet.
            Refused: it can not be told, and may have to be refused, for a fault or its price;
                or another purchase has this trx_id.
        """
        if await self._store.order_by_trx_id(reseller.code, wish.trx_id) is not None:
            return None
        order = self._order(reseller, wish)
        doubt = await self._restoring.doubt(order, self.bounds.reply_timeout_s / 2)
        may_fail = wish.fault is not None or lowest(wish.max_price, reseller.max_price) is not None
        if doubt is not None and doubt.evidence is None and may_fail:
            raise Refused(Code.BUSY)
        return doubt

    async def _take_over(
        self, flight: Flight, doubt: Doubt, reseller: Reseller, wish: Wish
    ) -> None:
        """Take an order over as the upstream has it, or journal it until that is known."""
        asked = Entry(self._clock(), "asked", wish.asked)
        order = self._order(reseller, wish)
        flight.order, flight.is_new = await self._restoring.take_over(order, doubt, asked)
        flight.was_used = doubt.evidence is not None
        flight.tell(Told(flight.order))

    def _is_twin(self, flight: Flight, order: Order) -> bool:
        """Whether another gateway was asked for this very order at the same time (T11).

        It came there after it had come here, or its answer had not been given by then.
        """
        if not self._store.nodes.is_shared:
            return False
        if not order.is_same_purchase(flight.product_code, flight.dest):
            return False
        if order.placed_at >= flight.came_at:
            return True
        is_waited_for = flight.came_at - order.placed_at < self.bounds.reply_timeout_s * MS_PER_S
        is_unanswered = order.sending or (order.send_ended_at or 0) >= flight.came_at
        return is_waited_for and is_unanswered and order.begun == 1

    async def _as_told_there(self, order: Order) -> Told:
        """Return what the gateway tells that sends an order, when it has journaled it."""
        until = self._loop.time() + self.bounds.reply_timeout_s
        order = await self._elsewhere.sent(order, until)
        return Told(order, saldo=await self._store.told_saldo(order.id))

    def _clear_at(self) -> int:
        """Return since when everything that came in is in the journal, Unix milliseconds."""
        coming = (f.came_at for f in self._flights.values() if f.order is None)
        return min(coming, default=self._clock())

    async def _priced(self, wish: Wish, reseller: Reseller, limit: int) -> Wish:
        """Return a wish, with its fault where it is new and costs more than `limit`, Rupiah.

        Half of what an answer may take is left for the journal and the upstream.
        """
        if await self._store.order_by_trx_id(reseller.code, wish.trx_id) is not None:
            return wish
        fault = await self._price_guard.fault(
            reseller.account,
            wish.product_code or NOTHING,
            limit,
            self.bounds.reply_timeout_s / 2,
        )
        return replace(wish, fault=fault)

    def _arrived(self, code: str) -> None:
        self._arriving -= 1
        self._arriving_of[code] -= 1
        if not self._arriving_of[code]:
            del self._arriving_of[code]

    def _order(self, reseller: Reseller, wish: Wish) -> Order:
        """Return an order as it is asked for, before anything is done about it."""
        return Order(
            reseller=reseller.code,
            trx_id=wish.trx_id,
            product_code=wish.product_code or NOTHING,
            dest=wish.dest or NOTHING,
            user_id=wish.user_id or NOTHING,
            server_id=wish.server_id,
            account=reseller.account,
            callback_url=wish.callback_url or reseller.callback_url,
            placed_at=self._clock(),
            dialect=wish.dialect,
            unnamed=wish.unnamed,
        )

    def _record(self, reseller: Reseller, wish: Wish) -> Record:
        order = self._order(reseller, wish)
        now = order.placed_at
        asked = Entry(now, "asked", wish.asked)
        if wish.fault is None:
            sent = Entry(now, "sending", "send 1 to the upstream begins")
            rules = self._settlement.rules
            order = begin_send(order, now, rules)
            if self._submission.is_full:
                order = wait_for_turn(order, now, rules)
            return Record(order=order, entries=(asked, sent))
        failed = replace(order, status=Status.FAILED, note=wish.fault, final_at=now)
        return Record(
            order=failed,
            entries=(asked, Entry(now, "decided", f"never sent: {wish.fault}")),
            message=self._settlement.message,
            tell_at=self._settlement.tell_at(now),
        )

    async def find(
        self,
        reseller: Reseller,
        trx_id: str,
        deadline: float,
        *,
        dialect: Dialect = Dialect.TEXT,
    ) -> Order | None:
        """Find a reseller's order by its trx_id; one that is on its way in is waited for.

        That there is none means that it was never bought, so it must not be said of one that is
        being recorded at this moment.

        Args:
            reseller: whose.
            trx_id: of a permitted form.
            deadline: when the answer is due at the latest, in the loop's time.
            dialect: in which one is told from now on that only the upstream knows any more, for
                the journal was restored.

        Raises:
            JournalUnavailable: it was not recorded in time, or the journal can not be read.
        """
        flight = self._flights.get((reseller.code, trx_id))
        if flight is not None and flight.order is None:
            return (await self._wait(flight, deadline)).order
        if flight is not None:
            await self._journaled(flight, deadline)
        came_at = self._clock()
        found = await self._store.order_by_trx_id(reseller.code, trx_id)
        if found is None and self._store.nodes.is_shared:
            await self._membership.nothing_comes(came_at, deadline)
            found = await self._store.order_by_trx_id(reseller.code, trx_id)
        if found is not None or not self._restoring.looks:
            return found
        within_s = self.bounds.reply_timeout_s / 2
        return await self._restoring.adopt(reseller, trx_id, dialect=dialect, within_s=within_s)

    async def _wait(self, flight: Flight, deadline: float, *, can_ask_again: bool = True) -> Told:
        """Wait for a flight until the answer is due; then what the journal holds is the answer."""
        await flight.wait(self._loop, deadline)
        if flight.told is not None:
            return flight.told
        if flight.error is not None:
            raise flight.error
        if flight.order is None:
            flight.abandoned = not can_ask_again
            raise JournalUnavailable("the journal did not record the order in time")
        flight.answered = True
        return Told(await self._current(flight.order))

    async def _journaled(self, flight: Flight, deadline: float) -> None:
        """Wait until what was told is in the journal, so that no later answer knows less."""
        while flight.told is not None and not flight.has_ended and self._loop.time() < deadline:
            await flight.wait(self._loop, until=deadline)

    async def _current(self, order: Order) -> Order:
        """Return an order as it is now."""
        return await self._store.order_by_trx_id(order.reseller, order.trx_id) or order

    async def latest(self, order: Order, deadline: float, *, whole: bool = False) -> Order:
        """Return an order as it is now; one that is open is looked up first.

        Args:
            order: as the journal holds it.
            deadline: when the answer is due at the latest, in the loop's time.
            whole: also look up one whose object was never heard, though the upstream has it.
        """
        if not order.is_open:
            if not whole or not self._lacks_object(order):
                return order
            deadline = min(deadline, self._loop.time() + _OBJECT_WITHIN_S)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._recheck.look_up(order)
        except TimeoutError:
            return await self._current(order)

    def _lacks_object(self, order: Order) -> bool:
        """Whether a final order's object was never heard, and the upstream may be asked for it."""
        if order.invoice is not None or not order.named:
            return False
        asked_at = order.looked_up_at or 0
        return not 0 <= self._clock() - asked_at < _OBJECT_AGAIN_S * MS_PER_S

    async def finish(self, within_s: float) -> None:
        """Wait for orders that are on their way, at most this many seconds."""
        await self._tasks.finish(within_s)
