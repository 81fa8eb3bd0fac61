"""Processes of a journey: started, waited for with a limit, and ended by their own id.

Only what is true of any process may live here; the gateway's folder is `office`, the two
counterparties are `parties`.
"""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.journey.forks import NOTHING, Forks, Kill, Streams

T = TypeVar("T")

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("otomax-gateway"))
KILLED = -signal.SIGKILL

START_S = 120.0  # a start takes half a second on an idle machine
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str


class Process:
    """One process; what it says goes to two files."""

    def __init__(
        self, forks: Forks, started: tuple[int, int], name: str, streams: Streams
    ) -> None:
        self.name = name
        self.out, self.err = streams.out, streams.err
        self._forks = forks
        self._number, self.pid = started

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._forks.code(self._number)

    def signal(self, number: signal.Signals) -> None:
        self._forks.signal(self._number, number)

    async def said(self, text: str, *, in_: Path | None = None) -> str:
        """Return the first line that holds this, as soon as it is there and whole."""
        file = self.err if in_ is None else in_

        def look() -> str | None:
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            found = next((line for line in lines if text in line and line.endswith("\n")), None)
            assert found or self.code is None, f"{self.name} ended: {self.last_words()}"
            return found

        return await until(look, START_S, lambda: f"{self.name}: {text}: {self.last_words()}")

    async def ended(self, within_s: float) -> int:
        """Return the exit code, at the latest after this many seconds."""
        await until(
            lambda: self.code is not None,
            within_s,
            lambda: f"{self.name} did not end: {self.last_words()}",
        )
        return self.wait()

    def wait(self) -> int:
        """Return the exit code without letting anything else go on meanwhile."""
        return self._forks.wait(self._number, START_S)

    @property
    def state(self) -> str:
        """What the kernel calls its state, such as `T` for stopped."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0]

    def last_words(self) -> str:
        return self.err.read_text(encoding="utf-8")[-6000:]

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()


class Processes:
    """Every process of one test or session; none outlives it."""

    def __init__(self, forks: Forks) -> None:
        self._forks = forks
        self._all: list[Process] = []

    def start(self, command: Sequence[str], folder: Path, name: str, **variables: str) -> Process:
        """Execute a command."""
        return self._start(command, folder, name, variables, "exec")

    def fork(
        self,
        words: Sequence[str],
        folder: Path,
        name: str,
        variables: Mapping[str, str],
        run: Kill | None = None,
    ) -> Process:
        """Run a command of the product in a fork of a process that has imported it already."""
        return self._start(words, folder, name, variables, run or "fork")

    def done(
        self, words: Sequence[str], folder: Path, variables: Mapping[str, str], stdin: str = ""
    ) -> Done:
        """Run a command of the product to its end, in a fork."""
        given = folder / "command.in"
        given.write_text(stdin, encoding="utf-8")
        process = self._start(words, folder, "command", variables, "fork", given)
        code = process.wait()
        return Done(code, *(file.read_text("utf-8") for file in (process.out, process.err)))

    def _start(
        self,
        words: Sequence[str],
        folder: Path,
        name: str,
        variables: Mapping[str, str],
        run: str | Kill,
        stdin: Path = NOTHING,
    ) -> Process:
        name = f"{name}-{len(self._all)}"
        streams = Streams(folder / f"{name}.out", folder / f"{name}.err", stdin)
        streams.out.write_bytes(b"")
        streams.err.write_bytes(b"")
        environment = clean_environment() | dict(variables)
        started = self._forks.start(words, folder, environment, streams, run)
        process = Process(self._forks, started, name, streams)
        self._all.append(process)
        return process

    def end_all(self) -> None:
        for process in self._all:
            process.end()


async def until(
    look: Callable[[], T | None], within_s: float, tell: Callable[[], object] = str
) -> T:
    """Look until what is seen is true and return it; fail after this many seconds, with `tell`."""

    async def look_async() -> T | None:
        return look()

    return await until_async(look_async, within_s, tell)


async def until_async(
    look: Callable[[], Awaitable[T | None]], within_s: float, tell: Callable[[], object] = str
) -> T:
    """The same with a look that has to be awaited."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while True:
        seen = await look()
        if seen:
            return seen
        assert loop.time() < give_up_at, f"not within {within_s:g} s: {tell()}"
        await asyncio.sleep(_LOOK_EVERY_S)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without anything that configures a gateway."""
    prefix = "OTOMAX_GATEWAY_"
    return {name: value for name, value in os.environ.items() if not name.startswith(prefix)}


# Below the ports that the kernel gives to outgoing connections (from 32768), so that nobody takes
# one between two starts of its gateway; test processes that run side by side begin elsewhere.
_ports = itertools.count(20_000 + os.getpid() % 40 * 300)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, never the same one twice."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the counter has no end")
