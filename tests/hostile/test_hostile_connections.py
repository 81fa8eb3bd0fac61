"""Connections that keep a place for nothing, and how many there may be (contract §7, §12)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web

from gateway.domain.reseller import in_networks
from gateway.web.door import Door, Guest, Limits, places
from gateway.web.households import Address, household, peer_address
from gateway.web.listener import Listener
from tests.support import LogLines, eventually, raw_exchange

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 8 * 1024 * 1024  # more than the system's buffers take for a peer that does not read


def nobody(address: Address) -> bool:
    return False


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def large(request: web.Request) -> web.Response:
    return web.Response(body=bytes(LARGE))


@asynccontextmanager
async def listening(
    limits: Limits, is_exempt: Callable[[Address], bool] = nobody
) -> AsyncIterator[Listener]:
    app = web.Application()
    app.router.add_get("/healthz", ok)
    app.router.add_post("/healthz", ok)
    app.router.add_get("/large", large)
    listener = Listener(app, "127.0.0.1", 0, door=Door("test", limits, is_exempt))
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


@asynccontextmanager
async def connected(listener: Listener, number: int = 1) -> AsyncIterator[list[Streams]]:
    address = listener.address
    made = [await asyncio.open_connection(*address) for _ in range(number)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def asked(streams: Streams) -> bytes:
    """Ask on a connection; returns the first bytes, or none where it is closed."""
    reader, writer = streams
    writer.write(HEALTHZ)
    with contextlib.suppress(ConnectionError):
        return await reader.read(15)
    return b""


async def ends_after(streams: Streams, within_s: float = 8) -> float:
    """Return after how many seconds the other side hangs up."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        with contextlib.suppress(ConnectionError):
            while await streams[0].read(65536):
                pass
    return time.monotonic() - began


async def test_who_says_nothing_is_cut_off_and_who_has_asked_may_wait(log: LogLines) -> None:
    limits = Limits(silent_s=0.5, head_s=0.2)
    async with listening(limits) as listener, connected(listener, 2) as (silent, polite):
        assert await asked(polite) == b"HTTP/1.1 200 OK"
        assert 0 < await ends_after(silent) < 3
        await asyncio.sleep(2.1)
        assert await asked(polite) != b""
    (event,) = log.events("connection.refused")
    assert (event["reason"], event["address"]) == ("silent", "127.0.0.1")


async def test_a_head_that_comes_byte_by_byte_is_cut_off() -> None:
    async with listening(Limits(head_s=0.5)) as listener, connected(listener, 2) as pair:
        fresh, kept = pair
        assert await asked(kept) == b"HTTP/1.1 200 OK"

        async def drip(writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                for byte in HEALTHZ + b"X" * 10_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.1)

        dripping = [asyncio.create_task(drip(streams[1])) for streams in pair]
        for streams in (fresh, kept):
            assert await ends_after(streams) < 3
        await asyncio.gather(*dripping)


async def test_a_slow_head_that_ends_in_time_is_answered() -> None:
    async with listening(Limits(head_s=5)) as listener, connected(listener) as (streams,):
        for byte in HEALTHZ:
            streams[1].write(bytes([byte]))
            await streams[1].drain()
        assert await streams[0].read(15) == b"HTTP/1.1 200 OK"


async def test_a_head_in_small_pieces_may_not_fill_the_memory() -> None:
    async with listening(Limits()) as listener, connected(listener) as (streams,):
        reader, writer = streams
        writer.write(HEALTHZ[:-2])
        for number in range(17):
            await asyncio.sleep(0.01)
            writer.write(f"X-{number}: {'x' * 4000}\r\n".encode())
        assert (await reader.read(20)).startswith(b"HTTP/1.1 431 ")
        assert await ends_after(streams) < 4


async def test_who_does_not_take_the_answer_is_cut_off() -> None:
    async with listening(Limits(unread_s=0.5)) as listener, connected(listener) as (streams,):
        streams[1].write(HEALTHZ.replace(b"healthz", b"large"))
        await eventually(lambda: listener.door.open_now == 0)


async def test_an_answer_that_is_taken_slowly_goes_on() -> None:
    async with listening(Limits(unread_s=2)) as listener, connected(listener) as (streams,):
        streams[1].write(HEALTHZ.replace(b"healthz", b"large"))
        received = 0
        while received < LARGE:
            received += len(await streams[0].read(1024 * 1024))
            await asyncio.sleep(0.1)


