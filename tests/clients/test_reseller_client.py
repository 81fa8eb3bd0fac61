"""The client of deliveries, against raw servers that do whatever a hostile panel may do."""

import asyncio
import datetime as dt
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.clients import guard
from gateway.clients.reseller import (
    MAX_REPLY_BYTES,
    MAX_REPLY_SHOWN,
    Attempt,
    ResellerClient,
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
SECRET = "msg=R%23trx-7%20SUKSES"


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


class Panel:
    """A raw server: keeps the bytes of each request, and does with the connection what it is told.

    Args:
        script: Gets the streams after each request's head was read; the default answers 200.
        until: What ends a head.
    """

    def __init__(
        self,
        script: Callable[[Streams], Awaitable[None]] | None = None,
        until: bytes = b"\r\n\r\n",
    ) -> None:
        self.script = script
        self.until = until
        self.heads: list[bytes] = []
        self.connections = 0
        self.came = asyncio.Condition()
        self.hung_up = asyncio.Event()
        self.open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def reached(self, requests: int) -> None:
        async with asyncio.timeout(10), self.came:
            await self.came.wait_for(lambda: len(self.heads) >= requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open[asyncio.current_task()] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append(await reader.readuntil(self.until))
                async with self.came:
                    self.came.notify_all()
                if self.script is None:
                    writer.write(OK)
                else:
                    await self.script((reader, writer))
                await writer.drain()
        self.hung_up.set()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def stop(self) -> None:
        for writer in self.open.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in self.open if task is not None))


@asynccontextmanager
async def serving(panel: Panel, tls: ssl.SSLContext | None = None) -> AsyncIterator[Panel]:
    server = await asyncio.start_server(panel.serve, "127.0.0.1", 0, ssl=tls, backlog=500)
    panel.port = server.sockets[0].getsockname()[1]
    try:
        yield panel
    finally:
        server.close()
        await panel.stop()


@asynccontextmanager
async def telling(
    timeout_s: float = 5, *, allow_private: bool = True, lookup: AbstractResolver | None = None
) -> AsyncIterator[ResellerClient]:
    client = ResellerClient(timeout_s, allow_private=allow_private, lookup=lookup)
    try:
        yield client
    finally:
        await client.close()


def answers(raw: bytes, *, then_close: bool = True) -> Callable[[Streams], Awaitable[None]]:
    async def script(streams: Streams) -> None:
        streams[1].write(raw)
        if then_close:
            streams[1].close()

    return script


async def told(raw: bytes, *, timeout_s: float = 5, then_close: bool = True) -> Attempt:
    panel = Panel(answers(raw, then_close=then_close))
    async with serving(panel), telling(timeout_s) as client:
        return await client.deliver("GET", f"{panel.url}/cb?{SECRET}")


async def test_a_2xx_is_accepted() -> None:
    async with serving(Panel()) as panel, telling() as client:
        what = await client.deliver("GET", f"{panel.url}/cb?{SECRET}")
    assert (what.status, what.accepted, what.reason, what.reply) == (200, True, "HTTP 200", "OK")
    assert 0 <= what.elapsed_ms < 5000


