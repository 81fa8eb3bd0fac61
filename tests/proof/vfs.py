"""A disk that can be watched, can fail, and can lose its power: a layer below SQLite.

SQLite does every file operation through a *VFS*. The one here passes everything on to SQLite's
ordinary one and steps in between only for the files of a watched folder: the database, its `-wal`
and its rollback journal (`-shm` is memory: it is made anew from the WAL). It keeps a log of what
was done to them, from which `power_image` makes the disk after a power cut, and it can fail the
n-th write or the n-th sync. Nothing of the gateway or of Python's `sqlite3` is replaced: they are
given another default VFS, in the very library that they use.

How it steps in: the real `xOpen` fills the `sqlite3_file`; then the file's table of methods is
replaced by a copy of it in which a few entries are ours. So no object of our own is needed, and
shared memory, locks and the rest stay SQLite's.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

# sqlite3.h
OK = 0
FULL = 13
IOERR_READ = 10 | 1 << 8
IOERR_WRITE = 10 | 3 << 8
IOERR_FSYNC = 10 | 4 << 8
_MAIN_DB, _MAIN_JOURNAL, _WAL = 0x100, 0x800, 0x80000

_XClose = CFUNCTYPE(c_int, c_void_p)
_XRead = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_XWrite = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_XTruncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_XSync = CFUNCTYPE(c_int, c_void_p, c_int)
_XOpen = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_XDelete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods` of version 3; only what is ours has its name here."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", c_void_p),
        ("xTruncate", c_void_p),
        ("xSync", c_void_p),
        ("others", c_void_p * 13),
    )


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs` of version 3."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("xDelete", c_void_p),
        ("others", c_void_p * 14),
    )


class What(Enum):
    """What was done to a file."""

    FOUND = auto()  # it was there when it was first opened
    MADE = auto()
    WROTE = auto()
    TRUNCATED = auto()
    SYNCED = auto()
    SYNC_FAILED = auto()
    DELETED = auto()


class Event(NamedTuple):
    """One thing that was done to a file; `at` is an offset, or a size."""

    path: str
    what: What
    at: int = 0
    data: bytes = b""


class Kind(Enum):
    """How a disk fails."""

    FULL = "full"
    IOERR = "ioerr"
    SHORT = "short"  # half of what was to be written is, then the disk is full
    FSYNC = "fsync"


_CODES = {Kind.FULL: FULL, Kind.IOERR: IOERR_WRITE, Kind.SHORT: FULL, Kind.FSYNC: IOERR_FSYNC}


@dataclass(frozen=True, slots=True)
class Trouble:
    """The n-th write, or sync, fails; then all of them, or every so many again, or no other."""

    kind: Kind
    at: int
    lasting: bool = False
    every: int = 0

    def strikes(self, number: int) -> bool:
        """Return whether the write, or sync, of this number fails."""
        later = number - self.at
        if later <= 0 or self.lasting:
            return later >= 0
        return bool(self.every) and later % self.every == 0


@dataclass(slots=True)
class Disk:
    """What lies below one folder.

    Attributes:
        folder: the watched folder.
        log: everything that was done, in its order; its length is an instant.
        writes: how many writes and truncations were asked for.
        syncs: how many syncs were asked for.
        trouble: what is to fail, or None.
        fired: how many times it did.
        blind: threads by their number for which every read fails.
        held: syncs wait until this is set, where it is not None.
    """

    folder: str
    log: list[Event] = field(default_factory=list)
    writes: int = 0
    syncs: int = 0
    trouble: Trouble | None = None
    fired: int = 0
    blind: set[int] = field(default_factory=set)
    held: threading.Event | None = None
    known: set[str] = field(default_factory=set)

    @property
    def now(self) -> int:
        """This instant, as a place in the log."""
        return len(self.log)

    def fail(self, trouble: Trouble) -> None:
        """Let the n-th write or sync from now on fail."""
        self.writes = self.syncs = self.fired = 0
        self.trouble = trouble

    def heal(self) -> None:
        """Let nothing fail any more."""
        self.trouble = None
        self.blind.clear()

    def write_fails(self) -> Kind | None:
        """Count a write; returns how it fails, or None."""
        self.writes += 1
        return self._fails(self.writes, of_sync=False)

    def sync_fails(self) -> Kind | None:
        """Count a sync; returns how it fails, or None."""
        self.syncs += 1
        return self._fails(self.syncs, of_sync=True)

    def _fails(self, number: int, *, of_sync: bool) -> Kind | None:
        trouble = self.trouble
        if trouble is None or (trouble.kind is Kind.FSYNC) is not of_sync:
            return None
        if not trouble.strikes(number):
            return None
        self.fired += 1
        return trouble.kind


class _Real:
    """The real methods of a file, and the table in which ours stand in their places."""

    def __init__(self, address: int) -> None:
        methods = _Methods.from_address(address)
        if methods.iVersion < 3:
            raise RuntimeError(f"io methods of version {methods.iVersion}: 3 is known here")
        self.close = _XClose(methods.xClose)
        self.read = _XRead(methods.xRead)
        self.write = _XWrite(methods.xWrite)
        self.truncate = _XTruncate(methods.xTruncate)
        self.sync = _XSync(methods.xSync)
        self.ours = _Methods.from_buffer_copy(methods)
        for name, function in _OURS.items():
            setattr(self.ours, name, ctypes.cast(function, c_void_p).value)


class _File(NamedTuple):
    """An open file of a watched folder."""

    disk: Disk
    path: str
    real: _Real


_disks: dict[str, Disk] = {}
_files: dict[int, _File] = {}  # by the address of their sqlite3_file
_reals: dict[int, _Real] = {}  # by the address of their methods


def _close(address: int) -> int:
    return int(_files.pop(address).real.close(address))


def _read(address: int, into: int, amount: int, offset: int) -> int:
    file = _files[address]
    if threading.get_ident() in file.disk.blind:
        file.disk.fired += 1
        return IOERR_READ
    return int(file.real.read(address, into, amount, offset))


def _write(address: int, source: int, amount: int, offset: int) -> int:
    disk, path, real = _files[address]
    fails = disk.write_fails()
    if fails is not None:
        amount = amount // 2 if fails is Kind.SHORT else 0
    code = int(real.write(address, source, amount, offset)) if amount else OK
    if code == OK and amount:
        disk.log.append(Event(path, What.WROTE, offset, ctypes.string_at(source, amount)))
    return code if fails is None else _CODES[fails]


def _truncate(address: int, size: int) -> int:
    disk, path, real = _files[address]
    fails = disk.write_fails()
    if fails is not None:
        return _CODES[fails]
    code = int(real.truncate(address, size))
    if code == OK:
        disk.log.append(Event(path, What.TRUNCATED, size))
    return code


def _sync(address: int, flags: int) -> int:
    disk, path, real = _files[address]
    if disk.held is not None:
        disk.held.wait()
    if disk.sync_fails():
        disk.log.append(Event(path, What.SYNC_FAILED))
        return IOERR_FSYNC
    code = int(real.sync(address, flags))
    disk.log.append(Event(path, What.SYNCED if code == OK else What.SYNC_FAILED))
    return code


# ctypes calls these for as long as the process lives, so they are never let go.
_OURS = {
    "xClose": _XClose(_close),
    "xRead": _XRead(_read),
    "xWrite": _XWrite(_write),
    "xTruncate": _XTruncate(_truncate),
    "xSync": _XSync(_sync),
}


def _disk_of(path: str) -> Disk | None:
    return _disks.get(os.path.dirname(path))  # noqa: PTH120  in every open, and not ours to resolve


class _Shim:
    """The VFS, registered beside the real one."""

    def __init__(self) -> None:
        self._library = _library()
        self._library.sqlite3_vfs_find.restype = c_void_p
        self._library.sqlite3_vfs_find.argtypes = [c_char_p]
        self._library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        self._real: int = self._library.sqlite3_vfs_find(None)
        real = _Vfs.from_address(self._real)
        self._real_open = _XOpen(real.xOpen)
        self._real_delete = _XDelete(real.xDelete)
        self._functions = _XOpen(self._open), _XDelete(self._delete)
        self._ours = _Vfs.from_buffer_copy(real)
        self._ours.zName = b"proof"
        self._ours.pNext = None
        self._ours.xOpen, self._ours.xDelete = (
            ctypes.cast(function, c_void_p).value for function in self._functions
        )

    def make_default(self, *, ours: bool) -> None:
        """Let every connection that is opened from now on use ours, or the real one again."""
        address = ctypes.addressof(self._ours) if ours else self._real
        if self._library.sqlite3_vfs_register(address, 1) != OK:
            raise RuntimeError("SQLite did not take the VFS")

    def _open(self, _: int, name: int | None, address: int, flags: int, out: int | None) -> int:
        path = "" if name is None else os.fsdecode(ctypes.string_at(name))
        disk = _disk_of(path) if flags & (_MAIN_DB | _MAIN_JOURNAL | _WAL) else None
        there = disk is not None and os.path.exists(path)  # noqa: PTH110  a plain name
        code = int(self._real_open(self._real, name, address, flags, out))
        if code == OK and disk is not None:
            self._step_in(disk, path, address, there=there)
        return code

    def _step_in(self, disk: Disk, path: str, address: int, *, there: bool) -> None:
        if path not in disk.known:
            disk.known.add(path)
            data = Path(path).read_bytes() if there else b""
            disk.log.append(Event(path, What.FOUND if there else What.MADE, data=data))
        methods = c_void_p.from_address(address)  # the first member of a sqlite3_file
        assert methods.value is not None
        real = _reals.get(methods.value) or _reals.setdefault(methods.value, _Real(methods.value))
        _files[address] = _File(disk, path, real)
        methods.value = ctypes.addressof(real.ours)

    def _delete(self, _: int, name: bytes, sync: int) -> int:
        path = os.fsdecode(name)
        disk = _disk_of(path)
        code = int(self._real_delete(self._real, name, sync))
        if code == OK and disk is not None and path in disk.known:
            disk.known.discard(path)
            disk.log.append(Event(path, What.DELETED, sync))
        return code


def _library() -> Any:
    """Return the very SQLite that Python's `sqlite3` uses."""
    import _sqlite3

    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    if not hasattr(library, "sqlite3_vfs_register"):
        raise RuntimeError(
            "this Python keeps its SQLite to itself (linked statically), so its disk can not be "
            "watched: run the proof with a Python whose _sqlite3 is linked to libsqlite3"
        )
    return library


_shim: _Shim | None = None


@contextmanager
def watched(folder: Path) -> Iterator[Disk]:
    """Watch what SQLite does to the files in a folder, by connections that are opened within."""
    global _shim  # noqa: PLW0603  one for a process: SQLite's list of them is, too
    _shim = _shim or _Shim()
    name = str(folder.resolve())
    disk = _disks[name] = Disk(name)
    _shim.make_default(ours=True)
    try:
        yield disk
    finally:
        del _disks[name]
        if not _disks:
            _shim.make_default(ours=False)
