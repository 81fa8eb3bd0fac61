"""Moves a journal in a process of its own, that kills itself at a given point.

Arguments: from, to, the point (`-` for none). Prints what was moved.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from gateway.store import move
from gateway.store.move_postgres import PostgresSide
from gateway.store.move_sqlite import SqliteSide
from tests.store.journals import where


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """Kills the process when some rows were read, or when something is said."""

    def __init__(self, point: str) -> None:
        self._left = int(point.removeprefix("row")) if point.startswith("row") else -1

    def begin(self, rows: int) -> None:
        """Hear it."""

    def say(self, sentence: str) -> None:
        """Hear it."""

    def advance(self, rows: int) -> None:
        if self._left >= 0:
            self._left -= rows
            if self._left < 0:
                _kill()


def kill_after(method: str) -> None:
    """Kill the process when either side has done something."""
    for side in (SqliteSide, PostgresSide):
        done: Any = getattr(side, method)

        async def then(self: Any, *values: Any, _done: Any = done) -> None:
            await _done(self, *values)
            if method != "put_mark" or values[0].state == "moved":
                _kill()

        setattr(side, method, then)


def main(source: str, target: str, point: str) -> None:
    if point != "-" and not point.startswith("row"):
        kill_after(point)
    moved = asyncio.run(move.move_journal(where(source), where(target), Watched(point)))
    sys.stdout.write(json.dumps(asdict(moved)))


if __name__ == "__main__":
    move._PART_ROWS = 7  # type: ignore[misc]
    main(*sys.argv[1:])
