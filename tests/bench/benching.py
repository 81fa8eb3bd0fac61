"""The bench as a process of its own, with a folder for what it must not leave behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANSWERS_S = 60


@contextmanager
def benching(folder: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Run the command with these words; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "bench", *words],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kept(folder: Path) -> list[Path]:
    """What is left in a folder, but for what SQLite had not unlinked yet when it was killed."""
    return [file for file in folder.iterdir() if not file.name.startswith("etilqs_")]
