"""The two counterparties as a test sees them: the upstream's books, and what a panel was told."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp

from tests.journey.processes import HERE, Processes

DELAY_S = 1.5  # from one status to the next: time for a kill, a start and its first look-ups
SLOW_S = 3.0  # until a slow order is answered
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """One request at the panel.

    Attributes:
        answered: the HTTP code that the panel gave.
        line: the request line, as it came.
    """

    answered: int
    line: str

    @property
    def name(self) -> str:
        return self.line.split()[1].partition("?")[0].strip("/")

    @property
    def values(self) -> dict[str, str]:
        return dict(parse_qsl(self.line.split()[1].partition("?")[2], keep_blank_values=True))

    @property
    def status(self) -> str:
        return self.values["status"]


class PanelProcess:
    """A panel's receiver; every order has a path of its own there."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._file = folder / "told.jsonl"
        self._file.touch()
        script = str(HERE / "run_panel.py")
        self._process = processes.start([sys.executable, script, str(self._file)], folder, "panel")
        self.url = ""

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
        lines = self._file.read_text(encoding="utf-8").split("\n")[:-1]
        all_told = [Told(**json.loads(line)) for line in lines if name is None or name in line]
        return [told for told in all_told if name in (None, told.name)]


class UpstreamProcess:
    """The sandbox with open books."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        command = [sys.executable, str(HERE / "run_upstream.py"), str(DELAY_S), str(SLOW_S)]
        self._process = processes.start(command, folder, "upstream")
        self.url = ""
        self._ledger = ""

    async def ready(self) -> None:
        if not self.url:
            said = json.loads(await self._process.said("ledger", in_=self._process.out))
            self.url, self._ledger = said["url"], said["ledger"]

    async def ledger(self) -> dict[str, Any]:
        """Return for each upstream_trx_id its order `requests` and its `purchases`."""
        async with aiohttp.ClientSession() as http, http.get(self._ledger) as response:
            books: dict[str, Any] = await response.json()
            return books

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
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
        http.get(url, params=query) as response,
    ):
        return response.status, await response.text()
