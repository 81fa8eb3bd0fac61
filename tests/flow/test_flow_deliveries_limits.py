"""Who waits for whom in the outbox (§10): the schedule to its end, silent hosts, and many at once.

The relay works on a real journal here, by a clock that is set; what stands for the panels answers,
or does not, as it is told.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.clients.exchange import MayLeave
from gateway.clients.reseller import Attempt
from gateway.clock import SteadyClock
from gateway.config import keys
from gateway.domain.breaker import SHUT_AFTER, Breaker
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.flow import relay as relaying
from gateway.flow.relay import MAX_IN_FLIGHT, PER_RESELLER, Relay
from gateway.store import Entry, Store
from tests.store.journals import T0, message, open_journal, place, tell
from tests.support import FakeUpstream, OpenHouse, eventually, panel_receiving, says, stays

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
DEFAULT_S = keys.Delivery().schedule_s


class Panels:
    """Every panel there is: by default each answers 500; a silent one never does."""

    def __init__(self) -> None:
        self.status: int | None = 500
        self.silent: set[str] = set()
        self.urls: list[str] = []
        self.now: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    def count(self, host: str) -> int:
        return sum(url.startswith(f"http://{host}/") for url in self.urls)

    async def deliver(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        may_leave: MayLeave,
    ) -> Attempt:
        assert (method, dict(headers), body) == ("GET", {}, None)
        assert may_leave()
        host = url.split("/")[2]
        self.urls.append(url)
        self.now[host] += 1
        self.at_once[host] = max(self.at_once[host], self.now[host])
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self.now[host] -= 1
        status = None if host in self.silent else self.status
        reason = "no answer within 10 s" if status is None else f"HTTP {status}"
        return Attempt(status, status == 200, reason, "", 1)


class Office:
    """A relay on a journal, with its clock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.panels = Panels()
        self.now = T0
        self.settled = 0
        self.relay = self.start()

    def start(self) -> Relay:
        """Begin a new life: what was in memory is gone."""
        self.relay = Relay(
            self.store,
            self.panels,
            SteadyClock(lambda: self.now, lambda: self.now),
            schedule_s=DEFAULT_S,
            per_host=4,
            sign=lambda *_: None,
        )
        self.relay.pauses_s = (3600,)
        return self.relay

    async def settle(
        self, count: int, *, host: str = "p.test:80", code: str = "toko"
    ) -> list[int]:
        """Settle some orders; returns the numbers of their deliveries."""
        made = []
        for _ in range(count):
            self.settled += 1
            placed = await place(self.store, f"A{self.settled}", reseller=code)
            made.append(await tell(self.store, placed, message(host=host), at=self.now))
        return made

    async def look(self) -> None:
        """Let the relay do what it may do now, to its end."""
        while True:
            before = len(self.panels.urls)
            while await self.relay.step():
                pass
            await self.relay.finish(5)
            if len(self.panels.urls) == before:
                return

    async def delivery(self, number: int) -> Delivery:
        found = await self.store.delivery(number)
        assert found is not None
        return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    store = await open_journal(tmp_path / "gateway.db")
    yield Office(store)
    await store.close()


# -- the whole schedule


async def to_the_end(office: Office, number: int) -> list[float]:
    """Let time pass until nothing is due; returns the waits before each attempt, seconds."""
    waits = []
    since = office.now
    while (next_at := (await office.delivery(number)).next_at) is not None:
        office.now = next_at - 1
        count = len(office.panels.urls)
        await office.look()
        assert len(office.panels.urls) == count, "not one millisecond too early"
        office.now = next_at
        await office.look()
        assert len(office.panels.urls) == count + 1, "one attempt for each date"
        waits.append((next_at - since) / 1000)
        since = next_at
    return waits


async def test_the_whole_schedule_to_its_end_and_again_after_a_resend(office: Office) -> None:
    (number,) = await office.settle(1)
    assert await to_the_end(office, number) == list(DEFAULT_S)
    assert len(DEFAULT_S) == 14
    assert 75 < (office.now - T0) / 3_600_000 < 77, "about 76 hours"
    dead = await office.delivery(number)
    assert (dead.state, dead.attempts, dead.done_at) == (DeliveryState.DEAD, 14, office.now)
    (alert,) = await office.store.alerts()
    assert (alert.order, alert.raised_at) == ("toko-A1", office.now)
    office.now += 10**12
    await office.look()
    assert len(office.panels.urls) == 14, "dead is dead"

    await office.store.resend_delivery(number, office.now, Entry(office.now, "resent", "x"))
    assert await to_the_end(office, number) == list(DEFAULT_S), "the whole schedule again"
    assert len(office.panels.urls) == 28
    assert len(set(office.panels.urls)) == 1, "byte for byte the same"