async def test_an_answer_that_nobody_takes_holds_no_place_after_the_end() -> None:
    """What aiohttp closes stays until its last byte is sent: to who does not read, for ever."""
    async with listening(Limits(unread_s=0.5)) as listener, connected(listener) as (streams,):
        large = HEALTHZ.replace(b"healthz", b"large").replace(
            b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
        )
        streams[1].write(large)
        await eventually(lambda: listener.door.open_now == 0)


async def test_a_body_that_nobody_reads_ends_its_connection_soon() -> None:
    async with listening(Limits()) as listener, connected(listener) as (streams,):
        streams[1].write(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12345")
        received = await streams[0].read(65536)
        assert received.startswith(b"HTTP/1.1 200 OK")
        assert b"\r\nConnection: close\r\n" in received
        assert await ends_after(streams) < 4


async def test_a_small_body_that_came_with_its_request_keeps_the_connection() -> None:
    async with listening(Limits()) as listener, connected(listener) as (streams,):
        streams[1].write(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345")
        assert b"Connection: close" not in await streams[0].read(65536)
        assert await asked(streams) == b"HTTP/1.1 200 OK"


async def test_one_address_has_so_many_and_the_others_have_theirs(log: LogLines) -> None:
    networks = (ip_network("127.0.0.2"),)
    async with (
        listening(Limits(each=3), lambda address: in_networks(address, networks)) as listener,
        connected(listener, 4) as made,
    ):
        assert [await asked(one) for one in made] == [b"HTTP/1.1 200 OK"] * 3 + [b""]
        proxy = [
            await asyncio.open_connection(*listener.address, local_addr=("127.0.0.2", 0))
            for _ in range(5)
        ]
        assert [await asked(one) for one in proxy] == [b"HTTP/1.1 200 OK"] * 5
        made[0][1].close()
        await made[0][1].wait_closed()
        await eventually(lambda: listener.door.open_now == 7)
        async with connected(listener) as (another,):
            assert await asked(another) == b"HTTP/1.1 200 OK"
        for _, writer in proxy:
            writer.close()
            await writer.wait_closed()
    assert [event["reason"] for event in log.events("connection.refused")] == ["address"]


async def test_a_full_house_gives_the_place_of_who_never_spoke_to_who_may() -> None:
    async with (
        listening(Limits(connections=3)) as listener,
        connected(listener, 3) as (first, second, third),
    ):
        assert await asked(first) == b"HTTP/1.1 200 OK"
        async with connected(listener) as (newcomer,):
            assert await asked(newcomer) == b"HTTP/1.1 200 OK"
            assert await ends_after(second) < 4
            assert await asked(third) == b"HTTP/1.1 200 OK"
            async with connected(listener) as (late,):
                assert await asked(late) == b""
            assert listener.door.open_now == 3


async def test_a_pipeliner_is_answered_in_order_and_keeps_nobody_waiting() -> None:
    async with listening(Limits()) as listener, connected(listener, 2) as (greedy, honest):
        greedy[1].write(HEALTHZ * 20_000)
        longest, took = 0.0, 0
        while took < 20:
            began = time.monotonic()
            assert await asked(honest) == b"HTTP/1.1 200 OK"
            longest = max(longest, time.monotonic() - began)
            with contextlib.suppress(asyncio.IncompleteReadError):
                await honest[0].readuntil(b"ok")
            took += 1
        assert longest < 0.5
        server = listener._runner.server
        assert server is not None
        connection = max(server.connections, key=lambda one: len(one._messages))
        assert 0 < len(connection._messages) <= 64  # the rest waits in the sender's own buffers


async def test_ten_thousand_pipelined_requests_of_one_packet_are_all_answered() -> None:
    async with listening(Limits()) as listener:
        sent = HEALTHZ * 2_000 + HEALTHZ.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        received = await raw_exchange(listener.address[1], sent)
        assert received.count(b"HTTP/1.1 200 OK") == 2_001


class Wire(asyncio.Transport):
    """A transport that is only asked who is there, and told to end."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 1)})
        self.is_gone = False

    def abort(self) -> None:
        self.is_gone = True

    def is_closing(self) -> bool:
        return self.is_gone


async def breaks(request: web.Request) -> web.Response:
    raise {"error": RuntimeError("{key}"), "late": TimeoutError()}[request.query["how"]]


async def page(request: web.Request) -> web.Response:
    raise web.HTTPForbidden(text="<p>ours</p>", content_type="text/html")


async def elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPSeeOther("/healthz")


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/breaks?how=error", 500, b"kesalahan pada server / server error"),
        ("/breaks?how=late", 504, b"permintaan ditolak / request refused"),
        ("/nothing", 404, b"tidak ditemukan / not found"),
        ("/page", 403, b"<p>ours</p>"),
        ("/elsewhere", 303, b"303: See Other"),
    ],
)
async def test_every_answer_names_us_without_versions_and_only_ours_has_a_page(
    log: LogLines, target: str, status: int, body: bytes
) -> None:
    app = web.Application()
    for path, handler in {"/breaks": breaks, "/page": page, "/elsewhere": elsewhere}.items():
        app.router.add_get(path, handler)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    received = await raw_exchange(listener.address[1], request)
    await listener.close()
    assert int(received.split()[1]) == status
    assert received.partition(b"\r\n\r\n")[2] == body
    assert received.count(b"\r\nServer: otomax-gateway\r\n") == 1
    assert b"aiohttp" not in received.lower()


async def test_a_method_that_a_route_has_not_is_told_which_it_has() -> None:
    async with listening(Limits()) as listener:
        request = HEALTHZ.replace(b"GET", b"PUT").replace(b"Host", b"Connection: close\r\nHost")
        received = await raw_exchange(listener.address[1], request)
    assert received.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET,HEAD,POST\r\n" in received
    assert received.endswith(b"\r\n\r\nmetode tidak didukung / method not allowed")


class Closing(Wire):
    """Closed by us, with something left to send that nobody takes."""

    def is_closing(self) -> bool:
        return True


def test_what_we_closed_does_not_stay_for_ever_with_its_last_bytes() -> None:
    now = [0.0]
    door = Door("test", Limits(unread_s=20, silent_s=3600), clock=lambda: now[0])
    wire = Closing("203.0.113.9")
    assert door.let_in(wire) is not None
    for passed, is_gone in ((1, False), (20, False), (21, True)):
        now[0] = passed
        door.look()
        assert wire.is_gone is is_gone
    assert door.open_now == 0


def wires_let_in(door: Door, addresses: list[str]) -> list[bool]:
    guests: list[Guest | None] = [door.let_in(Wire(address)) for address in addresses]
    return [guest is not None for guest in guests]


def test_addresses_of_one_ipv6_network_are_one_and_clothes_do_not_count() -> None:
    door = Door("test", Limits(each=2))
    assert wires_let_in(door, [f"2001:db8::{n}" for n in range(3)]) == [True, True, False]
    assert wires_let_in(door, ["2001:db8:0:1::1"]) == [True]
    assert wires_let_in(door, ["::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9"])[2] is False
    assert all(wires_let_in(door, ["127.0.0.1", "::1", "::ffff:127.0.0.1"] * 5))


@pytest.mark.parametrize(
    ("peername", "home"),
    [
        (("203.0.113.9", 1), "203.0.113.9"),
        (("::ffff:203.0.113.9", 1, 0, 0), "203.0.113.9"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        ("", None),
        (None, None),
        (("x", 1), None),
    ],
)
def test_a_peer_is_counted_by_its_address(peername: object, home: str | None) -> None:
    address = peer_address(peername)
    assert (None if address is None else household(address)) == home


@pytest.mark.parametrize(
    ("descriptors", "others", "wanted", "left"),
    [(65_536, 2_000, 10_000, 10_000), (4_096, 1_500, 10_000, 2_596), (1_024, 1_500, 10_000, 512)],
)
def test_descriptors_are_left_for_everything_else(
    descriptors: int, others: int, wanted: int, left: int
) -> None:
    assert places(descriptors, others, wanted) == left


async def test_nothing_that_is_refused_keeps_a_place_or_floods_the_log(log: LogLines) -> None:
    now = [0.0]
    door = Door("test", Limits(each=1, silent_s=10), clock=lambda: now[0])
    for _ in range(100):
        door.let_in(Wire("203.0.113.9"))
    assert door.open_now == 1
    assert len(log.events("connection.refused")) == 1
    now[0] = 61
    door.look()
    assert (door.open_now, len(door._homes), len(door._new)) == (0, 0, 0)
    assert [event["reason"] for event in log.events("connection.refused")] == ["address", "silent"]
