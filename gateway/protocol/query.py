"""A query string as it stands on the wire, read strictly: bytes that are no UTF-8 stay unread.

aiohttp's own reading is lenient (`%FF` and `%FE` become the same character, the last of two equal
names wins), and money must not depend on a guess. Only the reading of queries lives here.
"""

from urllib.parse import unquote_to_bytes

import msgspec


class Query(msgspec.Struct, frozen=True, gc=False):
    """The parameters of one request.

    Attributes:
        values: name to decoded value; the first one where a name came twice.
        unreadable: names whose value is no UTF-8; they are not in `values`.
        repeated: names that came more than once.
    """

    values: dict[str, str]
    unreadable: frozenset[str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """Return the value, or None where it is missing, empty, unreadable or repeated."""
        return None if name in self.repeated else self.values.get(name) or None


def parse_query(raw: str, *, any_case: bool = False) -> Query:
    """Read what stands behind the `?` of a request line.

    Args:
        raw: the characters as they came, non-ASCII bytes as surrogates (PEP 383). A raw `#` is an
            ordinary character: a request line has no fragment (RFC 9112, section 3.2).
        any_case: names are read, and returned, in small letters, however they were written.
    """
    values: dict[str, str] = {}
    unreadable: set[str] = set()
    repeated: set[str] = set()
    for pair in raw.split("&"):
        name_raw, _, value_raw = pair.partition("=")
        name, value = _decode(name_raw), _decode(value_raw)
        if name is None or not pair:
            continue  # an unknown parameter, whatever it was
        if any_case and name.isascii():  # the Kelvin sign is no k
            name = name.lower()
        if name in values or name in unreadable:
            repeated.add(name)
        elif value is None:
            unreadable.add(name)
        else:
            values[name] = value
    return Query(values, frozenset(unreadable), frozenset(repeated))


def _decode(raw: str) -> str | None:
    """Undo percent-encoding; a `+` is a space, as in forms. None where the bytes are no UTF-8."""
    try:
        if "%" not in raw and "+" not in raw and raw.isascii():
            return raw
        encoded = raw.replace("+", " ").encode("utf-8", "surrogateescape")
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeError:
        return None
