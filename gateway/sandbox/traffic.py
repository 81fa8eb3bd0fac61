"""Which order requests are on the wire: how many of one trx_id at once.

Pure: a clock is handed in. A request is on the wire from its arrival until its answer is due, or
until its asker went away.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sandbox.exchange import Asked


@dataclass(slots=True)
class _Line:
    """The requests of one trx_id; `open_until` holds when each answer is due."""

    most_at_once: int = 0
    open_until: dict[Asked, float] = field(default_factory=dict)


class Traffic:
    """Order requests by trx_id.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    def arrive(self, trx_id: str, asked: Asked) -> int:
        """Take note of a request; return how many of its trx_id came before and are still open."""
        line = self._lines.setdefault(trx_id, _Line())
        now = self._clock()
        line.open_until = {other: due for other, due in line.open_until.items() if due > now}
        others = len(line.open_until)
        line.most_at_once = max(line.most_at_once, others + 1)
        line.open_until[asked] = now
        return others

    def answer_in(self, trx_id: str, asked: Asked, after_s: float) -> None:
        """Keep a request that arrived open for so many seconds from now."""
        self._lines[trx_id].open_until[asked] = self._clock() + after_s

    def leave(self, trx_id: str, asked: Asked) -> None:
        """End a request whose asker went away. One that is not open does no harm."""
        line = self._lines.get(trx_id)
        if line is not None:
            line.open_until.pop(asked, None)

    def most_at_once(self, trx_id: str) -> int:
        """How many order requests of this trx_id were on the wire at the same time, at most."""
        line = self._lines.get(trx_id)
        return 0 if line is None else line.most_at_once
