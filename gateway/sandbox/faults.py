"""What can go wrong between the upstream and the world: one table of faults, and when each hits.

Pure. A fault never changes what the ledger holds to be bought, except `double-buy`, which is a
fault of the books themselves; it changes what the world hears. Whether it hits is a hash of the
seed, the fault, the trx_id and how many times that trx_id came to this point before: not of the
order in which requests arrive, so that a run can be told again by its seed. Only orders without a
trx_id have nothing else to be known by: they are numbered as they arrive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import TypeVar

ALL = "all"
"""The name that stands for every fault in a profile."""

_T = TypeVar("_T")
_DRAW_BYTES = 8
_DRAWS = 256**_DRAW_BYTES


class Fault(Enum):
    """One row: its name on the command line, and what it does, in two languages.

    The order of the rows is the order in which they are tried: the first that hits a reply spoils
    it.
    """

    RESET_BEFORE = (
        "reset-before",
        "koneksi direset sebelum dibeli",
        "order: reset, and nothing is bought",
    )
    REFUSED_AFTER = (
        "refused-after",
        "trx_id sudah dibeli, tetapi dijawab ditolak",
        "order: a trx_id that was bought is answered with a refusal",
    )
    LOST_REPLY = (
        "lost-reply",
        "jawaban hilang, koneksi ditutup",
        "order: bought, closed without an answer",
    )
    HELD_REPLY = (
        "held-reply",
        "tidak dijawab sampai --hold, lalu ditutup",
        "order: bought, no answer for --hold seconds, then closed",
    )
    RESET_AFTER = (
        "reset-after",
        "koneksi direset setelah dibeli",
        "order: bought, then reset",
    )
    ERROR_500 = ("error-500", "dijawab HTTP 500", "order: bought, answered HTTP 500")
    HTML = ("html", "dijawab halaman HTML", "order: answered with HTML, HTTP 200 or 502")
    STRANGER = (
        "stranger",
        "dijawab baris pesanan lain",
        "order: answered with the whole line of another order",
    )
    CUT = ("cut", "jawaban terpotong", "order: the answer breaks off in its middle")
    DOUBLE_BUY = (
        "double-buy",
        "dua permintaan bersamaan sama-sama dibeli",
        "order: two requests of a trx_id at once both buy",
    )
    LOOKUP_LOST = (
        "lookup-lost",
        "cek status: koneksi ditutup",
        "look-up: closed without an answer",
    )
    LOOKUP_500 = ("lookup-500", "cek status: HTTP 500", "look-up: answered HTTP 500")
    LOOKUP_HTML = (
        "lookup-html",
        "cek status: halaman HTML",
        "look-up: answered with HTML, HTTP 200 or 502",
    )
    LOOKUP_LATE = (
        "lookup-late",
        "cek status: belum ditemukan selama --late",
        "look-up: not found for --late seconds after the purchase",
    )
    LOOKUP_STRANGER = (
        "lookup-stranger",
        "cek status: invoice pesanan lain",
        "look-up: answered with another order's invoice",
    )
    LOOKUP_CUT = (
        "lookup-cut",
        "cek status: jawaban terpotong",
        "look-up: the answer breaks off in its middle",
    )
    CALLBACK_EARLY = (
        "callback-early",
        "callback mendahului jawaban",
        "callback: before the order is answered",
    )
    CALLBACK_TWICE = ("callback-twice", "callback berulang", "callback: sent three times")
    CALLBACK_MISSING = ("callback-missing", "callback tidak dikirim", "callback: never sent")
    CALLBACK_BACKWARDS = (
        "callback-backwards",
        "status lama lagi setelah status akhir",
        "callback: an old status again after the final one",
    )
    CALLBACK_STRANGER = (
        "callback-stranger",
        "callback pesanan lain ke URL pesanan ini",
        "callback: another order's text to this order's URL",
    )
    CALLBACK_FALSE_FAILED = (
        "callback-false-failed",
        "callback FAILED palsu, sekali",
        "callback: FAILED against the books, once, before or after the true one",
    )
    CALLBACK_FALSE_SUCCESS = (
        "callback-false-success",
        "callback SUCCESS palsu, sekali",
        "callback: SUCCESS against the books, once, before or after the true one",
    )

    def __init__(self, label: str, indonesian: str, english: str) -> None:
        self.label = label
        self.indonesian = indonesian
        self.english = english


FAULT_NAMES = tuple(fault.label for fault in Fault)


@dataclass(frozen=True, slots=True)
class Faults:
    """A fault profile: how often each fault hits, from 0 to 1, and the seed.

    Args:
        rates: by the fault's name; ALL stands for those that are not named.
        seed: another seed hits other orders.

    Raises:
        ValueError: an unknown name, or a rate that is none.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.rates) - {ALL, *FAULT_NAMES}
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        for name, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {name} is not between 0 and 1")

    def rate(self, fault: Fault) -> float:
        """How often this fault hits, from 0 to 1."""
        return self.rates.get(fault.label, self.rates.get(ALL, 0.0))

    def hits(self, fault: Fault, trx_id: str | None, number: int = 1) -> bool:
        """Whether this fault hits the `number`-th time that the trx_id comes to its point."""
        rate = self.rate(fault)
        return rate > 0 and self._draw(fault, trx_id, number, "hit") < rate * _DRAWS

    def pick(
        self, fault: Fault, trx_id: str | None, number: int, choices: Sequence[_T], about: str = ""
    ) -> _T:
        """One of the choices, as fixed by the seed as the hit itself, and independent of it."""
        return choices[self._draw(fault, trx_id, number, f"pick {about}") % len(choices)]

    def _draw(self, fault: Fault, trx_id: str | None, number: int, what: str) -> int:
        text = "\0".join((str(self.seed), fault.label, trx_id or "", str(number), what))
        return int.from_bytes(blake2b(text.encode(), digest_size=_DRAW_BYTES).digest())


def fault_table() -> str:
    """The table as aligned text, one row a line, for `--help`."""
    name = max(len(fault.label) for fault in Fault)
    text = max(len(fault.indonesian) for fault in Fault)
    return "\n".join(f"{f.label:<{name}}  {f.indonesian:<{text}}  {f.english}" for f in Fault)
