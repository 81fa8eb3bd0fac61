"""The upstream's client: what a broken call proves, against servers below HTTP."""

import asyncio
import json
import socket
from urllib.parse import quote, quote_plus

import pytest

from gateway.clients.upstream import NoAnswer, Unsent, UpstreamClient
from gateway.protocol.upstream import MAX_BODY_BYTES, Call
from tests.support import eventually, raw_upstream, reserved_port

PATH = "/v3/otomax/order?apikey=SECRET-KEY&trx_id=toko-1"


def http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


async def call(
    url: str, path: str = PATH, *, timeout_s: float = 2, connect_s: float = 1
) -> tuple[int, str, bytes | None]:
    client = UpstreamClient(url, timeout_s=timeout_s, connect_s=connect_s)
    try:
        reply = await client.get(path)
        return reply.status, reply.content_type, reply.body
    finally:
        await client.close()


async def test_path_query_and_header_go_out_as_they_are() -> None:
    async with raw_upstream(lambda _, __: http(b"ok")) as fake:
        client = UpstreamClient(fake.url + "/prefix", timeout_s=2, connect_s=1)
        await client.get("/a%2Fb?x=%20%23%2B&y=é".replace("é", "%C3%A9"), authorization="the key")
        await client.close()
    head = fake.heads[0].decode()
    assert head.startswith("GET /prefix/a%2Fb?x=%20%23%2B&y=%C3%A9 HTTP/1.1\r\n")
    assert "\r\nAuthorization: the key\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head
    assert "cookie" not in head.lower()


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops", "302 Found", "418 X"])
async def test_every_whole_answer_is_an_answer(status: str) -> None:
    more = "Content-Type: Text/Plain; charset=utf-8\r\nLocation: /elsewhere\r\n"
    async with raw_upstream(lambda _, __: http(b"body", status, more)) as fake:
        assert await call(fake.url) == (int(status[:3]), "text/plain", b"body")
        assert len(fake.heads) == 1


async def test_a_cookie_is_not_kept() -> None:
    async with raw_upstream(lambda _, __: http(b"", more="Set-Cookie: a=b\r\n")) as fake:
        client = UpstreamClient(fake.url, timeout_s=2, connect_s=1)
        for _ in range(2):
            await client.get(PATH)
        await client.close()
        assert b"cookie" not in fake.heads[1].lower()
        assert fake.connections == 1


@pytest.mark.parametrize(
    ("size", "kept"),
    [(MAX_BODY_BYTES - 1, True), (MAX_BODY_BYTES, True), (MAX_BODY_BYTES + 1, False)],
)
async def test_a_body_is_read_up_to_its_limit(size: int, kept: object) -> None:
    async with raw_upstream(lambda _, __: http(b"x" * size)) as fake:
        _, _, body = await call(fake.url)
    assert body == (b"x" * size if kept else None)


async def test_a_body_without_end_is_cut_off_with_its_connection() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * (MAX_BODY_BYTES * 4)
    async with raw_upstream(lambda _, __: endless) as fake:
        client = UpstreamClient(fake.url, timeout_s=5, connect_s=1)
        assert (await client.get(PATH)).body is None
        assert (await client.get(PATH)).body is None
        await client.close()
        assert fake.connections == 2


async def test_a_packed_body_is_not_unpacked() -> None:
    packed = b"\x1f\x8b\x08\x00bomb"
    async with raw_upstream(lambda _, __: http(packed, more="Content-Encoding: gzip\r\n")) as fake:
        assert (await call(fake.url))[2] == packed


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 99999999 OK\r\n\r\n",
    ],
)
@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_a_broken_answer_proves_nothing_and_tells_no_secret(
    answer: bytes | None, hangup: str
) -> None:
    async with raw_upstream(lambda _, __: answer) as fake:
        fake.hangs_up = True
        fake.resets = hangup == "reset"
        with pytest.raises(NoAnswer) as broken:
            await call(fake.url, timeout_s=1)
    assert len(fake.heads) == 1
    assert "SECRET-KEY" not in broken.value.reason
    assert broken.value.reason.isprintable()
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__


async def test_silence_ends_with_the_time_and_proves_nothing() -> None:
    async with raw_upstream(lambda _, __: None) as fake:
        fake.goes_on.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(NoAnswer, match=r"no answer within 0\.3 s"):
            await call(fake.url, timeout_s=0.3)
        assert loop.time() - began < 2
        assert len(fake.heads) == 1


