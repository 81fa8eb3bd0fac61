"""New journals, made once: a test that needs an empty one is given a copy.

Every migration of a new file takes 10 ms of a CPU, and thousands of tests begin with one. What
making a journal does is tested where nothing is copied: tests of the store's own file, and of
every process.
"""

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from gateway.store.open import open_store


def lay_blank(path: Path) -> None:
    """Lay an empty journal of this gateway's form where there is none yet."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # there is one, or a folder that the gateway is to complain of
    with os.fdopen(file, "wb") as opened:
        opened.write(_blank())


@cache
def _blank() -> bytes:
    """Make the journal on a thread of its own, for this one may have a loop that runs."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as aside:
        path = Path(folder, "gateway.db")
        aside.submit(asyncio.run, _make(path)).result()
        return path.read_bytes()


async def _make(path: Path) -> None:
    store = await open_store(path)
    await store.close()
