"""What goes over the wire as plain values, so that the upstream's heart needs no sockets.

Data only. `core` makes answers of questions; `routes` carries both over HTTP, and a simulation in
virtual time carries them itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One request. Two requests are never the same one, however alike they are.

    Attributes:
        method: in capitals.
        path: decoded, without the query.
        query: decoded; of a parameter that came twice, the first.
        headers: by their names in small letters.
        body: as it came.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: the HTTP code.
        content_type: with its charset.
        body: the bytes that are sent.
        after_s: seconds that it is held back.
        missing: bytes that Content-Length promises beyond `body`; the connection is closed instead
            of sending them.
    """

    status: int
    content_type: str
    body: bytes
    after_s: float = 0.0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class HangUp:
    """The end of the connection instead of an answer.

    Attributes:
        after_s: seconds until then.
        reset: whether it ends with a reset (RST), and not in order (FIN).
    """

    after_s: float = 0.0
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """The body of a JSON callback and its `x-signature`."""

    body: bytes
    signature: str
