"""Every malformed request there is a name for: no order, no secret, no 500, no hang, and no end.

All of them are sent side by side to one gateway, with a right key.
"""

import asyncio
import json
import re
import time

import pytest

import gateway.web.body
from gateway.web.door import Limits
from tests.hostile.cases import AFTER, ALL, Case
from tests.support import FakeUpstream, House, OpenHouse, raw_exchange

AT_ONE_TIME = 24
WITHIN_S = 6.0  # what waits for more is told or cut off after 1 s, looked at once a second
STATUS = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3}) ")


def bytes_of(case: Case, number: int, words: dict[str, str]) -> bytes:
    """Write a case with what it names."""
    text = case.sent
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    text = text.replace("{n}", f"{number:03}")
    return (text + AFTER * case.is_whole).encode("latin-1")


async def words_of(house: House, number: int) -> dict[str, str]:
    order = house.order_target(f"H{number:03}")
    length = len(f"GET {order} HTTP/1.1\r\nHost: x\r\n\r\n")
    token = house.token("toko-T1")
    return {
        "order_length": str(length),
        "order_hex": f"{length:x}",
        "order": order,
        "key": house.keys["toko"],
        "token": token,
        "TOKEN": token.upper(),
        "half": token[:20],
    }


async def wrong_with(house: House, case: Case, number: int) -> str | None:
    """Send one; returns what is wrong with what came back."""
    ports = {"public": house.port, "admin": house.gateway.admin.address[1]}
    sent = bytes_of(case, number, await words_of(house, number))
    began = time.monotonic()
    try:
        received = await raw_exchange(ports[case.door], sent, WITHIN_S)
    except TimeoutError:
        return "was not hung up"
    answers = tuple(int(status) for status in STATUS.findall(received))
    if answers != case.answers:
        return f"{answers}, not {case.answers}: {received[:300]!r}"
    if any(
        secret.encode() in received for secret in (house.keys["toko"], house.token("toko-T1")[:24])
    ):
        return "the answer holds a secret"
    servers = re.findall(rb"\r\nServer: ([^\r]*)", received)
    if servers != [b"otomax-gateway"] * len([one for one in answers if one != 100]):
        return f"servers {servers}"
    if b"<" in received or b"Traceback" in received or b"aiohttp" in received.lower():
        return f"too much is said: {received[:300]!r}"
    return None if time.monotonic() - began < WITHIN_S else "too late"


async def test_no_malformed_request_does_or_shows_anything(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.web.body, "_BODY_S", 1.0)
    house = await open_house(upstream.url, recheck={"schedule_s": [3600]})
    await house.order("T1")
    for listener in (house.gateway.public, house.gateway.admin):
        listener.door.limits = Limits(silent_s=1, head_s=1, unread_s=1)
    before, shown = await house.count_rows(), await house.shown()
    gates = asyncio.Semaphore(AT_ONE_TIME)

    async def try_one(number: int, case: Case) -> str | None:
        async with gates:
            return await wrong_with(house, case, number)

    found = await asyncio.gather(*(try_one(number, case) for number, case in enumerate(ALL)))
    wrong = {case.name: what for case, what in zip(ALL, found, strict=True) if what is not None}
    assert wrong == {}, json.dumps(wrong, indent=1)
    assert await house.count_rows() == before
    assert await house.shown() == shown
    assert len(upstream.asked) == 1
    assert (await house.get("/readyz")).text == "ok"
    assert ", status PENDING. " in await house.order("T2")
    assert [event for event in house.log.events() if event["level"] == "error"] == []


def test_there_are_many_and_each_has_a_name() -> None:
    assert len({case.name for case in ALL}) == len(ALL) >= 120
