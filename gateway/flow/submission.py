"""Send what was begun, once: one request an order, and whatever comes of it through the one door.

The send was made durable before this module is called (contract T1). What provably never left is
tried again for a short while; everything else is sent a second time only when `domain.truth` says
so.

A send that finds no free slot waits as two numbers, not as a task: an upstream that hangs has
tens of thousands of them waiting. When its turn comes its order is read again, and decides whether
it may still leave. Who asked hears soon that it is PENDING, not at the end of his patience.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from gateway.clients.upstream import NoAnswer, Unsent, UpstreamClient
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Change, Evidence, Order, Silence, Source, Status
from gateway.domain.turns import Turn, Turns
from gateway.flow.directory import Directory
from gateway.flow.settlement import Settlement
from gateway.flow.worker import AFTER_TROUBLE_S, Tasks, passed
from gateway.log import get_logger
from gateway.protocol.text import Line
from gateway.protocol.upstream import Call, Relayed, Reply, order_call, read_order_reply
from gateway.store import Store
from gateway.vault import Vault

log = get_logger(__name__)

_FIRST_PAUSE_S = 0.2  # between tries to connect; doubles
_LONGEST_PAUSE_S = 1.0
# How long a panel is kept waiting for the turn of its order. On an ordinary day a slot is free
# again within milliseconds; where none was for two seconds the upstream hangs, and at 300 orders a
# second each further second would keep 300 more connections.
TURN_S = 2.0
MAX_HOPEFUL = 1_000  # panels that wait so; beyond it one hears PENDING at once


class Told(msgspec.Struct, frozen=True, gc=False):
    """An order after its send, and the upstream's own answer where that is what is true now.

    Attributes:
        order: as it is.
        relayed: the upstream's own answer.
        saldo: the balance that the upstream's answer told at another gateway, Rupiah.
    """

    order: Order
    relayed: Relayed | None = None
    saldo: int | None = None


Tell = Callable[[Told], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How orders are sent.

    Attributes:
        unreachable_s: how long a send that provably did not leave is tried.
        max_in_flight: sends at the same time; the others wait for their turn.
        public_url: where the upstream calls back.
    """

    unreachable_s: float
    max_in_flight: int
    public_url: str


def _nobody(_: Told) -> None:
    """Tell nobody: a send that a look-up began, or whose panel has been answered."""


