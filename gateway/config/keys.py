"""The keys of the configuration: each with its default, its unit and its reason.

Only the sections and their whole may live here; the keys of the contract are frozen. A description
is what the operator reads above the key in config.example.toml: unit first, then why the default
is what it is, and for a limit what happens at it.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from gateway.config.values import (
    BaseAddress,
    Count,
    DeliverySchedule,
    Duration,
    Flag,
    KeyFile,
    Listen,
    LogFormat,
    LogLevel,
    LookUpSchedule,
    Networks,
    Rate,
    ReplyTimeout,
    StorageUrl,
    Timeout,
    UnknownPrice,
    split_listen,
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Server(_Section):
    """Where panels and the upstream reach us."""

    listen: Listen = Field(
        default="127.0.0.1:8080",
        description="HOST:PORT for panels and callbacks. The default serves this machine alone: "
        "a reverse proxy with TLS stands in front.",
    )
    public_url: BaseAddress = Field(
        description="Required. The address of this gateway as the upstream sees it: callbacks "
        "come to <public_url>/callback/…, and without them every order waits for a look-up.",
    )
    reply_timeout_s: ReplyTimeout = Field(
        default=15.0,
        description="Seconds until an order is answered at the latest. Keep it below what the "
        "panels wait; an order that is still open then is answered PENDING and goes on. One that "
        "waits for a place at the upstream is answered PENDING after 2 seconds.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of your own reverse proxies. Only from these is "
        "X-Forwarded-For believed, right to left; anybody else could write it himself.",
    )
    max_connections: Count = Field(
        default=10_000,
        description="Open connections in all, some 20 KiB of memory each; fewer where the system "
        "allows too few open files beside what the journal, the upstream and the deliveries need. "
        "At the limit one that never said anything makes room, else the new one is closed.",
    )
    max_connections_per_address: Count = Field(
        default=256,
        description="Open connections of one address (of IPv6: of one /64); a new one is closed "
        "then. Your trusted_proxies and this machine itself are not bounded.",
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`, an IPv6 host without brackets."""
        return split_listen(self.listen)


