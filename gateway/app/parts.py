"""The gateway's parts, built and wired: what an order passes, what stands around it, who listens.

Nothing here runs. `gateway` starts what is built here, reloads it and stops it.
"""

from functools import partial

from gateway import __version__
from gateway.app import alerts, site
from gateway.app.bounds import (
    ADMIN_CONNECTIONS,
    bounds_of,
    claim_s,
    furthest_s,
    limits_of,
    own_addresses,
    rules_of,
)
from gateway.app.journal import Journal
from gateway.clients.notices import NoticeClient
from gateway.clients.reseller import ResellerClient
from gateway.clients.upstream import UpstreamClient
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.flow.account import Account
from gateway.flow.admins import Admins
from gateway.flow.catalog import Catalog
from gateway.flow.desk import Desk
from gateway.flow.directory import Directory
from gateway.flow.elsewhere import Elsewhere
from gateway.flow.hosts import Hosts
from gateway.flow.housekeeping import Housekeeper
from gateway.flow.inbox import Inbox
from gateway.flow.intake import Intake
from gateway.flow.ledger import Ledger
from gateway.flow.links import Links
from gateway.flow.membership import Membership
from gateway.flow.notifier import Notifier
from gateway.flow.orders import Orders
from gateway.flow.passwords import Passwords
from gateway.flow.price import PriceGuard
from gateway.flow.pricewatch import PriceWatch
from gateway.flow.recheck import Recheck
from gateway.flow.reconciling import Reconciling
from gateway.flow.relay import Relay
from gateway.flow.resellers import Resellers
from gateway.flow.restoring import Restoring
from gateway.flow.safekeeping import Safekeeping
from gateway.flow.sealing import Sealing
from gateway.flow.sessions import Sessions
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Manner, Submission
from gateway.flow.timekeeper import Timekeeper
from gateway.flow.watch import Watch
from gateway.store import Store
from gateway.store.open import keeper_of, one_name
from gateway.web.callback import CallbackRoutes
from gateway.web.control import ControlSocket
from gateway.web.dashboard import Dashboard, LinkPage, Tools
from gateway.web.dashboard.site import Site
from gateway.web.door import Door, Limits
from gateway.web.gate import Gate
from gateway.web.json_api import JsonDialect
from gateway.web.json_catalog import JsonCatalog
from gateway.web.listener import Listener
from gateway.web.ops import Health
from gateway.web.otomax import OtomaxDialect
from gateway.web.routes import Dialects, admin_app, public_app, quick_routes
from gateway.web.text import TextDialect


