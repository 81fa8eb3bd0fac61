"""Wrong keys: answered later and later, the right ones of the same address as ever."""

import asyncio
import time
from ipaddress import ip_address
from statistics import median

import pytest

from gateway import metrics
from gateway.vault import Vault
from gateway.web.gate import Gate
from gateway.web.strangers import FLOOD, FREE, MAX_WAITING_EACH, REMEMBERED, Strangers, delay_s
from tests.support import FakeUpstream, House, LogLines, OpenHouse, eventually
from tests.web.native import NATIVE, PASSWORD, PIN, trx

WRONG = "KEY-OF-NOBODY"
PROXY = {"trusted_proxies": ["127.0.0.1"]}
NOT_FOUND = "API_KEY_NOT_FOUND - Apikey tidak valid atau tidak ditemukan."


async def ask_wrongly(house: House, address: str = "203.0.113.9") -> tuple[str, float]:
    """Order with a wrong key; returns the answer, and how long it took, seconds."""
    began = time.monotonic()
    answer = await house.get(house.order_target(apikey=WRONG), X_Forwarded_For=address)
    return answer.text, time.monotonic() - began


def note(strangers: Strangers, address: str = "203.0.113.9") -> None:
    """A wrong key whose answer is not waited for."""
    strangers.take_note(ip_address(address), 0)
    strangers.forget(0)


