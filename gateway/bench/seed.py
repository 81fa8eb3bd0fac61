"""Fills a journal with orders: copies of a real one, so each is what the product writes today.

The gateway has made the journal and settled the order that is copied; the columns are read from
the tables as they are, and only what makes each copy itself is given here.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.bench.names import SQL_NAME

_CHUNK = 100_000  # rows a transaction
_CACHE_KIB = 2_000_000  # so that an index that is hit all over stays in memory while it grows
_DAY_MS = 86_400_000

_RESELLER = "'toko' || (i % 8)"
_ITSELF = {"id": ":base + i", "reseller": _RESELLER, "trx_id": SQL_NAME}
# Placed one after the other, long enough ago that nobody looks at them any more.
_AGE = "placed_at - 40 * 86400000 + i"
_OLD = {
    **_ITSELF,
    "invoice_number": "'APIKUY_ML_' || (1600000000 + i / 7) || printf('_%04d', i % 10000)",
    "placed_at": _AGE,
    "first_sent_at": _AGE,
    "send_ended_at": _AGE,
    "final_at": _AGE,
    "due_at": "NULL",
}
_SENDING = 200  # of the open ones: the most that a gateway has on the wire
# Due since a day, all of them, and their ages are not in the order of their numbers.
_DUE = f"placed_at - {_DAY_MS} + i * 7919 % 100000 * 100"
_OPEN = {
    **_ITSELF,
    "sending": f"i < {_SENDING}",
    "named": f"i >= {_SENDING}",
    "placed_at": _DUE,
    "first_sent_at": _DUE,
    "send_ended_at": f"iif(i < {_SENDING}, NULL, {_DUE})",
    "looked_up_at": "NULL",
    "due_at": f"iif(i < {_SENDING}, placed_at + {_DAY_MS}, {_DUE})",
}
_STEP = {"order_id": ":base + i", "n": "1"}
_DELIVERY = {"id": ":base + i", "order_id": ":base + i", "reseller": _RESELLER}
# A host each in turn; resellers change after each round, so that each calls every host.
_DUE_DELIVERY = {
    **_DELIVERY,
    "reseller": "'toko' || (i / :hosts % 8)",
    "url": "replace(url, host, json_extract(:panels, '$[' || (i % :hosts) || ']')) || '&n=' || i",
    "host": "json_extract(:panels, '$[' || (i % :hosts) || ']')",
    "state": "'due'",
    "attempts": "0",
    "next_at": "created_at + i / 64",
    "done_at": "NULL",
    "last_result": "NULL",
}


def seed_open(journal: Path, number: int) -> None:
    """Add open orders: copies of the newest order, which must be open."""
    with _opened(journal) as connection:
        Copier(connection).orders(_OPEN, number)


def seed_old(journal: Path, number: int, say: Callable[[str], None], *, whole: bool) -> None:
    """Add old orders: copies of the newest order, which must be settled and delivered.

    Args:
        journal: of a gateway that does not run.
        number: how many.
        say: is told how far it is.
        whole: each with a step of its timeline and a delivery.
    """
    with _opened(journal) as connection:
        copier = Copier(connection, say)
        copier.orders(_OLD, number)
        if whole:
            copier.copy("timeline", _STEP, number, f"order_id = {copier.order} AND n = 1")
            values = {**_DELIVERY, "url": f"host || '/c?trx_id=' || {SQL_NAME}"}
            copier.copy("deliveries", values, number, f"order_id = {copier.order}")


def seed_due(journal: Path, number: int, panels: Sequence[int]) -> list[str]:
    """Add settled orders, each with a delivery that is due; returns what will be called."""
    with _opened(journal) as connection:
        hosts = [f"127.0.0.1:{port}" for port in panels]
        copier = Copier(connection, given={"panels": json.dumps(hosts), "hosts": len(hosts)})
        values = {"reseller": _DUE_DELIVERY["reseller"], "trx_id": "'due' || (:base + i)"}
        copier.orders({**_OLD, **values}, number)
        copier.copy("deliveries", _DUE_DELIVERY, number, f"order_id = {copier.order}")
        urls = connection.execute("SELECT url FROM deliveries WHERE state = 'due' ORDER BY id")
        return [url for (url,) in urls]


def undelivered(journal: Path) -> int:
    """Count the deliveries that nobody took."""
    with _opened(journal) as connection:
        sql = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
        (number,) = connection.execute(sql).fetchone()
        return int(number)


def count_orders(journal: Path) -> int:
    """Count the orders of a journal whose gateway was killed."""
    with closing(sqlite3.connect(journal)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        return int(number)


@contextmanager
def _opened(journal: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for a lot of writing; it is on the disk when this ends."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = OFF")  # a seed that breaks off is thrown away
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        yield connection
        connection.execute("PRAGMA journal_mode = WAL")
    with journal.open("rb") as file:
        os.fsync(file.fileno())


class Copier:
    """Copies rows of the newest order.

    Args:
        connection: to a journal.
        say: is told how far it is.
        given: parameters of the values.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        say: Callable[[str], object] = str,
        given: Mapping[str, object] | None = None,
    ) -> None:
        self._connection = connection
        self._say = say
        self._given = dict(given or {})
        (self.order,) = connection.execute("SELECT max(id) FROM orders").fetchone()
        self._base = self.order + 1

    def orders(self, values: Mapping[str, str], number: int) -> None:
        """Copy the order itself."""
        self.copy("orders", values, number, f"id = {self.order}")

    def copy(self, table: str, values: Mapping[str, str], number: int, which: str) -> None:
        """Copy one row, with other values in some columns; `i` is the number of the copy."""
        about = self._connection.execute(f"PRAGMA table_info({table})")
        columns = [row[1] for row in about]
        selected = ", ".join(values.get(column, column) for column in columns)
        sql = (
            "WITH RECURSIVE numbers (i) AS (VALUES (:first) UNION ALL SELECT i + 1 FROM numbers"
            f" WHERE i + 1 < :last) INSERT INTO {table} ({', '.join(columns)}) SELECT {selected}"
            f" FROM numbers, (SELECT * FROM {table} WHERE {which} LIMIT 1)"
        )
        for first in range(0, number, _CHUNK):
            last = min(first + _CHUNK, number)
            self._connection.execute("BEGIN")
            given = {"base": self._base, "first": first, "last": last, **self._given}
            self._connection.execute(sql, given)
            self._connection.execute("COMMIT")
            if number > _CHUNK and last % (10 * _CHUNK) == 0:
                self._say(f"  {table}: {last:,} of {number:,}")