class Submission:
    """Sends orders to the upstream.

    Attributes:
        in_flight: the orders that have a slot, or had: their send is under way, or its outcome not
            journaled yet.
        turns: the sends that wait for a slot; no more than there are open orders.
    """

    def __init__(  # noqa: PLR0913  a send needs its order, its key, its token and a slot
        self,
        store: Store,
        upstream: UpstreamClient,
        settlement: Settlement,
        directory: Directory,
        vault: Vault,
        *,
        manner: Manner,
    ) -> None:
        self.in_flight: set[int] = set()
        # Of these, whose reply was told: nobody waits for its commit, and it needs no slot for it.
        # No more than there are slots, for a disk may hang.
        self._said: set[int] = set()
        self.turns = Turns()
        # Asking for it anew is a system call each time, and an order would ask ten times.
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._hopeful: dict[int, asyncio.Future[Told]] = {}
        self._heard_of: set[int] = set()  # of those in flight: somebody else spoke of them, too
        self._store = store
        self._upstream = upstream
        self._settlement = settlement
        self._directory = directory
        self._vault = vault
        self._manner = manner

    @property
    def is_full(self) -> bool:
        """Whether a send that begins now has to wait for its turn."""
        return len(self.turns) > 0 or not self._has_slot

    @property
    def _has_slot(self) -> bool:
        return len(self.in_flight) - len(self._said) < self._manner.max_in_flight

    async def submit(self, order: Order, tell: Tell = _nobody) -> None:
        """Send an order whose send has been begun in the journal, and settle what comes of it.

        The answer is journaled even if the journal is away for a while: this goes on until it is.
        Where no slot is free this ends before the send: its turn comes by itself.

        Args:
            order: as it was journaled.
            tell: called with what its panel is to hear, once; not called where its turn did not
                come soon. What the journal holds is the answer then.
        """
        turn = Turn(order.id, order.begun)
        if self.is_full:
            self.turns.add(order.reseller, turn)
            await self._hope(order.id, tell)
        else:
            self.in_flight.add(order.id)
            await self._in_slot(turn, order, tell)

    async def never_send(self, order: Order, reason: str) -> Order:
        """End a send that was begun in the journal and will not be made.

        It is in flight until that is journaled, however long the journal is away: else a look-up
        would take it for a send whose process died, and allow the next one.
        """
        evidence, _, said = _silence(Silence.UNSENT, reason)
        evidence = replace(evidence, send=order.begun)
        self.in_flight.add(order.id)
        try:
            return (await self._settle(order.id, evidence, said, patient=False)).order
        finally:
            self.in_flight.discard(order.id)
            self._give_turns()

    def begin(self, order: Order) -> None:
        """Submit an order for which nobody waits, in the background."""
        turn = Turn(order.id, order.begun)
        if self.is_full:
            self.turns.add(order.reseller, turn)
        else:
            self._start(turn, order)

    def heard_of(self, order_id: int) -> None:
        """Take note that somebody else than the reply speaks of an order: it may know better."""
        if order_id in self.in_flight:
            self._heard_of.add(order_id)

    async def _hope(self, order_id: int, tell: Tell) -> None:
        """Wait a little for an order's turn to come and go."""
        if len(self._hopeful) >= MAX_HOPEFUL:
            return
        loop = asyncio.get_running_loop()
        hope: asyncio.Future[Told] = loop.create_future()
        self._hopeful[order_id] = hope
        try:
            async with asyncio.timeout(TURN_S):
                tell(await hope)
        except TimeoutError:
            return
        finally:
            self._hopeful.pop(order_id, None)

    def _give_turns(self) -> None:
        """Let leave who waits, while there are free slots and this process goes on."""
        while self.turns and self._settlement.rules.may_send:
            if not self._has_slot:
                return
            self._start(self.turns.pop(), None)

    def _start(self, turn: Turn, order: Order | None) -> None:
        self.in_flight.add(turn.order_id)
        hope = self._hopeful.get(turn.order_id)
        self._tasks.start(self._in_slot(turn, order, _nobody if hope is None else _fulfil(hope)))

    async def _in_slot(self, turn: Turn, order: Order | None, tell: Tell) -> None:
        """Make a send that has a slot, and keep the slot until its outcome is journaled.

        Args:
            turn: which send.
            order: as it was journaled just now; None where it waited.
            tell: who wants to hear of it.
        """
        try:
            passed("send.before")
            may_leave = True
            is_held, life = self._settlement.holds(), self._settlement.life()
            if order is None or not is_held or self._settlement.is_stale(order):
                order, life = await self._read(turn.order_id)
                if not order.sending or order.begun != turn.send:
                    tell(Told(order))  # taken for dead meanwhile, and that is journaled
                    return
                may_leave = await self._settlement.may_leave(order)
            if may_leave:
                evidence, relayed, said = await self._send(order, life)
            else:
                evidence, relayed, said = _silence(Silence.UNSENT, "its turn came too late")
            passed("send.after")
            evidence = replace(evidence, send=turn.send)
            is_told = isinstance(relayed, Line) and self._may_be_told_now(order, evidence)
            if is_told:
                # Its saldo is known from now on, so that no later answer knows less than this one.
                self._directory.saw_saldo(order.account, evidence.saldo)
                tell(Told(order, relayed))
                tell = _nobody
            if is_told and len(self._said) < self._manner.max_in_flight:
                self._said.add(order.id)
                self._give_turns()
            change = await self._settle(order.id, evidence, said, patient=is_told)
        finally:
            self.in_flight.discard(turn.order_id)
            self._said.discard(turn.order_id)
            self._heard_of.discard(turn.order_id)
            self._give_turns()
        is_true = change.order.status is evidence.verdict
        tell(Told(change.order, relayed if is_true else None))

    def _may_be_told_now(self, order: Order, evidence: Evidence) -> bool:
        """Whether the reply may be said before it is journaled.

        PENDING alone: the order is durable, and is PENDING there. Not where a callback or a
        look-up spoke of the order meanwhile, for the journal may know better by now; nor where
        other gateways share it, for they may have heard of it. A line alone is told so: a JSON
        answer names the invoice, and by that the order is asked for at once.
        """
        if self._store.nodes.is_shared:
            return False
        is_pending = evidence.verdict is Status.PENDING and order.status is Status.PENDING
        return is_pending and order.sends == 1 and order.id not in self._heard_of

    async def _read(self, order_id: int) -> tuple[Order, int]:
        """Return an order as it is now, however long the journal is away (T14), and our life.

        Not before this gateway is heard there again, for until then it sends nothing.
        """
        while True:
            try:
                if self._settlement.holds():
                    life = self._settlement.life()  # before it is read: a later one holds it not
                    return await self._store.order(order_id), life
            except JournalUnavailable as error:
                log.warning("order.waits", order_id=order_id, reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def _send(self, order: Order, life: int) -> tuple[Evidence, Relayed | None, str]:
        key = self._directory.upstream_key(order.account)
        if key is None:
            return _silence(Silence.UNSENT, "the order's upstream key is not known")
        token = self._vault.callback_token(order.upstream_trx_id)
        callback_url = f"{self._manner.public_url}/callback/{token}"
        call = order_call(order, key, callback_url)
        try:
            reply = await self._connect_and_send(call, (key, token), order, life)
        except Unsent as error:
            return _silence(Silence.UNSENT, error.reason)
        except NoAnswer as error:
            return _silence(Silence.NO_ANSWER, error.reason)
        return *read_order_reply(reply, order), reply.describe()

    def _patience_s(self, order: Order) -> float:
        """Return how long to try a send that does not leave; a further one not beyond T6."""
        unreachable_s = self._manner.unreachable_s
        if order.sends == 1:
            return unreachable_s
        return max(0.0, min(unreachable_s, self._settlement.time_left_s(order)))

    async def _connect_and_send(
        self, call: Call, secrets: tuple[str, ...], order: Order, life: int
    ) -> Reply:
        """Send once; only what never left is tried again, while patience and its time last."""
        give_up_at = self._loop.time() + self._patience_s(order)
        may_leave = self._settlement.in_time(order, life)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._upstream.send(call, secrets=secrets, may_leave=may_leave)
            except Unsent:
                left_s = give_up_at - self._loop.time()
                if left_s <= 0 or not may_leave():
                    raise
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _settle(
        self, order_id: int, evidence: Evidence, said: str, *, patient: bool
    ) -> Change:
        while True:
            try:
                return await self._settlement.settle(order_id, evidence, said, patient=patient)
            except JournalUnavailable as error:
                log.warning("order.unsettled", order_id=order_id, reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def finish(self, within_s: float) -> None:
        """Wait for sends that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)


def _fulfil(hope: "asyncio.Future[Told]") -> Tell:
    def tell(told: Told) -> None:
        if not hope.done():
            hope.set_result(told)

    return tell


def _silence(verdict: Silence, reason: str) -> tuple[Evidence, None, str]:
    return Evidence(source=Source.REPLY, verdict=verdict, reason=reason), None, reason
