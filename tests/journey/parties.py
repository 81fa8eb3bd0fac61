"""The two counterparties as a test sees them: the upstream's books, and what a panel was told."""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from yarl import URL

from gateway.sandbox.books import BOOKS_PATH
from tests.journey.processes import HERE, Processes
from tests.proof.asking import Request
from tests.proof.case import Heard

DELAY_S = 1.0  # from one status to the next: time for a kill, a start and its first look-ups
SLOW_S = 2.4  # until a slow order is answered
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """One request at the panel.

    Attributes:
        at: when, seconds by the machine's steady clock.
        answered: the HTTP code that the panel gave.
        name: whose it is: of its path, or at a reseller's own address of the trx_id in it.
        line: the request line, as it came.
        body: of a POST.
        signature: its `x-signature`.
    """

    at: float
    answered: int
    name: str
    line: str
    body: str | None = None
    signature: str | None = None

    @property
    def values(self) -> dict[str, str]:
        return dict(parse_qsl(self.line.split()[1].partition("?")[2], keep_blank_values=True))

    @property
    def heard(self) -> Heard:
        """The same, for the judge."""
        return Heard(
            at=self.at,
            url=self.line.split()[1],
            took=self.answered == 200,
            body=self.body,
            signature=self.signature,
        )

    @property
    def status(self) -> str | None:
        read = self.heard.read
        return None if read is None else read.word


class PanelProcess:
    """A panel's receiver; every order has a path of its own there."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._file = folder / "told.jsonl"
        self._file.touch()
        script = str(HERE / "run_panel.py")
        self._process = processes.start([sys.executable, script, str(self._file)], folder, "panel")
        self.url = ""
        self._read_bytes = 0
        self._all: list[Told] = []
        self._by_name: defaultdict[str, list[Told]] = defaultdict(list)

    async def ready(self) -> None:
        if not self.url:
            self.url = (await self._process.said("http", in_=self._process.out)).strip()

    async def refuse(self, name: str, times: int) -> None:
        """Have the next requests below this name answered with 500."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/refuse/{times}/{name}") as response,
        ):
            assert response.status == 200

    def told(self, name: str | None = None) -> list[Told]:
        """Return what arrived, in its order; of one name, or everything."""
        self._read()
        return list(self._all if name is None else self._by_name[name])

    def _read(self) -> None:
        """Take in the whole lines that were written since."""
        with self._file.open("rb") as file:
            file.seek(self._read_bytes)
            lines = file.read().rpartition(b"\n")[0]
        if lines:
            self._read_bytes += len(lines) + 1
            for line in lines.split(b"\n"):
                told = Told(**json.loads(line))
                self._all.append(told)
                self._by_name[told.name].append(told)


class UpstreamProcess:
    """The sandbox, whose books are open.

    Args:
        processes: what it is started by.
        folder: for what it says.
        options: those of the sandbox, and `faults` by name, and their `seed`.
    """

    def __init__(self, processes: Processes, folder: Path, **options: Any) -> None:
        options = {"delay_s": DELAY_S, "slow_s": SLOW_S, **options}
        command = [sys.executable, str(HERE / "run_upstream.py"), json.dumps(options)]
        self._process = processes.start(command, folder, "upstream")
        self.url = ""

    async def ready(self) -> None:
        if not self.url:
            self.url = (await self._process.said("http", in_=self._process.out)).strip()

    async def books(self) -> dict[str, Any]:
        """Return everything that the sandbox tells of its books."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}{BOOKS_PATH}") as response,
        ):
            books: dict[str, Any] = await response.json()
            return books

    async def ledger(self) -> dict[str, Any]:
        """Return for each upstream_trx_id its order `requests` and its `purchases`."""
        orders: dict[str, Any] = (await self.books())["orders"]
        return orders

    async def requests(self, upstream_trx_id: str) -> int:
        count: int = (await self.ledger()).get(upstream_trx_id, {"requests": 0})["requests"]
        return count


async def ask(url: str, **query: str) -> str | None:
    """Ask as a panel does, on a connection of its own; None where no whole answer came."""
    try:
        status, text = await ask_whole(url, **query)
    except (aiohttp.ClientError, ConnectionError):
        return None
    assert status == 200, f"{status}: {text}"
    return text


async def ask_whole(url: str, **query: str) -> tuple[int, str]:
    """Ask as a panel does, and return the HTTP code and the line; raises where none came."""
    target = URL(url).with_query(query)
    return await send(target.origin(), Request("GET", target.raw_path_qs))


async def send(to: URL, request: Request) -> tuple[int, str]:
    """Send a request byte for byte; returns HTTP code and body, raises where none came."""
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    url = URL(f"{to.origin()}{request.target}", encoded=True)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
        http.request(
            request.method, url, headers=request.headers, data=request.body or None
        ) as response,
    ):
        return response.status, await response.text()
