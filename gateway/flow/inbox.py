"""Take in what the upstream calls back: stored first, answered then (contract T9).

Whoever calls has shown the order's own token before this module is reached; whether what is said
is applied or only a reason to look up is decided by `domain.order`.
"""

from gateway.clock import Clock
from gateway.domain.order import Evidence, Order, Silence, Source
from gateway.flow.settlement import Settlement
from gateway.flow.worker import Bell, passed, run_forever
from gateway.log import get_logger
from gateway.protocol.callback import parse_callback
from gateway.protocol.words import plain
from gateway.store import Form, Store, WaitingCallback

log = get_logger(__name__)

_EVERY_S = 5.0
_TRY_AGAIN_MS = 60_000
_GIVE_UP_MS = 7 * 24 * 3_600_000  # a callback without an order after a week is nobody's
_BATCH = 100


class Inbox:
    """Callbacks, from their arrival to the door of evidence."""

    def __init__(self, store: Store, settlement: Settlement, clock: Clock) -> None:
        self.bell = Bell()
        self._store = store
        self._settlement = settlement
        self._clock = clock

    async def receive(self, upstream_trx_id: str, raw_query: str) -> None:
        """Store a callback and apply it; it is durable when this returns.

        Args:
            upstream_trx_id: the order whose token was shown.
            raw_query: the callback's query as it came.

        Raises:
            JournalUnavailable: it is not stored; the upstream must call again.
        """
        passed("callback.before")
        order = await self._order(upstream_trx_id)
        if order is None:
            now = self._clock()
            await self._store.keep_callback(upstream_trx_id, Form.TEXT, plain(raw_query), now)
            log.warning("callback.kept", upstream_trx_id=upstream_trx_id)
            return
        await self._apply(order, raw_query)

    async def _apply(self, order: Order, raw_query: str) -> None:
        callback = parse_callback(raw_query)
        evidence = callback.evidence
        if callback.trx_id != order.upstream_trx_id:
            evidence = None
        if evidence is None:
            reason = "it names another order, or no status that is known"
            evidence = Evidence(source=Source.CALLBACK, verdict=Silence.NO_ANSWER, reason=reason)
        await self._settlement.settle(order.id, evidence, plain(raw_query))

    async def _order(self, upstream_trx_id: str) -> Order | None:
        reseller, _, trx_id = upstream_trx_id.partition("-")
        return await self._store.order_by_trx_id(reseller, trx_id)

    async def run(self) -> None:
        """Try kept callbacks again, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Try what is due once more; True when there may be more."""
        waiting = await self._store.waiting_callbacks(self._clock(), _BATCH)
        for kept in waiting:
            await self._try_again(kept)
        return len(waiting) == _BATCH

    async def _try_again(self, kept: WaitingCallback) -> None:
        order = await self._order(kept.upstream_trx_id)
        now = self._clock()
        next_at: int | None = now + _TRY_AGAIN_MS
        if order is not None:
            await self._apply(order, kept.text)
            next_at = None
        elif now - kept.received_at > _GIVE_UP_MS:
            log.error("callback.given_up", upstream_trx_id=kept.upstream_trx_id)
            next_at = None
        await self._store.put_off_callback(kept.id, next_at)
