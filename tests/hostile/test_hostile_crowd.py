"""The process itself: ten thousand sockets that say nothing, and what it does not start with."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support import reserved_port

WANTED = 10_000
SPARE = 500  # descriptors for the test's own process
BATCH = 250  # below what the kernel keeps for a listener that is busy
HALF_A_HEAD = b"GET /v3/otomax/order?apikey=x HTTP/1.1\r\nHost: x\r\n"

Record = Callable[[str, object], None]


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Let this process open as many files as it may; gives how many sockets that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED + SPARE if hard == resource.RLIM_INFINITY else min(hard, WANTED + SPARE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield min(WANTED, wanted - SPARE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def environment(**more: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("OTOMAX_GATEWAY_")}
    return own | more


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """Serve in a process of its own; gives port and process id."""
    with reserved_port() as port, reserved_port() as admin:
        variables = environment(
            OTOMAX_GATEWAY_SERVER__LISTEN=f"127.0.0.1:{port}",
            OTOMAX_GATEWAY_SERVER__PUBLIC_URL=f"http://127.0.0.1:{port}",
            OTOMAX_GATEWAY_ADMIN__LISTEN=f"127.0.0.1:{admin}",
            OTOMAX_GATEWAY_UPSTREAM__BASE_URL="http://127.0.0.1:9",
        )
        command = [sys.executable, "-m", "gateway", "serve"]
        said = folder / "said"
        with said.open("wb") as out:
            process = subprocess.Popen(command, cwd=folder, env=variables, stderr=out)
        try:
            until = time.monotonic() + 20
            while b"gateway.started" not in said.read_bytes():
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield port, process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()


def ask(port: int, target: str = "/readyz") -> tuple[bytes, float]:
    """Ask on a new connection; returns the answer, and after how long it was there, seconds."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
        asking.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while some := asking.recv(4096):
            received += some
    return received, time.monotonic() - began


def memory_mib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def test_ten_thousand_idle_sockets_leave_the_service_answering(
    tmp_path: Path, record_property: Record
) -> None:
    with serving(tmp_path) as (port, pid), many_descriptors() as number, ExitStack() as stack:
        before = memory_mib(pid)
        for opened in range(number):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if opened % 2:
                idle.sendall(HALF_A_HEAD)
            if opened % BATCH == 0:
                assert ask(port)[1] < 2
        answers = [ask(port) for _ in range(20)]
        refused, _ = ask(port, "/v3/otomax/order?apikey=nobody&trx_id=T1")
        grown = memory_mib(pid) - before
    longest = max(took for _, took in answers)
    record_property("idle_sockets", number)
    record_property("idle_sockets_wanted", WANTED)
    record_property("longest_answer_s", round(longest, 3))
    record_property("memory_grown_mib", grown)
    assert all(answer.endswith(b"\r\n\r\nok") for answer, _ in answers)
    assert b"API_KEY_NOT_FOUND" in refused
    assert longest < 2
    assert grown < 400


@pytest.mark.parametrize(
    ("words", "variables", "sentence"),
    [
        (["-O"], {}, "otomax-gateway does not run under python -O: its checks would be gone"),
        (["-OO"], {}, "otomax-gateway does not run under python -O: its checks would be gone"),
        ([], {"PYTHONOPTIMIZE": "1"}, "does not run under python -O"),
        ([], {"AIOHTTP_NO_EXTENSIONS": "1"}, "aiohttp runs without its compiled parser here"),
    ],
)
def test_what_is_too_lenient_does_not_start(
    tmp_path: Path, words: list[str], variables: dict[str, str], sentence: str
) -> None:
    ended = subprocess.run(
        [sys.executable, *words, "-m", "gateway", "serve"],
        cwd=tmp_path,
        env=environment(OTOMAX_GATEWAY_SERVER__PUBLIC_URL="http://127.0.0.1:9", **variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (78, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
