"""The ordinary command, whose process kills itself when an order passes a point of its way.

`run_killed.py POINT N FILE WORDS…` runs `otomax-gateway WORDS…`, writes the name of every point
that is passed to FILE, and ends by SIGKILL the N-th time that POINT is passed. N = 0 only writes
down. The file is written without a buffer: what stands there was passed.
"""

import os
import signal
import sys
from collections.abc import Callable

from gateway.cli.main import main
from gateway.flow import worker


def _watch(point: str, nth: int, file: int) -> Callable[[str], None]:
    passed = 0

    def passing(name: str) -> None:
        nonlocal passed
        os.write(file, f"{name}\n".encode())
        passed += name == point
        if nth and passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return passing


if __name__ == "__main__":
    _, watched, number, path, *words = sys.argv
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    worker.passing = _watch(watched, int(number), file)
    sys.argv = ["otomax-gateway", *words]
    main()
