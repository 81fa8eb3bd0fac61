"""The PostgreSQL of the tests ends with who started it, and leaves nothing behind."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import eventually

ROOT = Path(__file__).parents[2]
STARTER = """
from tests.support.postgres import PostgresServer
print(PostgresServer().socket, flush=True)
input()
"""


@pytest.mark.timeout(60)
def test_it_ends_when_its_worker_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        socket = Path(worker.stdout.readline().strip())
        assert socket.is_socket()
        server = int((socket.parent / "data/postmaster.pid").read_text().split()[0])
        worker.kill()

    def is_gone() -> bool:
        return not socket.parent.exists() and not Path(f"/proc/{server}").exists()

    asyncio.run(eventually(is_gone, within_s=20))
