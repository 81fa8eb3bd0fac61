"""Sockets that outlive the gateway: a restart under load refuses no connection."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.journey.office import SERVE, Office, variables
from tests.journey.processes import COMMAND, clean_environment, until_async

RUN = Path(__file__).parent / "run_with_sockets.py"
CLIENTS = 12


def listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(1024)
    return sock


@pytest.fixture
def public() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


def serve(office: Office, **sockets: socket.socket) -> "subprocess.Popen[bytes]":
    """Start the gateway with these sockets."""
    named = ",".join(f"{name}={sock.fileno()}" for name, sock in sockets.items())
    with (office.folder / f"serve-{len(list(office.folder.iterdir()))}.err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, str(RUN), named, COMMAND, *SERVE],
            cwd=office.folder,
            env=clean_environment() | variables(office.settings),
            pass_fds=[sock.fileno() for sock in sockets.values()],
            stderr=err,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(20)


async def stopped(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0


class Load:
    """Clients that each ask on a new connection, again and again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answers: Counter[str] = Counter()
        self._ends = False

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            await asyncio.gather(*(self._client(http) for _ in range(CLIENTS)))

    async def _client(self, http: aiohttp.ClientSession) -> None:
        while not self._ends:
            try:
                async with http.get(self._url) as response:
                    await response.read()
                    self.answers[str(response.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.002)

    def end(self) -> None:
        self._ends = True

    def more_than(self, before: int) -> bool:
        return self.answers.total() > before + 5 * CLIENTS


async def test_a_restart_under_load_refuses_no_connection(
    office: Office, public: socket.socket
) -> None:
    port = public.getsockname()[1]
    load = Load(f"http://127.0.0.1:{port}/v1/otomax/status/T1?apikey={office.keys['toko1']}")
    first = serve(office, public=public)
    with ended(first):
        loading = asyncio.create_task(load.run())

        async def goes_on() -> bool:
            return load.more_than(goes_on_from)

        goes_on_from = 0
        await until_async(goes_on, 30)
        await stopped(first)
        assert load.answers.keys() == {"200"}, load.answers
        waits_from = load.answers.total()
        await asyncio.sleep(0.5)
        assert load.answers.total() == waits_from, "nobody is there to answer"
        second = serve(office, public=public)
        with ended(second):
            goes_on_from = waits_from
            await until_async(goes_on, 30)
            load.end()
            await loading
            await stopped(second)
    assert load.answers.keys() == {"200"}, load.answers


async def test_both_listeners_are_taken_over(office: Office, public: socket.socket) -> None:
    with listening() as admin:
        process = serve(office, admin=admin, public=public)
        with ended(process):
            for sock in (public, admin):
                url = f"http://127.0.0.1:{sock.getsockname()[1]}/readyz"
                async with aiohttp.ClientSession() as http, http.get(url) as response:
                    assert (response.status, await response.text()) == (200, "ok")
            await stopped(process)


async def test_a_socket_that_nobody_knows_is_a_mistake(
    office: Office, public: socket.socket
) -> None:
    process = serve(office, other=public)
    with ended(process):
        assert await asyncio.to_thread(process.wait, 20) == 78