@pytest.mark.parametrize(
    ("status", "accepted", "reason"),
    [
        (200, True, "HTTP 200"),
        (201, True, "HTTP 201"),
        (204, True, "HTTP 204"),
        (299, True, "HTTP 299"),
        (300, False, "HTTP 300, redirects are not followed"),
        (304, False, "HTTP 304, redirects are not followed"),
        (400, False, "HTTP 400"),
        (404, False, "HTTP 404"),
        (500, False, "HTTP 500"),
        (503, False, "HTTP 503"),
        (999, False, "HTTP 999"),
    ],
)
async def test_the_code_alone_decides(status: int, accepted: bool, reason: str) -> None:  # noqa: FBT001
    what = await told(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    assert (what.status, what.accepted, what.reason) == (status, accepted, reason)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with serving(Panel()) as elsewhere:
        there = f"{elsewhere.url}/secret"
        what = await told(
            f"HTTP/1.1 {status} X\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert (what.status, what.accepted) == (status, False)
        assert what.reason == f"HTTP {status}, redirects are not followed"
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "path",
    [
        "/cb?a=1&b=2",
        "/cb?a=%20&b=+&c=%2b&d=%2B",
        "/cb?msg=R%23trx-7%20P1.12(3),%20status%20SUCCESS.%20SN:%20A~b!c*d'e/f@g_h",
        "/a/../b/./c//d?x=..",
        "/%7euser/%41?q=%zz&r=%",
        "/cb?a=1&a=1&=&&x",
        "/cb;v=1?x[]=1&y={z}|^`",
        '/cb?q="<>\\',
        "/" + "x" * 1900,
    ],
)
async def test_the_url_goes_out_byte_for_byte(path: str) -> None:
    async with serving(Panel()) as panel, telling() as client:
        what = await client.deliver("GET", panel.url + path)
    assert what.accepted
    assert panel.heads[0].split(b"\r\n")[0] == f"GET {path} HTTP/1.1".encode()


async def test_letters_beyond_ascii_go_out_as_their_utf8() -> None:
    async with serving(Panel()) as panel, telling() as client:
        assert (await client.deliver("GET", f"{panel.url}/ä?ö=ü")).accepted
    assert panel.heads[0].startswith("GET /ä?ö=ü HTTP/1.1\r\n".encode())


async def test_a_get_says_who_we_are_and_nothing_more() -> None:
    async with serving(Panel()) as panel, telling() as client:
        await client.deliver("GET", f"{panel.url}/")
    assert sorted(panel.heads[0].decode().strip().split("\r\n")[1:]) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        f"Host: 127.0.0.1:{panel.port}",
        "User-Agent: otomax-gateway",
    ]


async def test_a_post_carries_its_headers_and_its_body() -> None:
    got: list[bytes] = []

    async def take(streams: Streams) -> None:
        got.append(await streams[0].readexactly(11))
        streams[1].write(OK)

    async with serving(Panel(take)) as panel, telling() as client:
        what = await client.deliver(
            "POST",
            f"{panel.url}/hook",
            {"Content-Type": "application/json", "x-signature": "abc"},
            b'{"sn":"A1"}',
        )
    assert what.accepted
    assert got == [b'{"sn":"A1"}']
    lines = panel.heads[0].split(b"\r\n")
    assert lines[0] == b"POST /hook HTTP/1.1"
    assert {
        b"Content-Type: application/json",
        b"x-signature: abc",
        b"Content-Length: 11",
    } <= set(lines)


