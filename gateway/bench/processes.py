"""The processes of the bench: started, asked with a limit of time, and ended by their own id."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)
START_S = 30.0  # a start takes half a second on an idle machine
_END_S = 25.0  # contract §12: `reply_timeout_s` + 5 s
_LOOK_EVERY_S = 0.005
_PREFIX = "OTOMAX_GATEWAY_"


class BenchError(Exception):
    """Something could not be measured; the text says what."""


class Child:
    """One process. What it writes to stderr goes to a file.

    Args:
        words: the module and its arguments.
        log: where its stderr goes.
        loop: `asyncio` or `shipped`, see `child`.
    """

    def __init__(self, words: Sequence[str], log: Path, loop: str = "shipped") -> None:
        self._log = log
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_PREFIX)}
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                [sys.executable, "-m", "gateway.bench.child", str(os.getpid()), loop, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                start_new_session=True,  # Ctrl-C is ours, and we end it
            )
        self.pid = self._process.pid
        self._rest = b""

    def line(self, within_s: float) -> str:
        """Return its next line.

        Raises:
            BenchError: none came.
        """
        assert self._process.stdout is not None  # noqa: S101  a pipe
        out, give_up_at = self._process.stdout.fileno(), time.monotonic() + within_s
        while b"\n" not in self._rest:
            ready, _, _ = select.select([out], [], [], max(0.0, give_up_at - time.monotonic()))
            read = os.read(out, 1 << 20) if ready else b""
            if not read:
                raise BenchError(f"no answer of {self._log.stem}: {self.last_words()}")
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def ask(self, command: str, limit_s: float, /, **values: object) -> Any:  # noqa: ANN401  JSON
        """Have it do a command, and return what it says.

        Raises:
            BenchError: it could not, or takes longer than `limit_s`.
        """
        assert self._process.stdin is not None  # noqa: S101  a pipe
        try:
            self._process.stdin.write(json.dumps({"do": command, "with": values}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise BenchError(f"{self._log.stem} has ended: {self.last_words()}") from None
        said = json.loads(self.line(limit_s))
        if isinstance(said, dict) and "error" in said:
            raise BenchError(said["error"])
        return said

    def finish(self, within_s: float) -> None:
        """Wait until it has done what it was started for.

        Raises:
            BenchError: it failed, or takes too long.
        """
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise BenchError(f"{self._log.stem} was not done: {self.last_words()}")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """Return the end of what it wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def stop(self) -> None:
        """End it as a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@contextlib.contextmanager
def child(words: Sequence[str], log: Path, loop: str = "shipped") -> Iterator[Child]:
    """Run a process for as long as this lasts."""
    # What ends us must not come between its start and the promise to end it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    process = Child(words, log, loop)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield process
    finally:
        process.kill()


def until_ready(process: Child, url: str) -> None:
    """Wait until a URL answers 200.

    Raises:
        BenchError: it does not.
    """
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and not process.ended:
        try:
            with urllib.request.urlopen(url, timeout=START_S):  # noqa: S310  our own gateway
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_LOOK_EVERY_S)
    raise BenchError(f"the gateway did not start: {process.last_words()}")