class Parts:
    """Every part of a gateway; nothing runs yet."""

    def __init__(
        self, settings: Settings, journal: Journal, clock: SteadyClock | None = None
    ) -> None:
        """Build them. To be called inside a running loop.

        Args:
            settings: the checked configuration.
            journal: from `open_journal`; closed by whoever starts them.
            clock: what time it is; by default this machine's.
        """
        self.settings = settings
        self.store = journal.store
        self._clock = clock = clock or SteadyClock()
        self._build_flow(settings, journal, clock)
        self._build_web(settings, journal)
        self.mistakes: site.Mistakes = tuple  # what `serve` finds in the configuration's files

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
        self._build_catalog(settings, store, clock)
        self.restoring = Restoring(store, self.recheck, self.settlement, self.directory, clock)
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
            restoring=self.restoring,
            membership=self.membership,
            elsewhere=self.elsewhere,
        )
        self._build_around(settings, journal, clock)

    def _build_around(self, settings: Settings, journal: Journal, clock: SteadyClock) -> None:
        """Build what is not on an order's way to the upstream and back."""
        store, vault, passwords = journal.store, journal.vault, Passwords()
        self.inbox = Inbox(store, self.settlement, self.submission, self.directory, clock)
        self.inbox.listen(self.recheck.take_news)
        self.inbox.adopt = self.restoring.adopt_called_back
        self.account = Account(
            store, self._upstream, self.directory, settings.server.reply_timeout_s
        )
        self.desk = Desk(
            store,
            Resellers(store, vault, self.directory, clock),
            Orders(store, self.recheck, self.settlement, clock),
            Hosts(store, clock, silent=self.relay.silent, on_change=self.relay.look_who_is_paused),
            Sealing(store, vault),
            Admins(store, passwords, clock),
            clock,
            self.relay.bell.ring,
        )
        self.safekeeping = Safekeeping(store, keeper_of(store), clock)
        self.desk.add(self.safekeeping.commands)
        self.desk.add(Reconciling(store, self.recheck, clock).commands)
        self.links = Links(store, self.directory, clock, public_url=settings.server.public_url)
        self.desk.add(self.links.commands)
        self.sessions = Sessions(store, passwords, clock)
        self.settlement.changed = self.relay.changed = self.desk.pulse.beat
        self.timekeeper = Timekeeper(
            store,
            self.settlement,
            self.directory,
            clock,
            furthest_s=furthest_s(settings),
            wake=self._wake,
        )
        self.housekeeper = Housekeeper(store, clock, empties=settings.storage.checkpoints)
        self._build_watch(settings, store, clock)

    def _build_watch(self, settings: Settings, store: Store, clock: SteadyClock) -> None:
        """Build what looks whether all is well, and tells the operator."""
        self._notices = NoticeClient(settings.alert.timeout_s)
        self.notifier = Notifier(store, clock)
        alerts.follow(self.notifier, self._notices, settings)
        self.desk.add(self.notifier.commands)
        self.watch = Watch(
            store,
            self.directory,
            self._upstream.heard,
            self.notifier,
            clock,
            callers=self.inbox.callers,
            thresholds=alerts.thresholds_of(settings),
        )

    def _build_catalog(self, settings: Settings, store: Store, clock: SteadyClock) -> None:
        self.catalog = Catalog(
            self._upstream,
            self.directory,
            clock,
            ttl_s=settings.catalog.ttl_s,
            timeout_s=settings.server.reply_timeout_s,
        )
        self.price_watch = PriceWatch(
            store,
            self.catalog,
            self.directory,
            clock,
            every_s=settings.catalog.history_every_s,
        )
        self.price_guard = PriceGuard(self.catalog, settings.catalog.unknown_price)

    def _wake(self) -> None:
        for worker in (self.recheck, self.relay, self.inbox):
            worker.bell.ring()

    def _build_web(self, settings: Settings, journal: Journal) -> None:
        store, server, admin = journal.store, settings.server, settings.admin
        self.gate = Gate(self.directory, server.trusted_proxies)
        health = Health(store, self.gate, self.settlement, self.restoring, self.membership)
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
            public_app(dialects, self._callback, health, self._link_page()),
            *server.address,
            door=Door("public", limits_of(settings), self.gate.is_ours),
            strangers=self.gate.strangers,
            quick=quick_routes(dialects, self._callback),
        )
        self.dashboard = Dashboard(
            Tools(
                store=store,
                desk=self.desk,
                ledger=Ledger(store, self._clock),
                directory=self.directory,
                sessions=self.sessions,
                gate=self.gate,
                clock=self._clock,
                site=self._site(),
            )
        )
        self.admin = Listener(
            admin_app(health, self.dashboard),
            *admin.address,
            door=Door("admin", Limits(connections=ADMIN_CONNECTIONS), self.gate.is_ours),
        )
        path = settings.sqlite_path()
        self.control = None if path is None else ControlSocket(self.desk, one_name(path))

    def _link_page(self) -> LinkPage:
        ledger = Ledger(self.store, self._clock)
        return LinkPage(self.store, self.links, ledger, self.directory, self.gate, self._clock)

    def _site(self) -> Site:
        base_url = self.settings.upstream.base_url
        return Site(
            public_url=self.settings.server.public_url,
            version=__version__,
            started_at=self._clock(),
            catalog=self.catalog,
            links=self.links,
            problems=lambda: site.problems(self.settings, self.mistakes),
            queues=partial(site.queues, self.settlement, self.submission, self.relay),
            upstream=partial(site.upstream, base_url, self._upstream, self._clock),
        )
