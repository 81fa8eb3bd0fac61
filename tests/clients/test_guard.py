"""The address check: the whole table, its edges, and that it sees what is really connected to."""

import asyncio
import errno
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import yarl
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients import guard
from gateway.clients.guard import (
    ForbiddenAddress,
    NameLookup,
    check_address,
    guarded_connector,
    guarded_socket,
)

# Address, and a word of why. First and last address of each range, and well-known ones inside.
REFUSED = {
    "0.0.0.0": "unspecified",
    "0.0.0.1": "this network",
    "0.255.255.255": "this network",
    "10.0.0.0": "private",
    "10.1.2.3": "private",
    "10.255.255.255": "private",
    "100.64.0.0": "CGNAT",
    "100.100.100.200": "CGNAT",  # Alibaba's metadata
    "100.127.255.255": "CGNAT",
    "127.0.0.0": "loopback",
    "127.0.0.1": "loopback",
    "127.0.0.53": "loopback",
    "127.255.255.255": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.0.0": "link-local",
    "169.254.169.253": "link-local",
    "169.254.169.254": "cloud metadata",
    "169.254.170.2": "link-local",  # credentials of ECS tasks
    "169.254.255.255": "link-local",
    "172.16.0.0": "private",
    "172.17.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.0": "protocol",
    "192.0.0.192": "protocol",  # Oracle's metadata
    "192.0.0.255": "protocol",
    "192.0.2.0": "documentation",
    "192.0.2.255": "documentation",
    "192.88.99.0": "6to4",
    "192.88.99.255": "6to4",
    "192.168.0.0": "private",
    "192.168.1.1": "private",
    "192.168.255.255": "private",
    "198.18.0.0": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.0": "documentation",
    "198.51.100.255": "documentation",
    "203.0.113.0": "documentation",
    "203.0.113.255": "documentation",
    "224.0.0.0": "multicast",
    "224.0.0.251": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.0": "reserved",
    "255.255.255.254": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "0:0:0:0:0:0:0:0": "unspecified",
    "::1": "loopback",
    "0000:0000:0000:0000:0000:0000:0000:0001": "loopback",
    "::1%lo": "loopback",
    "::2": "compatible",
    "::7f00:1": "compatible",
    "::127.0.0.1": "compatible",
    "::8.8.8.8": "compatible",
    "::ffff:ffff": "compatible",
    "::ffff:0.0.0.0": "mapped",
    "::ffff:127.0.0.1": "mapped",
    "::ffff:7f00:1": "mapped",
    "::FFFF:7F00:0001": "mapped",
    "::ffff:10.0.0.1": "mapped",
    "::ffff:169.254.169.254": "mapped",
    "::ffff:8.8.8.8": "mapped",
    "::ffff:255.255.255.255": "mapped",
    "::1:0:0:0": "not global unicast",
    "::ffff:0:127.0.0.1": "not global unicast",  # the old "translated" form of RFC 2765
    "64:ff9b::": "NAT64",
    "64:ff9b::127.0.0.1": "NAT64",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::a9fe:a9fe": "NAT64",
    "64:ff9b::ffff:ffff": "NAT64",
    "64:ff9b:1::": "local NAT64",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff": "local NAT64",
    "64:ff9b::1:0:0": "not global unicast",
    "100::": "discard",
    "100::ffff:ffff:ffff:ffff": "discard",
    "100:0:0:1::": "dummy",
    "100:0:0:2::": "not global unicast",
    "200::1": "not global unicast",
    "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "not global unicast",
    "2001::": "Teredo",
    "2001::7f00:1": "Teredo",
    "2001:0:ffff:ffff:ffff:ffff:ffff:ffff": "Teredo",
    "2001:1::1": "protocol",
    "2001:2::": "benchmarking",
    "2001:2:0:ffff:ffff:ffff:ffff:ffff": "benchmarking",
    "2001:3::1": "protocol",
    "2001:10::": "ORCHID",
    "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff": "ORCHID",
    "2001:20::": "ORCHIDv2",
    "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff": "ORCHIDv2",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff": "protocol",
    "2001:db8::": "documentation",
    "2001:db8::1": "documentation",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "documentation",
    "2002::": "6to4",
    "2002:7f00:1::": "6to4",
    "2002:a9fe:a9fe::1": "6to4",
    "2002:808:808::1": "6to4",
    "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "6to4",
    "3fff::": "documentation",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff": "documentation",
    "4000::": "not global unicast",
    "5f00::": "segment routing",
    "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "segment routing",
    "8000::1": "not global unicast",
    "e000::1": "not global unicast",
    "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "not global unicast",
    "fc00::": "private",
    "fd00::1": "private",
    "fd00:ec2::254": "cloud metadata",
    "FD00:EC2:0:0:0:0:0:254": "cloud metadata",
    "fd00:ec2::253": "private",
    "fd20:ce::254": "cloud metadata",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "private",
    "fe00::1": "not global unicast",
    "fe80::": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fe80::1%2": "link-local",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "link-local",
    "fec0::": "site-local",
    "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "site-local",
    "ff00::": "multicast",
    "ff02::1": "multicast",
    "ff02::1%eth0": "multicast",
    "ff0e::1": "multicast",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "multicast",
}

