"""Look up what is open or uncertain: for whoever asks, and for whatever is due.

A look-up buys nothing, so it may be made at any time; equal ones share one call, and one order is
not asked about more than once in two seconds. A start after a crash is an ordinary minute of this
worker: a send whose process died is found by its date, like every other order that is due.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from gateway.clients.upstream import CallError, UpstreamClient
from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.order import (
    LOOK_UP_GAP_MS,
    Evidence,
    Order,
    Silence,
    Source,
    Status,
    wait_for_turn,
)
from gateway.domain.schedule import answers
from gateway.domain.turns import Turn, Turns
from gateway.flow.directory import Directory
from gateway.flow.elsewhere import Elsewhere
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Submission
from gateway.flow.worker import AFTER_TROUBLE_S, Bell, Tasks, run_forever
from gateway.protocol.upstream import lookup_path, read_lookup_reply
from gateway.store import Claimed, Record, Store

# By the worker, at the same time and in a second: look-ups must leave the upstream room for
# orders, above all after a night in which everything came to be open.
MAX_LOOKUPS = 16
LOOK_UPS_PER_S = 100
MAX_WATCHED = 8  # of these at most about orders that are final: nobody waits for them
# For panels that ask, at the same time; beyond it one is told what the journal holds. As with
# deliveries nobody gets more than what is left for the others: one reseller half of them.
MAX_ASKED = 128
# Look-ups of the last two seconds; beyond it the oldest is forgotten, and may be asked sooner.
MAX_REMEMBERED = 10_000
# What was just called back and needs a look-up; beyond it the journal's date finds it later.
MAX_NEWS = 10_000
_EVERY_S = 0.5
# So long a node has an order to itself that it looks up, among those that share the journal; one
# that takes longer may be asked about twice, which buys nothing.
_CLAIM_S = 10.0
_CLAIM_AGAIN_S = 0.5  # it may have been another change of the order that was in the way
_INTERRUPTED = "the process that sent it ended before an answer"


@dataclass(frozen=True, slots=True)
class Found:
    """An order after a look-up, what was said, and whether that was an answer about it."""

    order: Order
    said: str
    answered: bool = True


class Recheck:
    """Looks orders up at the upstream."""

    def __init__(  # noqa: PLR0913  it stands between the journal, the upstream and a new send
        self,
        store: Store,
        upstream: UpstreamClient,
        settlement: Settlement,
        submission: Submission,
        directory: Directory,
        *,
        clock: Clock,
        elsewhere: Elsewhere,
    ) -> None:
        self.bell = Bell()
        self._tasks = Tasks()
        self._store = store
        self._upstream = upstream
        self._settlement = settlement
        self._submission = submission
        self._directory = directory
        self._clock = clock
        self._elsewhere = elsewhere
        self._is_shared = store.nodes.is_shared
        self._asking: dict[int, asyncio.Task[Found]] = {}
        self._asked_at: dict[int, int] = {}  # by order, what the journal has been told just now
        self._panels: Counter[str] = Counter()  # look-ups that a reseller's panels have begun
        self._working: set[int] = set()  # those of the worker; panels that ask do not count
        self._watching: set[int] = set()  # those of them that are about final orders
        self._news = Turns()
        self._pace = AsyncLimiter(LOOK_UPS_PER_S, 1)

    async def look_up(self, order: Order) -> Order:
        """Return the order after asking the upstream, or as it is when that was just done.

        The upstream is not asked either about an order that waits for its first send, for it can
        not know it; nor where too many panels ask at this moment.

        Raises:
            JournalUnavailable: what was heard could not be journaled.
        """
        asking = self._asking.get(order.id)
        if asking is None:
            if order.sends == 1 and order.id in self._submission.turns:
                return order
            if self._was_just_asked(order) or not self._may_ask(order.reseller):
                # What the caller read may be older than that look-up's end.
                return await self._store.order_by_trx_id(order.reseller, order.trx_id) or order
            asking = self._begin(order, alone=self._is_shared)
            self._panels[order.reseller] += 1
            asking.add_done_callback(lambda _: self._has_asked(order.reseller))
        return (await asyncio.shield(asking)).order

    def _may_ask(self, code: str) -> bool:
        return self._panels[code] < MAX_ASKED - self._panels.total()

    def _has_asked(self, code: str) -> None:
        self._panels[code] -= 1
        if not self._panels[code]:
            del self._panels[code]

    async def look_up_now(self, order: Order) -> Found:
        """Ask the upstream as soon as the pace allows, also about a final order.

        Raises:
            JournalUnavailable: what was heard could not be journaled.
        """
        if self._was_just_asked(order):
            await asyncio.sleep(LOOK_UP_GAP_MS / MS_PER_S)
        if order.sending and self._is_nobodys(order):
            order = await self._interrupt(order)
        return await asyncio.shield(self._asking.get(order.id) or self._begin(order))

    async def ask_in_turn(self, order: Order) -> Found:
        """Do the same at the pace of the worker, which leaves the upstream room."""
        await self._pace.acquire()
        return await self.look_up_now(order)

    async def hear(self, order: Order) -> tuple[Evidence, str]:
        """Ask about an order that need not be in the journal; changes nothing.

        Returns:
            What the answer proves, and how it was said, without secrets.
        """
        return await self._hear(order)

    def _is_nobodys(self, order: Order) -> bool:
        """Whether nobody makes a send that is under way, as a single command sees it.

        A command that has the journal alone knows that; where gateways share it one may be at it.
        """
        if self._settlement.rules.may_send:
            return False
        return not self._is_shared or self._settlement.is_stale(order)

    def _begin(self, order: Order, *, alone: bool = False) -> "asyncio.Task[Found]":
        asking = self._tasks.start(self._ask_alone(order) if alone else self._ask(order))
        self._asking[order.id] = asking
        asking.add_done_callback(lambda _: self._asking.pop(order.id, None))
        return asking

    def _was_just_asked(self, order: Order) -> bool:
        known = (self._asked_at.get(order.id), order.looked_up_at)  # of others the journal knows
        at = max((at for at in known if at is not None), default=None)
        return at is not None and 0 <= self._clock() - at < LOOK_UP_GAP_MS

    def _note_asked(self, order_id: int) -> None:
        """Remember for two seconds that an order was asked about; the oldest come first."""
        now = self._clock()
        self._asked_at.pop(order_id, None)
        self._asked_at[order_id] = now
        while (
            len(self._asked_at) > MAX_REMEMBERED
            or not 0 <= now - next(iter(self._asked_at.values())) < LOOK_UP_GAP_MS
        ):
            del self._asked_at[next(iter(self._asked_at))]

    async def _ask_alone(self, order: Order) -> Found:
        """Ask, unless another gateway is at it: then what it hears is the answer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _CLAIM_S
        while loop.time() < until:
            now = self._clock() - LOOK_UP_GAP_MS
            if await self._store.nodes.claim(Claimed.ASK, [order.id], now, _CLAIM_S):
                return await self._ask(order)
            found = await self._elsewhere.looked_up(order, loop.time() + _CLAIM_AGAIN_S)
            if found.looked_up_at != order.looked_up_at or not found.is_open:
                return Found(found, "another gateway has asked")
        return Found(order, "another gateway is asking", answered=False)

    async def _ask(self, order: Order) -> Found:
        evidence, said = await self._hear(order)
        self._submission.heard_of(order.id)
        try:
            change = await self._settlement.settle(order.id, evidence, said)
        except Exception:
            # The order stays due, whatever it was; the upstream is not asked about it in a rush.
            await asyncio.sleep(AFTER_TROUBLE_S)
            raise
        finally:
            if self._is_shared:
                self._tasks.start(self._store.nodes.release(Claimed.LOOK, [order.id]))
        self._note_asked(order.id)
        if change.send:
            self._submission.begin(change.order)
        return Found(change.order, said, answered=answers(evidence))

    async def _hear(self, order: Order) -> tuple[Evidence, str]:
        asked_at, clock_since = self._clock(), self._settlement.rules.clock_since
        key = self._directory.upstream_key(order.account)
        if key is None:
            return _silence("the order's upstream key is not known")
        try:
            reply = await self._upstream.get(
                lookup_path(order.upstream_trx_id), authorization=key, secrets=(key,)
            )
        except CallError as error:
            return _silence(error.reason)
        if self._settlement.rules.clock_since != clock_since:
            return _silence("the clock was set while it was asked")
        evidence = read_lookup_reply(reply, order.upstream_trx_id, asked_at)
        said = reply.describe()
        if isinstance(evidence.verdict, Status):
            said = f"{evidence.verdict}. {evidence.note} · {said}"
        return evidence, said

    async def run(self) -> None:
        """Work off what is due, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Begin what is due and fits. Always False: what ends rings the bell."""
        room = MAX_LOOKUPS - len(self._working)
        if room <= 0 or not self._pace.has_capacity(room):
            return False
        skip = self._submission.in_flight | self._asking.keys()
        watched = max(0, MAX_WATCHED - len(self._watching))
        due = await self._due_news(max(1, room // 2), skip)
        skip = skip | {order.id for order in due}
        due += await self._store.due_orders(self._clock(), room - len(due), skip, watched=watched)
        if self._is_shared and due:
            due = await self._mine(due)
        for order in due:
            await self._pace.acquire()  # there is room for each of them, so this does not wait
            await self._look_at(order)
        return False

    async def _mine(self, due: list[Order]) -> list[Order]:
        """Return those that no other gateway looks up, nor has just looked up."""
        ids = [order.id for order in due]
        claimed = await self._store.nodes.claim(Claimed.LOOK, ids, self._clock(), _CLAIM_S)
        return [order for order in due if order.id in claimed]

    def take_news(self, order: Order) -> None:
        """Look an order up soon that a callback spoke of, where a look-up is due for that.

        On a busy evening thousands are due that merely stay open, of whoever has most of them.
        Half of the room goes to news before these, and in turn to each reseller that has some.
        """
        is_due = order.due_at is not None and order.due_at <= self._clock()
        if is_due and len(self._news) < MAX_NEWS:
            self._news.add(order.reseller, Turn(order.id, order.begun))

    async def _due_news(self, most: int, skip: Collection[int]) -> list[Order]:
        due = []
        for _ in range(min(most, len(self._news))):
            order = await self._store.order(self._news.pop().order_id)
            if order.id not in skip and order.due_at is not None and order.due_at <= self._clock():
                due.append(order)
        return due

    async def _look_at(self, order: Order) -> None:
        if order.sending:
            order = await self._interrupt(order)
        if order.id in self._asking or order.due_at is None or order.sending:
            return  # a panel asked meanwhile, it is being sent, or there is nothing left to ask
        self._working.add(order.id)
        if not order.is_open and order.ask_since is None:
            self._watching.add(order.id)
        self._begin(order).add_done_callback(lambda _: self._done(order.id))

    async def _interrupt(self, order: Order) -> Order:
        """Settle a send whose process died before its answer; not one that is under way here."""
        if order.id in self._submission.in_flight:
            return order
        if order.id in self._submission.turns:
            return await self._let_wait(order)
        evidence = Evidence(
            source=Source.REPLY,
            verdict=Silence.NO_ANSWER,
            send=order.begun,
            reason=_INTERRUPTED,
        )
        return (await self._settlement.settle(order.id, evidence, _INTERRUPTED)).order

    async def _let_wait(self, order: Order) -> Order:
        """Put off the date of a send that had to wait for its turn, and was not expected to."""
        now, rules = self._clock(), self._settlement.rules

        def decide(current: Order) -> Record:
            return Record(order=wait_for_turn(current, now, rules) if current.sending else current)

        return (await self._store.change_order(order.id, decide)).order

    def _done(self, order_id: int) -> None:
        self._working.discard(order_id)
        self._watching.discard(order_id)
        self.bell.ring()

    async def finish(self, within_s: float) -> None:
        """Wait for look-ups that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)


def _silence(reason: str) -> tuple[Evidence, str]:
    return Evidence(source=Source.LOOKUP, verdict=Silence.NO_ANSWER, reason=reason), reason
