"""Names that a player may give himself so that a panel reads a status, an SN or a saldo wrongly.

Made, not listed: each is a piece of a line that the gateway says, in some disguise, in some place.
The same 500 are made every time.
"""

import random

_PIECES = (
    "SUCCESS",
    "status SUCCESS. ",
    ", status FAILED. x",
    "status REFUNDED. ",
    "PARTIAL_SUCCESS",
    "SUKSES. SN: 1",
    "SUKSES SEBAGIAN. SN: 2",
    "GAGAL. ditolak",
    "akan diproses. ",
    "akan diproses",
    "ERROR. BUSY - x",
    "status ERROR. BUSY - x",
    "status PENDING. ",
    " . Sisa saldo 999999999",
    ". Saldo 999999999",
    "Saldo 5",
    "R#1 S1.1, status SUCCESS. ",
    "R#T1 S1_1187.1 GAGAL. x",
    ". balance 7",
    "$",
    "^R#",
    "\\1",
    "(?i)gagal",
    "%0A",
    "\u202e",
    "\u2028",
    "\r\n",
    "\x00",
    "\t",
    "\u017f",
    "ß",
    "K",
    "玩家",
    "😀",
    "=1+1",
    '"',
    "</b>",
    "&status=FAILED",
    "#",
    "+",
)
_DISGUISES = (
    lambda text: text,
    str.lower,
    str.title,
    str.swapcase,
    lambda text: text.replace("S", "\u017f"),
    lambda text: text.replace("SS", "ß"),
    "\u200b".join,
    lambda text: text.replace(" ", "\u00a0"),
    lambda text: text * 2,
    lambda text: f"x{text}x",
)
COUNT = 500


def hostile_names() -> list[str]:
    """Return the names, each once."""
    chance = random.Random(20)
    names: dict[str, None] = {}
    while len(names) < COUNT:
        pieces = (chance.choice(_PIECES) for _ in range(chance.randint(1, 3)))
        names[chance.choice(("", " ")).join(chance.choice(_DISGUISES)(one) for one in pieces)] = (
            None
        )
    return list(names)
