"""What a panel asks and is told, without HTTP; and the plain requests, read without aiohttp.

Nearly every request is the same: a GET without a body, whole, in one packet. Such a one is read
here, by patterns. Whatever is not exactly that is aiohttp's, byte for byte: what is read here is a
part of what aiohttp reads, and means the same to it (`tests/web/test_web_plain` compares the two).
Nothing here knows a connection.
"""

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple

MAX_PLAIN_BYTES = 8 * 1024  # far below what aiohttp takes; an order has 400
_MAX_FIELDS_BYTES = 2 * 1024  # of which some are remembered
_MAX_FIELDS = 64

# RFC 9112: a target in origin form, without what belongs into none (3.2.1); a field is a token, a
# colon, and no control character (5).
_LINE = re.compile(rb"GET (/[!\"$-~]*) HTTP/1\.1")
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)+\r\n")
# Each of these decides how the rest is read, or by whom.
_DECIDING = frozenset(
    (
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "expect",
        "upgrade",
        "http2-settings",
        "te",
        "trailer",
    )
)
_KEEPING = ("connection", "proxy-connection")  # to aiohttp's parser both mean the same
_FORWARDED = "x-forwarded-for"


class Ask(NamedTuple):
    """A request.

    Attributes:
        number: its own, while it is being answered.
        method: in capitals.
        target: path and query, as they came.
        path: decoded.
        remote: the address of the connection, None where it has none.
        forwarded: every X-Forwarded-For field, joined by commas.
    """

    number: int
    method: str
    target: str
    path: str
    remote: str | None
    forwarded: str

    @property
    def query(self) -> str:
        """What stands behind the first `?`, as it came."""
        return self.target.partition("?")[2]


class Said(NamedTuple):
    """What is answered: one line of text, and the HTTP code."""

    text: str
    status: int = 200


Answers = Callable[[Ask], Awaitable[Said]]
"""Answers a request; raises nothing that is not a mistake of ours."""


class Plain(NamedTuple):
    """A plain request: its target as it came, its X-Forwarded-For fields joined by commas."""

    target: str
    forwarded: str


def plain_request(data: bytes) -> Plain | None:
    """Read a request that is plain and whole, and keeps its connection.

    Args:
        data: everything that came.

    Returns:
        None where aiohttp has to read it.
    """
    line, _, fields = data.partition(b"\r\n")
    if len(data) > MAX_PLAIN_BYTES or len(fields) > _MAX_FIELDS_BYTES:
        return None
    found = _LINE.fullmatch(line)
    forwarded = None if found is None else _read_fields(fields)
    if found is None or forwarded is None:
        return None
    return Plain(found[1].decode("ascii"), forwarded)


# A panel's fields are the same bytes each time: reading them costs some 6 µs, and 0.2 again.
@lru_cache(maxsize=1024)
def _read_fields(fields: bytes) -> str | None:
    """Return what was forwarded; None where the fields are not those of a plain request."""
    if _FIELDS.fullmatch(fields) is None:
        return None
    pairs = [line.partition(":") for line in fields.decode("ascii").split("\r\n")[:-2]]
    names = [name.lower() for name, _, _ in pairs]
    others = [name for name in names if name != _FORWARDED]
    if len(names) > _MAX_FIELDS or "host" not in others or len(set(others)) < len(others):
        return None  # of some fields a second one is a mistake, and which counts a matter of taste
    values = [value.strip(" \t") for _, _, value in pairs]
    for name, value in zip(names, values, strict=True):
        if name in _DECIDING or name.startswith("sec-websocket-"):
            return None
        if name in _KEEPING and value.lower() != "keep-alive":
            return None
    return ",".join(v for n, v in zip(names, values, strict=True) if n == _FORWARDED)