async def test_a_signature_that_a_panel_repeats_is_not_kept() -> None:
    signature = "5f" * 32

    async def repeat(streams: Streams) -> None:
        await streams[0].readexactly(2)
        said = f"debug: x-signature: {signature}".encode()
        streams[1].write(b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    async with serving(Panel(repeat)) as panel, telling() as client:
        what = await client.deliver("POST", panel.url, {"x-signature": signature}, b"{}")
    assert what.reply == "debug: x-signature: ***"


async def test_connections_are_kept_for_the_next_delivery() -> None:
    async with serving(Panel()) as panel, telling() as client:
        for _ in range(3):
            assert (await client.deliver("GET", f"{panel.url}/")).accepted
    assert (len(panel.heads), panel.connections) == (3, 1)


async def test_a_dropped_connection_is_one_attempt_and_not_repeated() -> None:
    async def once_then_drop(streams: Streams) -> None:
        if len(panel.heads) == 1:
            streams[1].write(OK)
        else:
            streams[1].close()

    panel = Panel(once_then_drop)
    async with serving(panel), telling() as client:
        assert (await client.deliver("GET", f"{panel.url}/1")).accepted
        what = await client.deliver("GET", f"{panel.url}/2")
    assert (what.status, what.accepted) == (None, False)
    assert what.reason == "connection dropped before an answer"
    assert [head.split()[1] for head in panel.heads] == [b"/1", b"/2"]


async def test_no_cookies() -> None:
    panel = Panel(
        answers(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", then_close=False
        )
    )
    async with serving(panel), telling() as client:
        await client.deliver("GET", f"{panel.url}/")
        await client.deliver("GET", f"{panel.url}/")
    assert len(panel.heads) == 2
    assert b"cookie" not in panel.heads[1].lower()


async def test_no_proxy_and_no_netrc_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serving(Panel()) as proxy, serving(Panel()) as panel:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        async with telling() as client:
            assert (await client.deliver("GET", f"{panel.url}/")).accepted
        assert proxy.connections == 0
        assert b"authorization" not in panel.heads[0].lower()


async def test_at_most_four_kibibytes_are_read_and_then_the_connection_is_closed() -> None:
    sent = 0

    async def flood(streams: Streams) -> None:
        nonlocal sent
        streams[1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            streams[1].write(b"x" * 4096)
            await streams[1].drain()
            sent += 4096

    panel = Panel(flood)
    async with serving(panel), telling() as client:
        what = await client.deliver("GET", f"{panel.url}/")
        assert (what.status, what.accepted, what.reason) == (200, True, "HTTP 200")
        assert what.reply == "x" * MAX_REPLY_SHOWN
        await asyncio.wait_for(panel.hung_up.wait(), 5)
        assert what.elapsed_ms < 2000
        assert sent < 32_000_000, "only what the kernel's buffers took"
        assert (await client.deliver("GET", f"{panel.url}/")).accepted
    assert panel.connections == 2


@pytest.mark.parametrize(
    ("length", "connections"), [(MAX_REPLY_BYTES - 1, 1), (MAX_REPLY_BYTES, 1), (1_000_000, 2)]
)
async def test_a_connection_is_kept_only_when_all_was_read(length: int, connections: int) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"y" * length
    panel = Panel(answers(reply, then_close=False))
    async with serving(panel), telling() as client:
        for _ in range(2):
            assert (await client.deliver("GET", f"{panel.url}/")).accepted
    assert panel.connections == connections


async def test_nothing_is_unpacked() -> None:
    bomb = b"\x1f\x8b\x08 not even gzip"
    what = await told(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        + bomb
    )
    assert what.accepted
    assert what.reply == "\\x1f\\x8b\\x08 not even gzip"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        (b"OK\r\n", "OK\\r\\n"),
        (b"\x1b[31mred\x00\x7f", "\\x1b[31mred\\x00\\x7f"),
        ("terima kasih ✓".encode(), "terima kasih ✓"),
        ("\u202egnp.exe\u2028\u200b".encode(), "\\u202egnp.exe\\u2028\\u200b"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"z" * 300, "z" * MAX_REPLY_SHOWN),
        (b"\x00" * 300, "\\x00" * (MAX_REPLY_SHOWN // 4)),
    ],
)
async def test_the_reply_is_shown_safely(body: bytes, shown: str) -> None:
    what = await told(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert what.reply == shown
    assert what.reply.isprintable()
    assert what.reason == "HTTP 500"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_an_answer_whose_body_breaks_off_is_an_answer(raw: bytes) -> None:
    what = await told(raw)
    assert (what.status, what.accepted, what.reason) == (200, True, "HTTP 200")


async def test_an_answer_whose_body_never_ends_is_an_answer_after_the_time_out() -> None:
    what = await told(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", timeout_s=0.2, then_close=False
    )
    assert (what.status, what.accepted, what.reply) == (200, True, "half")
    assert 150 <= what.elapsed_ms < 5000


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"OK\r\n\r\n",
        b"HTTP/9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"\x00" * 500,
    ],
)
async def test_what_is_not_http_is_refused_quietly(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        what = await told(raw)
    assert (what.status, what.accepted, what.reply) == (None, False, "")
    assert what.reason == "the answer is not HTTP"
    assert SECRET not in caplog.text


async def test_a_head_that_breaks_off() -> None:
    what = await told(b"HTTP/1.1 200 OK\r\nContent-")
    assert what.reason == "connection dropped before an answer"


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_silence_ends_at_the_time_out(raw: bytes) -> None:
    what = await told(raw, timeout_s=0.2, then_close=False)
    assert (what.status, what.accepted) == (None, False)
    assert what.reason == "no answer within 0.2 s"
    assert 150 <= what.elapsed_ms < 5000


async def test_a_trickle_ends_at_the_time_out() -> None:
    """The time is one for everything: each byte must not buy more of it."""

    async def trickle(streams: Streams) -> None:
        streams[1].write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            streams[1].write(b"x")
            await streams[1].drain()
            await asyncio.sleep(0.05)

    async with serving(Panel(trickle)) as panel, telling(0.3) as client:
        what = await client.deliver("GET", f"{panel.url}/")
        assert what.reason == "no answer within 0.3 s"
        assert what.elapsed_ms < 5000
        await asyncio.wait_for(panel.hung_up.wait(), 5)


async def test_cancelling_passes_and_closes_the_connection() -> None:
    async with serving(Panel(answers(b"", then_close=False))) as panel, telling() as client:
        task = asyncio.create_task(client.deliver("GET", f"{panel.url}/"))
        await panel.reached(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(panel.hung_up.wait(), 5)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_nobody_listens() -> None:
    async with telling() as client:
        what = await client.deliver("GET", f"http://127.0.0.1:{unused_port()}/cb?{SECRET}")
    assert (what.status, what.accepted, what.reply) == (None, False, "")
    assert what.reason == "connection refused"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("10.0.0.1", "address 10.0.0.1 is private and not allowed"),
        ("127.0.0.1", "address 127.0.0.1 is loopback and not allowed"),
        ("169.254.169.254", "address 169.254.169.254 is cloud metadata and not allowed"),
        (
            "[::ffff:127.0.0.1]",
            "address ::ffff:127.0.0.1 is IPv4 in IPv6 (mapped) and not allowed",
        ),
        ("0x7f000001", "address 127.0.0.1 is loopback and not allowed"),
        ("127.1", "the URL's host is an odd spelling of an address and not allowed"),
        ("2130706433", "the URL's host is an odd spelling of an address and not allowed"),
        ("0177.0.0.1", "the URL's host is an odd spelling of an address and not allowed"),
    ],
)
async def test_forbidden_addresses(host: str, reason: str) -> None:
    async with serving(Panel()) as panel, telling(allow_private=False) as client:
        what = await client.deliver("GET", f"http://{host}:{panel.port}/cb?{SECRET}")
        assert (what.status, what.accepted, what.reason) == (None, False, reason)
        assert panel.connections == 0


class Names(AbstractResolver):
    """A name server: answers with the addresses given, or fails, or takes its time."""

    def __init__(self, *addresses: str, takes_s: float = 0) -> None:
        self.addresses = addresses
        self.takes_s = takes_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.sleep(self.takes_s)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self.addresses
        ]

    async def close(self) -> None:
        pass


