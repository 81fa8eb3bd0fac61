"""The process that writes the SQLite journal for a busy gateway: `sqlite_scribe` starts it.

A program of its own, `python -I -S <this file> <journal> <descriptor>`, that needs nothing but
Python: so it takes 12 MiB, and starts in some 50 ms. It knows no table. It is told what to write,
writes it in one transaction or not at all, and says which.

Told and said in frames on one local socket: the length in four bytes, then `marshal` of either a
list of pragmas, first of all, or (the number of the batch, its statements). Said is one byte. Both
ends are the same Python, and nobody else has the socket, so `marshal` is safe and needs no schema.

It ends when its gateway does, for then the socket does; until then it holds the journal's lock
with it, so that no other gateway begins while it may still write. Signals that end the gateway
reach it, too (Ctrl-C, systemd), and are not for it.
"""

import gc
import marshal
import os
import signal
import socket
import sqlite3
import sys
from typing import Any

READY = b"r"  # the journal is open
WRITTEN = b"w"  # durable
NOT_WRITTEN = b"n"  # nothing of it stands in the journal
LENGTH_BYTES = 4
# How long another's lock is waited for, seconds: then the gateway waits by itself.
_LOCKED_S = 0.5
LAST_BATCH = "scribe_batch"
"""The name in `meta` of the number of the batch that was written last."""
_MARK = (
    "INSERT INTO meta (key, value) VALUES (?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class NotAll(Exception):  # noqa: N818  no error: the gateway finds out what it is
    """A row was to be changed that is not there, or to be added that is."""


def write(connection: sqlite3.Connection, number: str, statements: list[Any]) -> bool:
    """Write a batch durably; False: nothing of it was written.

    Raises:
        sqlite3.Error: it can not even be undone; only the end of the process undoes it.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows in statements:
            _change_each(connection, sql, rows)
        connection.execute(_MARK, (LAST_BATCH, number.encode()))
        connection.execute("COMMIT")
    except Exception:  # noqa: BLE001  whatever it is, the gateway finds out
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return False
    return True


def _change_each(connection: sqlite3.Connection, sql: str, rows: list[Any]) -> None:
    if connection.executemany(sql, rows).rowcount != len(rows):
        raise NotAll


def _told(gateway: socket.socket) -> Any:  # noqa: ANN401  whatever the gateway tells
    """Return what is told next.

    Raises:
        EOFError: the gateway has ended, or wants no more.
    """
    length = int.from_bytes(_bytes(gateway, LENGTH_BYTES))
    return marshal.loads(_bytes(gateway, length))  # noqa: S302  nobody else has this socket


def _bytes(gateway: socket.socket, length: int) -> bytes:
    read = bytearray(length)
    view = memoryview(read)
    while view:
        got = gateway.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return bytes(read)


def _work(path: str, gateway: socket.socket) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_LOCKED_S)
    for pragma in _told(gateway):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    gateway.sendall(READY)
    while True:
        number, statements = _told(gateway)
        gateway.sendall(WRITTEN if write(connection, number, statements) else NOT_WRITTEN)


def main() -> None:
    """Write what is told until the gateway ends."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    gc.disable()  # nothing here refers to itself
    path, descriptor = sys.argv[1:]
    try:
        _work(path, socket.socket(fileno=int(descriptor)))
    except (EOFError, OSError, sqlite3.Error):
        # As in a crash: what was begun is undone by who opens the journal next. To close it here
        # would copy the log into the journal, and keep its lock for as long.
        os._exit(0)


if __name__ == "__main__":
    main()
