"""The sandbox upstream as a process of its own, with every setting that a test wants.

`run_upstream.py '{"delay_s": 0.5, "faults": {"html": 0.1}, "seed": 7}'` prints where it listens;
`/sandbox/ledger` there are its books. Only settings may live here: what it sells, what goes wrong
and how it calls back is the sandbox's own.
"""

import asyncio
import json
import sys
from typing import Any

from gateway.sandbox import SandboxOptions, start_sandbox
from gateway.sandbox.faults import Faults

# Short, so that a gateway that comes back is called soon; long enough in all for a slow machine.
_REPEATS_S = (0.3, 0.5, *[1.0] * 60)


async def _main(wanted: dict[str, Any]) -> None:
    faults = Faults(wanted.pop("faults", {}), wanted.pop("seed", 0))
    options = SandboxOptions(**wanted, faults=faults, callback_repeats_s=_REPEATS_S)
    sandbox = await start_sandbox(options=options)
    sys.stdout.write(f"{sandbox.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
