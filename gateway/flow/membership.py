"""This gateway among those that share its journal: a sign of life, and what others changed.

Several times a second it says that it lives, and hears whether resellers changed, who else lives,
and whose sends it has to see to because their gateway is gone. A gateway that could not say so for
as long as its lease lasts has lost it: from some time before that on it sends nothing, for another
may be at it; when it is heard again it begins as another one.

Where a journal has one gateway for ever (SQLite), nothing is done here.
"""

import asyncio
from collections.abc import Callable

from gateway.clock import SteadyClock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import JournalUnavailable
from gateway.flow.directory import RESELLER, Directory
from gateway.flow.settlement import Settlement
from gateway.flow.worker import AFTER_TROUBLE_S, Bell
from gateway.log import get_logger
from gateway.store import Beat, Changes, Peer, Store
from gateway.vault import VaultError

log = get_logger(__name__)

# A key that was revoked is taken nowhere after a second, also where the word of it was lost.
BEAT_S = 0.4
# What is open is bounded for all together, and a count costs a walk over what is open.
_COUNT_EVERY_S = 3.0
_SALDI_EVERY_S = 1.0  # longer than a balance takes into the journal
_SURE = 0.9  # of a lease, by the clock of who holds it: clocks run a little differently
# One that was not seen for so long takes in no new order, so what it had taken in is in the
# journal, or never will be. Longer than a database's short absence.
SILENT_S = 3.0
# And what it was writing then is written by now, or never will be: it may have waited for a
# connection, and for an answer, at its last try (`store.postgres_pool`).
_WRITES_S = 12.0
_LOOK_AGAIN_S = 0.02
# A stop is over in time though the journal hangs; without a goodbye its lease has to end.
_GOODBYE_S = 1.0
BEAT = "beat"  # what is told to have all nodes give their sign of life now


