"""Hostile bytes: what no panel would send, on a plain client and on a bare socket."""

import asyncio
import json
from typing import Any

import pytest

from tests.support import FakeUpstream, House, chunks_of, eventually, raw_exchange, says

KEY_IN_LINE = "KEY-IN-A-BROKEN-LINE"
BUYS = ["/v1/otomax/order", "/v2/otomax/order", "/v3/otomax/order"]


def lacking(name: str) -> dict[str, Any]:
    return {name: None}


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", BUYS)
async def test_nothing_but_get_orders(
    house: House, upstream: FakeUpstream, method: str, path: str
) -> None:
    target = house.order_target().replace(BUYS[2], path)
    answer = await house.get(target, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"
    assert await house.orders() == []
    assert upstream.asked == []


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/v1/otomax/status/T1", "/v1/otomax/user", "/healthz", "/readyz"]
)
async def test_nothing_but_get_asks(
    house: House, upstream: FakeUpstream, method: str, path: str
) -> None:
    assert (await house.get(path, method=method)).status == 405
    assert upstream.asked == []


@pytest.mark.parametrize("name", ["product_code", "user_id", "server_id", "callback_url"])
@pytest.mark.parametrize("bytes_sent", ["%FF", "%FE%FF", "1%C3", "%ED%A0%80", "%C0%AF"])
async def test_bytes_that_are_no_utf_8_are_refused_and_never_guessed(
    house: House, upstream: FakeUpstream, name: str, bytes_sent: str
) -> None:
    target = house.order_target(**lacking(name)) + f"&{name}={bytes_sent}"
    answer = (await house.get(target)).text
    code = "INVALID_CALLBACK_URL" if name == "callback_url" else "INVALID_PARAMETER"
    assert f", status FAILED. {code} - " in answer
    assert answer.isascii()
    assert upstream.asked == []


@pytest.mark.parametrize("name", ["apikey", "trx_id"])
async def test_a_key_or_trx_id_that_is_no_utf_8_decides_nothing(
    house: House, upstream: FakeUpstream, name: str
) -> None:
    answer = await house.get(house.order_target(**lacking(name)) + f"&{name}=%FF")
    assert (answer.status, ", status ERROR. " in answer.text) == (200, True)
    assert await house.orders() == []
    assert upstream.asked == []


@pytest.mark.parametrize("code", ["%00", "%0D%0A", "%0A", "%09", "%1B[2J", "%E2%80%A8", "%C2%85"])
async def test_control_characters_neither_reach_the_upstream_nor_break_the_line(
    house: House, upstream: FakeUpstream, code: str
) -> None:
    for number, name in enumerate(("user_id", "server_id", "product_code")):
        target = house.order_target(f"T{number}", **lacking(name)) + f"&{name}=1{code}2"
        answer = await house.get(target)
        assert ", status FAILED. INVALID_PARAMETER - " in answer.text
        assert len(answer.text.splitlines()) == 1
        assert answer.text.isprintable()
    assert upstream.asked == []


async def test_a_long_callback_url_fits_and_a_line_without_end_does_not(
    house: House, upstream: FakeUpstream
) -> None:
    url = "https://panel.example/" + "é" * 1950  # 11.7 KiB as it is encoded
    assert ", status PENDING. " in await house.order("1", callback_url=url)
    nine = house.order_target("2") + "&filler=" + "x" * 9 * 1024
    assert ", status PENDING. " in (await house.get(nine)).text
    forty = house.order_target("3").replace(house.keys["toko"], KEY_IN_LINE)
    forty += "&filler=" + "x" * 40 * 1024
    answer = await house.get(forty)
    assert answer.status == 414
    assert answer.text == "alamat terlalu panjang / request line too long"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert len(upstream.orders) == 2
    assert KEY_IN_LINE not in house.log.text


async def test_a_header_without_end_is_refused(house: House, upstream: FakeUpstream) -> None:
    answer = await house.get(house.order_target(), X_Filler="x" * 9 * 1024)
    assert answer.status == 431
    assert upstream.asked == []


