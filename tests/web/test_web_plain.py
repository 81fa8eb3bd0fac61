"""What is read without aiohttp's parser means to it exactly the same, or is not read so."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.web.ask import MAX_PLAIN_BYTES, Ask, Plain, plain_request
from gateway.web.connection import MAX_FIELD_BYTES, MAX_FIELDS, MAX_LINE_BYTES

usual_names = st.sampled_from(
    (
        *("X-Forwarded-For", "x-forwarded-for", "Accept", "User-Agent", "X-A", "Cookie", "X_B"),
        *("Connection", "Max-Forwards", "Proxy-Connection", "Keep-Alive", "Referer"),
    )
)
odd_names = st.sampled_from(
    (
        *("Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "Trailer"),
        *("Content-Type", "Content-Encoding", "Sec-WebSocket-Key1", "host", "TE", "X", "Host "),
        *("HTTP2-Settings", "X\x00", "", "X Y"),
    )
)
usual_values = st.one_of(
    st.sampled_from(("keep-alive", "Keep-Alive", "0", "203.0.113.9", " 1 , 2\t", "a\tb", "")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6),
)
odd_values = st.one_of(
    st.sampled_from(("close", "keep-alive, upgrade", "chunked", "1", "h2c", "100-continue")),
    st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=6),
)
usual_targets = st.one_of(
    st.sampled_from(("/v3/otomax/order?trx_id=T1&dest=%20a%2Cb", "/trx?refID=%", "//x/y", "/?")),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12).map(
        lambda text: f"/{text}"
    ),
)
odd_targets = st.sampled_from(
    (
        *("/a#b", "*", "http://x/a", "/a\x7f", "/\xe9", "/a b", "/a?#", "x", "", "x:80", "/\x00"),
        *("/a\tb", "?a", "//", "/[::1]:80/", "/@x", "\\"),
    )
)
odd_methods = st.sampled_from(("POST", "HEAD", "get", "GETS", "CONNECT", "", " GET", "G\x00T"))
odd_versions = st.sampled_from(("HTTP/1.0", "http/1.1", "HTTP/1.1 ", "HTTP/2.0", "", "HTTP/1.10"))
odd_colons = st.sampled_from((":", ":\t", " : ", ""))
odd_ends = st.sampled_from(("\n", "\r", "\r\n ", "\r\r\n", ""))
odd_behinds = st.sampled_from(("x", "\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request that is one, or is nearly one."""

    def either(usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> str:
        return draw(odd if draw(st.integers(0, 24)) == 0 else usual)

    def end() -> str:
        return either(st.just("\r\n"), odd_ends)

    method = either(st.just("GET"), odd_methods)
    version = either(st.just("HTTP/1.1"), odd_versions)
    text = f"{method} {either(usual_targets, odd_targets)} {version}{end()}"
    lines = [] if draw(st.integers(0, 24)) == 0 else [f"Host: x{end()}"]
    for _ in range(draw(st.integers(0, 3))):
        colon = either(st.just(": "), odd_colons)
        name, value = either(usual_names, odd_names), either(usual_values, odd_values)
        lines.append(f"{name}{colon}{value}{end()}")
    text += "".join(draw(st.permutations(lines)))
    return f"{text}{end()}{either(st.just(''), odd_behinds)}".encode("latin-1")


async def check(data: bytes, plain: Plain) -> None:
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(
        BaseProtocol(loop),
        loop,
        2**16,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        max_headers=MAX_FIELDS,
        auto_decompress=False,
    )
    messages, upgraded, tail = parser.feed_data(data)
    ((message, body),) = messages
    assert (message.method, message.path) == ("GET", plain.target)
    assert ",".join(message.headers.getall("X-Forwarded-For", ())) == plain.forwarded
    assert (message.version, message.should_close) == (HttpVersion11, False)
    assert (upgraded, message.upgrade, message.chunked, tail) == (False, False, False, b"")
    assert message.compression is None
    assert body.is_eof()
    assert len(message.headers.getall("Host")) == 1
    assert "Expect" not in message.headers
    # The next request begins where this one ended.
    ((after, _),), _, _ = parser.feed_data(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    assert after.path == "/next"


@given(requests())
@example(b"GET /v3/otomax/order?trx_id=T1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
@example(b"GET /?a HTTP/1.1\r\nhost:x\r\nX-Forwarded-For: 1.1.1.1\r\nX-FORWARDED-FOR:2\r\n\r\n")
@example(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nX: \r\n\r\n")
def test_what_is_plain_means_the_same_to_aiohttp(data: bytes) -> None:
    plain = plain_request(data)
    if plain is not None:
        asyncio.run(check(data, plain))


LINE = b"GET /v3/otomax/order?trx_id=T1&dest=1,2 HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("fields", "forwarded"),
    [
        (b"Host: x\r\n", ""),
        (b"Host: x\r\nUser-Agent: OtomaX/1\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n", ""),
        (b"Host: x\r\nConnection: Keep-Alive\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
        (b"X-Forwarded-For: 1, 2 \r\nHost: x\r\nx-forwarded-for: 3\r\n", "1, 2,3"),
    ],
)
def test_what_every_panel_and_proxy_sends_is_plain(fields: bytes, forwarded: str) -> None:
    asked = plain_request(LINE + fields + b"\r\n")
    assert asked == Plain("/v3/otomax/order?trx_id=T1&dest=1,2", forwarded)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Host: x\r\nHost: y\r\n",
        b"Host: x\r\nConnection: close\r\n",
        b"Host: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
        b"Host: x\r\nProxy-Connection: close\r\n",
        b"Host: x\r\nContent-Length: 0\r\n",
        b"Host: x\r\nTransfer-Encoding: chunked\r\n",
        b"Host: x\r\nExpect: 100-continue\r\n",
        b"Host: x\r\nUser-Agent: a\r\nuser-agent: b\r\n",
        b"Host: x\r\nSec-WebSocket-Key1: x\r\n",
        b"Host: x\r\nX: folded\r\n more\r\n",
        b"Host: x\nX: bare\r\n",
        b"Host : x\r\n",
        b"Host: x\r\nX: \xe9\r\n",
        b"Host: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(64)),
        b"Host: x\r\nX: %s\r\n" % (b"y" * 2048),
    ],
)
def test_whatever_else_is_left_to_aiohttp(fields: bytes) -> None:
    assert plain_request(LINE + fields + b"\r\n") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        LINE,
        LINE + b"Host: x\r\n",
        (LINE + b"Host: x\r\n\r\n") * 2,
        LINE + b"Host: x\r\n\r\nx",
        b"POST /trx HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /a  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"y" * MAX_PLAIN_BYTES),
    ],
)
def test_so_is_another_line_or_less_or_more_than_one_request(data: bytes) -> None:
    assert plain_request(data) is None


def test_the_query_is_what_stands_behind_the_first_question_mark() -> None:
    assert Ask(1, "GET", "/trx?a=1?b", "/trx", None, "").query == "a=1?b"
    assert Ask(1, "GET", "/trx", "/trx", None, "").query == ""
