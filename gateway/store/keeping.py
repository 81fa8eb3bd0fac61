"""Backups of a journal, and bringing one back: what can be asked, and the values of both.

Beside `intents`, for not every backend does this itself: PostgreSQL has tools of its own for it.
What every backend has to know is that it *was* brought back: `Restored` stands in its meta.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

RESTORED: Final = "restored"
"""The name under which a journal keeps that it was brought back (`Restored`, as JSON)."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """That a journal was brought back from a backup, so that orders of ours are not in it.

    Attributes:
        at: when, Unix milliseconds. What the gateway of before sent was sent before this.
        taken_at: the last time that the journal itself knew then, Unix milliseconds, or None.
        look_until: a trx_id that the journal does not know is looked up before it is sent, until
            then, Unix milliseconds.
        asked: everything that was open then has been looked up.
    """

    at: int
    taken_at: int | None
    look_until: int
    asked: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy of a journal was found to hold when it was verified.

    Attributes:
        form: of its tables; the number of the last migration.
        orders: how many.
        deliveries: how many.
        last_order: the number of the newest order, 0 where there is none.
        last_status: its status.
        noted_at: the last time that was written down in it, Unix milliseconds, or None.
    """

    form: int
    orders: int
    deliveries: int
    last_order: int
    last_status: str | None
    noted_at: int | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made and verified.

    Attributes:
        path: where it is.
        size: bytes.
        facts: what it holds.
        removed: older backups that were removed for it.
    """

    path: Path
    size: int
    facts: Facts
    removed: tuple[Path, ...] = ()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backup goes.

    Attributes:
        to: a folder, in which it gets a name with its time, or a file.
        at: Unix milliseconds, for that name.
        keep: so many of a folder's newest backups stay, this one included; None keeps all.
    """

    to: Path
    at: int
    keep: int | None = None


Progress = Callable[[str, int, int], None]
"""Told what is being done, bytes done, and bytes in all; called on another thread."""


Seals = Mapping[str, bytes]
CheckSeals = Callable[[bytes | None, Seals], None]
"""Raises NotDone where a key file does not open the root, or a seal of this name."""


class Wanted(NamedTuple):
    """What is to be brought back.

    Attributes:
        source: the backup, packed or plain.
        at: Unix milliseconds.
        force: a journal that is there may be replaced.
    """

    source: Path
    at: int
    force: bool


class BroughtBack(NamedTuple):
    """A journal that was brought back; `old` is where the one of before is, if there was one."""

    facts: Facts
    old: Path | None


class Keeper(Protocol):
    """A backend that makes its own backups."""

    async def back_up(self, target: Target, progress: Progress) -> Kept:
        """Make a backup while orders go on; verified and durable when it returns.

        Raises:
            NotDone: there is none, and no part of one; says why.
        """
        ...

    async def leave_log(self) -> None:
        """Leave the write-ahead log to another program from now on."""
        ...

    async def beat(self) -> None:
        """Return when whoever writes has nothing before it that does not end."""
        ...
