"""From where a reseller may ask."""

from ipaddress import ip_address

import pytest

from gateway.domain.reseller import Reseller, in_networks, parse_networks


def test_without_a_list_every_address_may_ask() -> None:
    assert Reseller(code="toko").allows(ip_address("203.0.113.9"))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("198.51.100.0", True),
        ("198.51.100.255", True),
        ("198.51.101.0", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::ffff:203.0.113.7", False),  # another address, which the listener unwraps
    ],
)
def test_with_a_list_only_its_networks_may(address: str, *, allowed: bool) -> None:
    reseller = Reseller(code="toko", allow_ips=("203.0.113.7", "198.51.100.0/24", "2001:db8::/32"))
    assert reseller.allows(ip_address(address)) == allowed


def test_host_bits_in_a_network_are_forgiven() -> None:
    (network,) = parse_networks(("198.51.100.77/24",))
    assert str(network) == "198.51.100.0/24"


@pytest.mark.parametrize("text", ["", "300.1.1.1", "10.0.0.0/33", "toko.example", "10.0.0.0/8 "])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        parse_networks((text,))


def test_versions_do_not_mix() -> None:
    assert not in_networks(ip_address("::1"), parse_networks(("0.0.0.0/0",)))
    assert not in_networks(ip_address("127.0.0.1"), parse_networks(("::/0",)))
    assert not in_networks(ip_address("127.0.0.1"), ())
