"""Why a SQLite journal can not be opened, as an operator and a service manager have to know it."""

import errno
import sqlite3
from pathlib import Path

from gateway.domain.errors import JournalUnavailable
from gateway.store import JournalUnusable

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_PASSING_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
_PRIMARY = 0xFF  # SQLite's extended codes carry the primary one in their last byte


def not_opened(path: Path, error: Exception) -> Exception:
    """Say why a journal can not be opened: for now, or as it is.

    A disk that is full or fails may be well again at the next start, so that is no fault of the
    configuration, after which a service manager would not start the gateway any more.
    """
    if isinstance(error, OSError):
        text = f"{path}: can not be opened: {error.strerror}"
        return JournalUnavailable(text) if error.errno in _PASSING else JournalUnusable(text)
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & _PRIMARY in _PASSING_SQLITE:
        return JournalUnavailable(f"{path}: {error}")
    return JournalUnusable(f"{path}: {error}")
