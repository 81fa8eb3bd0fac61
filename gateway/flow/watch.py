"""Look whether all is well: raise what an operator must know, end what is over, and set gauges.

Conditions are compared with those that stand in the journal, so a start goes on where the process
before ended, and of several gateways on one journal each sees the same. What only this process can
see (whether its calls are answered) it ends only where it has seen that it is over. Nothing here
is on an order's way, and no look walks the journal: it is asked along small indexes, once a
minute. Saldo is written down here, too, from what orders left in memory.
"""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from gateway import metrics
from gateway.clients.upstream import Heard
from gateway.clock import Clock
from gateway.domain import watch as when
from gateway.domain.alert import KINDS, Alarm, Kind, What
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable
from gateway.domain.saldo import WINDOW_MS, is_low, lasts_hours, spend_per_hour
from gateway.domain.watch import Thresholds
from gateway.flow.directory import Account, Directory
from gateway.flow.worker import Bell
from gateway.log import get_logger
from gateway.store import LongOpen, Pulse, Standing, Store

log = get_logger(__name__)

EVERY_S = 60.0
BACKUP = "backup.last"
"""What a backup leaves in the journal's meta: `{"at": ms, "path": …, "bytes": n}`."""

_FIRST_AFTER_S = 3.0  # a start has more urgent things to ask of the journal
_TICK_S = 1.0  # between two looks at the loop's lag
_HISTORY_EVERY_MS = 60 * MS_PER_S
KEPT_MS = 30 * 24 * 3600 * MS_PER_S  # of saldo and notices: a month, as the books are kept
_PRUNE_EVERY_MS = 3600 * MS_PER_S
_PACE_EVERY_MS = 600 * MS_PER_S  # a pace of a day does not change sooner
_PACES_AT_ONCE = 10  # of each look; each reads a day of one key's saldo, a millisecond
_MAX_KEYS = 200  # that are shown as metrics
_MAX_LATE = 20  # resellers who are told of; the worst ones
# What a gateway sees of its own calls, and another may not; so long nobody else ends it.
_SEEN_BY_ONE = frozenset({Kind.UPSTREAM_UNREACHABLE, Kind.KEY_REFUSED, Kind.CALLBACKS_REFUSED})
_SEEN_FOR_S = 2.5 * EVERY_S
_BROKEN_AFTER_S = 60.0  # a journal that hangs for less is an ordinary bad minute
_BROKEN_AGAIN_S = 6 * 3600.0


class _Backup(msgspec.Struct):
    at: int


class Pace(NamedTuple):
    """How fast a balance falls, Rupiah an hour or None, and when that was reckoned, Unix ms."""

    per_hour: float | None
    at: int


class Callers(Protocol):
    """Who called back lately; `flow.inbox` has them."""

    @property
    def refused_from(self) -> str | None:
        """The address of the last genuine caller, where it may not call."""
        ...

    @property
    def is_taken(self) -> bool:
        """Whether one was taken since the start, and none refused after it."""
        ...


class Tongue(Protocol):
    """Tells the operator at once, without the journal; `flow.notifier` does."""

    async def tell_at_once(self, what: What, alarm: Alarm) -> bool:
        """Tell; True if somebody heard."""
        ...


