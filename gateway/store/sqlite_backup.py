"""A backup of the SQLite journal: copied whole, verified, packed, durable, and only then named.

Plain functions for a thread of their own, with a connection of their own that reads alone: orders
go on, and neither the writer's thread nor the reader's waits. `VACUUM INTO` sees one instant of
the journal, and comes to its end under writes, as the page by page copy does not. What is being
made has a name that nobody takes for a backup, and a lock: one that nobody holds was left by a
process that died, and is removed by the next.
"""

import contextlib
import errno
import fcntl
import gzip
import os
import re
import shutil
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import NotDone
from gateway.store import JournalUnusable
from gateway.store.keeping import Facts, Kept, Progress, Target
from gateway.store.migrate import APPLICATION_ID, check_sqlite

_OURS: Final = re.compile(r"otomax-gateway-[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\.db\.gz")
_PART: Final = ".otomax-gateway-{}.part"
_PART_OF_OURS: Final = re.compile(r"\.otomax-gateway-.+\.part")
_ITS_OWN_LOG: Final = "-journal"  # what SQLite keeps beside a copy while it writes that
# Measured on a journal of 100,000 orders, 94 MiB: level 1 packs it to 23 % in 0.6 s of CPU, 6 to
# 20 % in 1.8 s, which orders would miss.
_LEVEL: Final = 1
_CHUNK_BYTES: Final = 1024 * 1024
# The copy and the packed copy stand on the disk at one time; what is packed is less than half.
_ROOM: Final = 1.5
_ROOM_BYTES: Final = 16 * 1024 * 1024  # left for the journal itself while it goes on
# So often the copy rests, and so long: orders come between, and their commits took no longer
# beside it than the noise (median 3 ms on a busy machine); that journal took 13 s in place of 7.
_STEPS: Final = 4_000  # of SQLite's own machine, about a millisecond of work
_REST_S: Final = 0.001
_SQLITE: Final = b"SQLite format 3\0"
_GZIP: Final = b"\x1f\x8b"
# Of a SQLite file's head, and where in it whose file it is (sqlite.org/fileformat2.html, 1.3).
_HEAD_BYTES: Final = 100
_ID: Final = slice(68, 72)
_OUR_ID: Final = APPLICATION_ID.to_bytes(4, "big")


def back_up(journal: Path, target: Target, progress: Progress) -> Kept:
    """Make a backup.

    Args:
        journal: the SQLite file.
        target: where it goes.
        progress: told how far it is.

    Raises:
        NotDone: there is none; says why.
    """
    try:
        path = _destination(journal, target)
        _remove_dead_parts(path.parent)
        _check_room(journal, path.parent)
        facts = _make(journal, path, progress)
        removed = _forget_old(path.parent, target.keep) if path.parent == target.to else ()
        return Kept(path=path, size=path.stat().st_size, facts=facts, removed=removed)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        raise NotDone(f"no backup was made: {where}{error.strerror or error}") from None
    except (sqlite3.Error, JournalUnusable) as error:
        raise NotDone(f"no backup was made: {error}") from None


def _destination(journal: Path, target: Target) -> Path:
    to = target.to
    if to.is_dir():
        moment = datetime.fromtimestamp(target.at / MS_PER_S, UTC)
        stamp = f"{moment:%Y%m%dT%H%M%S}.{target.at % MS_PER_S:03d}Z"
        return to / f"otomax-gateway-{stamp}.db.gz"
    if target.keep is not None:
        raise NotDone(f"--keep counts the backups of a folder, and {to} is none: make it first")
    if to.name.startswith(journal.name) and to.parent.resolve() == journal.parent:
        raise NotDone(f"{to} belongs to the journal itself: give the backup another name")
    if to.exists() and not _is_copy(to):
        raise NotDone(f"{to} is there, and is no backup: it is left as it is")
    return to


