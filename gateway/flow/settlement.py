"""The one door for evidence: reply, callback and look-up all come through `settle`.

One commit holds the order's new state, the step of its timeline, the message to the reseller, the
alert and the saldo. What the evidence means is decided by `domain.truth.apply`, on the order as it
is at that instant.
"""

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from gateway import metrics
from gateway.clock import SteadyClock
from gateway.domain.alert import Alarm
from gateway.domain.backoff import MS_PER_S, delay_ms
from gateway.domain.delivery import Message
from gateway.domain.errors import KEY_REFUSALS, JournalUnavailable
from gateway.domain.order import Change, Evidence, Order, Rules, Silence, Source, Status
from gateway.domain.truth import apply, kind_of, overrule
from gateway.flow.directory import Directory
from gateway.flow.elsewhere import ORDER
from gateway.flow.worker import AFTER_TROUBLE_S, passed
from gateway.log import get_logger
from gateway.protocol.deliveries import message_for
from gateway.store import Entry, Record, Store

log = get_logger(__name__)

_KINDS = {Source.REPLY: "answered", Source.CALLBACK: "called_back", Source.LOOKUP: "looked_up"}


def _may_be_said_often(before: Order, evidence: Evidence) -> bool:
    """Whether others decide how often this is heard: who calls back, or does not answer."""
    silent = evidence.source is Source.LOOKUP and evidence.verdict is Silence.NO_ANSWER
    return evidence.source is Source.CALLBACK or silent or not before.is_open


def _is_news(before: Order, change: Change, evidence: Evidence) -> bool:
    """Whether this belongs into the timeline.

    A panel that asks, or an upstream that calls back, a thousand times about the same thing must
    not fill the journal.
    """
    if change.alert or change.send:
        return True
    if evidence.source is Source.LOOKUP and isinstance(evidence.verdict, Silence):
        names = ("lookups", "misses", "ask_since")  # one that was planned, or told something
        return any(getattr(before, name) != getattr(change.order, name) for name in names)
    if evidence.verdict is not before.status:
        return True
    return evidence.source is Source.REPLY or any(
        getattr(before, name) != getattr(change.order, name) for name in _VISIBLE
    )


# What an operator sees of an order; the rest is when it is looked at next.
_VISIBLE = ("status", "note", "invoice_number", "product_price", "named", "callback_names")


def _alarm(alert: str, now: int) -> Alarm:
    return Alarm(now, kind_of(alert), alert)


def _nobody() -> None:
    """Wake nobody: nothing is wired yet."""


def _always() -> bool:
    """Hold what was begun: a journal with one gateway has nobody who would take it over."""
    return True


def _for_ever() -> int:
    """Live one life: a journal with one gateway has nobody who would take it for dead."""
    return 0


