"""Cells that a spreadsheet reads as what they are: text as text, amounts as numbers. Pure.

A file of values separated by `;`, as a spreadsheet in Indonesian expects them, in UTF-8 with the
mark by which it knows that. Programs guess: a text that begins with `=` is run as a formula, a
trx_id of twenty digits becomes 1,23E+19, `00123` loses its zeros and `MAR1` is a day. Quotes do
not keep them from it. So a text that one of them would take for anything else begins with an
apostrophe (OWASP, "CSV Injection"); whoever reads the file by a program takes one away.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from gateway.domain.backoff import MS_PER_S
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
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "mei", "jun", "jul", "aug", "agu", "sep", "oct", "okt"),
    *("nov", "dec", "des"),
)
_MONTH: Final = f"(?:{'|'.join(_MONTHS)})[a-z]*"
_DAY: Final = re.compile(rf"{_MONTH}[ ./-]?[0-9]+|[0-9]+[ ./-]?{_MONTH}.*", re.IGNORECASE)
_IS_MONTH: Final = frozenset(_MONTHS)


class Moment(int):
    """A time, Unix milliseconds: written so that every spreadsheet reads it as one."""

    __slots__ = ()


Cell = str | int | None


def line(cells: Iterable[Cell], zone: tzinfo = UTC) -> str:
    """Return one line of a file: text in quotes, numbers bare, None as nothing.

    Args:
        cells: what stands in it.
        zone: in which moments are written.
    """
    return _SEPARATOR.join([_cell(value, zone) for value in cells]) + LINE_END


def _cell(value: Cell, zone: tzinfo) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = guarded(value)
        return '"' + (text.replace('"', '""') if '"' in text else text) + '"'
    if isinstance(value, Moment):
        return f"{datetime.fromtimestamp(value / MS_PER_S, zone):%Y-%m-%d %H:%M:%S}"
    return str(value)


def guarded(text: str) -> str:
    """Return a text with an apostrophe before it where a spreadsheet would make more of it.

    A control character, also a line's end, is written visibly: one row is one line.
    """
    begin = text.lstrip(" \u00a0")[:1]
    return f"'{escape(text)}" if begin in _FORMULA or _is_guessed(text.strip()) else escape(text)


def _is_guessed(text: str) -> bool:
    """Whether a program takes a text for a number that loses something, or for a date."""
    if not text[:1].isdigit():
        return text[:3].lower() in _IS_MONTH and _DAY.fullmatch(text) is not None
    if _PLAIN.fullmatch(text):
        return False
    return bool(_NUMBER.fullmatch(text) or _DAY.fullmatch(text))
