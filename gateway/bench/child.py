"""Start one process of the bench: `python -m gateway.bench.child PARENT LOOP MODULE WORDS…`.

LOOP is `asyncio` for Python's own event loop, or `shipped` for what the module chooses itself. On
`asyncio` uvloop is made to look as if it were not installed, so that what runs is the product's
own command and nothing of it is repeated here.
"""

import ctypes
import os
import runpy
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Become the module; end with whoever started this, however that ends."""
    _, parent, loop, module, *words = sys.argv
    _end_with(int(parent))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # see `processes`
    if loop == "asyncio":
        modules: dict[str, Any] = sys.modules
        modules["uvloop"] = None  # what makes `import uvloop` fail
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        sys.exit(1)


if __name__ == "__main__":
    main()