class Membership:
    """A node's life.

    Args:
        store: the journal.
        settlement: asks whether sends may leave, and counts what is open.
        directory: is loaded again when resellers changed.
        clock: the gateway's.
        lease_s: for how long this node holds what it began.
        wake: called when sends of others were taken over.

    Attributes:
        clear_at: tells since when everything that came in is in the journal, Unix milliseconds.
    """

    def __init__(  # noqa: PLR0913  a node is what all of these are parts of
        self,
        store: Store,
        settlement: Settlement,
        directory: Directory,
        clock: SteadyClock,
        *,
        lease_s: float,
        wake: Callable[[], None],
    ) -> None:
        self.bell = Bell()
        self.lease_s = lease_s
        self.clear_at: Callable[[], int] = clock
        self._store = store
        self._settlement = settlement
        self._directory = directory
        self._clock = clock
        self._wake = wake
        self._life = 0  # goes up whenever this gateway begins as another one
        self._beaten_at = 0  # running milliseconds, when the last beat that was heard began
        self._counted_at = 0
        self._saldi_at = 0
        self._changes = Changes()
        self._unopened: int | None = None  # a change whose seals this gateway's key file misses
        self._peers: tuple[Peer, ...] = ()
        self._loop = asyncio.get_running_loop()
        if store.nodes.is_shared:
            settlement.holds = self.holds
            settlement.life = self.life
            store.nodes.listen(self._heard)

    @property
    def count(self) -> int:
        """How many gateways work on this journal, this one among them."""
        return 1 + len(self._peers)

    def holds(self) -> bool:
        """Whether a first byte may leave: its call is over before the lease is."""
        lasts_s = _SURE * self.lease_s - self._settlement.rules.call_s
        return self._is_heard_within(lasts_s)

    def life(self) -> int:
        """Return in which of its lives this gateway is: each has a lease of its own."""
        return self._life

    def takes_orders(self) -> bool:
        """Whether new orders may be journaled: others know by their clocks when not.

        Nor where their send could not leave any more.
        """
        if not self._store.nodes.is_shared:
            return True
        return self._is_heard_within(SILENT_S) and self.holds()

    def _is_heard_within(self, seconds: float) -> bool:
        return self._clock.running() - self._beaten_at < seconds * MS_PER_S

    def _heard(self, what: str, _: int) -> None:
        if what in {RESELLER, BEAT}:
            self.bell.ring()

    async def begin(self) -> None:
        """Become one of those who share the journal.

        Raises:
            JournalUnavailable: the journal can not be read or written.
        """
        if self._store.nodes.is_shared:
            self._changes = await self._store.nodes.changes()
            await self._join()

    async def _join(self) -> None:
        self._life += 1
        await self._store.nodes.join(self.lease_s)
        await self.step()
        self._store.nodes.tell(BEAT, 0)  # who thinks that he is alone tells nothing

    async def run(self) -> None:
        """Say that it lives, for ever."""
        if not self._store.nodes.is_shared:
            await asyncio.Event().wait()
        is_well = True
        while True:
            try:
                await self.step()
                is_well = True
                await self.bell.wait(BEAT_S)
            except JournalUnavailable as error:
                if is_well:
                    log.warning("node.unheard", reason=str(error))
                is_well = False
                await asyncio.sleep(min(AFTER_TROUBLE_S, BEAT_S))

    async def step(self) -> None:
        """Say it once, and follow what was heard.

        Raises:
            JournalUnavailable: it was not heard.
        """
        began_at = self._clock.running()
        beat = await self._store.nodes.beat(self.clear_at())
        if not beat.held:
            log.warning("node.revived")
            await self._join()
            return
        self._beaten_at = began_at
        self._peers = beat.peers
        await self._follow(beat)

    async def _follow(self, beat: Beat) -> None:
        if beat.taken_over:
            log.warning("node.taken_over", sends=beat.taken_over)
            self._wake()
        if beat.changes.resellers != self._changes.resellers:
            await self._load(beat.changes)
        now = self._clock.running()
        if self._peers and now - self._saldi_at > _SALDI_EVERY_S * MS_PER_S:
            self._saldi_at = now
            await self._directory.follow_saldi()
        if now - self._counted_at > _COUNT_EVERY_S * MS_PER_S:
            self._counted_at = now
            self._settlement.open_orders = await self._store.count_open()

    async def _load(self, changes: Changes) -> None:
        """Follow a change of resellers; one that is sealed for others alone is tried again."""
        try:
            await self._directory.load()
        except VaultError as error:
            if changes.resellers != self._unopened:
                log.warning("resellers.sealed", reason=str(error))
            self._unopened = changes.resellers
        else:
            self._changes = changes

    async def nothing_comes(self, asked_at: int, until: float) -> None:
        """Return when whatever came to any gateway before a time is in its journal.

        Args:
            asked_at: that time, Unix milliseconds.
            until: when to wait no longer, in the loop's time.

        Raises:
            JournalUnavailable: it is not known by then.
        """
        asked = False
        while any(self._may_bring(peer, asked_at) for peer in self._peers):
            if self._loop.time() >= until:
                raise JournalUnavailable("another gateway may be recording this order")
            if not asked:
                self._store.nodes.tell(BEAT, 0)
                asked = True
            await asyncio.sleep(_LOOK_AGAIN_S)
            self.bell.ring()

    def _may_bring(self, peer: Peer, asked_at: int) -> bool:
        is_gone = peer.seen_at + (SILENT_S + _WRITES_S) * MS_PER_S < self._clock()
        return peer.clear_at <= asked_at and not is_gone

    async def leave(self) -> None:
        """Say goodbye; what is left is anybody's at once."""
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._store.nodes.leave()
        except JournalUnavailable as error:
            log.warning("node.left_unheard", reason=str(error))
        except TimeoutError:
            log.warning("node.left_unheard", reason=f"no answer within {_GOODBYE_S:g} s")
