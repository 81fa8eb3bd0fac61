"""The gateway: every part built and wired, started, reloaded and stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.app.bounds import (
    ADMIN_CONNECTIONS,
    LIVE,
    bounds_of,
    changed_keys,
    claim_s,
    furthest_s,
    limits_of,
    own_addresses,
    rules_of,
)
from gateway.app.journal import Journal, closed_on_error, open_journal
from gateway.clients.reseller import ResellerClient
from gateway.clients.upstream import UpstreamClient
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.domain.errors import JournalUnavailable
from gateway.flow.account import Account
from gateway.flow.catalog import Catalog
from gateway.flow.desk import Desk
from gateway.flow.directory import Directory
from gateway.flow.elsewhere import Elsewhere
from gateway.flow.housekeeping import Housekeeper
from gateway.flow.inbox import Inbox
from gateway.flow.intake import Intake
from gateway.flow.membership import Membership
from gateway.flow.orders import Orders
from gateway.flow.price import PriceGuard
from gateway.flow.recheck import Recheck
from gateway.flow.relay import Relay
from gateway.flow.resellers import Resellers
from gateway.flow.sealing import Sealing
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Manner, Submission
from gateway.flow.timekeeper import Timekeeper
from gateway.log import get_logger
from gateway.store.open import one_name
from gateway.web.callback import CallbackRoutes
from gateway.web.control import ControlSocket
from gateway.web.door import Door, Limits
from gateway.web.gate import Gate
from gateway.web.json_api import JsonDialect
from gateway.web.json_catalog import JsonCatalog
from gateway.web.listener import Listener, url_of
from gateway.web.ops import Health
from gateway.web.otomax import OtomaxDialect
from gateway.web.routes import Dialects, admin_app, public_app, quick_routes
from gateway.web.text import TextDialect

log = get_logger(__name__)

_COMMAND_S = 5.0  # a command that has the journal open is done by then
_AT_REST_S = 2.5  # for what a command asks the upstream: `serve` waits for it, see above
_LAST_WORDS_S = 2.0  # for look-ups and deliveries under way when the gateway goes down


class Gateway:
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
        self.settings = settings
        self.store = journal.store
        self._clock = clock = clock or SteadyClock()
        self._build_flow(settings, journal, clock)
        self._build_web(settings, journal)
        self._workers: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, settings: Settings, clock: SteadyClock | None = None) -> "Gateway":
        """Open the journal and build a gateway on it; raises what `open_journal` raises."""
        journal = await open_journal(settings, wait_s=_COMMAND_S)
        async with closed_on_error(journal):
            return cls(settings, journal, clock)

    def _build_flow(self, settings: Settings, journal: Journal, clock: SteadyClock) -> None:
        store, vault = journal.store, journal.vault
        self._upstream = UpstreamClient(
            settings.upstream.base_url,
            timeout_s=settings.upstream.timeout_s,
            connect_s=settings.upstream.unreachable_s,
        )
        self._panels = ResellerClient(
            settings.delivery.timeout_s, allow_private=settings.delivery.allow_private
        )
        self.directory = Directory(store, vault, clock)
        self.settlement = Settlement(
            store,
            self.directory,
            clock,
            rules=rules_of(settings),
            tell_schedule_s=settings.delivery.schedule_s,
        )
        manner = Manner(
            unreachable_s=settings.upstream.unreachable_s,
            max_in_flight=settings.upstream.max_in_flight,
            public_url=settings.server.public_url,
        )
        self.submission = Submission(
            store, self._upstream, self.settlement, self.directory, vault, manner=manner
        )
        self.elsewhere = Elsewhere(store)
        self.recheck = Recheck(
            store,
            self._upstream,
            self.settlement,
            self.submission,
            self.directory,
            clock=clock,
            elsewhere=self.elsewhere,
        )
        self.relay = Relay(
            store,
            self._panels,
            clock,
            schedule_s=settings.delivery.schedule_s,
            per_host=settings.delivery.per_host,
            sign=self.directory.sign,
            claim_s=claim_s(settings),
        )
        self.settlement.listen(recheck=self.recheck.bell.ring, relay=self.relay.wake)
        self._build_catalog(settings, clock)
        self.membership = Membership(
            store,
            self.settlement,
            self.directory,
            clock,
            lease_s=settings.storage.lease_s,
            wake=self._wake,
        )
        self.intake = Intake(
            store,
            self.settlement,
            self.submission,
            self.recheck,
            clock,
            bounds=bounds_of(settings),
            price_guard=self.price_guard,
            membership=self.membership,
            elsewhere=self.elsewhere,
        )
        self._build_around(settings, journal, clock)

    def _build_around(self, settings: Settings, journal: Journal, clock: SteadyClock) -> None:
        """Build what is not on an order's way to the upstream and back."""
        store, vault = journal.store, journal.vault
        self.inbox = Inbox(store, self.settlement, self.submission, self.directory, clock)
        self.inbox.listen(self.recheck.take_news)
        self.account = Account(
            store, self._upstream, self.directory, settings.server.reply_timeout_s
        )
        self.desk = Desk(
            store,
            Resellers(store, vault, self.directory, clock),
            Orders(store, self.recheck, self.settlement, clock),
            Sealing(store, vault),
            clock,
            self.relay.bell.ring,
        )
        self.timekeeper = Timekeeper(
            store,
            self.settlement,
            self.directory,
            clock,
            furthest_s=furthest_s(settings),
            wake=self._wake,
        )
        self.housekeeper = Housekeeper(store, clock)

    def _build_catalog(self, settings: Settings, clock: SteadyClock) -> None:
        self.catalog = Catalog(
            self._upstream,
            self.directory,
            clock,
            ttl_s=settings.catalog.ttl_s,
            timeout_s=settings.server.reply_timeout_s,
        )
        self.price_guard = PriceGuard(self.catalog, settings.catalog.unknown_price)

    def _wake(self) -> None:
        for worker in (self.recheck, self.relay, self.inbox):
            worker.bell.ring()

    def _build_web(self, settings: Settings, journal: Journal) -> None:
        store, server, admin = journal.store, settings.server, settings.admin
        self.gate = Gate(self.directory, server.trusted_proxies)
        health = Health(store, self.gate, self.settlement)
        text = TextDialect(
            self.gate,
            self.intake,
            self.account,
            self.directory,
            store,
            own=own_addresses(settings),
        )
        dialects = Dialects(
            text=text,
            json_api=JsonDialect(self.gate, self.intake, store, own=own_addresses(settings)),
            json_catalog=JsonCatalog(self.gate, self.account, self.catalog),
            otomax=OtomaxDialect(self.gate, self.intake, self.account, self.directory),
        )
        self._callback = CallbackRoutes(
            self.gate, self.inbox, journal.vault, settings.upstream.callback_ips
        )
        self.public = Listener(
            public_app(dialects, self._callback, health),
            *server.address,
            door=Door("public", limits_of(settings), self.gate.is_ours),
            strangers=self.gate.strangers,
            quick=quick_routes(dialects),
        )
        self.admin = Listener(
            admin_app(health),
            *admin.address,
            door=Door("admin", Limits(connections=ADMIN_CONNECTIONS), self.gate.is_ours),
        )
        path = settings.sqlite_path()
        self.control = None if path is None else ControlSocket(self.desk, one_name(path))

    async def start(self) -> None:
        """Take up what the journal holds, listen, and work.

        Raises:
            OSError: an address can not be listened on.
            VaultError: a sealed key does not open.
            JournalUnavailable: the journal can not be read or written.
        """
        await self.directory.load()
        await self.timekeeper.begin()
        await self.membership.begin()
        interrupted = await self.store.interrupt_sends(self._clock())
        self.settlement.open_orders = await self.store.count_open()
        if self.control is not None:
            await self.control.start()
            self.store.announce({"control": str(self.control.path)})
        await self.admin.start()
        await self.public.start()
        for worker in (
            self.timekeeper,
            self.membership,
            self.recheck,
            self.relay,
            self.inbox,
            self.housekeeper,
        ):
            self._workers.append(asyncio.create_task(worker.run()))
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
        self.price_guard.unknown = settings.catalog.unknown_price
        self.relay.schedule_s = settings.delivery.schedule_s
        self.relay.per_host = settings.delivery.per_host
        self.timekeeper.furthest_s = furthest_s(settings)
        self.gate.trusted_proxies = tuple(settings.server.trusted_proxies)
        self._callback.callback_ips = tuple(settings.upstream.callback_ips)
        self.settings = settings
        log.info(
            "config.reloaded",
            changed=sorted(changed & LIVE),
            needs_restart=sorted(changed - LIVE),
        )

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
        self.gate.draining = True
        self.settlement.begin_no_send()
        log.info("gateway.draining")
        self.public.stop_accepting()
        await self._finish_work()
        await self.membership.leave()
        await self._close()
        log.info("gateway.stopped")

    async def _close(self) -> None:
        await self._close_desk()
        closing: list[Callable[[], Awaitable[None]]] = [self.public.close, self.admin.close]
        closing += [self._upstream.close, self._panels.close, self.store.close]
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
