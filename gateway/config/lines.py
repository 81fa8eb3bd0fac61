"""On which line of a TOML text each key stands; `tomllib` does not say.

Only the finding of lines may live here. The text was parsed by `tomllib` before, so this reads it
leniently: it follows keys, strings, arrays and inline tables, and judges nothing.
"""

import contextlib
import tomllib

_BARE_END = ",]}#\n"
_BLANK = " \t\n"


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the first line of every table and key.

    Args:
        text: a valid TOML document with bare newlines as line ends.

    Returns:
        Line numbers from 1, by the parts of the full key: `("server", "listen")`. Tables have
        theirs too, by header or by their first dotted key.
    """
    scanner = _Scanner(text)
    # Not TOML after all, or nested beyond reason: what was found so far still holds.
    with contextlib.suppress(IndexError, ValueError, RecursionError):
        scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text + "\n"
        self._at = 0
        self._counted = (0, 1)  # up to here, and the line that it is on
        self.lines: dict[tuple[str, ...], int] = {}

    def document(self) -> None:
        table: tuple[str, ...] = ()
        while self._skip_blank():
            if self._text[self._at] != "[":
                self._pair(table)
                continue
            start = self._at
            self._at += 2 if self._text.startswith("[[", start) else 1
            table = self._key()
            self._note(table, start)
            self._at = self._text.index("\n", self._at)

    def _note(self, key: tuple[str, ...], start: int) -> None:
        counted, line = self._counted
        line += self._text.count("\n", counted, start)
        self._counted = (start, line)
        for length in range(1, len(key) + 1):
            self.lines.setdefault(key[:length], line)

    def _skip_blank(self, more: str = "") -> bool:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                self._at = self._text.index("\n", self._at)
            elif char in _BLANK or char in more:
                self._at += 1
            else:
                return True
        return False

    def _pair(self, table: tuple[str, ...]) -> None:
        start = self._at
        key = table + self._key()
        self._note(key, start)
        self._at += 1  # the equals sign
        self._skip_blank()
        self._value(key)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip_blank(".")
            char = self._text[self._at]
            start = self._at
            if char in "=]":
                return tuple(parts)
            if char in "\"'":
                self._string(char)
                parts.append(_unquoted(self._text[start : self._at]))
            else:
                while self._text[self._at] not in " \t.=]\n":
                    self._at += 1
                parts.append(self._text[start : self._at])

    def _value(self, key: tuple[str, ...]) -> None:
        char = self._text[self._at]
        if char in "\"'":
            self._string(char * 3 if self._text.startswith(char * 3, self._at) else char)
        elif char in "[{":
            self._at += 1
            while self._skip_blank(",") and self._text[self._at] not in "]}":
                if char == "{":
                    self._pair(key)
                else:
                    self._value(key)
            self._at += 1
        else:
            while self._text[self._at] not in _BARE_END:
                self._at += 1

    def _string(self, quote: str) -> None:
        """Pass a string that opens and closes with this quote."""
        self._at += len(quote)
        while not self._text.startswith(quote, self._at):
            if self._text[self._at] == "\\" and quote[0] == '"':
                self._at += 1
            self._at += 1
        self._at += len(quote)
        if len(quote) > 1:  # a long string may end in one or two quotes of its own
            for _ in range(2):
                self._at += self._text.startswith(quote[0], self._at)


def _unquoted(word: str) -> str:
    if word[0] == "'" or "\\" not in word:
        return word[1:-1]
    return next(iter(tomllib.loads(f"{word}=0")))