# The neighbours of the ranges above, and some addresses that anybody may call.
ALLOWED = [
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "157.230.42.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::",
    "2001:200::",
    "2001:4860:4860::8888",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2003::1",
    "2606:4700:4700::1111",
    "2606:4700:4700::1111%eth0",
    "2a01:4f8::1",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]

# What the system's calls may take for an address, and what is none: a socket must never get it.
NO_PLAIN_ADDRESS = [
    "",
    " ",
    "0",
    "127.1",
    "8.8",
    "8.8.2056",
    "0177.0.0.1",
    "08.8.8.8",
    "8.8.8.8 ",
    " 8.8.8.8",
    "8.8.8.8\n",
    "8.8.8.8.",
    "8.8.8.8/32",
    "8.8.8.8:80",
    "0x7f000001",
    "0x08080808",
    "2130706433",
    "134744072",
    "[::1]",
    "2606:4700:4700::1111%",
    "::ffff:127.1",
    "2606:4700::1111::1",
    "1.1.1.256",
    "-1.1.1.1",
    "٨.8.8.8",
    "①.1.1.1",
    "1。1。1。1",
    "localhost",
    "example.com",
    "dns.google",
    "8.8.8.8\x00",
]

# Spellings of this machine in a URL, most of which the system's resolver takes for 127.0.0.1.
THIS_MACHINE = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "0x7F.0x0.0x0.0x1",
    "2130706433",
    "0",
    "0.0.0.0",
    "0x0",
    "00000000177.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "\uff11\uff12\uff17.0.0.1",  # full-width digits
    "0x7f。1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25lo]",
    "[::1%lo]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
]

# Those of them that do lead to a server on 127.0.0.1 when nothing guards: the check is no theory.
DANGEROUS = [
    "127.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "0x0",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
]


@pytest.fixture(autouse=True)
def stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that is broken must show here, and not at somebody else's address."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: tuple[str, int]) -> None:
        parsed = ipaddress.ip_address(address[0])
        inner = getattr(parsed, "ipv4_mapped", None) or parsed
        assert inner.is_loopback or inner.is_unspecified, f"connects to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.mark.parametrize(("address", "word"), REFUSED.items())
def test_refused(address: str, word: str) -> None:
    why = check_address(address)
    assert why is not None
    assert word in why


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address: str) -> None:
    assert check_address(address) is None


@pytest.mark.parametrize("text", NO_PLAIN_ADDRESS)
def test_only_plain_addresses_are_addresses(text: str) -> None:
    assert check_address(text) == "not a plainly written address"


def test_enough_cases() -> None:
    assert len(REFUSED) + len(ALLOWED) + len(NO_PLAIN_ADDRESS) + len(THIS_MACHINE) >= 200


@given(st.ip_addresses(v=4))
def test_the_table_is_as_strict_as_python_for_ipv4(address: ipaddress.IPv4Address) -> None:
    if not address.is_global:
        assert check_address(str(address)) is not None


@given(st.ip_addresses(v=6))
def test_only_global_unicast_passes_for_ipv6(address: ipaddress.IPv6Address) -> None:
    if check_address(str(address)) is None:
        assert int(address) >> 125 == 0b001
        assert address.sixtofour is None
        assert address.teredo is None
        assert address.ipv4_mapped is None


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    assert check_address(text) is None or check_address(text)


