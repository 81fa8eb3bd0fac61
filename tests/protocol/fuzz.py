"""What the fuzz tests share: how many examples they try, and the hostile text that they try.

`quick` is what every run takes: the same examples each time, few enough for all fuzz tests to end
within ten seconds. `proof` (PROOF=1 in the environment) takes twenty times as many, other ones
each time, and prints for a failure the line that repeats it.
"""

import os
import unicodedata
from string import ascii_letters, digits
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.evidence import Status
from gateway.domain.order import Order
from tests.protocol.wire import T0, order

IN_PROOF: Final = os.environ.get("PROOF", "") not in ("", "0")
_QUICK_EXAMPLES = 60
_PROOF_TIMES = 20

settings.register_profile(
    "quick", settings(max_examples=_QUICK_EXAMPLES, derandomize=True, deadline=None, database=None)
)
settings.register_profile(
    "proof",
    settings(
        max_examples=_QUICK_EXAMPLES * _PROOF_TIMES,
        derandomize=False,
        deadline=None,
        print_blob=True,
    ),
)
# As a decorator, not loaded for all: tests that say themselves how much they try stay as they are.
FUZZ = settings.get_profile("proof" if IN_PROOF else "quick")

# By hand from the contract, section 4, rule 6.
STATUS_WORDS = ("success", "failed", "pending", "refunded", "sukses", "gagal")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def broken_rules(shown: str, own: str) -> list[str]:
    """What a dest, note, sn or msg part holds against rule 6, in any way of folding letters."""
    words = (*STATUS_WORDS, "saldo")
    found = [
        word
        for word in words
        if word != own.casefold()
        and (word in shown.casefold() or word in shown.lower() or word.upper() in shown.upper())
    ]
    return found + [f"U+{ord(c):04X}" for c in shown if unicodedata.category(c) in _INVISIBLE]


# Every character that there is, the halves of surrogate pairs included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)

_BAIT = [
    *STATUS_WORDS,
    *(word.upper() for word in STATUS_WORDS),
    *("saldo", "Saldo", "SUCCE\u00df", "succe\u1e9e", "FA\u0131LED", "PEND\u0130NG"),
    *("\u017f", "\u212a", "\u0131", "\u200b", "\u00ad", "\u202e", "\ufeff", "\U000e0041"),
    *("\n", "\r", "\r\n", "\t", "\x00", "\x1b[31m", "\x85", "\u2028", "\u2029", "\ud800"),
    *(" . Sisa saldo 999", ", status SUCCESS. ", ", status FAILED. x", "R#toko-1 ", ". ", " - "),
    *("-", "_", "(", ")", "|", "#", "&", "=", "%", "%0A", "%ff", "+", "?", "/", "'", '"', "\\"),
]
# What a player who wants to be read as something else writes.
NICKNAMES = st.lists(st.one_of(st.sampled_from(_BAIT), ANY_TEXT), max_size=6).map("".join)
# The same as a field of a request may hold it: rule of the contract's user_id.
DESTINATIONS = NICKNAMES.map(
    lambda text: "".join(c for c in text if c.isprintable() and c != ",")[:128].strip() or "0"
)
IDENTIFIERS = st.text(f"{ascii_letters}{digits}._-", min_size=1, max_size=64)
SALDO = st.one_of(st.none(), st.integers(-(10**14), 10**15 - 1))
WORDS = st.sampled_from([status.value for status in Status])


def _journaled(status: Status, parts: tuple[str, str | None, str], note: str) -> Order:
    user_id, server_id, said = parts
    told = order(
        status=status,
        note=note,
        user_id=user_id,
        dest=user_id,
        server_id=server_id,
        said_dest=said or None,
        invoice_number="INV_1",
        named=True,
    )
    return told if told.status in (Status.PENDING, Status.PAID) else replace(told, final_at=T0)


# An order whose every part that a stranger writes is as bad as can be, not made plain before.
ORDERS = st.builds(
    _journaled,
    st.sampled_from(Status),
    st.tuples(DESTINATIONS, st.one_of(st.none(), DESTINATIONS), NICKNAMES),
    NICKNAMES,
)