async def test_a_name_that_does_not_resolve() -> None:
    async with telling(lookup=Names()) as client:
        what = await client.deliver("GET", f"http://example.invalid/cb?{SECRET}")
    assert what.reason == "name example.invalid does not resolve"


async def test_a_name_that_is_none() -> None:
    """Over 63 characters in a label: the system's resolver is never asked."""
    async with telling() as client:
        what = await client.deliver("GET", f"http://{'x' * 300}/")
    assert what.reason == f"name {'x' * 100} does not resolve"


async def test_a_name_that_leads_inside() -> None:
    async with telling(allow_private=False, lookup=Names("10.0.0.1", "fd00::1")) as client:
        what = await client.deliver("GET", "http://panel.example/")
    assert "address 10.0.0.1 is private and not allowed" in what.reason
    assert "Errno" not in what.reason
    assert "Multiple" not in what.reason


async def test_a_name_that_rebinds_between_two_attempts_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """127.0.0.1 plays the public address here, so that nothing leaves this machine."""
    v4 = tuple(row for row in guard._V4 if row[1] != "loopback")
    monkeypatch.setattr(guard, "_V4", v4)
    names = Names("127.0.0.1")
    reply = answers(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    async with (
        serving(Panel(reply)) as panel,
        telling(allow_private=False, lookup=names) as client,
    ):
        url = f"http://panel.example:{panel.port}/cb"
        assert (await client.deliver("GET", url)).reason == "HTTP 503"
        for inside in ("10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"):
            names.addresses = (inside,)
            _forget_names(client)
            what = await client.deliver("GET", url)
            assert what.status is None
            assert what.reason.startswith(f"address {inside} is ")
            assert what.reason.endswith(" and not allowed")
        names.addresses = ("127.0.0.1",)
        _forget_names(client)
        assert (await client.deliver("GET", url)).reason == "HTTP 503"
        assert panel.connections == 2


def _forget_names(client: ResellerClient) -> None:
    connector = client._exchanges._connector
    assert isinstance(connector, aiohttp.TCPConnector)
    connector.clear_dns_cache()


async def test_a_slow_look_up_counts_into_the_time() -> None:
    async with telling(0.2, lookup=Names("127.0.0.1", takes_s=20)) as client:
        what = await client.deliver("GET", "http://panel.example/")
        assert what.reason == "no answer within 0.2 s"
        assert what.elapsed_ms < 10_000


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://h/a b", "the URL holds a space or a control character"),
        ("http://h/\r\nX-Evil: 1", "the URL holds a space or a control character"),
        ("http://h/\x00", "the URL holds a space or a control character"),
        ("http://h:99999/", "the URL cannot be read"),
        ("http://[::1/", "the URL cannot be read"),
        ("http://h\\@evil/", "the URL cannot be read"),
        ("", "the URL is not http:// or https:// with a host"),
        ("/only/a/path", "the URL is not http:// or https:// with a host"),
        ("http:///path", "the URL is not http:// or https:// with a host"),
        ("ftp://h/", "the URL is not http:// or https:// with a host"),
        ("file:///etc/passwd", "the URL is not http:// or https:// with a host"),
        ("ws://h/", "the URL is not http:// or https:// with a host"),
        ("http://user:pw@h/", "the URL holds a user name or a password"),
        ("http://user@h/", "the URL holds a user name or a password"),
        ("http://:pw@h/", "the URL holds a user name or a password"),
    ],
)
async def test_urls_that_are_not_tried(url: str, reason: str) -> None:
    async with telling(lookup=Names()) as client:
        what = await client.deliver("GET", url)
    assert (what.status, what.accepted, what.reason) == (None, False, reason)


