"""The gateway's process in the simulation: the real `Gateway`, wired by its own hand, no sockets.

Its two HTTP clients and its listeners are replaced while it is built; everything else (routes,
gate, flow, workers, store, SQL) is what `serve` runs.
"""

import asyncio
import base64
import contextlib
import math
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from cryptography.fernet import Fernet
from multidict import CIMultiDict

from gateway.app import Gateway, Journal
from gateway.app import parts as house
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.flow import watch, worker
from gateway.vault import ROOT_BYTES, Vault
from gateway.web import json_api
from tests.proof.asking import Request
from tests.proof.sim_loop import Life, current_life, now
from tests.proof.sim_network import Network, SimUpstreamClient
from tests.proof.sim_panel import Panels, SimResellerClient
from tests.proof.sim_store import Disk
from tests.proof.sim_weather import SETTLE_S, Weather

PUBLIC_URL = "http://gateway.test"
PANEL_IP, UPSTREAM_IP = "203.0.113.7", "157.230.42.1"
_FERNET = Fernet(base64.urlsafe_b64encode(b"simulated".ljust(32, b".")))
_ROOT = _FERNET.encrypt(b"root of the simulation".ljust(ROOT_BYTES, b"."))
_SHORT_S = (0, 5, 15, 60, 300, 900)
_WATCHED_EVERY_S = 3600.0  # what no order waits for costs a day too much if it is often
_NOTED_EVERY_S = 60.0  # how often the timekeeper writes the time down
_POLL_S = 0.5  # how often a worker looks at the journal
_IN_VAIN_AT_MOST = 6  # 0.5 s, 1 s, 2 s … 32 s
_LONGEST_POLL_S = 86_400.0
_MS_PER_S = 1000


@dataclass(slots=True)
class Surroundings:
    """What outlives the process."""

    disk: Disk
    network: Network
    panels: Panels
    weather: Weather
    wall_ms: Callable[[], int]
    running_ms: Callable[[], int]
    alarm: "Alarm"


class _Listener:
    """Listens to nobody; its application is asked directly."""

    def __init__(self, app: web.Application, host: str, port: int, **door: object) -> None:
        self.app = app
        self.address = (host, port)

    async def start(self, inherited: object = None) -> None:
        return

    def stop_accepting(self) -> None:
        return

    async def close(self) -> None:
        return


@dataclass(slots=True)
class _Request:
    """As much of a request as the routes look at."""

    method: str
    raw_path: str
    path: str
    remote: str
    match_info: Mapping[str, str]
    headers: CIMultiDict[str]
    body: bytes = b""
    transport: None = None  # what is answered is returned

    @property
    def content_length(self) -> int:
        return len(self.body)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "application/octet-stream")

    @property
    def content(self) -> "_Request":
        return self

    async def readany(self) -> bytes:
        body, self.body = self.body, b""
        return body


class Process:
    """One life of the gateway."""

    def __init__(self, around: Surroundings) -> None:
        self.life = Life()
        self.gateway: Gateway
        self._around = around
        self._handlers: dict[tuple[str, str], Any] = {}  # by method and path

    async def start(self) -> None:
        """Start as `serve` does; raises what that raises."""
        await self.life.begin(self._start())

    async def _start(self) -> None:
        around = self._around
        vault = Vault([_FERNET], Path("simulated"))
        vault.use_root(_ROOT)
        settings = _settings(around.weather)
        parts = {
            "UpstreamClient": partial(SimUpstreamClient, around.network, self.life),
            "ResellerClient": partial(SimResellerClient, around.panels, self.life),
            "Listener": _Listener,
        }
        with _replaced(house, parts):
            journal = Journal(around.disk.open(self.life), vault)
            clock = SteadyClock(around.wall_ms, around.running_ms)
            self.gateway = Gateway(settings, journal, clock)
        self.gateway.control = None
        listener = cast(_Listener, self.gateway.public)
        for route in listener.app.router.routes():
            if route.resource is not None:
                self._handlers[route.method, route.resource.canonical] = route.handler
        await self.gateway.start()
        around.alarm.care_for(
            {
                "orders": self.gateway.recheck.bell,
                "deliveries": self.gateway.relay.bell,
                "waiting_callbacks": self.gateway.inbox.bell,
                "notices": self.gateway.notifier.bell,
            },
            self.gateway.timekeeper.bell,
            clock,
        )

    async def stop(self) -> None:
        """End as on SIGTERM."""
        stopping = self.life.begin(self.gateway.stop())
        await asyncio.wait({stopping})
        await self.life.end()

    async def serve(self, asked: Request, remote: str) -> tuple[int, str] | None:
        """Answer a request from an address.

        Returns:
            HTTP code and body; None where the process ended before.
        """
        path = asked.target.partition("?")[0]
        handler, match = self._route(asked.method, path)
        headers = CIMultiDict(asked.headers)
        request = _Request(asked.method, asked.target, path, remote, match, headers, asked.body)
        task = self.life.begin(handler(request))
        await asyncio.wait({task})
        if self.life.over or task.cancelled():
            return None
        response = task.result()
        return response.status, response.text

    def _route(
        self, method: str, path: str
    ) -> tuple[Callable[[Any], Coroutine[Any, Any, Any]], dict[str, str]]:
        head, _, last = path.rpartition("/")
        for (allowed, canonical), handler in self._handlers.items():
            fixed, _, name = canonical.partition("/{")
            if allowed == method and canonical == path:
                return handler, {}
            if allowed == method and name and fixed == head:
                return handler, {name.rstrip("}"): last}
        raise LookupError(path)


