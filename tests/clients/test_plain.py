"""What is read without aiohttp's parser means to it exactly the same, or is not read so."""

import asyncio
from dataclasses import dataclass

import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.clients.wire import Answer, plain_answer

LIMIT = 64

usual_names = st.sampled_from(
    ("Content-Type", "CONTENT-TYPE", "Retry-After", "Server", "X-A", "Date", "Keep-Alive")
)
odd_names = st.sampled_from(
    (
        *("Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Proxy-Connection"),
        *("content-length", "Content-Encoding", "Trailer", "Content-Length ", "", "X Y", "X\x00"),
    )
)
usual_values = st.one_of(
    st.sampled_from(("text/plain", "7", "", "a\tb", " \xff ")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6),
)
odd_values = st.one_of(
    st.sampled_from(
        (
            *(
                "keep-alive",
                "close",
                "Keep-Alive",
                "keep-alive, upgrade",
                "chunked",
                "gzip",
                "h2c",
            ),
            *("2", "0", "02", "+2", "2, 2", "2\x0b"),
        )
    ),
    st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=6),
)
usual_lines = st.sampled_from(
    ("HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 404 Not Found", "HTTP/1.1 503 \xe9")
)
odd_lines = st.sampled_from(
    (
        *("HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 204 No", "HTTP/1.1 304 Not"),
        *("HTTP/1.1 100 Go", "HTTP/1.1 0200 OK", "http/1.1 200 OK", "HTTP/1.1  200 OK"),
        *("HTTP/1.1 200 O\x01K", "HTTP/1.1 999 X", "HTTP/1.10 200 OK", ""),
    )
)
odd_ends = st.sampled_from(("\n", "\r", "\r\n ", "\r\r\n", ""))
odd_colons = st.sampled_from((":", ":\t", " : ", ""))
usual_bodies = st.sampled_from(("OK", "", "O", "x" * LIMIT))
odd_bodies = st.sampled_from(("2\r\nOK\r\n0\r\n\r\n", "x" * (LIMIT + 1), "\r\n"))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw an answer that is one, or is nearly one."""

    def either(usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> str:
        return draw(odd if draw(st.integers(0, 24)) == 0 else usual)

    def end() -> str:
        return either(st.just("\r\n"), odd_ends)

    body = either(usual_bodies, odd_bodies)
    length = either(st.just(str(len(body))), odd_values)
    lines = [] if draw(st.integers(0, 24)) == 0 else [f"Content-Length: {length}{end()}"]
    for _ in range(draw(st.integers(0, 3))):
        colon = either(st.just(": "), odd_colons)
        name, value = either(usual_names, odd_names), either(usual_values, odd_values)
        lines.append(f"{name}{colon}{value}{end()}")
    head = either(usual_lines, odd_lines) + end() + "".join(draw(st.permutations(lines)))
    return f"{head}{end()}{body}".encode("latin-1")


@dataclass
class Said:
    """What aiohttp makes of it."""

    status: int
    content_type: str
    retry_after: str
    body: bytes
    may_follow: bool


async def as_aiohttp_reads(data: bytes) -> Said:
    protocol = ResponseHandler(asyncio.get_running_loop())
    protocol.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=1024)
    protocol.data_received(data)
    async with asyncio.timeout(1):
        message, body = await protocol.read()
        read = await body.read()
    get = message.headers.get
    return Said(
        message.code,
        get("Content-Type", ""),
        get("Retry-After", ""),
        read,
        not protocol.should_close,
    )


@given(answers())
@example(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK")
@example(b"HTTP/1.1 429 No\r\nRetry-After:  7 \r\ncontent-length:0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nOK")
def test_what_is_plain_means_the_same_to_aiohttp(data: bytes) -> None:
    plain = plain_answer(data, LIMIT)
    if plain is None:
        return
    said = asyncio.run(as_aiohttp_reads(data))
    assert said == Said(plain.status, plain.content_type, plain.retry_after, plain.body, True)
    assert plain.is_whole
    assert len(plain.body) <= LIMIT


WHOLE = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\n%s\r\n%s"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 2\r\n", b"OK"),
        (b"Content-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: timeout=72\r\n", b"OK"),
        (b"Content-Length: 64\r\n", b"x" * 64),
        (b"CONTENT-LENGTH:0\r\n", b""),
    ],
)
def test_what_every_server_says_is_plain(fields: bytes, body: bytes) -> None:
    said = plain_answer(WHOLE % (fields, body), LIMIT)
    assert said == Answer(200, "text/plain", "", body)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"", b"OK"),
        (b"Content-Length: 3\r\n", b"OK"),
        (b"Content-Length: 1\r\n", b"OK"),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"OK"),
        (b"Content-Length: 2\r\nConnection: close\r\n", b"OK"),
        (b"Content-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n", b"OK"),
        (b"Content-Length: 2\r\nProxy-Connection: close\r\n", b"OK"),
        (b"Content-Length: 2\r\nTransfer-Encoding: identity\r\n", b"OK"),
        (b"Content-Length: 2\r\nUpgrade: h2c\r\n", b"OK"),
        (b"Content-Length: 2\r\n X: folded\r\n", b"OK"),
        (b"Content-Length: 2\nX: bare\r\n", b"OK"),
        (b"Content-Length : 2\r\n", b"OK"),
        (b"Content-Length: 65\r\n", b"x" * 65),
    ],
)
def test_whatever_else_is_left_to_aiohttp(fields: bytes, body: bytes) -> None:
    assert plain_answer(WHOLE % (fields, body), LIMIT) is None