@pytest.mark.parametrize(
    "host", ["h:0", "[fe80::1%25lo]", "[::1%25]", "a%00b", "..", "-", "*", "xn--", "ö..ä", "h%2f"]
)
async def test_no_host_makes_it_raise(host: str) -> None:
    async with telling(allow_private=False, lookup=Names()) as client:
        what = await client.deliver("GET", f"http://{host}/cb?{SECRET}")
    assert (what.status, what.accepted) == (None, False)
    assert what.reason.isprintable()
    assert SECRET not in what.reason


@asynccontextmanager
async def tls_panel(tmp_path: Path) -> AsyncIterator[tuple[Panel, Path]]:
    """Serve with a fresh certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "panel")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    certificate = tmp_path / "cert.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    async with serving(Panel(), context) as panel:
        yield panel, certificate


async def test_certificates_are_verified(tmp_path: Path) -> None:
    async with tls_panel(tmp_path) as (panel, _), telling() as client:
        what = await client.deliver("GET", f"https://127.0.0.1:{panel.port}/cb?{SECRET}")
    assert (what.status, what.accepted) == (None, False)
    assert what.reason == "TLS certificate refused: self-signed certificate"
    assert panel.heads == []


async def test_no_tls_where_tls_is_expected() -> None:
    async def nonsense(streams: Streams) -> None:
        streams[1].write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    panel = Panel(nonsense, until=b"\x03")  # the version in the client's hello
    async with serving(panel), telling() as client:
        what = await client.deliver("GET", f"https://127.0.0.1:{panel.port}/")
    assert what.reason == "TLS failed: wrong version number"


async def test_a_tls_handshake_that_is_hung_up_on() -> None:
    panel = Panel(answers(b""), until=b"\x03")
    async with serving(panel), telling() as client:
        what = await client.deliver("GET", f"https://127.0.0.1:{panel.port}/")
    assert (what.status, what.accepted) == (None, False)
    assert what.reason == "connection dropped while it was made"


async def test_many_at_a_time_and_one_slow_host_delays_nobody() -> None:
    async with (
        serving(Panel(answers(b"", then_close=False))) as slow,
        serving(Panel()) as quick,
        telling(3) as client,
    ):
        stuck = [asyncio.create_task(client.deliver("GET", f"{slow.url}/")) for _ in range(150)]
        await slow.reached(150)
        started = time.monotonic()
        assert (await client.deliver("GET", f"{quick.url}/")).accepted
        assert time.monotonic() - started < 0.5
        assert {what.reason for what in await asyncio.gather(*stuck)} == {"no answer within 3 s"}


async def test_a_closed_client_says_so() -> None:
    async with telling() as client:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await client.deliver("GET", "http://h/")
