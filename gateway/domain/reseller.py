"""A customer of the operator: who may order, from where, and where they hear of it."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

Profile = Literal["toss", "otomax", "report"]
PROFILES: tuple[Profile, ...] = ("toss", "otomax", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseller:
    """One reseller, as the gateway works with it.

    Attributes:
        code: `[a-z0-9]{1,12}`; the first part of every upstream_trx_id, so it never changes.
        name: for the operator's eyes.
        account: under which key at the upstream it buys, or None while it cannot order.
        callback_url: where deliveries go when an order names no address of its own.
        callback_hosts: where set, the only hosts that an order may name.
        allow_ips: where set, the only networks that requests may come from.
        delivery: the form of its deliveries.
        suspended: nothing is answered but an ERROR; what is under way is still delivered.
        allow_pin: in OtomaX's own dialect it may show pin and password instead of a sign.
        max_price: the most that it pays for one order, whole Rupiah, or None.
    """

    code: str
    name: str = ""
    account: str | None = None
    callback_url: str | None = None
    callback_hosts: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    delivery: Profile = "toss"
    suspended: bool = False
    allow_pin: bool = False
    max_price: int | None = None

    def allows(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a request from this address may be answered."""
        return not self.allow_ips or in_networks(address, parse_networks(self.allow_ips))


def parse_networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks that these addresses or CIDRs name; ValueError where one is neither."""
    return tuple(ip_network(text, strict=False) for text in texts)


def in_networks(
    address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]
) -> bool:
    """Whether the address lies in one of the networks."""
    return any(address.version == net.version and address in net for net in networks)
