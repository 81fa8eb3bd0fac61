"""Who asks, and from where: the address behind proxies, the reseller behind a key or a sign."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gateway.domain.errors import Code, JournalUnavailable, Refused
from gateway.domain.reseller import Reseller, in_networks
from gateway.flow.directory import Directory
from gateway.protocol.otomax import Credentials, are_genuine
from gateway.web.ask import Ask
from gateway.web.strangers import Strangers

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

# What is compared for a member that does not exist, so that it takes as long; it lets nobody in.
_NOBODYS = ("000000", "nobody's password")


class Gate:
    """Tells who asks, and whether we are still answering.

    Args:
        directory: the resellers.
        trusted_proxies: only from these peers is X-Forwarded-For read, right to left.
    """

    def __init__(self, directory: Directory, trusted_proxies: Networks) -> None:
        self.draining = False
        self.leaving = False
        self._directory = directory
        self.trusted_proxies = tuple(trusted_proxies)
        self.strangers = Strangers()

    def refuse_while_draining(self) -> None:
        """Raise JournalUnavailable where this process takes nothing any more."""
        if self.draining:
            raise JournalUnavailable("the gateway is going down")

    def address(self, ask: Ask) -> Address | None:
        """Return the address that a request really comes from, or None where there is none."""
        return client_address(ask.remote, ask.forwarded, self.trusted_proxies)

    def shown_address(self, ask: Ask) -> str:
        """Return that address as it is shown."""
        if self.trusted_proxies:
            return str(self.address(ask))
        return _shown(ask.remote or "")

    def is_ours(self, address: Address) -> bool:
        """Whether connections of this address are not counted: our proxies, and this machine."""
        return address.is_loopback or in_networks(address, self.trusted_proxies)

    def reseller(self, ask: Ask, apikey: str | None) -> Reseller:
        """Return the reseller who may be answered.

        Raises:
            Refused: the key is unknown, the address is not allowed, or the reseller is suspended.
        """
        return self._permitted(ask, self._directory.by_key(apikey))

    def member(self, ask: Ask, shown: Credentials) -> Reseller:
        """Return the reseller of OtomaX's own dialect who may be answered.

        Raises:
            Refused: as `reseller` does; who has no pin and password does not have that dialect.
        """
        reseller = self._directory.by_code(shown.code)
        secrets = self._directory.pin_and_password(shown.code)
        allow_pin = reseller is not None and reseller.allow_pin
        are_right = are_genuine(shown, *(secrets or _NOBODYS), allow_pin=allow_pin)
        is_member = are_right and secrets is not None
        # A pin is short and can be guessed, as no key can: who has guessed this member's too often
        # in this minute guesses in vain, also rightly.
        if reseller is not None and self.strangers.guesses(
            reseller.code, self.address(ask), is_right=is_member
        ):
            is_member = False
        return self._permitted(ask, reseller if is_member else None)

    def _permitted(self, ask: Ask, reseller: Reseller | None) -> Reseller:
        """Return who proved to be this reseller, where they may be answered."""
        if reseller is None:
            raise self.stranger(ask)
        if reseller.allow_ips or reseller.suspended:  # as much work as for who is unknown
            address = self.address(ask)
            if reseller.allow_ips and (address is None or not reseller.allows(address)):
                raise Refused(Code.IP_NOT_WHITELISTED, not_whitelisted(address))
        if reseller.suspended:
            raise Refused(Code.RESELLER_SUSPENDED)
        return reseller

    def stranger(self, ask: Ask) -> Refused:
        """Take note of who proved nothing; returns what he is to hear, some time later."""
        self.strangers.take_note(self.address(ask), ask.number)
        return Refused(Code.API_KEY_NOT_FOUND)


def not_whitelisted(address: Address | None) -> str:
    """Return the sentence that names the address that was seen."""
    return (
        f"IP Address Anda ({address or 'tidak dikenal'}) tidak masuk kedalam whitelist server "
        "kami, harap hubungi operator."
    )


def client_address(peer: str | None, forwarded: str, trusted: Networks) -> Address | None:
    """Return the first address from the right that is no trusted proxy.

    Args:
        peer: the address of the connection.
        forwarded: every X-Forwarded-For header, joined by commas.
        trusted: our own proxies.
    """
    address = _parse(peer or "")
    hops = [hop for hop in forwarded.split(",") if hop.strip()]
    while address is not None and hops and in_networks(address, tuple(trusted)):
        before = _parse(hops.pop())
        if before is None:
            break  # a proxy of ours wrote something that is no address: it is the last we know
        address = before
    return address


@lru_cache(maxsize=1024)
def _shown(peer: str) -> str:
    return str(_parse(peer))


# Panels and the upstream come from few addresses; reading one costs 2 µs of the loop.
@lru_cache(maxsize=1024)
def _parse(text: str) -> Address | None:
    """Read an address, with or without a port; an IPv4 address in IPv6 clothes is an IPv4 one."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