@pytest.mark.parametrize("row", [*guard._REFUSED_V4, *guard._REFUSED_V6], ids=lambda row: row[0])
def test_each_row_has_its_say(row: tuple[str, str, str]) -> None:
    """A row that a wider one before it hides would be dead, and its words a lie."""
    network, what, source = row
    whole = ipaddress.ip_network(network)
    assert what in {check_address(str(whole[0])), check_address(str(whole[-1]))}
    assert source


def info(address: str) -> aiohttp.AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80)


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "localhost"])
def test_no_socket_for_a_refused_address(address: str) -> None:
    with pytest.raises(ForbiddenAddress, match=r"^address \S+ is .+ and not allowed$") as refused:
        guarded_socket(info(address))
    assert refused.value.errno == errno.EACCES
    assert address in str(refused.value)


@pytest.mark.parametrize(
    ("address", "family"),
    [("1.1.1.1", socket.AF_INET), ("2606:4700:4700::1111", socket.AF_INET6)],
)
def test_a_socket_for_an_allowed_address(address: str, family: socket.AddressFamily) -> None:
    with guarded_socket(info(address)) as made:
        assert (made.family, made.type) == (family, socket.SOCK_STREAM)


def test_the_check_is_quick() -> None:
    """Thirty microseconds here, 3 ms allowed; a look-up of any kind would take far more."""
    started = time.perf_counter()
    for _ in range(1000):
        check_address("2a01:4f8::1")
    assert time.perf_counter() - started < 3


@dataclass
class Panel:
    """A panel on this machine that counts who came."""

    port: int = 0
    seen: list[str] = field(default_factory=list)


@pytest.fixture
async def panel() -> AsyncIterator[Panel]:
    panel = Panel()

    async def answer(request: web.Request) -> web.Response:
        panel.seen.append(request.path_qs)
        return web.Response(text="OK")

    app = web.Application()
    app.router.add_get("/", answer, allow_head=False)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    panel.port = runner.addresses[0][1]
    yield panel
    await runner.cleanup()


async def call(connector: aiohttp.TCPConnector, url: str) -> int:
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(yarl.URL(url, encoded=True), allow_redirects=False) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("host", THIS_MACHINE)
async def test_no_spelling_reaches_this_machine(host: str, panel: Panel) -> None:
    with pytest.raises((aiohttp.ClientError, ValueError)):
        await call(guarded_connector(allow_private=False), f"http://{host}:{panel.port}/")
    assert panel.seen == []


@pytest.mark.parametrize("host", DANGEROUS)
async def test_unguarded_the_same_spellings_do_reach_it(host: str, panel: Panel) -> None:
    assert await call(guarded_connector(allow_private=True), f"http://{host}:{panel.port}/") == 200
    assert panel.seen == ["/"]


class FakeNames(AbstractResolver):
    """Answers each look-up with the next of its answers, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in answer
        ]

    async def close(self) -> None:
        pass


async def refusal(names: FakeNames, url: str) -> OSError:
    with pytest.raises(aiohttp.ClientConnectorError) as failed:
        await call(guarded_connector(allow_private=False, resolver=names), url)
    refused = failed.value.os_error
    assert refused.errno == errno.EACCES
    assert "and not allowed" in str(refused)
    return refused


async def test_a_name_that_rebinds_is_caught_at_the_connect(panel: Panel) -> None:
    names = FakeNames(["157.230.42.1"], ["127.0.0.1"])
    looked_up_before = await names.resolve("panel.example", panel.port)
    assert check_address(looked_up_before[0]["host"]) is None, "a check before the call is fooled"

    refused = await refusal(names, f"http://panel.example:{panel.port}/")

    assert isinstance(refused, ForbiddenAddress)
    assert str(refused) == "address 127.0.0.1 is loopback and not allowed"
    assert names.asked == ["panel.example", "panel.example"]
    assert panel.seen == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["::1", "127.0.0.1"],
        ["::ffff:127.0.0.1", "::1", "127.0.0.1"],
        ["localhost"],
        ["0x7f000001"],
        ["127.1"],
    ],
)
async def test_every_address_of_a_name_is_checked(addresses: list[str], panel: Panel) -> None:
    await refusal(FakeNames(addresses), f"http://panel.example:{panel.port}/")
    assert panel.seen == []


@pytest.mark.parametrize("address", REFUSED)
async def test_whatever_name_server_or_url_says_it_no_refused_address_is_connected_to(
    address: str, panel: Panel
) -> None:
    """At the connect: as the answer for a name, and as a literal in the URL."""
    await refusal(FakeNames([address]), f"http://panel.example:{panel.port}/")
    bare, _, scope = address.partition("%")
    literal = f"[{bare}]" if ":" in bare else bare
    if not scope:
        await refusal(FakeNames(["127.0.0.1"]), f"http://{literal}:{panel.port}/")
    assert panel.seen == []


async def test_the_other_addresses_are_still_tried(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 plays the public address here, so that nothing leaves this machine."""
    v4 = tuple(row for row in guard._V4 if row[1] != "loopback")
    monkeypatch.setattr(guard, "_V4", v4)
    names = FakeNames(["10.0.0.1", "::1", "127.0.0.1"])
    connector = guarded_connector(allow_private=False, resolver=names)
    assert await call(connector, f"http://panel.example:{panel.port}/") == 200


