"""Who may ask: addresses behind proxies, keys while they are changed (contract §3, §4)."""

import asyncio

import pytest

from gateway.web.gate import client_address
from tests.support import FakeUpstream, House, OpenHouse, eventually

PROXIES = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]
SEEN = (
    "R#T1 S1_1187.123456789, status ERROR. IP_NOT_WHITELISTED - IP Address Anda ({}) tidak masuk "
    "kedalam whitelist server kami, harap hubungi operator."
)


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("203.0.113.9", None),
        ("203.0.113.9, 10.1.2.3", None),
        ("203.0.113.9,10.1.2.3 , 127.0.0.2", None),
        ("1.1.1.1, 203.0.113.9", None),
        ("203.0.113.9:4711", None),
        ("::ffff:203.0.113.9", None),
        ("[::ffff:203.0.113.9]:4711", None),
        ("2001:db8::5", None),
        ("[2001:db8::5]:443, fd00::1", None),
        # The first from the right that is no proxy of ours counts; what stands before it is words.
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        ("2001:db8::6", "2001:db8::6"),
        ("", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("203.0.113.9, garbage, 10.0.0.1", "10.0.0.1"),
        ("203.0.113.9, unknown", "127.0.0.1"),
        (",,", "127.0.0.1"),
    ],
)
async def test_the_address_is_the_first_from_the_right_that_is_no_proxy(
    open_house: OpenHouse, upstream: FakeUpstream, forwarded: str, seen: str | None
) -> None:
    house = await open_house(
        upstream.url,
        reseller={"allow_ips": ["203.0.113.0/28", "2001:db8::5"]},
        server={"trusted_proxies": PROXIES},
    )
    answer = await house.get(house.order_target(), X_Forwarded_For=forwarded)
    if seen is None:
        assert ", status PENDING. " in answer.text
    else:
        assert answer.text == SEEN.format(seen)
    assert len(upstream.orders) == (seen is None)
    assert len(await house.orders()) == (seen is None)


async def test_several_headers_are_one_list(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    assert str(client_address("10.0.0.1", "1.1.1.1,2.2.2.2", ())) == "10.0.0.1"
    house = await open_house(
        upstream.url,
        reseller={"allow_ips": ["203.0.113.9"]},
        server={"trusted_proxies": PROXIES},
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"GET {house.order_target()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    writer.write(
        f"{head}X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n".encode()
    )
    assert SEEN.format("9.9.9.9").encode() in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_stranger_can_not_write_its_own_address(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, reseller={"allow_ips": ["203.0.113.9"]})
    for name in (
        "X_Forwarded_For",
        "Forwarded",
        "X_Real_IP",
        "CF_Connecting_IP",
        "True_Client_IP",
    ):
        answer = await house.get(house.order_target(), **{name: "203.0.113.9"})
        assert answer.text == SEEN.format("127.0.0.1")
    for version in (1, 2):
        assert await house.order(version=version) == SEEN.format("127.0.0.1")
    assert "IP_NOT_WHITELISTED" in await house.status()
    assert (await house.user()).startswith("status ERROR. IP_NOT_WHITELISTED - ")
    assert await house.orders() == []
    assert upstream.asked == []
    await house.gateway.desk.resellers.change("toko", allow_ips=["127.0.0.0/8"])
    assert ", status PENDING. " in await house.order()


async def test_callbacks_come_from_their_addresses_alone(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url,
        server={"trusted_proxies": ["127.0.0.1"]},
        upstream={"callback_ips": ["157.230.42.1"]},
        recheck={"schedule_s": [3600]},
    )
    await house.order()
    target = f"/callback/{house.token('toko-T1')}?trx_id=toko-T1&status=SUCCESS&sn=x"
    for forwarded in ("157.230.42.2", "157.230.42.1, 9.9.9.9", ""):
        answer = await house.get(target, X_Forwarded_For=forwarded)
        assert (answer.status, answer.text) == (403, "forbidden")
    assert (await house.kinds()).count("called_back") == 0
    assert (await house.get(target, X_Forwarded_For="157.230.42.1")).text == "OK"
    assert (await house.shown())["status"] == "SUCCESS"


async def test_an_old_key_ends_at_once(house: House, upstream: FakeUpstream) -> None:
    old = house.keys["toko"]
    made = await house.gateway.desk.resellers.rotate_key("toko")
    assert made["key"] != old
    assert "API_KEY_NOT_FOUND" in await house.order()
    house.keys["toko"] = made["key"]
    house.secrets.add(made["key"])
    assert ", status PENDING. " in await house.order()


async def test_an_old_key_ends_when_its_grace_does(house: House, upstream: FakeUpstream) -> None:
    old = house.keys["toko"]
    new = (await house.gateway.desk.resellers.rotate_key("toko", grace_s=60))["key"]
    for number, key in enumerate((old, new)):
        assert ", status PENDING. " in await house.order(str(number), apikey=key)
    house.clock.skip(61)
    assert "API_KEY_NOT_FOUND" in await house.order("3", apikey=old)
    assert ", status PENDING. " in await house.order("3", apikey=new)


async def test_a_second_change_does_not_lengthen_a_grace(
    house: House, upstream: FakeUpstream
) -> None:
    first = house.keys["toko"]
    second = (await house.gateway.desk.resellers.rotate_key("toko", grace_s=60))["key"]
    third = (await house.gateway.desk.resellers.rotate_key("toko", grace_s=600))["key"]
    house.clock.skip(61)
    assert "API_KEY_NOT_FOUND" in await house.order("1", apikey=first)
    for number, key in enumerate((second, third)):
        assert ", status PENDING. " in await house.order(str(number), apikey=key)


async def test_a_changed_upstream_key_buys_from_then_on_and_an_order_stays_with_its_own(
    house: House, upstream: FakeUpstream
) -> None:
    """Another key can not see the order: its "not found" would prove nothing."""
    await house.order("1")
    await house.gateway.desk.resellers.change("toko", upstream_key="the-next-upstream-key")
    await house.order("2")
    bought = {asked.trx_id: asked.query["apikey"] for asked in upstream.orders}
    assert bought == {"toko-1": "upstream-key-of-toko", "toko-2": "the-next-upstream-key"}

    def looked_up_since() -> bool:
        asked = [(one.trx_id, one.headers["Authorization"]) for one in upstream.look_ups]
        return len(asked) >= 6 and set(asked) == bought.items()

    await eventually(looked_up_since)