def delays_of(house: House, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let delays pass at once; returns the list of what they would have been."""
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(house.gateway.gate.strangers, "_sleep", sleep)
    return delays


def test_delays_grow_to_a_few_seconds_and_end_where_a_flood_begins() -> None:
    delays = [delay_s(n) for n in range(FREE, FREE + 8)]
    assert delays == [0, 0.25, 0.5, 1, 2, 4, 4, 4]
    assert (delay_s(FLOOD - 1), delay_s(FLOOD), delay_s(10 * FLOOD)) == (4, 0, 0)


async def test_wrong_keys_are_answered_later_with_the_same_bytes(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, server=PROXY)
    answers = [await ask_wrongly(house) for _ in range(FREE + 2)]
    assert {text for text, _ in answers} == {f"R#T1 S1_1187.123456789, status ERROR. {NOT_FOUND}"}
    *quick, late, later = [took for _, took in answers]
    assert median(quick) < 0.2
    assert 0.25 <= late < 2
    assert 0.5 <= later < 2
    began = time.monotonic()
    right = await house.get(house.order_target(), X_Forwarded_For="203.0.113.9")
    assert ", status PENDING. " in right.text
    assert time.monotonic() - began < 0.9, "the next delay would be a second"
    assert (await ask_wrongly(house, "203.0.113.10"))[1] < 0.9
    assert upstream.orders[0].trx_id == "toko-T1"


async def test_a_right_key_is_answered_while_others_of_its_address_wait(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, server=PROXY)
    for _ in range(FREE + 3):
        note(house.gateway.gate.strangers)
    waiting = [asyncio.create_task(ask_wrongly(house)) for _ in range(MAX_WAITING_EACH + 10)]
    strangers = house.gateway.gate.strangers
    await eventually(lambda: len(strangers.late) == MAX_WAITING_EACH)
    began = time.monotonic()
    for number in range(5):
        target = house.order_target(f"T{number}")
        answer = await house.get(target, X_Forwarded_For="203.0.113.9")
        assert ", status PENDING. " in answer.text
    assert time.monotonic() - began < 2
    took = sorted([(await task)[1] for task in waiting])
    assert max(took[:10]) < 2  # for these no place to wait was left
    assert min(took[10:]) >= 2
    assert strangers.late == {}


@pytest.mark.parametrize("dialect", ["v1", "v2", "v3", "status", "user", "json", "json-status"])
async def test_every_dialect_keeps_them_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    delays = delays_of(house, monkeypatch)
    house.keys["nobody"] = WRONG
    bodies = set()
    for _ in range(FREE + 2):
        if dialect.startswith("v"):
            text = await house.order(version=int(dialect[1]), reseller="nobody")
        elif dialect == "json":
            text = (await house.order_json(reseller="nobody")).text
        elif dialect == "json-status":
            text = (await house.ask_json("GET", "/v1/status/A1", reseller="nobody")).text
        else:
            text = await (house.status if dialect == "status" else house.user)(reseller="nobody")
        bodies.add(text)
    assert delays == [0.25, 0.5]
    (body,) = bodies
    assert "API_KEY_NOT_FOUND" in body


async def test_a_flood_is_refused_at_once_until_the_minute_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = delays_of(house, monkeypatch)
    now = [1000.0]
    strangers = house.gateway.gate.strangers
    monkeypatch.setattr(strangers, "_clock", lambda: now[0])
    for _ in range(FLOOD + 20):
        await ask_wrongly(house)
    assert len(delays) == FLOOD - 1 - FREE
    now[0] += 60
    await ask_wrongly(house)
    assert len(delays) == FLOOD - 1 - FREE
    for _ in range(FREE):
        await ask_wrongly(house)
    assert len(delays) == FLOOD - FREE


async def test_an_address_is_logged_once_a_minute_and_its_keys_are_counted(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(upstream.url, server=PROXY)
    delays_of(house, monkeypatch)
    now = [1000.0]
    monkeypatch.setattr(house.gateway.gate.strangers, "_clock", lambda: now[0])
    before = metrics.keys_refused._value.get()
    for minute in (0.0, 61.0, 300.0):
        now[0] = 1000.0 + minute
        for _ in range(15):
            await ask_wrongly(house)
            await ask_wrongly(house, "2001:db8::1")
            await ask_wrongly(house, "2001:db8::2")
    assert metrics.keys_refused._value.get() - before == 135
    told = [(e["address"], e["in_minute_before"]) for e in house.log.events("key.refused")]
    assert told == [
        ("203.0.113.9", 0),
        ("2001:db8::/64", 0),
        ("203.0.113.9", 15),
        ("2001:db8::/64", 30),
        ("203.0.113.9", 0),
        ("2001:db8::/64", 0),
    ]
    assert WRONG not in house.log.text


async def test_who_hangs_up_while_he_waits_holds_nothing(house: House) -> None:
    strangers = house.gateway.gate.strangers
    for _ in range(FREE + 1):
        note(strangers, "127.0.0.1")
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(f"GET {house.order_target(apikey=WRONG)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await eventually(lambda: strangers.late)
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: not strangers.late)
    assert strangers._records["127.0.0.1"].waiting == 0


def test_so_many_are_remembered_and_the_one_longest_ago_is_forgotten(log: LogLines) -> None:
    strangers = Strangers(clock=lambda: 0.0)
    for number in range(REMEMBERED + 5):
        strangers.take_note(ip_address(0x0A000000 + number), 0)
        strangers.take_note(ip_address("203.0.113.9"), 0)
    assert strangers.remembered == REMEMBERED
    assert strangers._records["203.0.113.9"].wrong == REMEMBERED + 5
    assert "10.0.0.0" not in strangers._records
    strangers.take_note(None, 0)
    assert "-" in strangers._records


async def test_an_unknown_key_is_as_much_work_as_a_suspended_ones(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, for a time says nothing on a busy machine."""
    await house.gateway.desk.resellers.change("toko", suspended=True)
    calls: list[str] = []
    hash_key, address = Vault.hash_key, Gate.address

    def counted_hash(self: Vault, key: str) -> bytes:
        calls.append("hash")
        return hash_key(self, key)

    def counted_address(self: Gate, *args: object) -> object:
        calls.append("address")
        return address(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Vault, "hash_key", counted_hash)
    monkeypatch.setattr(Gate, "address", counted_address)
    assert "RESELLER_SUSPENDED" in await house.order()
    suspended = calls.copy()
    calls.clear()
    assert "API_KEY_NOT_FOUND" in await house.order(apikey=WRONG)
    assert sorted(calls) == sorted(suspended) == ["address", "hash"]


async def test_an_answer_that_is_kept_back_does_not_keep_the_gateway_from_stopping(
    house: House,
) -> None:
    strangers = house.gateway.gate.strangers
    for _ in range(FREE + 5):
        note(strangers, "127.0.0.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(f"GET {house.order_target(apikey=WRONG)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await eventually(lambda: strangers.late)
    began = time.monotonic()
    await house.stop()
    assert time.monotonic() - began < 3.8
    assert await reader.read() == b""  # cut off
    await eventually(lambda: not strangers.late, within_s=5)
    writer.close()


async def test_who_guesses_pins_guesses_in_vain_also_rightly(
    open_house: OpenHouse, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(upstream.url, server=PROXY, reseller=dict(NATIVE, allow_pin=True))
    delays_of(house, monkeypatch)
    right = trx(sign=None, pin=PIN, password=PASSWORD)

    async def ask(query: str, address: str = "203.0.113.9") -> str:
        return (await house.get(f"/trx?{query}", X_Forwarded_For=address)).text

    wrong = ""
    for guess in range(FLOOD):
        wrong = await ask(trx(sign=None, pin=f"{guess:06}", password=PASSWORD))
        assert "ERROR. API_KEY_NOT_FOUND" in wrong
    for _ in range(FLOOD):  # wrong keys, and another's pins, are no guesses of this one
        note(house.gateway.gate.strangers, "203.0.113.10")
    assert await ask(right) == wrong
    assert "ERROR. API_KEY_NOT_FOUND" in await ask(trx())  # nor a sign, which is made of the pin
    assert upstream.orders == []
    key_holder = await house.get(house.order_target("T2"), X_Forwarded_For="203.0.113.9")
    assert ", status PENDING. " in key_holder.text  # but a key, which nobody guesses
    assert "akan diproses" in await ask(right, "203.0.113.10")
    strangers = house.gateway.gate.strangers
    monkeypatch.setattr(strangers, "_clock", lambda: time.monotonic() + 61)
    assert "akan diproses" in await ask(trx("T3"))
