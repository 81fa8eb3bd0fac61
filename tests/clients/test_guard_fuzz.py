"""The address check against any address in any spelling, judged by hand-made rules.

The judge here is not the guard's table: IPv4 by what Python calls global and a few numbers, IPv6
by the three prefixes of global unicast that are left when the translated ones are gone.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import aiohttp
import pytest
import yarl
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.clients import guard
from gateway.clients.guard import (
    ForbiddenAddress,
    NameLookup,
    check_address,
    guarded_connector,
    guarded_socket,
)
from tests.protocol.fuzz import ANY_TEXT, FUZZ

# Beyond what `is_global` and `is_multicast` say of IPv4.
ALSO_V4 = [IPv4Network(n) for n in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")]
NEVER_V6 = [
    IPv6Network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]  # inside 2000::/3


def may_be_called(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        known = any(address in network for network in ALSO_V4)
        return address.is_global and not address.is_multicast and not known
    return address in IPv6Network("2000::/3") and not any(address in n for n in NEVER_V6)


# Ranges whose edges and neighbours are tried, by hand from the registries and not from the guard:
# a row that is missing there must not be missing here.
EDGES_V4 = [
    IPv4Network(n)
    for n in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32"),
        *("169.254.0.0/16", "169.254.169.254/32", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    )
]
EDGES_V6 = [
    IPv6Network(n)
    for n in (
        *("::/128", "::1/128", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"),
        *("64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/32", "2001:2::/48"),
        *("2001:10::/28", "2001:20::/28", "2001::/23", "2001:db8::/32", "2002::/16"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fd00:ec2::254/128", "fd20:ce::254/128"),
        *("fe80::/10", "fec0::/10", "ff00::/8", "2000::/3"),
    )
]


def _edges(network: IPv4Network | IPv6Network) -> st.SearchStrategy[int]:
    first, last = int(network[0]), int(network[-1])
    inside = st.integers(first, last)
    return st.one_of(st.sampled_from([first - 1, first, last, last + 1]), inside)


V4: st.SearchStrategy[IPv4Address] = st.one_of(
    st.ip_addresses(v=4),
    st.sampled_from(EDGES_V4).flatmap(_edges).map(lambda i: IPv4Address(i % 2**32)),
)
V6: st.SearchStrategy[IPv6Address] = st.one_of(
    st.ip_addresses(v=6),
    st.ip_addresses(network="2000::/3"),
    st.sampled_from(EDGES_V6).flatmap(_edges).map(lambda i: IPv6Address(i % 2**128)),
)
# Each way in which an IPv6 address carries an IPv4 one that somebody on the way unpacks.
CARRIERS: dict[str, Callable[[int], int]] = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "compatible": lambda v4: v4,
    "translated": lambda v4: 0xFFFF << 48 | v4,
    "NAT64": lambda v4: 0x64FF9B << 96 | v4,
    "local NAT64": lambda v4: 0x64FF9B0001 << 80 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "Teredo server": lambda v4: 0x20010000 << 96 | v4 << 64,
    "Teredo client": lambda v4: 0x20010000 << 96 | (v4 ^ 0xFFFFFFFF),
}


@FUZZ
@given(st.one_of(V4, V6))
def test_the_table_and_the_judge_agree(address: IPv4Address | IPv6Address) -> None:
    assert (check_address(str(address)) is None) == may_be_called(address)
    assert (check_address(address.exploded) is None) == may_be_called(address)


@pytest.mark.parametrize("network", [*EDGES_V4, *EDGES_V6], ids=str)
def test_the_table_and_the_judge_agree_on_every_edge(network: IPv4Network | IPv6Network) -> None:
    kind: type[IPv4Address | IPv6Address] = type(network[0])
    for number in (int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1):
        if 0 <= number < 2**network.max_prefixlen:
            address = kind(number)
            assert (check_address(str(address)) is None) == may_be_called(address), address


@FUZZ
@given(V4, st.sampled_from(sorted(CARRIERS)), st.sampled_from(["", "%lo", "%1", "%x y"]))
@example(IPv4Address("8.8.8.8"), "mapped", "")
def test_no_address_inside_another_passes(address: IPv4Address, how: str, scope: str) -> None:
    carrier = IPv6Address(CARRIERS[how](int(address)))
    for text in (carrier.compressed, carrier.exploded, carrier.exploded.upper()):
        assert check_address(text + scope) is not None
    if how in {"mapped", "compatible", "translated", "NAT64", "local NAT64"}:
        words = carrier.exploded.split(":")[:6]
        assert check_address(f"{':'.join(words)}:{address}{scope}") is not None


@FUZZ
@given(st.one_of(ANY_TEXT, st.text("0123456789abcdefx.:%[]/-", max_size=30)))
def test_what_passes_is_one_plain_address_and_nothing_else(text: str) -> None:
    if check_address(text) is None:
        assert may_be_called(ip_address(text))
        bare = text.partition("%")[0]
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        assert socket.inet_pton(family, bare) == ip_address(bare).packed


def _octet(draw: st.DrawFn, value: int) -> str:
    forms = [f"{value}", f"0{value:o}", f"0x{value:x}", f"0X{value:X}", f"000{value:o}"]
    return draw(st.sampled_from(forms))


@st.composite
def _spelled(draw: st.DrawFn) -> tuple[str, IPv4Address]:
    """An IPv4 address as `inet_aton` reads it: 1 to 4 parts, each in base 8, 10 or 16."""
    address = draw(V4)
    parts = draw(st.integers(1, 4))
    head = [int(address) >> 24 - 8 * i & 0xFF for i in range(parts - 1)]
    tail = int(address) & (1 << 8 * (5 - parts)) - 1
    text = ".".join(_octet(draw, value) for value in (*head, tail))
    return text + draw(st.sampled_from(["", "", "."])), address


@pytest.fixture(scope="module")
def connects() -> Iterator[list[tuple[str, bool]]]:
    """What sockets were asked for: the address, and whether it was let through. None connects."""
    asked: list[tuple[str, bool]] = []

    def watched(info: aiohttp.AddrInfoType) -> socket.socket:
        address = str(info[4][0])
        try:
            guarded_socket(info).close()
        except ForbiddenAddress:
            asked.append((address, False))
            raise
        asked.append((address, True))
        raise OSError("nothing leaves this machine in a test")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(guard, "guarded_socket", watched)
        yield asked


async def _call(host: str, asked: list[tuple[str, bool]]) -> None:
    asked.clear()
    names = NameLookup()
    connector = guarded_connector(allow_private=False, resolver=names)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            await session.get(yarl.URL(f"http://{host}:81/", encoded=True))
    finally:
        await names.close()


@FUZZ
@given(spelled=_spelled())
@example(spelled=("0x7f.1", IPv4Address("127.0.0.1")))
@example(spelled=("2130706433", IPv4Address("127.0.0.1")))
@example(spelled=("0", IPv4Address("0.0.0.0")))
def test_whatever_the_system_makes_of_a_spelling_is_what_is_judged(
    connects: list[tuple[str, bool]], spelled: tuple[str, IPv4Address]
) -> None:
    """A number in base 8 is one address to the system and another, or none, to Python."""
    text, address = spelled
    try:
        found = socket.getaddrinfo(text, 81, flags=socket.AI_NUMERICHOST)
    except OSError:
        assume(condition=False)
    system = {str(row[4][0]) for row in found}
    assert system == {str(address)}
    with pytest.raises((aiohttp.ClientError, ValueError)):
        asyncio.run(_call(text, connects))
    for seen, passed in connects:
        assert seen in system
        assert passed == may_be_called(ip_address(seen))


@FUZZ
@given(address=st.one_of(V4, V6))
def test_a_literal_that_may_be_called_gets_its_socket_and_no_other_does(
    connects: list[tuple[str, bool]], address: IPv4Address | IPv6Address
) -> None:
    host = f"[{address}]" if address.version == 6 else f"{address}"
    with pytest.raises((aiohttp.ClientError, ValueError)):
        asyncio.run(_call(host, connects))
    for seen, passed in connects:
        assert ip_address(seen) == address
        assert passed == may_be_called(address)
    assert connects or not may_be_called(address)


@FUZZ
@given(text=st.one_of(ANY_TEXT, _spelled().map(lambda spelled: spelled[0])))
def test_a_socket_is_made_for_a_plain_address_alone(text: str) -> None:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    info = (family, socket.SOCK_STREAM, 0, "", (text, 81))
    if check_address(text) is None:
        guarded_socket(info).close()
        assert may_be_called(ip_address(text))
    else:
        with pytest.raises(ForbiddenAddress, match="not allowed"):
            guarded_socket(info)


@FUZZ
@given(st.lists(st.tuples(st.sampled_from([2, 10]), st.integers()), max_size=30))
def test_of_each_family_the_first_four_are_kept_in_order(rows: list[tuple[int, int]]) -> None:
    kept = list(guard._first_few(rows))
    for family in (2, 10):
        wanted = [row for row in rows if row[0] == family][:4]
        assert [row for row in kept if row[0] == family] == wanted
    left = iter(rows)
    assert all(any(row is other for other in left) for row in kept)
