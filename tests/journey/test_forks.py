"""A fork is what an executed command is, and no process outlives the tests, however they end."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.journey.forks import Forks
from tests.journey.office import run
from tests.journey.processes import KILLED, Process, Processes, until

SANDBOX = ("sandbox", "--listen", "127.0.0.1:0")
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("serve", "--help"),
        ("serve", "--fast"),
        ("init",),
        ("check-config", "--config", "none.toml"),
        ("reseller", "add", "toko9", "--upstream-key", "-"),
    ],
    ids=lambda words: words[0],
)
def test_a_fork_says_and_leaves_what_an_executed_command_does(
    processes: Processes, tmp_path: Path, words: tuple[str, ...]
) -> None:
    variables = {"OTOMAX_GATEWAY_SERVER__PUBLIC_URL": "http://127.0.0.1:1"}
    folders = tmp_path / "executed", tmp_path / "forked"
    for folder in folders:
        folder.mkdir()
    executed = run(*words, folder=folders[0], stdin="kunci", **variables)
    forked = processes.done(words, folders[1], variables, "kunci")
    assert (forked.code, forked.err) == (executed.code, executed.err)
    # The key of a new reseller is another one each time.
    assert forked.out.split("_")[0] == executed.out.split("_")[0]
    assert "Traceback" not in executed.err
    left = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert [name for name in left[1] if not name.startswith("command")] == left[0]


async def test_an_end_is_known_with_its_signal(processes: Processes, tmp_path: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = processes.fork(SANDBOX, tmp_path, "sandbox", {})
        await process.said("sandbox upstream: ", in_=process.out)
        assert process.code is None
        process.signal(number)
        assert await process.ended(10) == (KILLED if number == signal.SIGKILL else 0)
    executed = processes.start(SLEEPS, tmp_path, "sleeps")
    executed.signal(signal.SIGTERM)
    assert await executed.ended(10) == -signal.SIGTERM


@pytest.mark.parametrize("end", ["the tests close the line", "the forking process is killed"])
async def test_nothing_outlives_the_tests(tmp_path: Path, end: str) -> None:
    forks = Forks(tmp_path / "err")
    processes = Processes(forks)
    sandbox = processes.fork(SANDBOX, tmp_path, "sandbox", {})
    await sandbox.said("sandbox upstream: ", in_=sandbox.out)
    left = [sandbox, processes.start(SLEEPS, tmp_path, "sleeps")]
    assert all(map(_is_there, left))
    if end == "the forking process is killed":
        os.kill(forks.pid, signal.SIGKILL)
    forks.end()
    await until(lambda: not any(map(_is_there, left)), 10)


def _is_there(process: Process) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about yet does not."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
