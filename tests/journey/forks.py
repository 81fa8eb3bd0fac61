"""The process that forks the processes of the journeys, seen from the tests.

How it does that stands in `run_forks`; only the talk with it may live here.
"""

import itertools
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

_SCRIPT = Path(__file__).with_name("run_forks.py")
_ROOT = Path(__file__).parents[2]
NOTHING = Path(os.devnull)
_TALK_S = (
    120.0  # for an answer; it takes milliseconds on an idle machine, and a busy one is not wrong
)


@dataclass(frozen=True, slots=True)
class Streams:
    """The files that a process reads and writes."""

    out: Path
    err: Path
    stdin: Path = NOTHING


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a gateway signals itself: the nth time that it passes a point; nth 0: nowhere.

    What it passed is appended to `file`. Of several gateways with the same `token`, a file, only
    the first one does.
    """

    point: str
    nth: int
    file: Path
    sent: signal.Signals = signal.SIGKILL
    token: Path | None = None


class Forks:
    """Starts processes, signals them, and knows their ends."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as err:
            self._server = subprocess.Popen(
                [sys.executable, "-P", str(_SCRIPT)],
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
            )
        self.pid = self._server.pid
        self._log = log
        self._numbers = itertools.count(1)
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self._rest = b""

    def start(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        streams: Streams,
        run: str | Kill,
    ) -> tuple[int, int]:
        """Start a process; returns its number here, and its pid.

        `run` is "exec" for any command, "fork" for one of `otomax-gateway`, or a fork's `Kill`.
        """
        number = next(self._numbers)
        kill = None
        if isinstance(run, Kill):
            token = None if run.token is None else str(run.token)
            kill = (run.point, run.nth, str(run.file), int(run.sent), token)
        self._say(
            id=number,
            words=list(words),
            folder=str(folder),
            environment=dict(environment),
            stdin=str(streams.stdin),
            out=str(streams.out),
            err=str(streams.err),
            run="fork" if kill else run,
            kill=kill,
        )
        give_up_at = monotonic() + _TALK_S
        while number not in self._pids:
            assert monotonic() < give_up_at, self._log.read_text(encoding="utf-8")
            self._hear(1.0)
        return number, self._pids[number]

    def code(self, number: int) -> int | None:
        """Return a process's exit code, negative for a signal; None while it runs."""
        self._hear(0)
        return self._codes.get(number)

    def wait(self, number: int, within_s: float) -> int:
        """Return a process's exit code as soon as it has ended."""
        give_up_at = monotonic() + within_s
        while number not in self._codes:
            assert monotonic() < give_up_at, f"process {self._pids[number]} does not end"
            self._hear(1.0)
        return self._codes[number]

    def signal(self, number: int, sent: signal.Signals) -> None:
        """Send a signal to a process, if it has not ended."""
        self._say(id=number, signal=int(sent))

    def end(self) -> None:
        """End every process that is left."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(_TALK_S)
        self._server.stdout.close()

    def _say(self, **what: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(what).encode() + b"\n")
        self._server.stdin.flush()

    def _hear(self, wait_s: float) -> None:
        """Take in what was said, waiting for it this long."""
        assert self._server.stdout is not None
        stream = self._server.stdout.fileno()
        while select.select([stream], [], [], wait_s)[0]:
            read = os.read(stream, 65536)
            assert read, f"the forking process ended: {self._log.read_text(encoding='utf-8')}"
            *lines, self._rest = (self._rest + read).split(b"\n")
            for said in map(json.loads, lines):
                if "pid" in said:
                    self._pids[said["id"]] = said["pid"]
                else:
                    self._codes[said["id"]] = said["code"]
            wait_s = 0