async def test_a_connection_refused_is_unsent() -> None:
    with reserved_port() as port, pytest.raises(Unsent, match="connect failed: "):
        await call(f"http://127.0.0.1:{port}")


async def test_an_unknown_name_is_unsent() -> None:
    with pytest.raises(Unsent, match="the upstream's name does not resolve"):
        await call("http://upstream.invalid")


async def test_a_connect_without_end_is_unsent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        with pytest.raises(Unsent, match="no connection in time"):
            await call(f"http://127.0.0.1:{address[1]}", timeout_s=10, connect_s=0.3)
        for filler in fillers:
            filler.close()


async def test_tls_that_hangs_up_is_unsent() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unsent):
        await call(f"https://127.0.0.1:{port}")
    server.close()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_upstream(lambda _, __: http(b"ok")) as fake:
        with reserved_port() as nobody:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
            assert (await call(fake.url))[2] == b"ok"


@pytest.mark.parametrize("body", [None, b"{}"], ids=["GET", "POST"])
@pytest.mark.parametrize("hangup", ["close", "reset"])
async def test_a_dropped_kept_alive_connection_is_one_request(
    hangup: str, body: bytes | None
) -> None:
    async with raw_upstream(lambda number, _: http(b"ok") if number == 0 else None) as fake:
        fake.resets = hangup == "reset"
        client = UpstreamClient(fake.url, timeout_s=2, connect_s=1)
        await client.get("/first")
        call = Call("GET" if body is None else "POST", "/second", "the-key", body)
        with pytest.raises(NoAnswer, match="the connection dropped before an answer"):
            await client.send(call)
        await client.close()
        assert [head.split()[1] for head in fake.heads] == [b"/first", b"/second"]
        assert fake.connections == 1


async def test_many_calls_at_once_are_not_held_back() -> None:
    async with raw_upstream(lambda _, __: http(b"ok")) as fake:
        fake.goes_on.clear()
        client = UpstreamClient(fake.url, timeout_s=20, connect_s=5)
        calls = [asyncio.create_task(client.get(PATH)) for _ in range(150)]
        await eventually(lambda: len(fake.heads) == 150)
        fake.goes_on.set()
        assert {(await one).status for one in calls} == {200}
        await client.close()


@pytest.mark.parametrize(("size", "is_kept"), [(0, True), (200_000, True), (200_001, False)])
async def test_a_call_may_have_a_limit_of_its_own(size: int, *, is_kept: bool) -> None:
    async with raw_upstream(lambda _, __: http(b"x" * size)) as fake:
        client = UpstreamClient(fake.url, timeout_s=2, connect_s=1)
        reply = await client.send(Call("GET", "/v1/products", "the key", limit_bytes=200_000))
        await client.close()
        assert reply.body == (b"x" * size if is_kept else None)
        assert b"\r\nAuthorization: the key\r\n" in fake.heads[0]


# -- what an answer repeats


HARD = 'supplier-key"\\/+=&%~9f81'


@pytest.mark.parametrize(
    "form",
    [
        HARD,
        quote(HARD, safe=""),
        quote(HARD, safe="").lower(),
        quote_plus(HARD),
        quote(HARD),
        json.dumps(HARD)[1:-1],
        json.dumps(HARD)[1:-1].replace("/", "\\/"),
    ],
)
async def test_an_answer_goes_on_without_the_secrets_that_it_repeats(form: str) -> None:
    token = "A1b2C3d4E5f6G7h8I9j0K1l2.toko-1"
    body = f"error near {form} and /callback/{token}, {form}"
    async with raw_upstream(lambda _, __: http(body.encode())) as fake:
        client = UpstreamClient(fake.url, timeout_s=2, connect_s=1)
        reply = await client.get(PATH, secrets=(HARD, token))
        await client.close()
    assert reply.body == b"error near *** and /callback/***, ***"


async def test_nothing_else_of_an_answer_is_changed() -> None:
    body = b"R#toko-1 S1.1, status SUCCESS. k1 ***"
    async with raw_upstream(lambda _, __: http(body)) as fake:
        client = UpstreamClient(fake.url, timeout_s=2, connect_s=1)
        reply = await client.get(PATH, secrets=("k1", "1", HARD))
        await client.close()
    assert reply.body == body, "a short secret may stand there by chance"