class Watch:
    """Watches over the gateway.

    Args:
        store: the journal.
        directory: the upstream keys, and what was seen under them.
        heard: what was heard of the upstream.
        tongue: tells what can not be journaled.
        clock: Unix milliseconds.
        callers: who called back lately.
        thresholds: from when on the operator is told.
    """

    def __init__(  # noqa: PLR0913  it looks at all of these
        self,
        store: Store,
        directory: Directory,
        heard: Heard,
        tongue: Tongue,
        clock: Clock,
        *,
        callers: Callers,
        thresholds: Thresholds,
    ) -> None:
        self.bell = Bell()
        self.thresholds = thresholds
        self._store = store
        self._directory = directory
        self._heard = heard
        self._tongue = tongue
        self._callers = callers
        self._clock = clock
        self._saldo_noted: dict[str, tuple[int, int]] = {}  # by account: Rupiah, and when
        self._paces: dict[str, Pace] = {}
        self._pruned_at = 0
        self._lag_s = 0.0
        self._journal_away_since: float | None = None  # in the loop's time
        self._told_away_at: float | None = None

    async def run(self) -> None:
        """Look, for ever."""
        lag = asyncio.create_task(self._watch_loop())
        try:
            await self.bell.wait(_FIRST_AFTER_S)
            while True:
                try:
                    await self.look()
                except Exception:  # who only looks on must stop nobody
                    log.exception("watch.failed")
                await self.bell.wait(EVERY_S)
        finally:
            lag.cancel()

    async def look(self) -> None:
        """Look once; a journal that is away is itself something to tell of."""
        try:
            await self.step()
            await self._store.check_writable()
        except JournalUnavailable as error:
            log.warning("journal.failed", reason=str(error))
            await self._journal_is_away()
        else:
            await self._journal_is_back()

    async def step(self) -> None:
        """Look once.

        Raises:
            JournalUnavailable: the journal can not be read or written.
        """
        now = self._clock()
        metrics.loop_lag.set(self._lag_s)
        self._lag_s = 0.0
        accounts = self._directory.accounts()
        await self._note_saldi(accounts, now)
        await self._reckon_paces(accounts, now)
        pulse = await self._store.pulse()
        standing = set(await self._store.standing_alerts())
        found = dict(await self._found(accounts, pulse, standing, now))
        for (kind, about), text in found.items():
            await self._is_ours(kind, about)
            if (kind, about) not in standing:
                await self._raise(Alarm(now, kind, text, about))
        for kind, about in standing - found.keys():
            if self._is_over(kind, about, accounts) and await self._is_ours(kind, about):
                await self._store.end_alert(kind, about, now)
                log.info("alert.ended", kind=kind.value, about=about)
        self._set_gauges(accounts, pulse)
        await self._prune(now)

    async def _is_ours(self, kind: Kind, about: str) -> bool:
        """Whether no other gateway of this journal stands for a condition.

        For what each sees of its own network alone: who sees it stands for it, and while he does
        nobody else ends it; else a healthy one would end every minute what a sick one raises.
        """
        if kind not in _SEEN_BY_ONE:
            return True
        return await self._store.nodes.turn(f"{kind.value} {about}", _SEEN_FOR_S)

    async def _raise(self, alarm: Alarm) -> None:
        if await self._store.raise_alert(alarm):
            metrics.alert(alarm.kind).inc()
            log.warning("alert.raised", kind=alarm.kind.value, text=alarm.text)

    async def _found(
        self, accounts: list[Account], pulse: Pulse, standing: set[Standing], now: int
    ) -> list[tuple[Standing, str]]:
        """Return every condition that is true now, with its sentence."""
        found = [*self._upstream(), *self._calls(), *self._keys(accounts)]
        found += self._saldi(accounts, standing)
        found += await self._orders(now)
        found += await self._deliveries(now)
        found += self._disk(standing)
        return found + await self._backup(pulse, now)

    def _is_over(self, kind: Kind, about: str, accounts: list[Account]) -> bool:
        """Whether a condition that stands, and is not found any more, is known to be over."""
        if kind is Kind.JOURNAL_LOG_LONG:
            return False  # the housekeeper's
        if kind is Kind.UPSTREAM_UNREACHABLE:
            return self._heard.answered_at is not None and self._heard.failing_since is None
        if kind is Kind.CALLBACKS_REFUSED:
            return self._callers.is_taken
        if kind is Kind.KEY_REFUSED:
            used = {account.id: account for account in accounts}
            return about not in used or used[about].is_taken
        return True

    # -- what is looked at

    def _upstream(self) -> Iterator[tuple[Standing, str]]:
        since, failures = self._heard.failing_since, self._heard.failures
        failing_s = None if since is None else _moment() - since
        if failing_s is not None and when.is_upstream_silent(failing_s, failures, self.thresholds):
            yield (Kind.UPSTREAM_UNREACHABLE, ""), when.silent_text(failing_s, failures)

    def _calls(self) -> Iterator[tuple[Standing, str]]:
        address = self._callers.refused_from
        if address is not None:
            yield (Kind.CALLBACKS_REFUSED, ""), when.callers_text(address)

    def _keys(self, accounts: list[Account]) -> Iterator[tuple[Standing, str]]:
        for account in accounts:
            if account.refused is not None:
                text = when.refused_text(_named(account), account.refused)
                yield (Kind.KEY_REFUSED, account.id), text

    def _saldi(
        self, accounts: list[Account], standing: set[Standing]
    ) -> Iterator[tuple[Standing, str]]:
        for account in accounts:
            if account.saldo is None:
                continue
            hours, name = self._hours(account), (Kind.SALDO_LOW, account.id)
            limits = self.thresholds.saldo
            if is_low(account.saldo, hours, limits, was_low=name in standing):
                yield name, when.saldo_text(_named(account), account.saldo, hours)

    async def _orders(self, now: int) -> list[tuple[Standing, str]]:
        limit_s = self.thresholds.orders_open_s
        found = await self._store.long_open(now - round(limit_s * MS_PER_S))
        age_s = _age_s(found.placed_at, now)
        metrics.oldest_open_order.set(age_s)
        return self._orders_late(found, age_s) if limit_s else []

    def _orders_late(self, found: LongOpen, age_s: float) -> list[tuple[Standing, str]]:
        if not found.count:
            return []
        return [((Kind.ORDERS_LATE, ""), when.orders_text(found.count, found.oldest, age_s))]

    async def _deliveries(self, now: int) -> list[tuple[Standing, str]]:
        limit_s = self.thresholds.delivery_late_s
        if not limit_s:
            return []
        late = await self._store.late_deliveries(now - round(limit_s * MS_PER_S), _MAX_LATE)
        return [
            (
                (Kind.DELIVERIES_LATE, one.reseller),
                when.deliveries_text(one.reseller, one.count, _age_s(one.since, now)),
            )
            for one in late
        ]

    def _disk(self, standing: set[Standing]) -> list[tuple[Standing, str]]:
        free, name = self._store.disk_free(), (Kind.DISK_LOW, "")
        if free is None:
            return []
        metrics.disk_free.set(free)
        is_on = when.is_disk_low(free, self.thresholds, was_low=name in standing)
        return [(name, when.disk_text(free))] if is_on else []

    async def _backup(self, pulse: Pulse, now: int) -> list[tuple[Standing, str]]:
        made_at = await self._backed_up_at()
        age_s = None if made_at is None else _age_s(made_at, now)
        metrics.backup_age.set(float("inf") if age_s is None else age_s)
        limit_s = self.thresholds.backup_s
        if not when.is_backup_old(made_at, pulse.first_order_at, now, limit_s):
            return []
        return [((Kind.BACKUP_OLD, ""), when.backup_text(age_s))]

    async def _backed_up_at(self) -> int | None:
        kept = await self._store.meta(BACKUP)
        try:
            return None if kept is None else msgspec.json.decode(kept, type=_Backup).at
        except msgspec.DecodeError:
            return None  # of another version: it counts as none

    # -- saldo

    async def _note_saldi(self, accounts: list[Account], now: int) -> None:
        """Write down what changed, of each key once a minute at most."""
        changed = {}
        for account in accounts:
            noted, noted_at = self._saldo_noted.get(account.id, (None, 0))
            is_time = not 0 <= now - noted_at < _HISTORY_EVERY_MS
            if account.is_taken and account.saldo not in (None, noted) and is_time:
                changed[account.id] = account.saldo or 0
        if changed:
            await self._store.add_saldi(now, changed)
            self._saldo_noted |= {account: (saldo, now) for account, saldo in changed.items()}

    async def _reckon_paces(self, accounts: list[Account], now: int) -> None:
        """Reckon some paces anew, those that were longest ago."""
        known = {account.id for account in accounts if account.saldo is not None}
        self._paces = {account: self._paces[account] for account in self._paces.keys() & known}
        unknown = Pace(None, 0)
        stale = sorted(known, key=lambda account: self._paces.get(account, unknown).at)
        for account in stale[:_PACES_AT_ONCE]:
            if not 0 <= now - self._paces.get(account, unknown).at < _PACE_EVERY_MS:
                history = await self._store.saldo_history(account, now - WINDOW_MS)
                self._paces[account] = Pace(spend_per_hour(history, now), now)

    def _hours(self, account: Account) -> float | None:
        pace = self._paces.get(account.id)
        if pace is None or account.saldo is None:
            return None
        return lasts_hours(account.saldo, pace.per_hour)

    async def _prune(self, now: int) -> None:
        if not 0 <= now - self._pruned_at < _PRUNE_EVERY_MS:
            await self._store.prune(now - KEPT_MS)
            self._pruned_at = now

    # -- what is shown of it

    def _set_gauges(self, accounts: list[Account], pulse: Pulse) -> None:
        for kind in KINDS:
            metrics.alerts_open.labels(kind.value).set(pulse.alerts.get(kind.value, 0))
        metrics.deliveries_due.set(pulse.deliveries_due)
        metrics.deliveries_dead.set(pulse.deliveries_dead)
        metrics.oldest_due_delivery.set(_age_s(pulse.oldest_due_at, self._clock()))
        metrics.saldo.clear()
        metrics.saldo_hours.clear()
        hints: set[str] = set()
        for account in accounts[:_MAX_KEYS]:
            hint = account.hint if account.hint not in hints else f"{account.hint}{account.id[:6]}"
            hints.add(hint)
            if account.saldo is not None:
                metrics.saldo.labels(hint).set(account.saldo)
            hours = self._hours(account)
            if hours is not None:
                metrics.saldo_hours.labels(hint).set(hours)

    async def _watch_loop(self) -> None:
        """See how late the event loop is for a timer."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK_S)
            self._lag_s = max(self._lag_s, loop.time() - before - _TICK_S)

    # -- a journal that can not be written can not hold an alert of it

    async def _journal_is_away(self) -> None:
        now = _moment()
        if self._journal_away_since is None:
            self._journal_away_since = now
        is_long = now - self._journal_away_since >= _BROKEN_AFTER_S
        told_at = self._told_away_at
        if is_long and (told_at is None or now - told_at >= _BROKEN_AGAIN_S):
            what = What.RAISED if told_at is None else What.REMINDER
            if await self._tongue.tell_at_once(what, self._away()):
                self._told_away_at = now

    async def _journal_is_back(self) -> None:
        if self._told_away_at is not None:
            await self._tongue.tell_at_once(What.ENDED, self._away())
        self._journal_away_since = self._told_away_at = None

    def _away(self) -> Alarm:
        text = "semua order dijawab 503 / every order is answered 503"
        return Alarm(self._clock(), Kind.JOURNAL_UNWRITABLE, text, "")


def _named(account: Account) -> str:
    """Name an upstream key by its hint and by who buys under it."""
    shown, others = ", ".join(account.codes[:3]), len(account.codes) - 3
    return f"{account.hint} ({shown}{f' +{others}' if others > 0 else ''})"


def _age_s(since: int | None, now: int) -> float:
    return 0.0 if since is None else max(0, now - since) / MS_PER_S


def _moment() -> float:
    return asyncio.get_running_loop().time()