def request(target: str, *, version: str = "HTTP/1.1", more: str = "Connection: close\r\n") -> str:
    return f"GET {target} {version}\r\nHost: x\r\n{more}\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        request("/v3/otomax/order?apikey={key}&x=a b"),
        request("/v3/otomax/order?apikey={key}", version="HTTP/9.9"),
        request("/v3/otomax/order?apikey={key}", version=""),
        request("/v3/otomax/order?apikey={key}", more="apikey {key}\r\n"),
        request("/v3/otomax/order?apikey={key}", more="Content-Length: {key}\r\n"),
        request("/v3/otomax/order?apikey={key}", more="Transfer-Encoding: {key}\r\n"),
        request("/v3/otomax/order?apikey={key}\x01"),
        "GET\x00 /v3/otomax/order?apikey={key} HTTP/1.1\r\n\r\n",
        "{key}\r\n\r\n",
        "\x16\x03\x01{key}\r\n\r\n",
        request("http://[::1/v3/otomax/order?apikey={key}"),
        request("/v3/otomax/order?apikey={key}").replace("GET", "G{key}T"),
    ],
)
async def test_a_malformed_request_hears_one_plain_line_and_its_key_is_nowhere(
    house: House, upstream: FakeUpstream, sent: str
) -> None:
    received = await raw_exchange(house.port, sent.replace("{key}", KEY_IN_LINE).encode("latin-1"))
    ((status, body),) = chunks_of(received)
    assert 400 <= status < 500
    assert KEY_IN_LINE.encode() not in received
    assert KEY_IN_LINE not in house.log.text
    assert b"Traceback" not in received
    assert body.count(b"\n") == 0
    assert len(body) < 200
    assert upstream.asked == []
    await house.order()  # and the gateway goes on


async def test_an_absolute_target_is_the_same_request(
    house: House, upstream: FakeUpstream
) -> None:
    target = request(f"http://gateway.example:81{house.order_target()}")
    ((status, body),) = chunks_of(await raw_exchange(house.port, target.encode()))
    assert (status, b", status PENDING. " in body) == (200, True)
    assert upstream.orders[0].query["user_id"] == "123456789"


@pytest.mark.parametrize("raw", ["é玩家".encode(), b"\xff\xfe"])
async def test_bytes_that_no_request_line_may_hold_decide_nothing(
    house: House, upstream: FakeUpstream, raw: bytes
) -> None:
    sent = request(house.order_target("1", None) + "&user_id=").encode()
    received = await raw_exchange(house.port, sent.replace(b"user_id=", b"user_id=" + raw))
    assert chunks_of(received) == [(400, b"permintaan tidak sah / bad request")]
    assert await house.orders() == []
    assert upstream.asked == []


async def test_a_raw_hash_is_an_ordinary_character(house: House, upstream: FakeUpstream) -> None:
    """A request line has no fragment: what stands behind the # must not be lost."""
    sent = request(house.order_target("1", None) + "&user_id=12#34&server_id=56")
    ((status, body),) = chunks_of(await raw_exchange(house.port, sent.encode()))
    assert (status, body.decode().partition(",")[0]) == (200, "R#1 S1_1187.12#3456")
    assert upstream.orders[0].query["user_id"] == "12#3456"


async def test_pipelined_requests_are_answered_in_their_order(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. a")
    targets = [house.order_target("1"), house.order_target("2"), house.order_target("1")]
    sent = "".join(request(target, more="") for target in targets)
    sent += request("/healthz")
    received = chunks_of(await raw_exchange(house.port, sent.encode()))
    assert received == [
        (200, b"R#1 S1_1187.123456789, status SUCCESS. a"),
        (200, b"R#2 S1_1187.123456789, status SUCCESS. a"),
        (200, b"R#1 S1_1187.123456789, status SUCCESS. a"),
        (200, b"ok"),
    ]
    assert len(upstream.orders) == 2


async def test_a_request_that_is_cut_off_buys_nothing(
    house: House, upstream: FakeUpstream
) -> None:
    for sent in (house.order_target(), request(house.order_target(), more="")[:-2]):
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(f"GET {sent}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert await house.orders() == []
    assert upstream.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/v4/otomax/order",
        "/v3/otomax/order/",
        "/v3//otomax/order",
        "/V3/otomax/order",
        "/v3/otomax/order%3Fx",
        "/",
        "/desk",
        "/metrics",
        "/callback/",
        "/../v3/otomax/order",
    ],
)
async def test_other_paths_are_not_there(house: House, upstream: FakeUpstream, path: str) -> None:
    query = house.order_target().partition("?")[2]
    ((status, body),) = chunks_of(
        await raw_exchange(house.port, request(f"{path}?{query}").encode())
    )
    assert status == 404
    assert house.keys["toko"].encode() not in body
    assert upstream.asked == []


async def test_one_event_a_request_says_who_and_what_without_secrets(
    house: House, upstream: FakeUpstream
) -> None:
    await house.order("T1")
    await house.order("bad\ntrx", apikey=KEY_IN_LINE)
    first, second = house.log.events("order.answered")
    assert {
        name: first[name] for name in ("reseller", "trx_id", "upstream_trx_id", "outcome")
    } == {
        "reseller": "toko",
        "trx_id": "T1",
        "upstream_trx_id": "toko-T1",
        "outcome": "PENDING",
    }
    assert (second["reseller"], second["trx_id"]) == (None, None)
    assert KEY_IN_LINE not in house.log.text
    assert await eventually(lambda: house.log.events("order.settled"))
    assert all(json.dumps(event) for event in house.log.events())
