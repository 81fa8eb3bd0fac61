"""Deliver what is due: every message of the outbox, until its reseller took it or it is dead.

The outbox row was written by the transaction that settled the order; here it is only sent and its
outcome noted. One order has one attempt at a time, so that an older status never arrives after a
newer one; one host has a few, so that a dead one delays nobody else.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from gateway import metrics
from gateway.clients.reseller import ResellerClient, Told
from gateway.clock import Clock
from gateway.domain.delivery import Delivery, DeliveryState, after_attempt
from gateway.domain.errors import JournalUnavailable
from gateway.flow.worker import AFTER_TROUBLE_S, Bell, Tasks, passed, run_forever
from gateway.log import get_logger
from gateway.store import Busy, DeliveryRecord, Entry, Store

log = get_logger(__name__)

MAX_IN_FLIGHT = 256  # attempts at the same time, to all hosts together
PER_RESELLER = 64  # of these at most to one reseller, however many hosts it names
_EVERY_S = 0.5


class Relay:
    """Works the outbox off.

    Args:
        store: the journal.
        client: carries one attempt.
        clock: Unix milliseconds.
        schedule_s: the wait before each attempt, seconds.
        per_host: attempts to one host at the same time.
    """

    def __init__(
        self,
        store: Store,
        client: ResellerClient,
        clock: Clock,
        *,
        schedule_s: Sequence[float],
        per_host: int,
    ) -> None:
        self.bell = Bell()
        self._tasks = Tasks()
        self._store = store
        self._client = client
        self._clock = clock
        self.schedule_s = schedule_s
        self.per_host = per_host
        self._orders: set[int] = set()
        self._hosts: Counter[str] = Counter()
        self._resellers: Counter[str] = Counter()

    async def run(self) -> None:
        """Work off what is due, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Begin what is due and fits; True when there may be more."""
        room = MAX_IN_FLIGHT - len(self._orders)
        if room <= 0:
            return False
        busy = Busy(
            orders=self._orders,
            hosts=[host for host, count in self._hosts.items() if count >= self.per_host],
            resellers=[code for code, count in self._resellers.items() if count >= PER_RESELLER],
        )
        due = await self._store.due_deliveries(self._clock(), room, busy)
        begun = [delivery for delivery in due if self._begin(delivery)]
        return bool(begun) and len(due) == room

    def _begin(self, delivery: Delivery) -> bool:
        host, code = delivery.message.host, delivery.reseller
        if delivery.order_id in self._orders:
            return False
        if self._hosts[host] >= self.per_host or self._resellers[code] >= PER_RESELLER:
            return False
        self._orders.add(delivery.order_id)
        self._hosts[host] += 1
        self._resellers[code] += 1
        self._tasks.start(self._attempt(delivery))
        return True

    async def _attempt(self, delivery: Delivery) -> None:
        message = delivery.message
        try:
            passed("delivery.before")
            told = await self._client.deliver(message.method, message.url)
            passed("delivery.after")
            await self._note(delivery, told)
        except Exception:
            # The row is still due: whatever is wrong, its reseller is not called in a rush.
            await asyncio.sleep(AFTER_TROUBLE_S)
            raise
        finally:
            self._orders.discard(delivery.order_id)
            _leave(self._hosts, message.host)
            _leave(self._resellers, delivery.reseller)
            self.bell.ring()

    async def _note(self, delivery: Delivery, told: Told) -> None:
        """Write down what came of an attempt, however long the journal is away."""
        while True:
            try:
                written = await self._write(delivery, told)
            except JournalUnavailable as error:
                log.warning("delivery.unsettled", delivery=delivery.id, reason=str(error))
            else:
                return self._log(written, told)
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def _write(self, delivery: Delivery, told: Told) -> DeliveryRecord:
        now = self._clock()
        text = f"{delivery.message.status}: {told.reason} ({told.elapsed_ms} ms) {told.reply}"
        entry = Entry(now, "told" if told.accepted else "not_told", text.rstrip())

        def decide(current: Delivery) -> DeliveryRecord:
            after = after_attempt(
                current,
                accepted=told.accepted,
                result=told.reason,
                now=now,
                schedule_s=self.schedule_s,
            )
            dead = after.state is DeliveryState.DEAD
            text = f"delivery {after.id} of {after.message.status} is dead"
            alert = Entry(now, "alert", text) if dead else None
            return DeliveryRecord(delivery=after, entry=entry, alert=alert)

        return await self._store.change_delivery(delivery.id, decide)

    def _log(self, written: DeliveryRecord, told: Told) -> None:
        after = written.delivery
        metrics.deliveries.labels("accepted" if told.accepted else "refused").inc()
        log.info(
            "delivery.accepted" if told.accepted else "delivery.refused",
            delivery=after.id,
            reseller=after.reseller,
            status=after.message.status,
            host=after.message.host,
            attempts=after.attempts,
            reason=told.reason,
        )
        if written.alert is not None:
            metrics.alerts.inc()
            log.warning(
                "alert.raised",
                delivery=after.id,
                reseller=after.reseller,
                text=written.alert.text,
            )

    async def finish(self, within_s: float) -> None:
        """Wait for attempts that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)


def _leave(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