class Admin(_Section):
    """Where the operator looks."""

    listen: Listen = Field(
        default="127.0.0.1:8081",
        description="HOST:PORT for /metrics, /healthz, /readyz. Keep it off the public network.",
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`, an IPv6 host without brackets."""
        return split_listen(self.listen)


class Upstream(_Section):
    """Toss Games, or another site of the same software."""

    base_url: BaseAddress = Field(
        default="https://api.tossgames.com",
        description="Where orders go. Another site of the same software differs here, and in"
        " callback_ips.",
    )
    timeout_s: Timeout = Field(
        default=60.0,
        description="Seconds for one call, from first byte to last. Generous, because giving up "
        "on an order that was sent makes it uncertain; it is never sent again just for that.",
    )
    unreachable_s: Duration = Field(
        default=5.0,
        description="Seconds for which an order that provably did not leave (no name, no "
        "connection) is tried; then it is FAILED UPSTREAM_UNREACHABLE and the panel goes on.",
    )
    max_in_flight: Count = Field(
        default=200,
        description="Orders on their way to the upstream at one time. At the limit an order waits "
        "for its turn, which goes from reseller to reseller, as long as recheck.expire_s; its "
        "panel hears PENDING after 2 seconds. Look-ups come on top: 16 of our own, 128 for panels "
        "that ask (of these one reseller gets half of what is left; beyond it a panel hears what "
        "the journal holds), and 64 of accounts (beyond it ERROR BUSY).",
    )
    callback_ips: Networks = Field(
        default=(IPv4Network("157.230.42.1"),),
        description="Addresses or networks that callbacks come from, by the upstream's document. "
        "Others get 403. An empty list checks nothing: the token alone protects then.",
    )


class Storage(_Section):
    """Where the journal lies."""

    url: StorageUrl = Field(
        default="sqlite:///gateway.db",
        description="The journal: sqlite:///FILE, four slashes from the root. A relative FILE "
        "lies beside this configuration file. Or postgresql://USER:PASSWORD@HOST/DATABASE, which "
        "needs `pip install 'otomax-gateway[postgres]'`.",
        repr=False,
    )
    pool: Count = Field(
        default=16,
        description="Connections to PostgreSQL, at most. An order needs one for a few "
        "milliseconds at a time, so 16 serve the 200 that are at the upstream, and three gateways "
        "stay well below the 100 that PostgreSQL has room for by default. Where none is free for "
        "5 seconds orders get 503.",
    )

    lease_s: Duration = Field(
        default=150.0,
        description="Seconds for which a gateway on PostgreSQL holds what it has begun, from its "
        "last sign of life; after that another takes it over. More than twice upstream.timeout_s, "
        "for a request must be over when its order is taken over. SQLite has one gateway alone.",
    )

    @property
    def is_shared(self) -> bool:
        """Whether other gateways may work on the same journal."""
        return not self.url.startswith("sqlite:///")


class Secrets(_Section):
    """What opens the seals."""

    key_file: KeyFile = Field(
        default="secret.key",
        description="The file whose keys seal what the journal keeps secret, mode 0600, beside "
        "this file if relative. Keep a copy elsewhere: without it every reseller key is lost.",
    )


class Recheck(_Section):
    """Looking up what is open or uncertain."""

    schedule_s: LookUpSchedule = Field(
        default=(2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0),
        description="Seconds before each look-up of an open order; the last repeats. Dense at the "
        "start, while a customer is waiting. At most 16 at one time and 100 a second: beyond it "
        "they are late, the longest due first; what was just called back goes before.",
    )
    settle_s: Duration = Field(
        default=40.0,
        description="Seconds after an uncertain send within which nothing is sent again: the "
        "upstream may still be buying. Less than its own slowest order risks a double purchase.",
    )
    expire_s: Duration = Field(
        default=1800.0,
        description="Seconds after the first send within which a later one may start; there are "
        "three sends at most. When none is left and three look-ups in a row did not find the "
        "order, it ends FAILED EXPIRED.",
    )


class Delivery(_Section):
    """Telling the resellers."""

    schedule_s: DeliverySchedule = Field(
        default=(
            *(0.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0),
            *(14400.0, 28800.0, 43200.0, 86400.0, 86400.0),
        ),
        description="Seconds before each attempt, about 76 hours in all, so that a panel may be "
        "down for a weekend. After the last one the delivery is dead, with an alert.",
    )
    timeout_s: Timeout = Field(
        default=10.0,
        description="Seconds for one attempt in all, so that a slow panel holds no place long.",
    )
    per_host: Count = Field(
        default=4,
        description="Deliveries to one host at a time. At the limit the others wait; hosts do not "
        "wait for each other. In all there are 256 at one time, 64 to one reseller and never more "
        "than is left for the others. A host that did not answer five times in a row gets one "
        "attempt after 5 seconds, then 10, 20, 40 and 60, until it answers.",
    )
    allow_private: Flag = Field(
        default=False,
        description="true lets deliveries reach private and local addresses. For tests and the "
        "demo only: a callback_url is chosen by strangers.",
    )


class Limits(_Section):
    """What one reseller may ask of us."""

    orders_per_s: Rate = Field(
        default=100.0,
        description="New orders per second and reseller; 0 is no limit. Beyond it an order gets "
        "ERROR RATE_LIMITED: nothing is recorded, nothing sent, the panel may ask again. It is "
        "said a quarter of a second late, to 1,000 requests at one time, so that who asks as fast "
        "as he is answered takes nobody's place.",
    )
    max_open_orders: Count = Field(
        default=100_000,
        description="Open orders in all, and so what may wait for its turn while the upstream "
        "hangs: 100 bytes of memory each. At the limit new orders get ERROR BUSY and nothing is "
        "sent, until some have ended; also where 1,000 orders wait to be journaled, for the disk "
        "hangs then.",
    )


class Catalog(_Section):
    """Product lists."""

    ttl_s: Duration = Field(
        default=60.0,
        description="Seconds for which a product list is answered without asking the upstream. "
        "Longer shows old prices, shorter costs a call. Kept are the 256 answers of one upstream "
        "key that were asked for last, 4,096 and 64 MiB in all (half of it for one key), each of "
        "16 MiB at most; 16 calls at one time, 4 for one key; 128 questions wait, of one key no "
        "more than is left for the others (beyond it BUSY). While the upstream is down, or takes "
        "over 2 seconds, the last answer is told, with a Warning.",
    )
    unknown_price: UnknownPrice = Field(
        default="send",
        description="send or refuse: an order with a price limit (max_price) whose price is not "
        "known, for the product is not in the upstream's list, or that is not to be had within "
        "2 seconds and none is kept. send trusts; refuse fails the order with PRICE_CHANGED, "
        "and so all such orders while the upstream's list is down.",
    )


class Log(_Section):
    """What is written to stderr."""

    format: LogFormat = Field(
        default="auto",
        description="auto, console or json. auto: colours on a terminal, else one JSON object a "
        "line, as log collectors want it.",
    )
    level: LogLevel = Field(
        default="info", description="debug, info, warning or error: the least that is written."
    )


class Settings(_Section):
    """The whole configuration, checked; it never changes.

    Made by `load_settings`, or in a program by `Settings.model_validate({...}, context={"folder":
    path})`, where the folder is what relative file names start from (default: the current one).
    """

    server: Server
    admin: Admin = Admin()
    upstream: Upstream = Upstream()
    storage: Storage = Storage()
    secrets: Secrets = Secrets()
    recheck: Recheck = Recheck()
    delivery: Delivery = Delivery()
    limits: Limits = Limits()
    catalog: Catalog = Catalog()
    log: Log = Log()

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: object, /) -> None:
        """Take the folder, and the places of the keys, from the context of the validation."""
        if isinstance(context, dict):
            self._folder = context.get("folder", self._folder).absolute()
            self._places = context.get("places", self._places)

    @property
    def places(self) -> Mapping[str, str]:
        """Where each key that was given came from: `"server.listen"` to `"config.toml:3"`."""
        return MappingProxyType(dict(self._places))

    def sqlite_path(self) -> Path | None:
        """The journal's file, absolute; None when the journal is not SQLite."""
        if not self.storage.url.startswith("sqlite:///"):
            return None
        return self._folder / self.storage.url.removeprefix("sqlite:///")

    def journal(self) -> Path | str:
        """Where the journal is: its file, or the URL of its database, which holds a password."""
        return self.sqlite_path() or self.storage.url

    def key_path(self) -> Path:
        """The key file, absolute."""
        return self._folder / self.secrets.key_file


SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""The sections by their names, in the order of the file."""