def _is_copy(path: Path) -> bool:
    """Whether a file may be written over: it is empty, or a copy of a journal."""
    with path.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
        head = file.read(_HEAD_BYTES)
        if head.startswith(_GZIP):
            file.seek(0)
            try:
                head = packed.read(_HEAD_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                return False
    return not head or (head.startswith(_SQLITE) and head[_ID] == _OUR_ID)


def _check_room(journal: Path, folder: Path) -> None:
    log = journal.with_name(journal.name + "-wal")
    size = journal.stat().st_size + (log.stat().st_size if log.exists() else 0)
    needed = round(size * _ROOM) + _ROOM_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NotDone(
            f"no backup was made: {folder} has {_mib(free)} MiB free, and {_mib(needed)} MiB are "
            "needed while it is made"
        )


def _mib(size: int) -> int:
    return size // (1024 * 1024)


def _make(journal: Path, path: Path, progress: Progress) -> Facts:
    """Copy, verify, pack, look at what was packed, and give it its name."""
    with _part(path.parent, "copy") as copy, _part(path.parent, "pack") as packed:
        _copy(journal, copy, progress)
        facts = verify(copy)
        if path.name.endswith(".gz"):
            _pack(copy, packed, progress)
            _check_packed(packed, copy.stat().st_size)
            made = packed
        else:
            made = copy
        sync_file(made)
        made.replace(path)
        sync_folder(path.parent)
    return facts


@contextlib.contextmanager
def _part(folder: Path, what: str) -> Iterator[Path]:
    """Give a new empty file that is locked while it is being made; it is removed at the end."""
    path = folder / _PART.format(f"{os.getpid()}-{time.monotonic_ns()}-{what}")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path
    finally:
        _unlink(path)
        os.close(file)


def _unlink(part: Path) -> None:
    part.with_name(part.name + _ITS_OWN_LOG).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _remove_dead_parts(folder: Path) -> None:
    """Remove what a process was making when it died."""
    for path in folder.iterdir():
        if _PART_OF_OURS.fullmatch(path.name) is None:
            continue
        with contextlib.suppress(OSError):  # one that is being made is locked
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _unlink(path)
            finally:
                os.close(file)


def _copy(journal: Path, copy: Path, progress: Progress) -> None:
    size = journal.stat().st_size
    uri = f"file:{quote(str(journal))}?mode=ro"

    def rest() -> int:
        time.sleep(_REST_S)
        progress("copy", min(copy.stat().st_size, size), size)
        return 0

    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.set_progress_handler(rest, _STEPS)
        connection.execute("VACUUM INTO ?", (str(copy),))


def verify(path: Path, *, thoroughly: bool = False) -> Facts:
    """Look whether a file is a whole journal that this gateway can use.

    Args:
        path: a SQLite file that nobody writes.
        thoroughly: look also whether its indexes hold what its tables do; three times as long.

    Raises:
        JournalUnusable: it is some other database, or of a newer gateway.
        sqlite3.Error: it can not be read.
        NotDone: it is damaged.
    """
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    check = "integrity_check" if thoroughly else "quick_check"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        check_sqlite(connection)
        (said,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
        if said != "ok":
            raise NotDone(f"{path.name} is damaged: {said}")
        return _facts(connection)


def _facts(connection: sqlite3.Connection) -> Facts:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if not form:
        raise NotDone("this is an empty database, and no journal")
    (orders,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    (deliveries,) = connection.execute("SELECT count(*) FROM deliveries").fetchone()
    last = connection.execute("SELECT id, status FROM orders ORDER BY id DESC LIMIT 1").fetchone()
    noted = connection.execute("SELECT value FROM meta WHERE key = 'time'").fetchone()
    last_order, last_status = last or (0, None)
    return Facts(
        form=form,
        orders=orders,
        deliveries=deliveries,
        last_order=last_order,
        last_status=last_status,
        noted_at=None if noted is None else int(noted[0]),
    )


def _pack(copy: Path, packed: Path, progress: Progress) -> None:
    size, done = copy.stat().st_size, 0
    with copy.open("rb") as source, packed.open("r+b") as file:
        # No time and no name inside: equal journals are equal files.
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as into:
            while chunk := source.read(_CHUNK_BYTES):
                into.write(chunk)
                done += len(chunk)
                progress("pack", done, size)
        file.truncate()


def _check_packed(packed: Path, size: int) -> None:
    """Unpack what was written, for nobody will look at it before it is needed."""
    read = 0
    with gzip.open(packed, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            read += len(chunk)
    if read != size:
        raise NotDone(f"no backup was made: {read} of {size} bytes were packed")


def _forget_old(folder: Path, keep: int | None) -> tuple[Path, ...]:
    """Remove all but the newest backups of ours in a folder; nothing else in it is touched."""
    if keep is None:
        return ()
    ours = sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))
    old = tuple(ours[:-keep])
    for path in old:
        path.unlink(missing_ok=True)
    return old


def unpack(source: Path, into: Path, progress: Progress) -> None:
    """Write a backup, packed or plain, as a plain file.

    Raises:
        NotDone: it is damaged, or no backup.
    """
    size = source.stat().st_size
    with source.open("rb") as file, into.open("r+b") as out, gzip.GzipFile(fileobj=file) as packed:
        is_packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        reading: IO[bytes] = packed if is_packed else file  # type: ignore[assignment]  # both are read alike
        try:
            while chunk := reading.read(_CHUNK_BYTES):
                out.write(chunk)
                progress("unpack", file.tell(), size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise NotDone(f"{source} is damaged: {error}") from None


def sync_file(path: Path) -> None:
    """Make what stands in a file durable."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; some file systems can not, and need not."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(file)