class Settlement:
    """Applies evidence to orders, and counts the open ones.

    Args:
        store: the journal.
        directory: the resellers.
        clock: Unix milliseconds.
        rules: the times that decide.
        tell_schedule_s: the waits before a message's attempts, seconds.

    Attributes:
        changed: called whenever an order changed, for who looks on.
        holds: tells whether this gateway still holds what it began.
        life: tells in which of its lives it is: what it began in another is not its own any more.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        clock: SteadyClock,
        *,
        rules: Rules,
        tell_schedule_s: Sequence[float],
    ) -> None:
        self.rules = rules
        self._ends = False
        self.open_orders = 0
        self._store = store
        self._directory = directory
        self._clock = clock
        self.tell_schedule_s = tell_schedule_s
        self.holds: Callable[[], bool] = _always
        self.life: Callable[[], int] = _for_ever
        self._wake_recheck: Callable[[], None] = _nobody
        self._wake_relay: Callable[[], None] = _nobody
        self.changed: Callable[[], None] = _nobody

    def follow(self, rules: Rules) -> None:
        """Decide by these times from now on.

        But not by another lease, nor another length of a call: the calls themselves, and the lease
        that others see, are those of the start until the next one.
        """
        mine = self.rules
        self.rules = replace(
            rules,
            lease_s=mine.lease_s,
            call_s=mine.call_s,
            clock_since=mine.clock_since,
            may_send=mine.may_send,
        )

    def begin_no_send(self) -> None:
        """Let no look-up begin a send any more: this process ends soon."""
        self._ends = True
        self.rules = replace(self.rules, may_send=False)

    def hold_sends(self, *, held: bool) -> None:
        """Let no look-up begin a send for now, or let them again, unless this process ends."""
        self.rules = replace(self.rules, may_send=not held and not self._ends)

    def trust_clock_since(self, now: int) -> None:
        """Let time that passed before this moment, Unix milliseconds, measure nothing."""
        self.rules = replace(self.rules, clock_since=now)

    def listen(self, *, recheck: Callable[[], None], relay: Callable[[], None]) -> None:
        """Set whom to wake when there is something to look up, or to deliver."""
        self._wake_recheck = recheck
        self._wake_relay = relay

    async def settle(
        self, order_id: int, evidence: Evidence, said: str, *, patient: bool = False
    ) -> Change:
        """Apply one piece of evidence; durable when it returns.

        Args:
            order_id: whose.
            evidence: what was heard.
            said: how it was said, for the timeline, without secrets.
            patient: nobody waits for it.

        Raises:
            JournalUnavailable: nothing was applied; try again.
        """
        now = self._clock()
        made: list[tuple[Order, Change]] = []

        def decide(order: Order) -> Record:
            change = apply(order, evidence, now, self.rules)
            made[:] = [(order, change)]
            if not patient:  # else it was seen before, and others may have been seen since
                self._directory.saw_saldo(order.account, evidence.saldo)
            return self._record(order, change, evidence, said, now)

        passed(f"{evidence.source}.before_commit")
        written = await self._store.change_order(order_id, decide, patient=patient)
        passed(f"{evidence.source}.after_commit")
        before, change = made[0]
        if evidence.verdict is Status.FAILED or evidence.verdict is Silence.NO_ANSWER:
            self._hear_refusal(change.order, evidence)
        self._after(before, change, evidence.source.value, written.alert)
        return change

    def _hear_refusal(self, order: Order, evidence: Evidence) -> None:
        """Take note where the upstream refused the key itself."""
        is_failed = evidence.verdict is Status.FAILED
        said = evidence.note if is_failed else evidence.reason
        for code in () if evidence.source is Source.CALLBACK else KEY_REFUSALS:
            # A note begins with its code; further on it may hold what a player calls himself.
            if said.startswith(code) if is_failed else code in said:
                self._directory.saw_refusal(order.account, code)

    async def overrule(self, order_id: int, status: Status, note: str, reason: str) -> Order:
        """Apply an operator's own decision; durable when it returns.

        Args:
            order_id: whose.
            status: one of the four final words.
            note: what the reseller reads behind it.
            reason: why, for the timeline.

        Raises:
            NotDone: the order may not be decided by an operator now; says why.
            JournalUnavailable: nothing was applied; try again.
        """
        now = self._clock()
        made: list[tuple[Order, Change]] = []

        def decide(order: Order) -> Record:
            change = overrule(order, status, note, now)
            made[:] = [(order, change)]
            return Record(
                order=change.order,
                entries=(Entry(now, "overruled", f"{status}: {reason}"),),
                message=self.message(change.order),
                tell_at=self.tell_at(now),
            )

        await self._store.change_order(order_id, decide)
        before, change = made[0]
        self._after(before, change, "operator", None)
        return change.order

    def _record(
        self, before: Order, change: Change, evidence: Evidence, said: str, now: int
    ) -> Record:
        order = change.order
        entries = []
        if _is_news(before, change, evidence):
            entries.append(Entry(now, _KINDS[evidence.source], said))
            entries.append(Entry(now, "decided", change.what))
        if change.send:
            entries.append(Entry(now, "sending", f"send {order.sends} to the upstream begins"))
        return Record(
            order=order,
            entries=tuple(entries),
            once=not change.tell and _may_be_said_often(before, evidence),
            message=self.message(order, evidence.saldo) if change.tell else None,
            tell_at=self.tell_at(now),
            alert=None if change.alert is None else _alarm(change.alert, now),
            # What was seen last, whichever reply is written down first.
            saldo=None if evidence.saldo is None else self._directory.saldo_of(order.account),
            told_saldo=evidence.saldo if evidence.source is Source.REPLY else None,
        )

    def message(self, order: Order, saldo: int | None = None) -> Message | None:
        """Return what tells the reseller this order's status; None where nobody is to be told.

        Args:
            order: as it is from now on.
            saldo: a balance that was just seen under the order's upstream key, Rupiah.
        """
        reseller = self._directory.by_code(order.reseller)
        if saldo is None or reseller is None or reseller.account != order.account:
            saldo = self._directory.saldo(order.reseller)
        return message_for(order, "toss" if reseller is None else reseller.delivery, saldo)

    def tell_at(self, now: int) -> int:
        """Return when a message made now is first sent, Unix milliseconds."""
        return now + delay_ms(self.tell_schedule_s, 0)

    def _after(self, before: Order, change: Change, source: str, alert: Alarm | None) -> None:
        """Do what follows from a change that is durable."""
        order = change.order
        metrics.settlement(source, order.status.value).inc()
        if before.is_open and not order.is_open:
            self.open_orders -= 1
        self.ring(order)
        self._store.nodes.tell(ORDER, order.id)
        # What decides nothing and is no news is told by the event of the request that it answers.
        tell = log.debug if order.status is before.status else log.info
        tell(
            "order.settled",
            reseller=order.reseller,
            trx_id=order.trx_id,
            upstream_trx_id=order.upstream_trx_id,
            source=source,
            status=order.status.value,
            what=change.what,
        )
        if alert is not None:
            metrics.alert(alert.kind).inc()
            log.warning("alert.raised", upstream_trx_id=order.upstream_trx_id, text=alert.text)

    def is_stale(self, order: Order) -> bool:
        """Whether a send's date has passed before it was made: this process was stopped."""
        return order.due_at is not None and order.due_at <= self._clock()

    def in_time(self, order: Order, life: int) -> Callable[[], bool]:
        """Return what tells, up to its first byte, whether a send may still leave.

        It may not when it can be taken for dead before its call is over, nor when it was: who
        lost his lease and has a new one does not hold what he began under the old one.

        Args:
            order: as it was read in that life.
            life: of this gateway.
        """
        over_at = (order.due_at or 0) - round(self.rules.call_s * MS_PER_S)
        is_before, holds, now = self._clock.before(over_at), self.holds, self.life
        return lambda: is_before() and holds() and now() == life

    async def may_leave(self, order: Order) -> bool:
        """Whether a send that had to wait may still leave (T6)."""
        current = await self._now(order)
        begun_at = current.first_sent_at or 0
        in_time = self._clock() < begun_at + self.rules.expire_s * MS_PER_S
        # While it waited it may have been taken for dead, or sold.
        is_the_send = current.sending and current.begun == order.begun
        return is_the_send and current.is_open and not current.named and in_time

    def time_left_s(self, order: Order) -> float:
        """Return how long a further send of an order may still leave, seconds (T6)."""
        begun_at = order.first_sent_at or 0
        return begun_at / MS_PER_S + self.rules.expire_s - self._clock() / MS_PER_S

    async def _now(self, order: Order) -> Order:
        """Return an order as it is now, however long the journal is away (T14)."""
        while True:
            try:
                return await self._store.order(order.id)
            except JournalUnavailable as error:
                name = order.upstream_trx_id
                log.warning("order.waits", upstream_trx_id=name, reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)

    def ring(self, order: Order) -> None:
        """Wake who has something to do for this order now, and who looks on."""
        self.changed()
        if not order.is_open:
            self._wake_relay()
        if order.due_at is not None and order.due_at <= self._clock():
            self._wake_recheck()
