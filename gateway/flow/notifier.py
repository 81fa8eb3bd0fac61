"""Tell the operator: work off the outbox of notices, and remind of what is still open.

A notice was written by the transaction that raised or ended its alert; here it is only sent. Many
at once are one message, and messages to a channel keep a distance, so that a bad night is no
flood. A channel that took a notice is never told it again; the others are tried on for a day at
least. Nothing here is on an order's way.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec.structs import replace

from gateway import metrics
from gateway.clients.channels import Told
from gateway.clock import Clock
from gateway.domain.alert import Alarm, Alert, What
from gateway.domain.backoff import MS_PER_S, delay_ms
from gateway.domain.errors import JournalUnavailable
from gateway.flow.worker import AFTER_TROUBLE_S, Bell, Tasks, run_forever
from gateway.log import get_logger
from gateway.protocol.notices import Tell, text_of, trial_text
from gateway.store import Notice, NoticeOutcome, Store

log = get_logger(__name__)

_EVERY_S = 2.0
_REMIND_EVERY_S = 30.0  # looking whether a reminder is due
# After a message a channel is left alone this long, and what comes meanwhile is the next message.
# Telegram takes some 20 a minute in a group.
PAUSE_S = 15.0
# Longer than telling all channels takes: a claim whose claimer lives is not given to another.
_LEASE_S = 120.0
_PART = 500  # notices that are claimed, or written down, in one transaction
_MOST = 5_000  # notices of one message
_SCHEDULE_S = (5.0, 15.0, 60.0, 300.0, 900.0, 1800.0)  # between tries; the last repeats
GIVE_UP_S = 26 * 3600.0  # a night and the day after it, in which somebody sees it on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminding:
    """How the operator is reminded.

    Attributes:
        every_s: how long after he was told last, seconds; 0 is never.
        at_most: reminders of one alert.
    """

    every_s: float
    at_most: int


class Channel(Protocol):
    """Where the operator hears; `clients.channels` has those there are."""

    @property
    def name(self) -> str:
        """What it is called in the journal; no comma in it."""
        ...

    async def tell(self, name: str, text: str, tells: Sequence[Tell], now: int, /) -> Told:
        """Tell once; nothing that the other side does raises."""
        ...


class Notifier:
    """Tells the operator.

    Attributes:
        channels: where; none where nobody is to be told.
        name: which gateway speaks.
        reminding: how often of the same.

    Args:
        store: the journal.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.bell = Bell()
        self.channels: Sequence[Channel] = ()
        self.name = ""
        self.reminding = Reminding(every_s=0, at_most=0)
        self.pause_s = PAUSE_S
        self.commands: dict[str, Callable[..., Any]] = {"alert.test": self.test}
        self._store = store
        self._clock = clock
        self._tasks = Tasks()
        self._free_at: Counter[str] = Counter()  # by channel, Unix milliseconds
        self._reminded_at = 0

    async def run(self) -> None:
        """Tell what is due, for ever."""
        await run_forever(self._careful_step, self.bell, every_s=_EVERY_S)

    async def _careful_step(self) -> bool:
        """Do a step; a mistake of ours in it is logged, for it must stop nobody from selling."""
        try:
            return await self.step()
        except JournalUnavailable:
            raise
        except Exception:
            log.exception("notice.failed")
            return False

    async def step(self) -> bool:
        """Tell what is due; True when there may be more.

        Raises:
            JournalUnavailable: the journal can not be read or written.
        """
        await self._remind()
        now = self._clock()
        if self.channels and not self._free(now):
            return False
        due = await self._claim(now)
        if due:
            # What was told is written down also where this process ends now.
            await asyncio.shield(self._tasks.start(self._tell_and_note(due)))
        return len(due) >= _MOST

    async def _claim(self, now: int) -> list[Notice]:
        """Claim what is due, in parts that each take the journal a moment."""
        due: list[Notice] = []
        lease_ms = round(_LEASE_S * MS_PER_S)
        while len(due) < _MOST:
            part = await self._store.claim_notices(now, lease_ms=lease_ms, limit=_PART)
            due += part
            if len(part) < _PART:
                break
        return due

    async def _tell_and_note(self, due: Sequence[Notice]) -> None:
        now = self._clock()
        outcomes = await self._tell([one for one in due if not _is_moot(one)])
        outcomes += [_done(one, now, "the operator took note") for one in due if _is_moot(one)]
        for begin in range(0, len(outcomes), _PART):
            await self._note(outcomes[begin : begin + _PART])

    def _free(self, now: int) -> list[Channel]:
        """Return the channels that may be told something now."""
        # One that is free later than any pause has been so by a clock that was set back since.
        return [
            channel
            for channel in self.channels
            if not now < self._free_at[channel.name] < now + GIVE_UP_S * MS_PER_S
        ]

    async def _remind(self) -> None:
        now, reminding = self._clock(), self.reminding
        is_time = not 0 <= now - self._reminded_at < _REMIND_EVERY_S * MS_PER_S
        if not self.channels or not reminding.every_s or not is_time:
            return
        every_ms = round(reminding.every_s * MS_PER_S)
        await self._store.remind(now, every_ms=every_ms, at_most=reminding.at_most)
        self._reminded_at = now

    async def _tell(self, due: Sequence[Notice]) -> list[NoticeOutcome]:
        """Tell each channel what it has not heard yet; returns what is to be written down."""
        if not due:
            return []
        channels = self.channels  # a reload may put others in their place meanwhile
        if not channels:
            return [_done(one, self._clock(), "nobody is to be told") for one in due]
        told = await asyncio.gather(*(self._on(channel, due) for channel in channels))
        results = dict(zip((channel.name for channel in channels), told, strict=True))
        return [self._outcome(one, results) for one in due]

    async def _on(self, channel: Channel, due: Sequence[Notice]) -> Told:
        new = [one for one in due if channel.name not in one.told]
        now = self._clock()
        if not new:
            return Told(ok=True, said="told before")
        if channel not in self._free(now):
            return Told(ok=False, said="is left alone for now")
        tells = [Tell(one.what, one.alert) for one in new]
        result = await self._say(channel, text_of(self.name, tells), tells)
        log.info("notice.sent" if result.ok else "notice.refused", **_said(channel, result, new))
        return result

    async def _say(self, channel: Channel, text: str, tells: Sequence[Tell]) -> Told:
        result = await channel.tell(self.name, text, tells, self._clock())
        metrics.notice(channel.name, "sent" if result.ok else "failed").inc()
        wait_s = max(self.pause_s, result.retry_after_s)
        self._free_at[channel.name] = self._clock() + round(wait_s * MS_PER_S)
        return result

    def _outcome(self, one: Notice, results: dict[str, Told]) -> NoticeOutcome:
        now = self._clock()
        took = [name for name, result in results.items() if result.ok]
        told = tuple(dict.fromkeys((*one.told, *took)))
        missing = {name: result for name, result in results.items() if name not in told}
        said = "; ".join(f"{name}: {result.said}" for name, result in results.items())
        if not missing:
            return replace(_done(one, now, said), told=told)
        if now >= one.made_at + GIVE_UP_S * MS_PER_S:
            for name in missing:
                metrics.notice(name, "given_up").inc()
            log.error("notice.given_up", alert=one.alert.id, channels=sorted(missing))
            return replace(_done(one, now, said), told=told)
        next_at = now + delay_ms(_SCHEDULE_S, one.attempts - 1)
        # Not before one of them may be told at all, else its try would be none.
        next_at = max(next_at, min(self._free_at[name] for name in missing))
        return replace(_done(one, now, said), told=told, next_at=next_at)

    async def _note(self, outcomes: Sequence[NoticeOutcome]) -> None:
        """Write down what was told, however long the journal is away: else it is told again."""
        while True:
            try:
                return await self._store.note_notices(outcomes)
            except JournalUnavailable as error:
                log.warning("notice.unsettled", reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)

    async def tell_at_once(self, what: What, alarm: Alarm) -> bool:
        """Tell what can not be journaled, for the journal itself is away; True if one took it."""
        ended_at = alarm.at if what is What.ENDED else None
        alert = Alert(
            id=0,
            kind=alarm.kind,
            order=None,
            text=alarm.text,
            raised_at=alarm.at,
            ended_at=ended_at,
        )
        tells = [Tell(what, alert)]
        text = text_of(self.name, tells)
        told = await asyncio.gather(*(self._say(one, text, tells) for one in self.channels))
        return any(result.ok for result in told)

    async def finish(self, within_s: float) -> None:
        """Wait for messages that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)

    async def test(self) -> list[dict[str, Any]]:
        """Send a test to each channel now; returns what came back."""
        text = trial_text(self.name, self._clock())
        channels = self.channels
        told = await asyncio.gather(*(self._say(one, text, ()) for one in channels))
        return [
            {"channel": channel.name, "ok": result.ok, "said": result.said}
            for channel, result in zip(channels, told, strict=True)
        ]


def _is_moot(one: Notice) -> bool:
    """Whether a reminder reminds of what the operator has taken note of meanwhile."""
    return one.what is What.REMINDER and one.alert.acked_at is not None


def _done(one: Notice, now: int, result: str) -> NoticeOutcome:
    return NoticeOutcome(
        id=one.id, attempts=one.attempts, told=one.told, next_at=None, at=now, result=result
    )


def _said(channel: Channel, result: Told, told: Sequence[Notice]) -> dict[str, Any]:
    return {"channel": channel.name, "notices": len(told), "said": result.said}
