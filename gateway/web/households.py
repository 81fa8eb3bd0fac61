"""Who counts as one where connections and wrong keys are counted by address.

An IPv4 address is one; of IPv6 a customer is given a whole /64 at least, so its addresses are one.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_SUBNET_BITS = 64


@lru_cache(maxsize=4096)
def household(address: Address) -> str:
    """Return the name under which an address is counted: `203.0.113.9`, `2001:db8::/64`."""
    if isinstance(address, IPv4Address):
        return str(address)
    network = int(address) >> _SUBNET_BITS << _SUBNET_BITS
    return f"{IPv6Address(network)}/{_SUBNET_BITS}"


def peer_address(peername: object) -> Address | None:
    """Read the address of a socket's peer; None where it has none, as on a Unix socket.

    Args:
        peername: what the transport calls its `peername`.
    """
    if not isinstance(peername, tuple) or not peername:
        return None
    try:
        address = ip_address(str(peername[0]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
