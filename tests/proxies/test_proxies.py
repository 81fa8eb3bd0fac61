"""The gateway behind real proxies, with the files of `contrib/` (docs/deploy.md)."""

import asyncio
import re
from pathlib import Path

from gateway.protocol.expressions import NATIVE, TEXT, TEXT_USER
from tests.hostile.cases import HIDDEN
from tests.proxies.fronts import NAME, OPERATOR, PANEL, PROXY, STRANGER, UPSTREAM, Front, front
from tests.support import FakeUpstream, House, OpenHouse, RawUpstream, eventually, raw_upstream

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok"
)
TRUSTED = {"trusted_proxies": [PROXY]}
UNREACHABLE = "Gateway tidak terjangkau, belum ada keputusan"
UNREADABLE = "<html><body><h1>400 Bad request</h1>"  # built into HAProxy
READ_TIMEOUT = {
    "nginx": "proxy_read_timeout 30s",
    "caddy": "response_header_timeout 30s",
    "haproxy": "timeout server 30s",
}


async def house_behind(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose reseller may ask from the panel's address alone."""
    return await open_house(
        upstream.url,
        reseller={"allow_ips": [PANEL]},
        server=TRUSTED,
        upstream={"callback_ips": [UPSTREAM]},
        recheck={"schedule_s": [3600]},
    )


def ports_of(house: House) -> tuple[int, int]:
    return house.port, house.gateway.admin.address[1]


def body_of(answer: str) -> str:
    return answer.partition("\r\n\r\n")[2]


def status_of(answer: str) -> int:
    return int(answer.split()[1])


def is_plain(answer: str) -> bool:
    head = answer.partition("\r\n\r\n")[0].lower()
    return "content-type: text/plain" in head and "<" not in answer and "nginx/" not in answer


def matching(text: str) -> list[str]:
    """Every expression of a panel that finds something in this text."""
    expressions = {**TEXT, **NATIVE, "user": TEXT_USER}
    return [name for name, one in expressions.items() if re.search(one, text)]


async def test_an_order_its_status_and_its_callback_pass_unchanged(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    house = await house_behind(open_house, upstream)
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        answer = await proxy.get(PANEL, house.order_target(user_id="é 1#2"))
        direct = await house.get(house.order_target(user_id="é 1#2"), X_Forwarded_For=PANEL)
        assert status_of(answer) == 200
        assert body_of(answer) == direct.text
        assert is_plain(answer)
        token = house.token("toko-T1")
        # As the upstream's document has it: a raw # in msg.
        called = f"/callback/{token}?trx_id=toko-T1&status=SUCCESS&sn=Budi&msg=R#toko-T1 x"
        called = called.replace(" ", "%20")
        for source in (STRANGER, PANEL):
            refused = await proxy.get(source, called, f"X-Forwarded-For: {UPSTREAM}")
            assert (status_of(refused), is_plain(refused)) == (403, True)
        assert (await house.kinds()).count("called_back") == 0
        assert body_of(await proxy.get(UPSTREAM, called)) == "OK"
        assert (await house.shown())["status"] == "SUCCESS"
        status = f"/v1/otomax/status/T1?apikey={house.keys['toko']}"
        assert ", status SUCCESS. " in body_of(await proxy.get(PANEL, status))
        json = await proxy.get(
            PANEL, "/v1/status/trx-id/T1", f"Authorization: {house.keys['toko']}"
        )
        assert '"status":"SUCCESS"' in json
    assert len(upstream.orders) == 1
    assert token not in proxy.written()
    assert house.keys["toko"] not in proxy.written()


async def test_a_strangers_address_is_his_own_whatever_he_writes(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    house = await house_behind(open_house, upstream)
    lies = [
        [f"X-Forwarded-For: {PANEL}"],
        [f"X-Forwarded-For: {PANEL}, {PROXY}"],
        [f"X-Forwarded-For: {PROXY}", f"X-Forwarded-For: {PANEL}"],
        [f"X-FORWARDED-FOR:{PANEL}"],
        [f"X_Forwarded_For: {PANEL}"],
        [f"X-Real-IP: {PANEL}", f"Forwarded: for={PANEL}", f"True-Client-IP: {PANEL}"],
        [f"X-Forwarded-For: {PANEL}", "Connection: X-Forwarded-For"],
        ["X-Forwarded-For: garbage"],
        ["X-Forwarded-For: [::1]:80"],
        ["X-Forwarded-For: "],
    ]
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        for number, lie in enumerate(lies):
            answer = await proxy.get(STRANGER, house.order_target(f"T{number}"), *lie)
            assert f"IP_NOT_WHITELISTED - IP Address Anda ({STRANGER}) tidak" in body_of(answer)
            honest = await proxy.get(PANEL, house.order_target(f"T{number}"), *lie)
            assert ", status PENDING. " in body_of(honest)
    assert len(upstream.orders) == len(lies)


async def test_wrong_keys_are_counted_for_the_address_behind_the_proxy(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    house = await house_behind(open_house, upstream)
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        for _ in range(3):
            await proxy.get(STRANGER, house.order_target(apikey="nobodys"))
    records = house.gateway.gate.strangers._records
    assert {home: record.wrong for home, record in records.items()} == {STRANGER: 3}


async def answered(proxy: Front, target: str) -> str:
    return await proxy.get(PANEL, target)


async def kept(proxy: Front, backend: RawUpstream) -> None:
    """See that requests pass, so that a connection to the gateway is kept where one ever is."""
    backend.script = lambda _, __: ANSWER
    for _ in range(3):
        assert body_of(await answered(proxy, "/healthz?apikey=KEPT-SECRET")) == "ok"


async def test_a_request_whose_answer_is_lost_is_one_on_the_wire(
    kind: str, tmp_path: Path
) -> None:
    """Also on a kept connection, which is where clients and proxies repeat a GET by themselves."""
    async with (
        raw_upstream(lambda _, __: ANSWER) as backend,
        front(kind, tmp_path / kind, (backend.port, backend.port)) as proxy,
    ):
        for resets in (False, True):
            await kept(proxy, backend)
            backend.resets = resets
            backend.script = lambda _, __: None
            before = len(backend.heads)
            answer = await answered(proxy, "/v3/otomax/order?apikey=LOST-SECRET&trx_id=T1")
            assert (status_of(answer), is_plain(answer)) == (503, True)
            assert body_of(answer).startswith(UNREACHABLE)
            assert matching(body_of(answer)) == []
            await asyncio.sleep(0.3)
            assert len(backend.heads) - before == 1
    assert "SECRET" not in proxy.written()


async def test_half_an_answer_and_one_too_late_decide_nothing(kind: str, tmp_path: Path) -> None:
    late = READ_TIMEOUT[kind]
    async with (
        raw_upstream(lambda _, __: ANSWER) as backend,
        front(
            kind,
            tmp_path / kind,
            (backend.port, backend.port),
            **{late: late.replace("30s", "1s")},
        ) as proxy,
    ):
        backend.script = lambda _, __: b"HTTP/1.1 2"
        backend.hangs_up = True
        before = len(backend.heads)
        answers = [await answered(proxy, "/v3/otomax/order?apikey=HALF-SECRET")]
        backend.goes_on.clear()
        answers.append(await answered(proxy, "/v3/otomax/order?apikey=LATE-SECRET"))
        assert len(backend.heads) - before == 2
        for answer in answers:
            assert (status_of(answer), is_plain(answer)) == (503, True)
            assert matching(body_of(answer)) == []
    assert "SECRET" not in proxy.written()


async def test_a_gateway_that_is_down_or_draining_is_told_in_plain_text(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    house = await house_behind(open_house, upstream)
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        house.gateway.gate.draining = True
        answer = await answered(proxy, house.order_target())
        assert status_of(answer) == 503
        assert ", status ERROR. BUSY - " in body_of(answer)  # the gateway's own line, as it is
        await house.stop()
        answer = await answered(proxy, house.order_target())
        assert (status_of(answer), is_plain(answer)) == (503, True)
        assert matching(body_of(answer)) == []
    assert house.keys["toko"] not in proxy.written()


async def test_what_the_proxy_itself_refuses_is_plain_too_and_not_written_down(
    kind: str, tmp_path: Path
) -> None:
    async with (
        raw_upstream(lambda _, __: ANSWER) as backend,
        front(kind, tmp_path / kind, (backend.port, backend.port)) as proxy,
    ):
        long = await answered(proxy, "/v3/otomax/order?apikey=LONG-SECRET&x=" + "x" * 24_000)
        assert body_of(long) == "ok"  # what the gateway takes, the proxy lets through
        head = f"POST /v2/order HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n"
        refused = [
            b"GET /?apikey=BROKEN-SECRET HTTP/9.9\r\n\r\n",
            f"GET /?apikey=LONG-SECRET&x={'x' * 60_000} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode(),
            f"{head}Authorization: TWICE-SECRET\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
            "\r\nxx".encode(),
        ]
        large = f"{head}Authorization: BODY-SECRET\r\nContent-Length: 9999999\r\n\r\n"
        if kind != "caddy":  # it passes a head on before it has seen the body's end
            refused.append(large.encode() + b"x" * 100_000)
        for sent in refused:
            answer = (await proxy.exchange(PANEL, sent)).decode()
            if kind == "haproxy" and b"HTTP/9.9" in sent:
                assert answer == ""
                continue
            assert 400 <= status_of(answer) <= 505
            assert is_plain(answer) or (kind == "haproxy" and UNREADABLE in answer), answer
            assert matching(body_of(answer)) == []
    assert "SECRET" not in proxy.written()


async def test_the_operators_side_is_the_operators(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    house = await house_behind(open_house, upstream)
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        metrics = await proxy.get(OPERATOR, "/metrics", to_admin=True)
        assert "otomax_gateway_connections{" in body_of(metrics)
        for source in (STRANGER, PANEL, UPSTREAM):
            answer = await proxy.get(
                source, "/metrics", f"X-Forwarded-For: {OPERATOR}", to_admin=True
            )
            assert (status_of(answer), is_plain(answer)) == (403, True)
        assert status_of(await proxy.get(OPERATOR, "/metrics")) == 404


async def test_no_order_is_smuggled_behind_another_request(
    kind: str, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    """What proxy and gateway might read in different ways. What is whole to both is an order."""
    house = await house_behind(open_house, upstream)
    order = house.order_target("SMUGGLED")
    hidden = f"GET {order} HTTP/1.1\r\nHost: {NAME}\r\n\r\n"
    words = {
        "{order_length}": str(len(hidden)),
        "{order_hex}": f"{len(hidden):x}",
        "{order}": order,
        "{key}": house.keys["toko"],
        "Host: x": f"Host: {NAME}",
    }
    pipelined = ("behind", "trailer")  # where a proxy may take the second one for what it is
    async with front(kind, tmp_path / kind, ports_of(house)) as proxy:
        for case in HIDDEN:
            if any(word in case.name for word in pipelined):
                continue
            sent = case.sent
            for word, value in words.items():
                sent = sent.replace(word, value)
            after = f"GET /healthz HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
            received = await proxy.exchange(PANEL, (sent + after).encode())
            assert b"SMUGGLED" not in received, case.name
    assert await house.orders() == []
    assert upstream.asked == []


async def test_the_gateways_connections_are_kept_where_no_request_is_repeated_for_it(
    kind: str, tmp_path: Path
) -> None:
    async with (
        raw_upstream(lambda _, __: ANSWER) as backend,
        front(kind, tmp_path / kind, (backend.port, backend.port)) as proxy,
    ):
        await kept(proxy, backend)
        assert len(backend.heads) == 3
        assert backend.connections == {"nginx": 1, "caddy": 3, "haproxy": 3}[kind]
        await eventually(proxy.written)
