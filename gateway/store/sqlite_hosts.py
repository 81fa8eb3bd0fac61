"""Deliveries by host in the SQLite journal, and hosts that are paused.

What waits and what died has an index each, so both are counted without a look at what was told.
All else lies everywhere, and is looked for from the newest row back, part by part.
"""

import sqlite3
from functools import partial
from typing import Any

from msgspec.structs import replace

from gateway.domain.delivery import DeliveryState
from gateway.store import FoundDeliveries, HostRow, PausedHost
from gateway.store.group_commit import T, Work
from gateway.store.rows import delivery_from
from gateway.store.sqlite_write import SELECT_DELIVERY

_PAUSED = PausedHost.__struct_fields__
_NEWEST = 2**62  # above every number
_LATELY = 1_000  # of the newest deliveries is looked which hosts took what: a millisecond
PART = 20_000  # rows that one turn of the reader looks through: some ten milliseconds

# In the words of the partial indexes, so that SQLite knows that they serve.
_DEAD = "state = 'dead' AND next_at IS NULL"
_DUE = (
    "SELECT host, count(*), min(next_at) FROM deliveries INDEXED BY deliveries_of_pair"
    " WHERE next_at IS NOT NULL GROUP BY host"
)
_DIED = (
    "SELECT host, count(*), max(id) FROM deliveries INDEXED BY deliveries_dead_of_host"
    f" WHERE {_DEAD} GROUP BY host"
)
_TOLD = (
    "SELECT host, last_result, CASE WHEN state = 'delivered' THEN done_at END FROM deliveries"
    " ORDER BY id DESC LIMIT ?"
)
# The one that was put off furthest was tried a moment ago.
_PUT_OFF = (
    "SELECT last_result FROM deliveries INDEXED BY deliveries_of_pair"
    " WHERE reseller IN (SELECT code FROM resellers) AND host = ? AND next_at IS NOT NULL"
    " ORDER BY next_at DESC LIMIT 1"
)
_OF_HOST = {
    DeliveryState.DUE: (
        "INDEXED BY deliveries_of_pair WHERE reseller IN (SELECT code FROM resellers)"
        " AND host = :host AND next_at IS NOT NULL"
    ),
    DeliveryState.DEAD: f"INDEXED BY deliveries_dead_of_host WHERE host = :host AND {_DEAD}",
}


class HostTables:
    """`gateway.store.hosts.Hosts` on a SQLite journal, which others read and write."""

    async def _read(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def _write_aside(self, work: Work[T]) -> T:
        raise NotImplementedError

    async def hosts(self, most: int) -> list[HostRow]:
        """List hosts for which something waits or died, that are paused, or were told lately."""
        return await self._read(partial(_hosts, most=most))

    async def find_deliveries(
        self, host: str | None, state: DeliveryState | None, before_id: int | None, limit: int
    ) -> FoundDeliveries:
        """Look through a part of the outbox, from the newest back, for one host or for all."""
        before = _NEWEST if before_id is None else before_id
        values = {"host": host, "state": state, "before": before, "limit": limit}
        return await self._read(lambda connection: _find(connection, values))

    async def pause_host(self, paused: PausedHost) -> bool:
        """Pause a host; False where it is paused already."""
        sql = (
            f"INSERT INTO paused_hosts ({', '.join(_PAUSED)}) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (host) DO NOTHING"
        )
        values = [getattr(paused, name) for name in _PAUSED]
        return await self._write_aside(
            lambda connection: connection.execute(sql, values).rowcount > 0
        )

    async def resume_host(self, host: str) -> bool:
        """Pause it no more; False where it was not paused."""
        sql = "DELETE FROM paused_hosts WHERE host = ?"
        return await self._write_aside(
            lambda connection: connection.execute(sql, (host,)).rowcount > 0
        )

    async def paused_hosts(self) -> list[PausedHost]:
        """List the hosts that are paused, by name."""
        return await self._read(_paused)


def _paused(connection: sqlite3.Connection) -> list[PausedHost]:
    sql = f"SELECT {', '.join(_PAUSED)} FROM paused_hosts ORDER BY host"
    return [PausedHost(**dict(zip(_PAUSED, row, strict=True))) for row in connection.execute(sql)]


def _hosts(connection: sqlite3.Connection, most: int) -> list[HostRow]:
    found: dict[str, HostRow] = {}

    def note(host: str, **values: object) -> None:
        found[host] = replace(found.get(host) or HostRow(host=host), **values)

    died: dict[str, int] = {}
    for paused in _paused(connection):
        note(paused.host, paused=paused)
    for host, due, next_at in connection.execute(_DUE):
        note(host, due=due, next_at=next_at)
    for host, dead, last_id in connection.execute(_DIED):
        note(host, dead=dead)
        died[host] = last_id
    for host, result, delivered_at in connection.execute(_TOLD, (_LATELY,)):
        row = found.get(host)
        note(
            host,
            last_result=(row and row.last_result) or result,
            delivered_at=(row and row.delivered_at) or delivered_at,
        )
    rows = sorted(found.values(), key=lambda row: (-row.dead, -row.due, row.host))[:most]
    return [_with_result(connection, row, died.get(row.host)) for row in rows]


def _with_result(connection: sqlite3.Connection, row: HostRow, last_dead: int | None) -> HostRow:
    """Return a row with what came of the last attempt at what waits, or else died."""
    if row.due:
        result = connection.execute(_PUT_OFF, (row.host,)).fetchone()[0]
    elif row.last_result is None and last_dead is not None:
        sql = "SELECT last_result FROM deliveries WHERE id = ?"
        result = connection.execute(sql, (last_dead,)).fetchone()[0]
    else:
        return row
    return replace(row, last_result=result or row.last_result)


def _find(connection: sqlite3.Connection, values: dict[str, Any]) -> FoundDeliveries:
    host, state, limit = values["host"], values["state"], values["limit"]
    first = 0
    if host is not None and state in _OF_HOST:
        where = _OF_HOST[state]
    else:
        (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM deliveries").fetchone()
        first = max(min(values["before"], newest + 1) - PART, 0)
        where = "WHERE id >= :first"
        where += "" if host is None else " AND host = :host"
        where += "" if state is None else " AND state = :state"
    sql = f"{SELECT_DELIVERY} {where} AND id < :before ORDER BY id DESC LIMIT :limit"
    rows = connection.execute(sql, {**values, "first": first}).fetchall()
    found = tuple(map(delivery_from, rows))
    next_id = found[-1].id if len(found) == limit else first
    return FoundDeliveries(deliveries=found, next_id=next_id if next_id > 1 else None)
