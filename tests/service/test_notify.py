"""What the gateway tells its service manager: over a real datagram socket, as systemd has it."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.service import BadSockets, ServiceManager, handed_over
from tests.journey.office import Office
from tests.support import House


class Manager:
    """The service manager's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(20)

    def heard(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self._socket.recv(4096).decode().split("\n")

    async def hears(self, wanted: str) -> list[str]:
        """Wait for a datagram that holds this line."""
        while True:
            lines = await asyncio.to_thread(self.heard)
            if wanted in lines:
                return lines

    def hears_nothing(self) -> bool:
        """Whether nothing waits to be heard."""
        self._socket.setblocking(False)
        try:
            self.heard()
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(20)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def environment(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(manager.path), **more}


def test_ready_and_stopping_are_said_and_no_child_says_them(manager: Manager) -> None:
    given = environment(manager, WATCHDOG_USEC="5000000", WATCHDOG_PID=str(os.getpid()), A="b")
    service = ServiceManager(given)
    assert given == {"A": "b"}
    service.ready("serving")
    assert manager.heard() == ["READY=1", "STATUS=serving"]
    service.stopping()
    assert manager.heard()[0] == "STOPPING=1"
    assert service.watchdog_s == 5


def test_an_abstract_address(tmp_path: Path) -> None:
    name = f"otomax-gateway-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        heard.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready("x")
        assert heard.recv(100) == b"READY=1\nSTATUS=x"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"NOTIFY_SOCKET": ""},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
async def test_where_nobody_listens_nothing_happens(given: dict[str, str]) -> None:
    service = ServiceManager(dict(given))
    service.ready("x")
    service.reloading()
    assert service.watchdog_s is None

    async def pulse() -> None:
        raise AssertionError("nobody asked for it")

    await service.feed_watchdog(pulse)


async def test_the_watchdog_is_fed_while_the_pulse_comes_back(manager: Manager) -> None:
    service = ServiceManager(environment(manager, WATCHDOG_USEC="100000"))
    hangs = asyncio.Event()
    pulses = 0

    async def pulse() -> None:
        nonlocal pulses
        pulses += 1
        if pulses == 4:
            await hangs.wait()

    feeding = asyncio.create_task(service.feed_watchdog(pulse))
    for _ in range(3):
        assert await asyncio.to_thread(manager.heard) == ["WATCHDOG=1"]
    await asyncio.sleep(0.3)
    assert pulses == 4, "one that does not come back is not asked for again"
    assert manager.hears_nothing()
    hangs.set()
    assert await asyncio.to_thread(manager.heard) == ["WATCHDOG=1"]
    feeding.cancel()


async def test_a_gateway_says_when_it_serves_reloads_and_ends(
    office: Office, manager: Manager
) -> None:
    office.settings["log.format"] = "json"
    process = office.begin_serving(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="400000")
    await manager.hears("READY=1")
    for _ in range(2):
        await manager.hears("WATCHDOG=1")
    process.signal(signal.SIGHUP)
    lines = await manager.hears("RELOADING=1")
    assert lines[1].startswith("MONOTONIC_USEC=")
    assert lines[1].partition("=")[2].isdecimal()
    await manager.hears("READY=1")
    process.signal(signal.SIGTERM)
    await manager.hears("STOPPING=1")
    assert await process.ended(20) == 0


async def test_who_stands_still_feeds_no_watchdog(office: Office, manager: Manager) -> None:
    process = office.begin_serving(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000")
    await manager.hears("WATCHDOG=1")
    process.signal(signal.SIGSTOP)
    await asyncio.sleep(0.2)
    while not manager.hears_nothing():
        pass  # what was said before
    await asyncio.sleep(0.5)
    assert manager.hears_nothing()
    process.signal(signal.SIGCONT)
    await manager.hears("WATCHDOG=1")
    process.signal(signal.SIGTERM)
    assert await process.ended(20) == 0


async def test_the_pulse_waits_for_who_writes_the_journal(house: House) -> None:
    await house.gateway.pulse()
    hangs = threading.Event()
    hanging = asyncio.create_task(house.on_journal(lambda _: hangs.wait()))
    pulse = asyncio.create_task(house.gateway.pulse())
    await asyncio.sleep(0.2)
    assert not pulse.done()
    hangs.set()
    await pulse
    await hanging


def test_sockets_for_another_process_are_not_taken() -> None:
    given = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}
    assert handed_over(given) == {}
    assert given == {}


@pytest.mark.parametrize("names", ["", "public", "public:public", "a:b:c"])
def test_sockets_need_their_names(names: str) -> None:
    given = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": names}
    with pytest.raises(BadSockets, match="2 sockets"):
        handed_over(given)
