"""The mark of a move, in `meta`: which of two journals may be worked on. Pure.

Two journals with the same orders that are both in use would buy twice. So there is no instant at
which both could be: a copy bears its mark from the commit that makes it visible, the journal that
it was made of is marked as moved after that, and only then the copy's mark is taken off.
"""

from typing import Final, Literal

import msgspec

from gateway.store import JournalUnusable

KEY: Final = "move"
"""The name in `meta`; what stands under it is never copied."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says of a move.

    Attributes:
        id: drawn for the move, the same in both journals.
        state: `begun` and `moved` stand in the journal that is moved, `copy` in the other.
        source: what may be shown of where it comes from.
        target: what may be shown of where it goes.
    """

    id: str
    state: Literal["begun", "moved", "copy"]
    source: str
    target: str

    def encoded(self) -> bytes:
        """Return what stands in `meta`."""
        return msgspec.json.encode(self)


def mark_from(value: bytes | None) -> Mark | None:
    """Return the mark that stands in `meta`, where there is one."""
    return None if value is None else msgspec.json.decode(value, type=Mark)


def check_mark(value: bytes | None) -> None:
    """Look whether a journal may be worked on.

    Raises:
        JournalUnusable: it was moved, or it is a copy that is not finished.
    """
    mark = mark_from(value)
    if mark is None or mark.state == "begun":
        return
    if mark.state == "moved":
        raise JournalUnusable(
            f"this journal was moved to {mark.target}: set storage.url to that one, for both in "
            "use would buy twice"
        )
    raise JournalUnusable(
        f"this is a copy of {mark.source} that is not finished: repeat `otomax-gateway migrate-db`"
    )
