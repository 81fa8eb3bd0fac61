"""The lists that were heard, in memory: the one that was used longest ago makes room.

Only the keeping may live here: how old a list may be is decided in `flow.catalog`.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from gateway.protocol.json_api import Answer

# A program may ask for each of 10,000 products by itself: of those, the ones asked for last.
MAX_OF_ACCOUNT = 256
MAX_KEPT = 4_096  # of all accounts
# Twenty resellers with the upstream's whole list of 3 MB each. No account gets more than half of
# it, so that one that asks for everything in many ways does not empty the shelf of the others.
MAX_BYTES = 64 * 1024 * 1024
MAX_BYTES_OF_ACCOUNT = MAX_BYTES // 2
_ENTRY_BYTES = 1_024  # of an answer, besides its body
_PRICE_BYTES = 120  # of one price in memory; 107 were measured, with codes of 10 characters

Name = tuple[str, str]
"""The account under whose key it was heard, and the question's path."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the upstream answered.

    Attributes:
        answer: to be told on.
        asked_at: when it was asked, Unix milliseconds.
        prices: by product_code, Rupiah, where somebody wanted to know them.
    """

    answer: Answer
    asked_at: int
    prices: dict[str, int] | None = None

    @property
    def weight_bytes(self) -> int:
        """How much memory it takes."""
        return _ENTRY_BYTES + len(self.answer.body) + _PRICE_BYTES * len(self.prices or ())


class Shelf:
    """Answers by account and question."""

    def __init__(self) -> None:
        self._held: OrderedDict[Name, Held] = OrderedDict()
        self._count_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()

    def get(self, name: Name) -> Held | None:
        """Return what is held, and let it be the last to leave."""
        held = self._held.get(name)
        if held is not None:
            self._held.move_to_end(name)
        return held

    def put(self, name: Name, held: Held) -> None:
        """Hold this, in place of what was held; what was used longest ago leaves for it."""
        self.drop(name)
        account, weight = name[0], held.weight_bytes
        while self._count_of[account] and (
            self._count_of[account] >= MAX_OF_ACCOUNT
            or self._bytes_of[account] + weight > MAX_BYTES_OF_ACCOUNT
        ):
            self.drop(next(other for other in self._held if other[0] == account))
        while self._held and (
            len(self._held) >= MAX_KEPT or self._bytes_of.total() + weight > MAX_BYTES
        ):
            self.drop(next(iter(self._held)))
        self._held[name] = held
        self._count_of[account] += 1
        self._bytes_of[account] += weight

    def drop(self, name: Name) -> None:
        """Hold it no longer."""
        held = self._held.pop(name, None)
        if held is None:
            return
        account = name[0]
        self._count_of[account] -= 1
        self._bytes_of[account] -= held.weight_bytes
        if not self._count_of[account]:
            del self._count_of[account], self._bytes_of[account]