async def test_the_schedule_is_kept_over_a_restart(office: Office) -> None:
    (number,) = await office.settle(1)
    for wait_s in DEFAULT_S[:5]:
        office.start()
        office.now += round(wait_s * 1000)
        await office.look()
    assert (await office.delivery(number)).attempts == 5


@pytest.mark.parametrize("status", [100, 199, 300, 304, 404, 500])
async def test_only_a_2xx_is_the_end(office: Office, status: int) -> None:
    (number,) = await office.settle(1)
    office.panels.status = status
    await office.look()
    assert (await office.delivery(number)).state is DeliveryState.DUE


# -- a silent host


async def test_a_silent_host_is_left_alone_and_costs_its_deliveries_nothing(
    office: Office,
) -> None:
    office.panels.silent = {"p.test:80"}
    numbers = await office.settle(30)
    await office.look()
    tried = office.panels.count("p.test:80")
    assert SHUT_AFTER <= tried <= SHUT_AFTER + 3, "those under way when it was shut still end"
    office.now += 10**12
    await office.look()
    assert office.panels.count("p.test:80") == tried
    rows = [await office.delivery(number) for number in numbers]
    assert {row.state for row in rows} == {DeliveryState.DUE}
    untried = [row for row in rows if row.attempts == 0]
    assert len(untried) == 30 - tried
    assert all(row.last_result is None for row in untried)


async def test_it_delays_no_other_host_and_no_other_reseller(office: Office) -> None:
    office.panels.silent = {"p.test:80"}
    await office.settle(30)
    await office.look()
    tried = office.panels.count("p.test:80")
    office.panels.silent = set()
    await office.settle(1, host="q.test:80")
    (theirs,) = await office.settle(1, code="warung")  # at the very host
    office.panels.status = 200
    await office.look()
    assert office.panels.count("q.test:80") == 1
    assert (await office.delivery(theirs)).state is DeliveryState.DELIVERED
    assert office.panels.count("p.test:80") == tried + 1


async def test_many_silent_hosts_hide_nobody_behind_them(office: Office) -> None:
    """What is due for them is older, and more than the relay reads at a time."""
    hosts = [f"dead{number}.test:80" for number in range(20)]
    office.panels.silent = set(hosts)
    for host in hosts:
        await office.settle(13, host=host)
    await office.look()
    assert len(office.relay._silent) == 20
    office.now += 1
    await office.settle(1, host="alive.test:80")
    await office.look()
    assert office.panels.count("alive.test:80") == 1


async def test_one_probe_at_a_time_and_an_answer_lets_everything_flow(office: Office) -> None:
    office.panels.silent = {"p.test:80"}
    numbers = await office.settle(30)
    await office.look()
    tried = office.panels.count("p.test:80")
    office.relay._silent = {pair: Breaker(5, 1, shut_until=0) for pair in office.relay._silent}
    office.panels.gate.clear()
    while await office.relay.step():
        pass
    await eventually(lambda: office.panels.now["p.test:80"] == 1)
    await office.relay.step()
    await stays(lambda: office.panels.now["p.test:80"], 1, 0.1)
    office.panels.silent, office.panels.status = set(), 404  # an answer, if no thanks
    office.panels.gate.set()
    await office.relay.finish(5)
    assert office.relay._silent == {}, "what is open is forgotten"
    office.panels.status = 200
    office.now += 3_600_000
    await office.look()
    assert office.panels.count("p.test:80") == tried + 1 + 30
    states = {(await office.delivery(number)).state for number in numbers}
    assert states == {DeliveryState.DELIVERED}


async def test_an_error_page_is_an_answer(office: Office) -> None:
    await office.settle(30)
    await office.look()
    assert office.panels.count("p.test:80") == 30


async def test_a_restart_tries_a_silent_host_again(office: Office) -> None:
    office.panels.silent = {"p.test:80"}
    await office.settle(30)
    await office.look()
    tried = office.panels.count("p.test:80")
    office.start()
    await office.look()
    assert office.panels.count("p.test:80") > tried


async def test_the_memory_of_silent_hosts_has_an_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "REMEMBERED", 5)
    hosts = [f"h{number}.test:80" for number in range(12)]
    office.panels.silent = set(hosts)
    for host in hosts:
        await office.settle(1, host=host)
        await office.look()
    assert [host for _, host in office.relay._silent] == hosts[-5:]


async def test_a_probe_that_is_broken_off_is_followed_by_another(office: Office) -> None:
    await office.settle(1)
    pair = ("toko", "p.test:80")
    office.relay._silent[pair] = Breaker(5, 1, shut_until=0)
    office.panels.gate.clear()
    await office.relay.step()
    await eventually(lambda: office.panels.now["p.test:80"] == 1)
    await office.relay.finish(0)
    assert not office.relay._silent[pair].probing
    office.panels.gate.set()
    await office.look()
    assert len(office.panels.urls) == 2


