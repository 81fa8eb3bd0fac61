"""Deliver what is due: every message of the outbox, until its reseller took it or it is dead.

The outbox row was written by the transaction that settled the order; here it is only sent and its
outcome noted. One order has one attempt at a time, so that an older status never arrives after a
newer one. One host has a few, one reseller some, and nobody more than what is left for the others,
so that a dead host delays nobody else. What a reseller's silent host would get is delayed by a
breaker (`domain.breaker`); which hosts are silent is known in memory alone, and a new start tries
each of them again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from gateway import metrics
from gateway.clients.exchange import MayLeave, at_any_time
from gateway.clients.reseller import Attempt
from gateway.clock import SteadyClock
from gateway.domain import breaker
from gateway.domain.alert import Alarm, Kind
from gateway.domain.backoff import MS_PER_S
from gateway.domain.breaker import PAUSES_S, Breaker
from gateway.domain.delivery import Delivery, DeliveryState, after_attempt
from gateway.domain.errors import JournalUnavailable
from gateway.flow.worker import AFTER_TROUBLE_S, Bell, Tasks, passed, run_forever
from gateway.log import get_logger
from gateway.protocol.shown import when
from gateway.store import Busy, Claimed, ClaimLost, DeliveryRecord, Entry, Store

log = get_logger(__name__)

MAX_IN_FLIGHT = 256  # attempts at the same time, to all hosts together
PER_RESELLER = 64  # of these at most to one reseller, however many hosts it names
REMEMBERED = 1000  # silent pairs; beyond it the one that was tried longest ago is forgotten
_LOOK = 256  # deliveries that are read from the journal at a time
_EVERY_S = 0.5
# A pause that another gateway of the same journal wrote, and that was not heard, is seen so soon.
_PAUSED_FOR_S = 5.0
PAUSED = "paused"  # what is told to have all nodes look who is paused now
# What has come to be due is looked for at once, but not more often than this: orders and attempts
# that end one by one, hundreds a second, would have the journal read for each of them, half a
# millisecond a look.
_NOT_WITHIN_S = 0.002

DELIVERY = "delivery"  # what is told when one was attempted, with its number
Pair = tuple[str, str]
Sign = Callable[[str, bytes], str | None]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Claim(NamedTuple):
    """An order's deliveries are ours for a while.

    Attributes:
        fence: under which the attempt's outcome is written; None where nobody else could.
        may_leave: asked when the attempt's first byte is written.
    """

    fence: int | None
    may_leave: MayLeave


_ALONE = Claim(None, at_any_time)


class Carrier(Protocol):
    """Carries one attempt to a reseller; `clients.reseller.ResellerClient` is one."""

    async def deliver(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        may_leave: MayLeave,
    ) -> Attempt:
        """Send one request; nothing that the URL or the other side does raises."""
        ...


def _nobody() -> None:
    """Tell nobody: nothing is wired yet."""


class Relay:
    """Works the outbox off.

    Args:
        store: the journal.
        client: carries one attempt.
        clock: Unix milliseconds.
        schedule_s: the wait before each attempt, seconds.
        per_host: attempts to one host at the same time.
        sign: makes the signature of a body under the key that a reseller has now.
        claim_s: for how long an order's deliveries are this gateway's for one attempt, among
            those that share the journal; more than two attempts take.
    """

    def __init__(  # noqa: PLR0913  it stands between the journal and whoever is told
        self,
        store: Store,
        client: Carrier,
        clock: SteadyClock,
        *,
        schedule_s: Sequence[float],
        per_host: int,
        sign: Sign,
        claim_s: float = 60,
    ) -> None:
        self.bell = Bell()
        self._tasks = Tasks()
        self._store = store
        self._client = client
        self._sign = sign
        self._clock = clock
        self._claim_s = claim_s
        self.schedule_s = schedule_s
        self.pauses_s: Sequence[float] = PAUSES_S
        self.changed: Callable[[], None] = _nobody  # called for who looks on
        self.per_host = per_host
        self._under_way = UnderWay()
        self._looked_at = 0.0  # in the loop's time
        self._soon: asyncio.TimerHandle | None = None
        self._silent: dict[Pair, Breaker] = {}  # tried longest ago first
        self._silent_since: dict[Pair, int] = {}  # of those that are shut
        self._paused: tuple[str, ...] = ()
        self._paused_until = 0.0  # for how long that is taken for true, in the loop's time
        self._changes = 0
        store.nodes.listen(self._heard)

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return len(self._under_way.orders)

    def silent(self) -> dict[str, int]:
        """Return the hosts that do not answer, and since when, Unix milliseconds."""
        since: dict[str, int] = {}
        for (_, host), at in self._silent_since.items():
            since[host] = min(at, since.get(host, at))
        return since

    def look_who_is_paused(self) -> None:
        """Let all gateways take note that a host was paused or resumed."""
        self._store.nodes.tell(PAUSED, 0)

    def _heard(self, what: str, _: int) -> None:
        if what == PAUSED:
            self._paused_until = 0.0
            self._changes += 1
            self.bell.ring()

    async def _paused_hosts(self) -> tuple[str, ...]:
        """Return the hosts that are paused, as the journal said a moment ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._paused_until:
            changes = self._changes
            self._paused = tuple(row.host for row in await self._store.paused_hosts())
            # What was changed while this was read is read again.
            self._paused_until = now + _PAUSED_FOR_S if changes == self._changes else 0.0
        return self._paused

    def wake(self) -> None:
        """Look for what has just come to be due: at once, or a moment after the last look."""
        if self._soon is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._looked_at + _NOT_WITHIN_S - loop.time()
        if wait_s <= 0:
            self.bell.ring()
        else:
            self._soon = loop.call_later(wait_s, self._ring)

    def _ring(self) -> None:
        self._soon = None
        self.bell.ring()

    async def run(self) -> None:
        """Work off what is due, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Begin what is due and fits; True when there may be more."""
        under_way = self._under_way
        if under_way.room <= 0:
            return False
        paused = await self._paused_hosts()
        self._looked_at = asyncio.get_running_loop().time()
        now = _moment()
        full = [host for host, count in under_way.hosts.items() if count >= self.per_host]
        busy = Busy(
            orders=under_way.orders,
            hosts=[*paused, *full],
            resellers=[code for code in under_way.resellers if not under_way.may_begin(code)],
            pairs=[pair for pair, silent in self._silent.items() if silent.is_shut(now)],
            of_each=self.per_host,
        )
        due = await self._store.due_deliveries(self._clock(), _LOOK, busy)
        begun = [delivery for delivery in under_way.fairly(due) if self._begin(delivery)]
        return bool(begun) and len(due) == _LOOK

    def _begin(self, delivery: Delivery) -> bool:
        pair, under_way = _pair(delivery), self._under_way
        if delivery.order_id in under_way.orders or under_way.room <= 0:
            return False
        if under_way.hosts[pair[1]] >= self.per_host or not under_way.may_begin(pair[0]):
            return False
        silent = self._silent.get(pair)
        if silent is not None:
            if silent.is_shut(_moment()):
                return False
            self._silent[pair] = silent = silent.begin()
        under_way.add(delivery)
        self._tasks.start(self._attempt(delivery, probe=silent is not None and silent.probing))
        return True

    async def _attempt(self, delivery: Delivery, *, probe: bool) -> None:
        heard = False
        try:
            claim = await self._claim(delivery)
            if claim is None:
                return
            passed("delivery.before")
            attempt = await self._send(delivery, claim.may_leave)
            if not attempt.made:
                log.warning("delivery.too_late", delivery=delivery.id)
                return
            passed("delivery.after")
            heard = True
            self._hear(_pair(delivery), answered=attempt.status is not None, probe=probe)
            await self._note(delivery, attempt, claim.fence)
        except Exception:
            # The row is still due: whatever is wrong, its reseller is not called in a rush.
            await asyncio.sleep(AFTER_TROUBLE_S)
            raise
        finally:
            if probe and not heard:
                self._remember(_pair(delivery), breaker.cut_off(self._silent.get(_pair(delivery))))
            self._under_way.remove(delivery)
            self.wake()

    async def _claim(self, delivery: Delivery) -> "Claim | None":
        """Take an order's deliveries for one attempt; None where another gateway has them.

        Its first byte leaves in the first half of the claim, or never: so an older status can not
        arrive after a newer one, which another sends when the claim is over.
        """
        nodes, now = self._store.nodes, self._clock()
        if not nodes.is_shared:
            return _ALONE
        claimed = await nodes.claim(Claimed.DELIVERY, [delivery.id], now, self._claim_s)
        if delivery.id not in claimed:
            return None
        half_ms = round(self._claim_s * MS_PER_S / 2)
        return Claim(claimed[delivery.id], self._clock.before(now + half_ms))

    async def _send(self, delivery: Delivery, may_leave: MayLeave) -> Attempt:
        message = delivery.message
        if message.body is None:
            return await self._client.deliver(
                message.method, message.url, NO_HEADERS, None, may_leave=may_leave
            )
        body = message.body.encode()
        headers = {"Content-Type": "application/json"}
        signed = self._sign(delivery.reseller, body)
        if signed is not None:
            headers["x-signature"] = signed
        return await self._client.deliver(
            message.method, message.url, headers, body, may_leave=may_leave
        )

    def _hear(self, pair: Pair, *, answered: bool, probe: bool) -> None:
        """Take note of whether a reseller's host is alive."""
        before = self._silent.get(pair)
        after = breaker.ended(
            before, _moment(), answered=answered, probe=probe, pauses_s=self.pauses_s
        )
        self._remember(pair, after)
        was_shut, is_shut = (one is not None and one.pauses > 0 for one in (before, after))
        if is_shut and not was_shut:
            self._silent_since[pair] = self._clock()
            log.warning("host.fell_silent", reseller=pair[0], host=pair[1])
        if was_shut and not is_shut:
            log.info("host.answered_again", reseller=pair[0], host=pair[1])

    def _remember(self, pair: Pair, silent: Breaker | None) -> None:
        self._silent.pop(pair, None)
        if silent is not None:
            self._silent[pair] = silent
        else:
            self._silent_since.pop(pair, None)
        if len(self._silent) > REMEMBERED:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            self._silent_since.pop(oldest, None)

    async def _note(self, delivery: Delivery, attempt: Attempt, fence: int | None) -> None:
        """Write down what came of an attempt, however long the journal is away."""
        while True:
            try:
                written = await self._write(delivery, attempt, fence)
            except ClaimLost:  # it took too long, and another has tried again meanwhile
                log.warning("delivery.claim_lost", delivery=delivery.id, reason=attempt.reason)
                return None
            except JournalUnavailable as error:
                log.warning("delivery.unsettled", delivery=delivery.id, reason=str(error))
            else:
                return self._log(written, attempt)
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def _write(
        self, delivery: Delivery, attempt: Attempt, fence: int | None
    ) -> DeliveryRecord:
        now = self._clock()
        said = f"{attempt.reason} ({attempt.elapsed_ms} ms) {attempt.reply}"
        text = f"{delivery.message.status}: {said}"
        entry = Entry(now, "told" if attempt.accepted else "not_told", text.rstrip())

        def decide(current: Delivery) -> DeliveryRecord:
            after = after_attempt(
                current,
                accepted=attempt.accepted,
                result=attempt.reason,
                now=now,
                schedule_s=self.schedule_s,
            )
            dead = after.state is DeliveryState.DEAD
            begin = f"delivery {after.id} of {after.message.status} is dead since "
            alert = Alarm(now, Kind.DELIVERY_DEAD, f"{begin}{when(now)}") if dead else None
            settles = begin if attempt.accepted else None
            return DeliveryRecord(delivery=after, entry=entry, alert=alert, settles=settles)

        return await self._store.change_delivery(delivery.id, decide, seen=delivery, claim=fence)

    def _log(self, written: DeliveryRecord, attempt: Attempt) -> None:
        self.changed()
        after = written.delivery
        metrics.delivery("accepted" if attempt.accepted else "refused").inc()
        self._store.nodes.tell(DELIVERY, after.id)
        log.info(
            "delivery.accepted" if attempt.accepted else "delivery.refused",
            delivery=after.id,
            reseller=after.reseller,
            status=after.message.status,
            host=after.message.host,
            attempts=after.attempts,
            reason=attempt.reason,
        )
        if written.alert is not None:
            metrics.alert(written.alert.kind).inc()
            log.warning(
                "alert.raised",
                delivery=after.id,
                reseller=after.reseller,
                text=written.alert.text,
            )

    async def finish(self, within_s: float) -> None:
        """Wait for attempts that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)


class UnderWay:
    """The attempts under way, counted in each way that has a limit."""

    def __init__(self) -> None:
        self.orders: set[int] = set()
        self.hosts: Counter[str] = Counter()
        self.resellers: Counter[str] = Counter()
        self.pairs: Counter[Pair] = Counter()

    @property
    def room(self) -> int:
        """How many more may begin."""
        return MAX_IN_FLIGHT - len(self.orders)

    def may_begin(self, code: str) -> bool:
        """Whether a reseller may have one more: never more than what is left for the others.

        So a few resellers whose hosts are all silent can not take every place.
        """
        return self.resellers[code] < min(PER_RESELLER, self.room)

    def add(self, delivery: Delivery) -> None:
        """Count an attempt that begins."""
        self.orders.add(delivery.order_id)
        for counter, name in self._counted(delivery):
            counter[name] += 1

    def remove(self, delivery: Delivery) -> None:
        """Count it no more."""
        self.orders.discard(delivery.order_id)
        for counter, name in self._counted(delivery):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]

    def _counted(self, delivery: Delivery) -> Iterable[tuple[Counter[Any], Any]]:
        pair = _pair(delivery)
        return (self.resellers, pair[0]), (self.hosts, pair[1]), (self.pairs, pair)

    def fairly(self, due: Sequence[Delivery]) -> list[Delivery]:
        """Put first what is due for those who have least under way, else the longest due."""
        pairs, resellers = self.pairs.copy(), self.resellers.copy()
        ranked = []
        for delivery in due:
            pair = _pair(delivery)
            ranked.append((pairs[pair], resellers[pair[0]], delivery))
            pairs[pair] += 1
            resellers[pair[0]] += 1
        return [delivery for *_, delivery in sorted(ranked, key=lambda row: row[:2])]


def _pair(delivery: Delivery) -> Pair:
    return delivery.reseller, delivery.message.host


def _moment() -> int:
    """Return milliseconds that never jump: breakers wait by these, whatever a clock is set to."""
    return round(asyncio.get_running_loop().time() * MS_PER_S)
