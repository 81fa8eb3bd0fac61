"""Keeps every other process away from a SQLite journal, and says who holds it."""

import fcntl
import json
import os
from pathlib import Path

from gateway.store import JournalInUse


class Lock:
    """Keeps a second process away from a journal: an flock on `<file>.lock`, held until closed.

    The file names who holds it, so that a command can find the running gateway.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + ".lock")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            pid = read_lock(journal).get("pid", "?")
            raise JournalInUse(
                f"{journal} is in use by process {pid}: stop that one, or give this one its own "
                "storage.url"
            ) from None
        try:
            self.say({})
        except OSError:
            os.close(self._file)
            raise

    def say(self, about: dict[str, str]) -> None:
        """Write who holds the lock, and how that process is reached."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": str(os.getpid()), **about}).encode(), 0)

    def close(self) -> None:
        """Let go."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def read_lock(journal: Path) -> dict[str, str]:
    """Return what the holder of a journal wrote about itself; empty where nothing is said."""
    try:
        said = json.loads(journal.with_name(journal.name + ".lock").read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
