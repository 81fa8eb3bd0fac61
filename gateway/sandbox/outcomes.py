"""What an order becomes, chosen by the last three digits of its destination: one table.

Data and its look-up, no behaviour. The code, `sandbox --help` and the README show this same table,
so that nobody has to read code to find the destination that fails. The sentences are for
operators: Indonesian first, English beside it.
"""

from dataclasses import dataclass
from enum import Enum, auto

from gateway.sandbox.purchases import Status
from gateway.sandbox.refusals import REFUSALS, Refusal

SUFFIX_DIGITS = 3
_FIRST_REFUSAL = 101


class Reply(Enum):
    """How an order request is answered."""

    WHOLE = auto()
    """As the document shows it: a line, or JSON."""
    SLOW = auto()
    """The same, `slow_s` later."""
    NONE = auto()
    """Not at all: the connection is closed."""
    GARBAGE = auto()
    """HTTP 200 with a page of HTML, as from a proxy that stands before the upstream."""
    ERROR = auto()
    """HTTP 500 with the envelope of SERVER_ERROR."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: the statuses of the order in turn, `delay_s` apart; none if nothing is bought."""

    suffix: str
    statuses: tuple[Status, ...]
    indonesian: str
    english: str
    reply: Reply = Reply.WHOLE
    calls_back: bool = True
    refusal: Refusal | None = None


_PENDING, _SUCCESS = Status.PENDING, Status.SUCCESS
_LATER = (_PENDING, _SUCCESS)

DEFAULT = Outcome(
    "002",
    _LATER,
    "menunggu, lalu berhasil (juga tujuan lain)",
    "pending, then success (any other destination too)",
)

OUTCOMES: tuple[Outcome, ...] = (
    Outcome("001", (_SUCCESS,), "langsung berhasil", "success at once"),
    DEFAULT,
    Outcome("003", (_PENDING, Status.FAILED), "menunggu, lalu gagal", "pending, then failed"),
    Outcome(
        "004",
        (_SUCCESS, Status.REFUNDED),
        "berhasil, lalu dananya dikembalikan",
        "success, then refunded",
    ),
    Outcome(
        "005",
        (_PENDING, Status.PARTIAL_SUCCESS),
        "menunggu, lalu berhasil sebagian",
        "pending, then partial success",
    ),
    Outcome(
        "006", _LATER, "dijawab lambat, lalu berhasil", "answered late, then success", Reply.SLOW
    ),
    Outcome(
        "007",
        _LATER,
        "dibeli, koneksi putus tanpa jawaban",
        "bought, closed without an answer, then success",
        Reply.NONE,
    ),
    Outcome(
        "008",
        _LATER,
        "dibeli, dijawab halaman HTML",
        "bought, answered with HTML, then success",
        Reply.GARBAGE,
    ),
    Outcome(
        "009",
        _LATER,
        "dibeli, dijawab HTTP 500",
        "bought, answered HTTP 500, then success",
        Reply.ERROR,
    ),
    Outcome(
        "010",
        (),
        "koneksi putus, tidak dibeli",
        "closed without an answer, not bought",
        Reply.NONE,
    ),
    Outcome(
        "011",
        _LATER,
        "menunggu, lalu berhasil tanpa callback",
        "pending, then success, never called back",
        calls_back=False,
    ),
    Outcome("012", (_PENDING,), "menunggu selamanya", "pending for ever"),
    *(
        Outcome(
            str(number),
            (),
            f"ditolak: {refusal.code}",
            f"refused, HTTP {refusal.status.value}",
            refusal=refusal,
        )
        for number, refusal in enumerate(REFUSALS, _FIRST_REFUSAL)
    ),
)
"""Every row, by suffix; the refusals follow the table of the upstream's document."""

_BY_SUFFIX = {outcome.suffix: outcome for outcome in OUTCOMES}


def outcome_of(dest: str) -> Outcome:
    """The row of a destination (user_id and server_id glued); DEFAULT where no row fits."""
    return _BY_SUFFIX.get(dest[-SUFFIX_DIGITS:], DEFAULT)


def outcome_table() -> str:
    """The table as aligned text, one row a line, for `--help`."""
    width = max(len(outcome.indonesian) for outcome in OUTCOMES)
    return "\n".join(f"{o.suffix}  {o.indonesian:<{width}}  {o.english}" for o in OUTCOMES)
