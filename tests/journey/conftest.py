"""The processes of the journeys: once a session the two counterparties and a folder to copy."""

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.journey.cluster import NODES, Cluster, Original, cluster_of
from tests.journey.forks import Forks
from tests.journey.load import FAULT_RATE, SEED, SETTINGS, UPSTREAM
from tests.journey.office import PROFILES, Office, new_office
from tests.journey.parties import PanelProcess, UpstreamProcess
from tests.journey.processes import Processes
from tests.proof.asking import Reseller
from tests.proxies.fronts import program
from tests.support.postgres import PostgresServer

# As with every proxy: the end of the run says so where it is missing, and in CI it may not be.
_HAS_BALANCER = os.environ.get("OTOMAX_REQUIRE_PROXIES") or program("haproxy")
collect_ignore = [] if _HAS_BALANCER else ["test_rolling_restart.py"]

RecordProperty = Callable[[str, object], None]
UPSTREAM_KEYS = {"toko1": "kunci-supplier-satu-9f81c2", "toko2": "kunci-supplier-dua-77ab01"}


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """What every process of this session is started by, and does not outlive."""
    forks = Forks(tmp_path_factory.mktemp("forks") / "err")
    yield forks
    forks.end()


@pytest.fixture(scope="session")
def session_processes(forks: Forks) -> Iterator[Processes]:
    """Processes that serve every test of this session."""
    processes = Processes(forks)
    yield processes
    processes.end_all()


@pytest.fixture
def processes(forks: Forks) -> Iterator[Processes]:
    """Processes of this test; none outlives it."""
    processes = Processes(forks)
    yield processes
    processes.end_all()


@pytest.fixture(scope="session")
def _upstream(
    session_processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> UpstreamProcess:
    return UpstreamProcess(session_processes, tmp_path_factory.mktemp("upstream"))


@pytest.fixture(scope="session")
def _quick_upstream(
    session_processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> UpstreamProcess:
    folder = tmp_path_factory.mktemp("quick")
    return UpstreamProcess(session_processes, folder, delay_s=0.6, slow_s=0.8)


@pytest.fixture(scope="session")
def _panel(session_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> PanelProcess:
    return PanelProcess(session_processes, tmp_path_factory.mktemp("panel"))


@pytest.fixture
async def upstream(_upstream: UpstreamProcess) -> UpstreamProcess:
    """The sandbox as a process, with its books open."""
    await _upstream.ready()
    return _upstream


@pytest.fixture
async def quick_upstream(_quick_upstream: UpstreamProcess) -> UpstreamProcess:
    """A second sandbox in a hurry, for journeys that a fork walks in a second."""
    await _quick_upstream.ready()
    return _quick_upstream


@pytest.fixture
async def panel(_panel: PanelProcess) -> PanelProcess:
    """A panel's receiver as a process."""
    await _panel.ready()
    return _panel


_made: dict[str, Office] = {}


@pytest.fixture
def office(
    processes: Processes,
    upstream: UpstreamProcess,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Office:
    """A fresh folder with the resellers toko1 and toko2; what made it ran once a session."""
    if not _made:
        first = new_office(processes, tmp_path_factory.mktemp("office") / "gw", upstream)
        for code, key in UPSTREAM_KEYS.items():
            first.add_reseller(code, key)
        _made["office"] = first
    mine = _made["office"].copy(tmp_path / "gw")
    mine.processes = processes
    return mine


@pytest.fixture
async def members(
    office: Office,
    panel: PanelProcess,
    processes: Processes,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Office:
    """The same with resellers who have OtomaX's own dialect, one for each form of deliveries."""
    if "members" not in _made:
        first = office.copy(tmp_path_factory.mktemp("members") / "gw")
        for code, profile in PROFILES.items():
            member = Reseller(
                code=code,
                key=f"kunci-{code}-5d1f0a77c2",
                upstream_key=UPSTREAM_KEYS["toko2"],
                profile=profile,
                callback_url=f"{panel.url}/own/{code}",
                shows_pin=profile == "otomax",
            )
            first.add_member(member)
        _made["members"] = first
    mine = _made["members"].copy(tmp_path / "members")
    mine.processes = processes
    return mine


@pytest.fixture
async def spoiled_upstream(processes: Processes, members: Office) -> UpstreamProcess:
    """A sandbox of this test alone, with faults."""
    faults = {"all": FAULT_RATE}
    upstream = UpstreamProcess(processes, members.folder, **UPSTREAM, faults=faults, seed=SEED)
    await upstream.ready()
    return upstream


_originals: dict[str, Original] = {}


@pytest.fixture
async def original(
    members: Office, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Original:
    """A PostgreSQL journal with the same members, to be copied; made once a session."""
    if not _originals:
        folder = tmp_path_factory.mktemp("shared") / "gw"
        _originals["original"] = await Original.make(postgres, members, folder)
    made = _originals["original"]
    made.office.processes = members.processes
    return made


@pytest.fixture
def members_shared_by(
    members: Office, tmp_path: Path
) -> Callable[[PostgresServer], Awaitable[Original]]:
    """Makes such a journal in another server."""

    async def make(server: PostgresServer) -> Original:
        return await Original.make(server, members, tmp_path / "original")

    return make


@pytest.fixture
async def cluster(
    original: Original, spoiled_upstream: UpstreamProcess, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """Three gateways on a fresh journal, in front of the spoiled upstream; none is started."""
    settings = SETTINGS | {"upstream.base_url": spoiled_upstream.url}
    async with original.copied("kills") as database:
        folders = [tmp_path / f"node{number}" for number in range(NODES)]
        nodes = [original.node(folder, database, **settings) for folder in folders]
        async with cluster_of(nodes, random.Random(SEED)) as made:
            yield made
