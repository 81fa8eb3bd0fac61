"""Fixtures for tests of the running gateway; what they are made of stands in `tests.support`."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.flow import recheck, relay
from gateway.sandbox import Sandbox, SandboxOptions, start_sandbox
from gateway.store import group_commit
from tests.proxies.fronts import WRITERS, program
from tests.support import (
    FakeUpstream,
    House,
    LogLines,
    OpenHouse,
    Panel,
    captured_log,
    fake_upstream,
    open_houses,
    panel_receiving,
)
from tests.support.postgres import PostgresServer

# Tests start hundreds of processes: where an environment forbids to keep what was compiled, each
# of them would compile the whole program anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How often a gateway in this process looks at its journal for what is due, seconds. At every half
# second, as in life, a test of six look-ups would wait for three.
LOOK_EVERY_S = 0.1


@pytest.fixture(scope="session", autouse=True)
def _workers_look_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for worker in (recheck, relay):
            patch.setattr(worker, "_EVERY_S", LOOK_EVERY_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_scribe() -> Iterator[None]:
    """Let the gateways of this process write their journals by themselves.

    To start Python in the middle of a test takes the CPU from the gateway and from everybody whom
    it talks to, and from their time-outs. What is about the scribe has one, and the journeys.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_commit, "MANY", group_commit.MAX_BATCH + 1)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let any test of the running gateway run on the other backend."""
    parser.addoption("--storage", choices=("sqlite", "postgresql"), default="sqlite")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly where a program was missing, for nothing else would show it."""
    for kind in WRITERS:
        if not program(kind):
            terminalreporter.write_line(
                f"NOT RUN: tests/proxies with {kind}, which is not installed: apt install {kind}",
                yellow=True,
                bold=True,
            )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL, for whoever needs one."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def log() -> Iterator[LogLines]:
    """The log of this test."""
    with captured_log() as lines:
        yield lines


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """An upstream that answers what the test says."""
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The upstream simulator, in a hurry."""
    running = await start_sandbox(
        options=SandboxOptions(
            delay_s=0.15, slow_s=1.5, callback_repeats_s=(0.1, 0.2, 0.5, 1.0, 2.0)
        )
    )
    yield running
    await running.close()


@pytest.fixture
async def panel() -> AsyncIterator[Panel]:
    """A panel's receiver."""
    async with panel_receiving() as receiver:
        yield receiver


@pytest.fixture
async def journal_url(request: pytest.FixtureRequest) -> AsyncIterator[str | None]:
    """The URL of a new journal for gateways: of the backend that a test names, or `--storage`."""
    backend = getattr(request, "param", None) or request.config.getoption("--storage")
    if backend == "sqlite":
        yield None
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = await postgres.make()
    yield postgres.url(name)
    await postgres.drop(name)


@pytest.fixture
async def open_house(
    tmp_path: Path, log: LogLines, journal_url: str | None
) -> AsyncIterator[OpenHouse]:
    """Opens gateways in a fresh folder."""
    async with open_houses(tmp_path, log, journal_url, from_blank=True) as opener:
        yield opener


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway in front of `upstream`, with the reseller `toko`."""
    return await open_house(upstream.url)
