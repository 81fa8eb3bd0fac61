"""A scribe that ends at a chosen point of its third batch, in the place of the real program.

    python -I -S run_mute_scribe.py <journal> <descriptor>

The real program, whose file MUTE_SCRIBE names, does everything; MUTE_AT says where it ends:
`before` its commit, or `after` it and before it says so.
"""

import importlib.util
import os
import sqlite3
from typing import Any

_BATCH = 3


def main() -> None:
    """Be the scribe until the third batch."""
    spec = importlib.util.spec_from_file_location("scribe", os.environ["MUTE_SCRIBE"])
    assert spec is not None
    assert spec.loader is not None
    scribe: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scribe)
    write, point = scribe.write, os.environ["MUTE_AT"]

    def write_and_end(connection: sqlite3.Connection, number: str, statements: list[Any]) -> bool:
        if not number.endswith(f"-{_BATCH}"):
            return bool(write(connection, number, statements))
        if point == "before":
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                connection.executemany(sql, rows)
            os._exit(1)
        write(connection, number, statements)
        os._exit(1)

    scribe.write = write_and_end
    scribe.main()


if __name__ == "__main__":
    main()
