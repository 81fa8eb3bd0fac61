"""Several gateways on one PostgreSQL journal, with what stands in front of them.

Each is an office of its own with the same key file; the journal is read as a command reads it that
works beside them. What is done to them is the tests' own.
"""

import random
import shutil
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.app import Gateway
from gateway.config import load_settings
from gateway.domain.errors import JournalUnavailable
from tests.journey.forks import Kill
from tests.journey.front import Front
from tests.journey.office import SERVE, Office, variables
from tests.journey.processes import START_S, Process, free_port
from tests.support.postgres import PostgresServer

NODES = 3
LEASE_S = 4.5  # more than twice a call to the upstream, which here takes 2 s at most
SHARED = {
    "storage.lease_s": str(LEASE_S),
    "storage.pool": "4",
    "upstream.unreachable_s": "0.5",
}


@dataclass
class Node(Office):
    """One of several gateways.

    Attributes:
        read_from: the URL of the journal by which the tests read it, past whatever is cut.
        runs: its process, once it was started.
    """

    read_from: str = ""
    runs: Process | None = field(default=None, init=False)

    @property
    def clock(self) -> Path:
        """The file that says by how many seconds its machine's clock is ahead."""
        return self.folder / "clock"

    def set_clock(self, ahead_s: float) -> None:
        """Set its machine's clock, at once also where it runs."""
        with self.clock.open("r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("d", ahead_s))

    def begin(self) -> Process:
        """Start it and do not wait for it."""
        self.runs = self.begin_serving(JOURNEY_CLOCK=str(self.clock))
        return self.runs

    async def begun(self) -> None:
        """Start it; it listens when this returns."""
        await self.begin().said('"gateway.started"')

    async def begun_watched(self, point: str, settings: Mapping[str, str], token: Path) -> None:
        """Start it; it dies the first time that it passes a point, if no other has before."""
        kill = Kill(point, 1, self.folder / "passed", token=token)
        environment = variables({**self.settings, **settings})
        self.runs = self.processes.fork(SERVE, self.folder, "watched", environment, kill)
        await self.runs.said('"gateway.started"')

    async def desk(self, command: str, **values: Any) -> Any:
        """Do what a command does beside the gateways; a busy database is asked again."""
        told = variables({**self.settings, "storage.url": self.read_from})
        settings = load_settings(self.folder / "config.toml", told)
        give_up_at = monotonic() + START_S
        while True:
            try:
                async with Gateway.at_rest(settings) as gateway:
                    return await gateway.desk.do(command, values)
            except JournalUnavailable:
                if monotonic() > give_up_at:
                    raise


@dataclass
class Cluster:
    """The gateways, and what is in front of them.

    Attributes:
        nodes: the gateways.
        front: any of them.
        chance: chooses where a panel asks.
    """

    nodes: Sequence[Node]
    front: Front
    chance: random.Random

    def any(self) -> Node:
        """Return where a panel asks next; it may be down."""
        return self.chance.choice(self.nodes)

    def errors(self) -> list[dict[str, Any]]:
        """Return what they logged and should not have to."""
        events = (event for node in self.nodes for event in node.logs())
        return [event for event in events if event["level"] in ("error", "critical")]


@dataclass(frozen=True, slots=True)
class Original:
    """A journal with resellers that is copied for each test, and the office whose key opens it."""

    postgres: PostgresServer
    database: str
    office: Office

    @classmethod
    async def make(cls, postgres: PostgresServer, members: Office, folder: Path) -> "Original":
        """Make it: the members join again, in PostgreSQL."""
        database = await postgres.make()
        office = members.copy(folder, **{"storage.url": postgres.url(database)})
        for code, reseller in members.resellers.items():
            if reseller.callback_url is None:
                office.add_reseller(code, reseller.upstream_key)
            else:
                office.add_member(reseller)
        return cls(postgres, database, office)

    @asynccontextmanager
    async def copied(self, name: str) -> AsyncIterator[str]:
        """Give the name of a fresh copy of the journal."""
        made = f"CREATE DATABASE {name} TEMPLATE {self.database} STRATEGY FILE_COPY"
        await self.postgres.execute(made)
        yield name
        await self.postgres.drop(name)

    def node(self, folder: Path, database: str, **settings: str) -> Node:
        """Return one gateway on a copy."""
        shutil.copytree(self.office.folder, folder)
        mine = ("server.listen", "server.public_url")
        kept = {k: v for k, v in self.office.settings.items() if k not in mine}
        url = self.postgres.url(database)
        given = {**kept, **SHARED, "storage.url": url, **settings}
        resellers = dict(self.office.resellers)
        port = free_port()
        node = Node(self.office.processes, folder, resellers, given, port, read_from=url)
        node.set_clock(0)
        return node


@asynccontextmanager
async def cluster_of(nodes: Sequence[Node], chance: random.Random) -> AsyncIterator[Cluster]:
    """Put a balancer in front of gateways that are not started yet."""
    front = Front([node.port for node in nodes], chance)
    await front.start()
    for node in nodes:
        node.settings["server.public_url"] = front.url
    try:
        yield Cluster(nodes, front, chance)
    finally:
        for node in nodes:
            if node.runs is not None:
                node.runs.end()
        await front.close()
