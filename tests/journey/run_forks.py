"""One process that has imported the gateway, and forks a process for each command it is given.

`run_forks.py` reads one JSON object a line from stdin:

    {"id": 1, "words": ["serve"], "folder": "/f", "environment": {…}, "stdin": "/f/in",
     "out": "/f/out", "err": "/f/err", "run": "fork",
     "kill": ["send.after", 1, "/f/passed", 9, null]}
    {"id": 1, "signal": 15}

and answers `{"id": 1, "pid": 4711}` when the process is there and `{"id": 1, "code": -9}` when it
has ended. With `"run": "fork"` the process is a fork of this one that runs the ordinary command
`otomax-gateway WORDS…` without the half second that its imports take; with `"exec"` it executes
WORDS. `kill` has a fork write the name of every point of an order's way that it passes to a file,
without a buffer, and send itself a signal (9: SIGKILL) the N-th time that it passes that one;
N = 0 only writes down. Where a file is named at the end, only who makes that file does so, which
one process can. A fork whose environment has `JOURNEY_CLOCK` reads the system's clock with
as many seconds added as that file says, a float of eight bytes, at every moment. A quarter of the
forks has a scribe write its SQLite journal as soon as the first write has started it, not only
under load.

Here is no thread and no loop, for neither survives a fork. Nothing outlives the tests: when stdin
ends, every child is killed, and a child whose parent dies is killed by the kernel.
"""

import ctypes
import gc
import importlib
import json
import mmap
import os
import pkgutil
import select
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import gateway
from gateway.cli.main import main
from gateway.flow import worker
from gateway.store import group_commit

_PR_SET_PDEATHSIG = 1
_CLOCK = "JOURNEY_CLOCK"
_KERNEL = ctypes.CDLL(None)
# What the gateway imports only when it runs.
_LATE = ("uvloop", "aiohttp.web", "cryptography.fernet", "encodings.idna", "asyncio.runners")

Command = dict[str, Any]


def _import_everything() -> None:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a child's collector does not copy what it shares with this process


class _Forks:
    """The children, by the id of their command."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}
        self._wakes, wake = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(wake, False)
        self._handles = (self._wakes, wake)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tests' to handle

    def child(self) -> Command:
        """Serve until the tests end; returns in each child, with what it is to become."""
        for command in self._commands():
            if "signal" in command:
                self._signal(command)
            elif self._fork(command):
                return command
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
        sys.exit()

    def _commands(self) -> Iterator[Command]:
        """Yield commands as they come, and look after children meanwhile."""
        rest = b""
        while True:
            ready, _, _ = select.select([0, self._wakes], [], [])
            if self._wakes in ready:
                os.read(self._wakes, 4096)
                self._reap()
            if 0 in ready:
                read = os.read(0, 65536)
                if not read:
                    return
                *lines, rest = (rest + read).split(b"\n")
                yield from map(json.loads, lines)

    def _signal(self, command: Command) -> None:
        self._reap()
        if command["id"] in self._pids:  # not reaped yet, so its number is nobody else's
            os.kill(self._pids[command["id"]], command["signal"])

    def _fork(self, command: Command) -> bool:
        """Fork; True in the child."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._pids[command["id"]] = pid
            _say(id=command["id"], pid=pid)
            return False
        _die_with(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for handle in self._handles:
            os.close(handle)
        return True

    def _reap(self) -> None:
        for number, pid in list(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[number]
                _say(id=number, code=os.waitstatus_to_exitcode(status))


def _say(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        _KERNEL.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _settle_in(command: Command) -> None:
    """Give a child the streams, the folder and the environment that it was promised."""
    writes = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    opened = (
        os.open(command["stdin"], os.O_RDONLY),
        os.open(command["out"], writes, 0o600),
        os.open(command["err"], writes, 0o600),
    )
    for stream, handle in enumerate(opened):
        os.dup2(handle, stream)
        os.close(handle)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])


def _turn_clock(path: str) -> None:
    """Let this process read a clock that is as much ahead as a file says."""
    with open(path, "rb") as file:  # noqa: PTH123  a fork does as little as it can
        ahead = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    system = time.time_ns

    def time_ns() -> int:
        (ahead_s,) = struct.unpack("d", ahead)
        return system() + round(float(ahead_s) * 1_000_000_000)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1_000_000_000


def _execute(words: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; a shell does not
        signal.signal(number, signal.SIG_DFL)
    os.execv(words[0], words)


def _is_first(token: str | None) -> bool:
    """Whether nobody else has made this file, which is made now."""
    if token is None:
        return True
    try:
        os.close(os.open(token, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _watch(point: str, nth: int, path: str, sent: int, token: str | None) -> Callable[[str], None]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    passed = 0

    def passing(name: str) -> None:
        nonlocal passed
        os.write(file, f"{name}\n".encode())
        passed += name == point
        if name == point and passed == nth and _is_first(token):
            os.kill(os.getpid(), sent)

    return passing


if __name__ == "__main__":
    _import_everything()
    if sys.platform == "linux":
        threads = list(Path("/proc/self/task").iterdir())
        assert len(threads) == 1, "a thread would not survive a fork"
    command = _Forks().child()
    _settle_in(command)
    if command["run"] == "exec":
        _execute(command["words"])
    if command["kill"] is not None:
        worker.passing = _watch(*command["kill"])
    if _CLOCK in os.environ:
        _turn_clock(os.environ.pop(_CLOCK))
    if zlib.crc32(str(command["id"]).encode()) % 4 == 0:
        group_commit.MANY = 1
    sys.argv = ["otomax-gateway", *command["words"]]
    main()