async def test_a_resolver_is_never_asked_about_a_literal(panel: Panel) -> None:
    """Why the check sits in the socket factory: here a resolver that checks would see nothing."""
    names = FakeNames(["127.0.0.1"])
    await refusal(names, f"http://127.0.0.1:{panel.port}/")
    await refusal(names, f"http://[::ffff:127.0.0.1]:{panel.port}/")
    assert names.asked == []


@contextmanager
def getaddrinfo(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> Iterator[list[tuple[object, ...]]]:
    """Put a name server's answer in place of the system's, and collect what was asked."""
    asked: list[tuple[object, ...]] = []

    def answer(*args: object) -> list[aiohttp.AddrInfoType]:
        asked.append(args)
        return [info(address) for address in addresses]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", answer)
        yield asked


@pytest.fixture
async def lookup() -> AsyncIterator[NameLookup]:
    lookup = NameLookup()
    yield lookup
    await lookup.close()


async def test_the_system_is_asked(lookup: NameLookup) -> None:
    found = await lookup.resolve("localhost", 8080)
    assert {"127.0.0.1", "::1"} >= {row["host"] for row in found} > set()
    assert {row["port"] for row in found} == {8080}
    assert {row["hostname"] for row in found} == {"localhost"}


async def test_a_name_with_thousands_of_addresses_costs_no_more_than_eight(
    lookup: NameLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    v4 = [f"10.0.{i // 250}.{i % 250}" for i in range(3000)]
    v6 = [f"fd00::{i:x}" for i in range(1, 3000)]
    with getaddrinfo(monkeypatch, [*v6, *v4]) as asked:
        found = await lookup.resolve("many.example", 80)
    assert [row["host"] for row in found] == [*v6[:4], *v4[:4]]
    assert asked[0][:2] == ("many.example", 80)


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..b", "panel\x00.example", "ö" * 80])
async def test_what_is_no_name_is_an_ordinary_look_up_error(name: str, lookup: NameLookup) -> None:
    with pytest.raises(socket.gaierror):
        await lookup.resolve(name, 80)


async def test_slow_names_leave_the_other_threads_alone(
    lookup: NameLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's own threads look the upstream's name up; they must not wait behind ours."""
    started: list[object] = []

    def slow(*args: object) -> list[aiohttp.AddrInfoType]:
        started.append(args)
        time.sleep(0.3)
        return [info("10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    waiting = [asyncio.create_task(lookup.resolve(f"n{i}.example")) for i in range(64)]
    await asyncio.sleep(0.05)
    before = time.perf_counter()
    await asyncio.get_running_loop().run_in_executor(None, str)
    assert time.perf_counter() - before < 0.15
    assert len(started) == guard._LOOKUP_THREADS
    await asyncio.gather(*waiting)


async def test_private_addresses_are_allowed_only_when_asked_for(panel: Panel) -> None:
    url = f"http://127.0.0.1:{panel.port}/"
    assert await call(guarded_connector(allow_private=True), url) == 200
    with pytest.raises(aiohttp.ClientConnectorError, match="loopback and not allowed"):
        await call(guarded_connector(allow_private=False), url)


async def test_it_has_no_limit_of_its_own() -> None:
    async with guarded_connector(allow_private=False) as connector:
        assert connector.limit == 0