# -- many at once


async def test_what_a_clock_makes_due_at_once_gets_one_attempt_each(office: Office) -> None:
    for host in ("p.test:80", "q.test:80"):
        await office.settle(20, host=host)
    await office.look()
    assert len(office.panels.urls) == 40
    office.now += 365 * 86_400_000
    await office.look()
    assert len(office.panels.urls) == 80, "one attempt each, not one for each date that passed"
    assert office.panels.at_once == {"p.test:80": 4, "q.test:80": 4}


async def test_no_reseller_takes_more_than_is_left_for_the_others(office: Office) -> None:
    codes = ["toko", "warung"]
    for number in range(PER_RESELLER + 10):
        await office.settle(1, host=f"h{number}.test:80", code=codes[0])
    office.panels.gate.clear()
    while await office.relay.step():
        pass
    await eventually(lambda: office.panels.now.total() == PER_RESELLER)
    await office.settle(1, code=codes[1])
    while await office.relay.step():
        pass
    await eventually(lambda: office.panels.count("p.test:80") == 1)
    office.panels.gate.set()


def test_however_many_resellers_are_greedy_some_room_is_left() -> None:
    """Each takes a place in turn until none may have another one."""
    for greedy in (1, 2, 4, 16, 64):
        under_way, codes, number = relaying.UnderWay(), [f"r{n}" for n in range(greedy)], 0
        while any(under_way.may_begin(code) for code in codes):
            for code in filter(under_way.may_begin, codes):
                number += 1
                under_way.add(due(number, code, f"h{number}:80"))
        assert under_way.room >= MAX_IN_FLIGHT // (greedy + 1)
        assert under_way.may_begin("somebody else")


def due(number: int, code: str, host: str) -> Delivery:
    return Delivery(
        id=number,
        order_id=number,
        reseller=code,
        message=message(host=host),
        state=DeliveryState.DUE,
        attempts=0,
        next_at=T0,
        created_at=T0,
    )


def test_who_has_least_under_way_comes_first() -> None:
    under_way = relaying.UnderWay()
    for number in range(3):
        under_way.add(due(number, "toko", "shared:80"))
    rows = [
        due(10, "toko", "shared:80"),
        due(11, "toko", "own:80"),
        due(12, "warung", "shared:80"),
        due(13, "warung", "shared:80"),
    ]
    assert [row.id for row in under_way.fairly(rows)] == [12, 11, 13, 10]


async def test_a_newer_status_waits_for_the_attempt_of_the_older(office: Office) -> None:
    placed = await place(office.store, "B1")
    first = await tell(office.store, placed, message("SUCCESS"))
    office.panels.gate.clear()
    await office.relay.step()
    await eventually(lambda: len(office.panels.urls) == 1)
    second = await tell(office.store, placed, message("REFUNDED"))
    resent = await office.store.resend_delivery(first, T0, Entry(T0, "resent", "x"))
    assert resent is None
    while await office.relay.step():
        pass
    await stays(lambda: len(office.panels.urls), 1, 0.1)
    office.panels.gate.set()
    await office.relay.finish(5)
    await office.look()
    assert [url.rpartition("=")[2] for url in office.panels.urls] == ["SUCCESS", "REFUNDED"]
    assert (await office.delivery(first)).state is DeliveryState.SUPERSEDED
    office.start()
    office.now += 365 * 86_400_000
    await office.look()
    assert [url.rpartition("=")[2] for url in office.panels.urls][2:] == ["REFUNDED"]
    assert (await office.delivery(second)).attempts == 2


# -- with real connections


async def test_a_resellers_swallowing_hosts_do_not_delay_another(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    """64 hosts take connections and never answer; four messages for each are due."""
    upstream.order = says(SUCCESS)
    house = await open_house(
        upstream.url,
        delivery={"timeout_s": 20, "schedule_s": [0, 3600]},
        recheck={"schedule_s": [3600]},
    )
    await house.add("lain")
    with ExitStack() as stack:
        hosts = []
        for _ in range(64):
            listening = stack.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            listening.listen(16)
            hosts.append(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        for number in range(256):
            await house.order(f"D{number}", callback_url=hosts[number % 64])
        await eventually(lambda: len(house.gateway.relay._under_way.orders) == PER_RESELLER)
        async with panel_receiving() as quick:
            began = asyncio.get_running_loop().time()
            await house.order("Q1", callback_url=quick.url, reseller="lain")
            await eventually(lambda: quick.targets)
            assert quick.times[0] - began < 8, "long before one of the silent hosts is given up"
        assert len(house.gateway.relay._under_way.orders) >= PER_RESELLER, "all still under way"
