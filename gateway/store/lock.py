"""Keeps every other process away from a SQLite journal, and says who holds it."""

import fcntl
import json
import os
import time
from pathlib import Path

from gateway.domain.errors import JournalUnavailable
from gateway.store import JournalInUse
from gateway.store.liveness import is_dead, own_name

# The scribe of a gateway that was killed ends with the batch that it is writing; a disk that takes
# longer hangs (`group_commit`).
_LEFT_BEHIND_S = 10.0
_LOOK_AGAIN_S = 0.02


class Lock:
    """Keeps a second process away from a journal: an flock on `<file>.lock`, held until closed.

    The file names who holds it, so that a command can find the running gateway. Who writes for
    that one holds the lock with it, and may do so for a moment longer: that is waited for, up to
    ten seconds, and the caller with it.

    Attributes:
        descriptor: what a process that writes for this one inherits.

    Raises:
        JournalInUse: another process holds it.
        JournalUnavailable: who held it was killed, and what it began to write does not end.
        OSError: the lock's file can not be made.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + ".lock")
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(journal)
            self.say({})
        except BaseException:
            os.close(self.descriptor)
            raise

    def _take(self, journal: Path) -> None:
        give_up_at = time.monotonic() + _LEFT_BEHIND_S
        while True:
            try:
                return fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = read_lock(journal)
            pid = holder.get("pid", "?")
            if not _has_died(holder):
                raise JournalInUse(
                    f"{journal} is in use by process {pid}: stop that one, or give this one its "
                    "own storage.url"
                )
            if time.monotonic() > give_up_at:
                raise JournalUnavailable(
                    f"{journal} is still being written for process {pid}, which was killed: its "
                    "disk does not answer"
                )
            time.sleep(_LOOK_AGAIN_S)

    def say(self, about: dict[str, str]) -> None:
        """Write who holds the lock, and how that process is reached."""
        said = {"pid": str(os.getpid()), "process": own_name(), **about}
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(said).encode(), 0)

    def close(self) -> None:
        """Let go."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def _has_died(holder: dict[str, str]) -> bool:
    return "process" in holder and is_dead(holder["process"], own_name())


def read_lock(journal: Path) -> dict[str, str]:
    """Return what the holder of a journal wrote about itself; empty where nothing is said."""
    try:
        said = json.loads(journal.with_name(journal.name + ".lock").read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
