"""Which words a line must not hold, and how a stranger's text is made harmless (rule 6 of §4).

Panels find an order's status by regular expressions over the whole line, and players choose their
nicknames. So every text that is not ours goes through here before it stands in a line.
"""

import re
import unicodedata

# Unicode's own case folding is meant here: the long s, the sharp s and the Kelvin sign match too.
# A word is looked for at every character, for two may share one: `SUCCESSUKSES`.
_WORDS = re.compile(
    "(?=(SUCCE(?:SS|ß)|FAILED|PENDING|REFUNDED|SUKSES|GAGAL|SALDO))(.)", re.IGNORECASE
)
_IN_CAPITALS = ("SUCCESS", "FAILED", "PENDING", "REFUNDED", "SUKSES", "GAGAL", "SALDO")
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def plain(text: str) -> str:
    """Return the text without control or format characters; line breaks are spaces."""
    if text.isascii() and text.isprintable():
        return text
    text = _BREAKS.sub(" ", text)
    return "".join(c for c in text if unicodedata.category(c) not in _UNPRINTABLE)


def tame(text: str, own: str) -> str:
    """Return the text plain, and with every status word but the line's own broken up (`G-agal`).

    Args:
        text: a destination, note, sn or message part.
        own: the status word of the line that it will stand in.
    """
    if text.isascii() and text.isprintable():
        # Nothing to break up is the usual case, and the expression takes 2.6 µs to tell it.
        folded = text.upper()
        for word in _IN_CAPITALS:  # a generator would take as long as the search
            if word in folded:
                break
        else:
            return text

    def break_up(match: re.Match[str]) -> str:
        word, first = match.groups()
        return first if word.casefold() == own.casefold() else f"{first}-"

    return _WORDS.sub(break_up, plain(text))
