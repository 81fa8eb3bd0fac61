"""The address check of outgoing connections: which addresses a reseller's URL may lead us to.

A callback_url is hostile. Whoever writes it may aim it at this machine, at its neighbours or at
the cloud's metadata service, by a literal, an odd spelling, a translated IPv6 form, or a name that
answers differently the second time. So what is checked is neither the URL nor an answer of DNS
but every address that a socket is about to connect to, in aiohttp's `socket_factory`: a resolver
of our own would never be asked about literals, and a look-up before the call could be rebound.

The ranges stand in one table with their sources. `ipaddress.is_global` is no substitute: it
passes 192.0.0.192, 64:ff9b::7f00:1, 2002:7f00:1:: and multicast.

Only the check, the look-up of names and the connector that joins them may live here.
"""

import asyncio
import errno
import functools
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

# The IANA special-purpose address registries
# (https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry),
# the multicast and reserved ranges of the address space registries, and what clouds serve their
# own machines. Each row: network, what it is (fits "address X is …"), source.
# The first row that holds an address names it, so the narrower rows come first.
_REFUSED_V4 = (
    ("169.254.169.254/32", "cloud metadata", "AWS, Google Cloud, Azure, OpenStack"),
    ("168.63.129.16/32", "cloud metadata", "Azure's host node, inside public space"),
    ("0.0.0.0/32", "unspecified", "RFC 1122 3.2.1.3"),
    ("0.0.0.0/8", "this network", "RFC 791 3.2"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared by carriers (CGNAT)", "RFC 6598"),
    ("127.0.0.0/8", "loopback", "RFC 1122 3.2.1.3"),
    ("169.254.0.0/16", "link-local", "RFC 3927"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "for protocol assignments", "RFC 6890 2.1"),
    ("192.0.2.0/24", "for documentation", "RFC 5737"),
    ("192.88.99.0/24", "a 6to4 relay", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("198.18.0.0/15", "for benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "for documentation", "RFC 5737"),
    ("203.0.113.0/24", "for documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("255.255.255.255/32", "broadcast", "RFC 919 7"),
    ("240.0.0.0/4", "reserved", "RFC 1112 4"),
)
_REFUSED_V6 = (
    ("::/128", "unspecified", "RFC 4291 2.5.2"),
    ("::1/128", "loopback", "RFC 4291 2.5.3"),
    ("::ffff:0:0/96", "IPv4 in IPv6 (mapped)", "RFC 4291 2.5.5.2"),
    ("::/96", "IPv4 in IPv6 (compatible)", "RFC 4291 2.5.5.1"),
    ("64:ff9b::/96", "IPv4 in IPv6 (NAT64)", "RFC 6052"),
    ("64:ff9b:1::/48", "IPv4 in IPv6 (local NAT64)", "RFC 8215"),
    ("100::/64", "discard-only", "RFC 6666"),
    ("100:0:0:1::/64", "a dummy prefix", "RFC 9780"),
    ("2001::/32", "IPv4 in IPv6 (Teredo)", "RFC 4380"),
    ("2001:2::/48", "for benchmarking", "RFC 5180"),
    ("2001:10::/28", "an identifier (ORCHID)", "RFC 4843"),
    ("2001:20::/28", "an identifier (ORCHIDv2)", "RFC 7343"),
    ("2001::/23", "for protocol assignments", "RFC 2928"),
    ("2001:db8::/32", "for documentation", "RFC 3849"),
    ("2002::/16", "IPv4 in IPv6 (6to4)", "RFC 3056"),
    ("3fff::/20", "for documentation", "RFC 9637"),
    ("5f00::/16", "for segment routing", "RFC 9602"),
    ("fd00:ec2::254/128", "cloud metadata", "AWS"),
    ("fd20:ce::254/128", "cloud metadata", "Google Cloud"),
    ("fc00::/7", "private", "RFC 4193"),
    ("fe80::/10", "link-local", "RFC 4291 2.5.6"),
    ("fec0::/10", "site-local", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291 2.7"),
)
_V4 = tuple((IPv4Network(network), what) for network, what, _ in _REFUSED_V4)
_V6 = tuple((IPv6Network(network), what) for network, what, _ in _REFUSED_V6)

# RFC 4291 2.4 and the IPv6 address space registry: global unicast is handed out of this alone.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")

# Look-ups block a thread each. Names of resellers get threads of their own, so that a name server
# that never answers cannot take the threads that the rest of the process looks names up with.
_LOOKUP_THREADS = 32

# aiohttp goes through all addresses of a name once more for each of them that fails, so a name
# with thousands would hold the loop for minutes. Four of a family are more than panels have.
_ADDRESSES_PER_FAMILY = 4


_Row = TypeVar("_Row", bound=tuple[Any, ...])


class ForbiddenAddress(OSError):  # noqa: N818 - what it is, as PermissionError's kin are read
    """A connection to an address that may not be connected to was stopped before it began.

    Args:
        address: As the socket would have got it.
        why: What the address is, from `check_address`.
    """

    def __init__(self, address: str, why: str) -> None:
        super().__init__(errno.EACCES, f"address {address} is {why} and not allowed")

    def __str__(self) -> str:
        return str(self.strerror)


def check_address(address: str) -> str | None:
    """Say why an address may not be connected to.

    Args:
        address: An IPv4 or IPv6 address as in a socket address; a scope id (`fe80::1%eth0`) may
            follow. Anything that is not the plain spelling of an address is refused, because the
            loop would look it up again, after the check.

    Returns:
        None when it may be connected to, else a few words that complete "address X is …".
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not a plainly written address"
    if isinstance(parsed, IPv4Address):
        return next((what for network, what in _V4 if parsed in network), None)
    refused = next((what for network, what in _V6 if parsed in network), None)
    if refused is None and parsed not in _GLOBAL_UNICAST_V6:
        return "not global unicast"
    return refused


def guarded_socket(addr_info: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket for one address that is about to be connected to.

    Args:
        addr_info: As `socket.getaddrinfo` gives it: family, type, protocol, name, address.

    Returns:
        A fresh socket; the caller makes it non-blocking and connects it to that very address.

    Raises:
        ForbiddenAddress: The address may not be connected to; no socket was made.
    """
    family, kind, protocol, _, (host, *_) = addr_info
    if (why := check_address(str(host))) is not None:
        raise ForbiddenAddress(str(host), why)
    return socket.socket(family, kind, protocol)


class NameLookup(AbstractResolver):
    """Looks names up by the system's resolver, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, "reseller-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look one name up.

        Args:
            host: The name, as it stands in the URL.
            port: Goes into the result as it is.
            family: AF_UNSPEC for both.

        Returns:
            At most `_ADDRESSES_PER_FAMILY` addresses of IPv4 and as many of IPv6, in the system's
            order of preference.

        Raises:
            OSError: The name cannot be looked up, or is none.
        """
        ask = functools.partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except ValueError as error:  # UnicodeError: a label that is empty or over 63 characters
            raise socket.gaierror(socket.EAI_NONAME, "not a name") from error
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for address_family, _, protocol, _, address in _first_few(found)
        ]

    async def close(self) -> None:
        """Let the threads end; a look-up that still runs is left to itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _first_few(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Keep the order and, of each family, the first `_ADDRESSES_PER_FAMILY` rows."""
    seen: Counter[int] = Counter()
    for row in rows:
        seen[row[0]] += 1
        if seen[row[0]] <= _ADDRESSES_PER_FAMILY:
            yield row


def guarded_connector(
    *, allow_private: bool, resolver: AbstractResolver | None = None
) -> aiohttp.TCPConnector:
    """Make a connector that connects to no address that `check_address` refuses.

    Must be called inside a running loop. When a name has several addresses, the others are still
    tried; each is checked by itself.

    Args:
        allow_private: True leaves the check out altogether: for tests and the demo.
        resolver: Looks names up; stays the caller's to close. Default: aiohttp's own.

    Returns:
        The connector, without a limit: who had to wait for a place would wait inside his own
        time-out. For what is refused its calls raise
        `aiohttp.ClientConnectorError` with a `ForbiddenAddress` as `os_error`; of a name with
        several addresses it may be an OSError that strings the words of their errors together.
    """
    return aiohttp.TCPConnector(
        limit=0,
        resolver=resolver,
        socket_factory=None if allow_private else guarded_socket,
    )