@contextlib.contextmanager
def _replaced(module: Any, parts: Mapping[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in parts}
    for name, part in parts.items():
        setattr(module, name, part)
    try:
        yield
    finally:
        for name, part in before.items():
            setattr(module, name, part)


@contextlib.contextmanager
def naming_by(chance: random.Random) -> Iterator[None]:
    """While this lasts, the trx_ids that the gateway makes are drawn from the seed."""

    class Seeded:
        @staticmethod
        def token_hex(number: int) -> str:
            return chance.randbytes(number).hex()

    with _replaced(json_api, {"secrets": Seeded}):
        yield


class Alarm:
    """Rings the workers' bells when something falls due for them.

    A worker looks at the journal twice a second, and mostly finds nothing. In virtual time those
    looks are all that a day would cost, so only those are made that may find something.
    """

    def __init__(self, disk: Disk) -> None:
        self.time_noted_every_s = _NOTED_EVERY_S
        self._disk = disk
        self._now_ms: Callable[[], int] = lambda: 0
        self._clocks: dict[worker.Bell, _AlarmClock] = {}
        self._timekeeper: worker.Bell | None = None
        self._due_ms: Mapping[str, int | None] = {}
        disk.changed = self._changed

    def care_for(
        self,
        bells: Mapping[str, worker.Bell],
        timekeeper: worker.Bell,
        now_ms: Callable[[], int],
    ) -> None:
        """Ring these bells from now on.

        Args:
            bells: by the table that their worker looks at.
            timekeeper: the bell of who looks at the clock, and not at a table.
            now_ms: the gateway's clock.
        """
        self._clocks = {bell: _AlarmClock(bell, table) for table, bell in bells.items()}
        self._timekeeper = timekeeper
        self._now_ms = now_ms
        self._due_ms = self._disk.next_due_ms()

    def clock_was_set(self, seen_s: float) -> None:
        """Let the timekeeper look at the clock, so many seconds from now."""
        if self._timekeeper is not None:
            asyncio.get_running_loop().call_later(seen_s, self._timekeeper.ring)

    def _changed(self) -> None:
        self._due_ms = self._disk.next_due_ms()
        for clock in self._clocks.values():
            clock.in_vain = 0
            if clock.waits:
                self._look(clock)

    def _look(self, clock: "_AlarmClock") -> None:
        due_ms = self._due_ms[clock.table]
        if due_ms is None:
            return
        looks = math.ceil((due_ms - self._now_ms()) / _MS_PER_S / _POLL_S)
        # What is overdue is being worked at: its worker is rung for when that has an end.
        looks = max(looks, 1 << min(clock.in_vain, _IN_VAIN_AT_MOST))
        clock.ring_at(now() + looks * _POLL_S)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts, the bells that are cared for wait for their alarms."""
        real_wait = worker.Bell.wait

        async def wait(bell: worker.Bell, at_most_s: float) -> None:
            clock = self._clocks.get(bell)
            if clock is None:
                is_timekeeper = bell is self._timekeeper
                await real_wait(bell, self.time_noted_every_s if is_timekeeper else at_most_s)
                return
            clock.waits = True
            self._look(clock)
            try:
                await real_wait(bell, _LONGEST_POLL_S)
            finally:
                clock.waits = False

        seldom = {"EVERY_S": _WATCHED_EVERY_S, "_TICK_S": _WATCHED_EVERY_S}
        with _replaced(worker.Bell, {"wait": wait}), _replaced(watch, seldom):
            yield


class _AlarmClock:
    """The alarm of one bell."""

    def __init__(self, bell: worker.Bell, table: str) -> None:
        self.table = table
        self.waits = False
        self.in_vain = 0  # alarms in a row after which nothing was written
        self._bell = bell
        self._timer: asyncio.TimerHandle | None = None

    def ring_at(self, at: float) -> None:
        """Ring at this time, if not sooner."""
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.in_vain += 1
        self._bell.ring()


@contextlib.contextmanager
def ending_at(ends: Callable[[str], bool]) -> Iterator[None]:
    """While this lasts, the process ends at the named points at which `ends` says so."""

    def passing(point: str) -> None:
        life = current_life()
        if life is not None and not life.over and ends(point):
            life.over = True
            raise asyncio.CancelledError

    with _replaced(worker, {"passing": passing}):
        yield


def _settings(weather: Weather) -> Settings:
    delivery = {"schedule_s": _SHORT_S} if weather.short else {}
    values: dict[str, Any] = {
        "server": {"public_url": PUBLIC_URL},
        "recheck": {"settle_s": SETTLE_S},
        "delivery": delivery,
        "limits": {"orders_per_s": 0},
    }
    return Settings.model_validate(values, context={"folder": Path("/nonexistent")})
