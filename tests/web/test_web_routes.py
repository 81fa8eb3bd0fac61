"""A route is the same whether it is found at once or by aiohttp's router."""

import pytest

from tests.support import FakeUpstream, House, chunks_of, raw_exchange, says

SUCCESS = "R#{trx_id} S1_1187.123456789|1234, status SUCCESS. Budi . Sisa saldo 12343"


@pytest.mark.parametrize(
    ("quick", "by_the_router"),
    [
        ("/v3/otomax/order", "/v3/otom%61x/order"),
        ("/v1/otomax/status/T1", "/v1/otomax/status/T%31"),
        ("/v1/otomax/status/unknown", "/v1/otomax/status/un%6bnown"),
    ],
)
async def test_each_spelling_of_a_path_is_answered_the_same(
    house: House, upstream: FakeUpstream, quick: str, by_the_router: str
) -> None:
    upstream.order = says(SUCCESS)
    query = house.order_target().partition("?")[2]
    await house.order()
    answers = [await house.get(f"{path}?{query}") for path in (quick, by_the_router)]
    assert answers[0].text == answers[1].text
    assert answers[0].status == answers[1].status == 200
    kinds = {name: value for name, value in answers[0].headers.items() if name != "Date"}
    assert kinds == {name: value for name, value in answers[1].headers.items() if name != "Date"}
    assert len(upstream.orders) == 1


@pytest.mark.parametrize("path", ["/v1/otomax/status/", "/v1/otomax/status/a/b", "/v1/otomax/%0a"])
async def test_what_is_no_route_is_not_found(house: House, path: str) -> None:
    assert (await house.get(path)).status == 404


async def test_who_waits_to_be_told_to_go_on_is_told(house: House) -> None:
    head = f"GET {house.order_target()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    received = await raw_exchange(house.port, f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_what_is_asked_in_one_breath_is_answered_in_its_order(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(SUCCESS)
    targets = [house.order_target(f"T{n}") for n in range(3)]
    targets += [target.replace("/v3/otomax/order", "/v1/otomax/status/T1") for target in targets]
    lines = [f"GET {target} HTTP/1.1\r\nHost: x\r\n" for target in targets]
    sent = "\r\n".join([*lines, ""]).replace(lines[-1], f"{lines[-1]}Connection: close\r\n")
    answers = chunks_of(await raw_exchange(house.port, sent.encode()))
    assert [body.split()[0] for _, body in answers] == [b"R#T0", b"R#T1", b"R#T2", *[b"R#T1"] * 3]
