"""The gateway: its parts started, reloaded and stopped."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from gateway.app import alerts
from gateway.app.bounds import (
    LIVE,
    bounds_of,
    changed_keys,
    furthest_s,
    limits_of,
    rules_of,
)
from gateway.app.journal import Journal, closed_on_error, open_journal
from gateway.app.parts import Parts
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.domain.errors import JournalUnavailable
from gateway.log import get_logger
from gateway.store.open import keeper_of
from gateway.web.listener import url_of

log = get_logger(__name__)

_COMMAND_S = 5.0  # a command that has the journal open is done by then
_AT_REST_S = 2.5  # for what a command asks the upstream: `serve` waits for it, see above
# Who was let in a moment before another process takes the socket over is answered, not sent away.
_RELIEF_S = 0.2
_LAST_WORDS_S = 2.0  # for look-ups and deliveries under way when the gateway goes down

NO_SOCKETS: Mapping[str, socket.socket] = MappingProxyType({})


class Gateway(Parts):
    """A whole gateway. `await Gateway.open(…)`, `await start()`, and at the end `await stop()`."""

    def __init__(
        self, settings: Settings, journal: Journal, clock: SteadyClock | None = None
    ) -> None:
        """Build every part; nothing runs yet. To be called inside a running loop.

        Args:
            settings: the checked configuration.
            journal: from `open_journal`; closed by `stop`.
            clock: what time it is; by default this machine's.
        """
        super().__init__(settings, journal, clock)
        self._workers: list[asyncio.Task[None]] = []
        self._is_relieved = False

    @classmethod
    async def open(cls, settings: Settings, clock: SteadyClock | None = None) -> "Gateway":
        """Open the journal and build a gateway on it; raises what `open_journal` raises."""
        journal = await open_journal(settings, wait_s=_COMMAND_S)
        async with closed_on_error(journal):
            return cls(settings, journal, clock)

    async def start(self, inherited: Mapping[str, socket.socket] = NO_SOCKETS) -> None:
        """Take up what the journal holds, listen, and work.

        Args:
            inherited: sockets that listen already, for `public` and `admin`.

        Raises:
            OSError: an address can not be listened on.
            VaultError: a sealed key does not open.
            JournalUnavailable: the journal can not be read or written.
        """
        keeper = keeper_of(self.store)
        if keeper is not None and not self.settings.storage.checkpoints:
            await keeper.leave_log()
        await self.directory.load()
        await self.timekeeper.begin()
        await self.restoring.begin()
        await self.membership.begin()
        interrupted = await self.store.interrupt_sends(self._clock())
        self.settlement.open_orders = await self.store.count_open()
        if self.control is not None:
            await self.control.start()
            self.store.announce({"control": str(self.control.path)})
        self._is_relieved = "public" in inherited
        await self.admin.start(inherited.get("admin"))
        await self.public.start(inherited.get("public"))
        for worker in (
            self.timekeeper,
            self.membership,
            self.restoring,
            self.inbox,
            self.housekeeper,
            self.notifier,
            self.watch,
            self.price_watch,
        ):
            self._workers.append(asyncio.create_task(worker.run()))
        for work in (
            _run_when(self.restoring.sells, self.recheck.run),
            _run_when(self.restoring.tells, self.relay.run),
        ):
            self._workers.append(asyncio.create_task(work))
        log.info(
            "gateway.started",
            listen=url_of(self.public),
            admin=url_of(self.admin),
            upstream=self.settings.upstream.base_url,
            connections=limits_of(self.settings).connections,
            open_orders=self.settlement.open_orders,
            interrupted_sends=interrupted,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def at_rest(cls, settings: Settings) -> AsyncIterator["Gateway"]:
        """Give a gateway whose desk works while nothing else of it does: for single commands.

        Raises what `open_journal` raises.
        """
        timeout_s = min(settings.upstream.timeout_s, _AT_REST_S)
        hasty = settings.upstream.model_copy(update={"timeout_s": timeout_s})
        journal = await open_journal(settings)
        async with closed_on_error(journal):
            gateway = cls(settings.model_copy(update={"upstream": hasty}), journal)
        try:
            await gateway.directory.load()
            await gateway.timekeeper.follow()
            # A command sees a moment: it neither sends an order again nor gives one up.
            gateway.settlement.begin_no_send()
            gateway.settlement.trust_clock_since(gateway._clock())
            yield gateway
        finally:
            await gateway.recheck.finish(timeout_s)
            await gateway._close()

    def reload(self, settings: Settings) -> None:
        """Take over what can change while the gateway runs, and say what needs a new start."""
        changed = changed_keys(self.settings, settings)
        self.settlement.follow(rules_of(settings))
        self.settlement.tell_schedule_s = settings.delivery.schedule_s
        self.intake.bounds = bounds_of(settings)
        self.account.timeout_s = settings.server.reply_timeout_s
        self.catalog.timeout_s = settings.server.reply_timeout_s
        self.catalog.ttl_s = settings.catalog.ttl_s
        self.price_watch.every_s = settings.catalog.history_every_s
        self.price_guard.unknown = settings.catalog.unknown_price
        self.relay.schedule_s = settings.delivery.schedule_s
        self.relay.per_host = settings.delivery.per_host
        self.timekeeper.furthest_s = furthest_s(settings)
        self.gate.trusted_proxies = tuple(settings.server.trusted_proxies)
        self._callback.callback_ips = tuple(settings.upstream.callback_ips)
        alerts.follow(self.notifier, self._notices, settings)
        self.watch.thresholds = alerts.thresholds_of(settings)
        self.settings = settings
        log.info(
            "config.reloaded",
            changed=sorted(changed & LIVE),
            needs_restart=sorted(changed - LIVE),
        )

    async def pulse(self) -> None:
        """Return when what writes the journal has done what was asked of it before."""
        keeper = keeper_of(self.store)
        if keeper is not None:
            await keeper.beat()

    def leave(self) -> None:
        """Tell load balancers to ask another node; orders that come all the same are taken."""
        self.gate.leaving = True
        log.info("gateway.leaving")

    async def failed(self) -> None:
        """Return never, unless a worker ends by a mistake of ours; raises that."""
        done, _ = await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)
        for worker in done:
            worker.result()

    async def stop(self) -> None:
        """Stop accepting, finish what is in flight, and leave the rest to the next start.

        Done within `server.reply_timeout_s` + 5 s (contract §12).
        """
        self.public.stop_accepting()
        if self._is_relieved:
            await asyncio.sleep(_RELIEF_S)
        self.gate.draining = True
        self.settlement.begin_no_send()
        log.info("gateway.draining")
        await self._finish_work()
        await self.membership.leave()
        await self._close()
        log.info("gateway.stopped")

    async def _close(self) -> None:
        await self._close_desk()
        await self.safekeeping.finish(_LAST_WORDS_S)
        closing: list[Callable[[], Awaitable[None]]] = [self.public.close, self.admin.close]
        closing += [self._upstream.close, self._panels.close, self._notices.close]
        closing.append(self.store.close)
        for close in closing:
            with contextlib.suppress(OSError):
                await close()

    async def _finish_work(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        loop, within_s = asyncio.get_running_loop(), self.settings.server.reply_timeout_s
        until = loop.time() + within_s
        await asyncio.gather(
            self.intake.finish(within_s),
            self.submission.finish(within_s),
            self.account.finish(within_s),
            self.relay.finish(_LAST_WORDS_S),
            self.notifier.finish(_LAST_WORDS_S),
            self._close_desk(),
        )
        # The last, for an order or a command on its way may have begun one of these.
        left_s = max(0.0, until - loop.time())
        await asyncio.gather(self.recheck.finish(left_s), self.catalog.finish(left_s))

    async def _close_desk(self) -> None:
        """Take no more commands; one that comes now waits for the journal to be free."""
        if self.control is None:
            return
        with contextlib.suppress(JournalUnavailable):
            self.store.announce({})
        with contextlib.suppress(OSError):
            await self.control.close()


async def _run_when(ready: asyncio.Event, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a worker once it may: after a restore others ask first."""
    await ready.wait()
    await run()
