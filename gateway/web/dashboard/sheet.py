"""Cells that a spreadsheet reads as what they are: text as text, amounts as numbers. Pure.

A file of values separated by `;`, as a spreadsheet in Indonesian expects them, in UTF-8 with the
mark by which it knows that. Programs guess: a text that begins with `=` is run as a formula, a
trx_id of twenty digits becomes 1,23E+19, `00123` loses its zeros and `MAR1` is a day. Quotes do
not keep them from it. So a text that one of them would take for anything else begins with an
apostrophe (OWASP, "CSV Injection"); whoever reads the file by a program takes one away.
"""

import re
from collections.abc import Iterable
from typing import Final

from gateway.redaction import escape

MARK: Final = "\ufeff"
"""At the file's beginning: it is UTF-8."""
LINE_END: Final = "\r\n"  # RFC 4180
_SEPARATOR: Final = ";"

# What begins a formula, also in the wide letters of East Asia, which some programs take for these.
_FORMULA: Final = frozenset("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
# Up to here a whole number is shown with every digit; Excel writes more than 11 as 1,23E+11.
_PLAIN_DIGITS: Final = 11
_NUMBER: Final = re.compile(r"[0-9][0-9 .,:/%eE+-]*")
_PLAIN: Final = re.compile(rf"0|[1-9][0-9]{{0,{_PLAIN_DIGITS - 1}}}")
_MONTH: Final = "(?:jan|feb|mar|apr|may|mei|jun|jul|aug|agu|sep|oct|okt|nov|dec|des)[a-z]*"
_DAY: Final = re.compile(rf"{_MONTH}[ ./-]?[0-9]+|[0-9]+[ ./-]?{_MONTH}.*", re.IGNORECASE)


class Bare(str):
    """A text of our own that a spreadsheet shall read as it does: a time."""

    __slots__ = ()


Cell = str | int | None


def line(cells: Iterable[Cell]) -> str:
    """Return one line of a file: text in quotes, numbers bare, None as nothing."""
    return _SEPARATOR.join(map(_cell, cells)) + LINE_END


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Bare):
        return '"' + guarded(value).replace('"', '""') + '"'
    return str(value)


def guarded(text: str) -> str:
    """Return a text with an apostrophe before it where a spreadsheet would make more of it.

    A control character, also a line's end, is written visibly: one row is one line.
    """
    shown = escape(text)
    begin = text.lstrip(" \u00a0")[:1]
    return f"'{shown}" if begin in _FORMULA or _is_guessed(text.strip()) else shown


def _is_guessed(text: str) -> bool:
    """Whether a program takes a text for a number that loses something, or for a date."""
    if _PLAIN.fullmatch(text):
        return False
    return bool(_NUMBER.fullmatch(text) or _DAY.fullmatch(text))
