"""Deliveries by host in the PostgreSQL journal, and hosts that are paused.

As in `sqlite_hosts`: what waits and what died is counted by the indexes that hold nothing else,
and all else is looked for from the newest row back, part by part.
"""

from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from gateway.domain.delivery import DeliveryState
from gateway.store.hosts import FoundDeliveries, HostRow, PausedHost
from gateway.store.postgres_outbox import SELECT_DELIVERY
from gateway.store.postgres_pool import Database, Session
from gateway.store.rows import delivery_from

_PAUSED: Final = PausedHost.__struct_fields__
_NEWEST: Final = 2**62  # above every number
_LATELY: Final = 1_000  # of the newest deliveries is looked which hosts took what
PART: Final = 20_000  # rows that one question looks through

# In the words of the partial indexes, so that PostgreSQL knows that they serve.
_IS_DEAD: Final = "state = 'dead' AND next_at IS NULL"
_DUE: Final = (
    "SELECT host, count(*), min(next_at) FROM deliveries WHERE next_at IS NOT NULL GROUP BY host"
)
_DIED: Final = f"SELECT host, count(*), max(id) FROM deliveries WHERE {_IS_DEAD} GROUP BY host"
_TOLD: Final = (
    "SELECT host, last_result, CASE WHEN state = 'delivered' THEN done_at END FROM deliveries"
    " ORDER BY id DESC LIMIT $1"
)
# The one that was put off furthest was tried a moment ago. Reseller by reseller, along the index.
_PUT_OFF: Final = (
    "SELECT d.last_result FROM resellers r CROSS JOIN LATERAL (SELECT last_result, next_at"
    " FROM deliveries WHERE reseller = r.code AND host = $1 AND next_at IS NOT NULL"
    " ORDER BY next_at DESC LIMIT 1) d ORDER BY d.next_at DESC LIMIT 1"
)
_DUE_OF_HOST: Final = (
    "WHERE reseller IN (SELECT code FROM resellers) AND host = $1 AND next_at IS NOT NULL"
)
_DEAD_OF_HOST: Final = f"WHERE host = $1 AND {_IS_DEAD}"
_OF_PART: Final = (
    "WHERE ($1::text IS NULL OR host = $1) AND id >= $4 AND ($5::text IS NULL OR state = $5)"
)
_PAUSE: Final = (
    f"INSERT INTO paused_hosts ({', '.join(_PAUSED)}) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (host) DO NOTHING"
)


class HostTables:
    """`gateway.store.hosts.Hosts` on a PostgreSQL journal."""

    _database: Database

    async def hosts(self, most: int) -> list[HostRow]:
        """List hosts for which something waits or died, that are paused, or were told lately."""
        return await self._database.repeat(partial(_hosts, most=most))

    async def find_deliveries(
        self, host: str | None, state: DeliveryState | None, before_id: int | None, limit: int
    ) -> FoundDeliveries:
        """Look through a part of the outbox, from the newest back, for one host or for all."""
        before = _NEWEST if before_id is None else before_id
        work = partial(_find, host=host, state=state, before=before, limit=limit)
        return await self._database.repeat(work)

    async def pause_host(self, paused: PausedHost) -> bool:
        """Pause a host; False where it is paused already."""
        values = [getattr(paused, name) for name in _PAUSED]

        async def work(session: Session) -> bool:
            return await session.count(_PAUSE, *values) > 0

        return await self._database.transact(work)

    async def resume_host(self, host: str) -> bool:
        """Pause it no more; False where it was not paused."""

        async def work(session: Session) -> bool:
            return await session.count("DELETE FROM paused_hosts WHERE host = $1", host) > 0

        return await self._database.transact(work)

    async def paused_hosts(self) -> list[PausedHost]:
        """List the hosts that are paused, by name."""
        return await self._database.repeat(_paused)


async def _paused(session: Session) -> list[PausedHost]:
    rows = await session.rows(f"SELECT {', '.join(_PAUSED)} FROM paused_hosts ORDER BY host")
    return [PausedHost(**dict(row)) for row in rows]


async def _hosts(session: Session, most: int) -> list[HostRow]:
    found: dict[str, HostRow] = {}

    def note(host: str, **values: object) -> None:
        found[host] = replace(found.get(host) or HostRow(host=host), **values)

    died: dict[str, int] = {}
    for paused in await _paused(session):
        note(paused.host, paused=paused)
    for host, due, next_at in await session.rows(_DUE):
        note(host, due=due, next_at=next_at)
    for host, dead, last_id in await session.rows(_DIED):
        note(host, dead=dead)
        died[host] = last_id
    for host, result, delivered_at in await session.rows(_TOLD, _LATELY):
        row = found.get(host)
        note(
            host,
            last_result=(row and row.last_result) or result,
            delivered_at=(row and row.delivered_at) or delivered_at,
        )
    rows = sorted(found.values(), key=lambda row: (-row.dead, -row.due, row.host))[:most]
    return [await _with_result(session, row, died.get(row.host)) for row in rows]


async def _with_result(session: Session, row: HostRow, last_dead: int | None) -> HostRow:
    """Return a row with what came of the last attempt at what waits, or else died."""
    if row.due:
        result = await session.value(_PUT_OFF, row.host)
    elif row.last_result is None and last_dead is not None:
        sql = "SELECT last_result FROM deliveries WHERE id = $1"
        result = await session.value(sql, last_dead)
    else:
        return row
    return replace(row, last_result=result or row.last_result)


async def _find(
    session: Session, *, host: str | None, state: DeliveryState | None, before: int, limit: int
) -> FoundDeliveries:
    first = 0
    values: tuple[Any, ...] = (host, before, limit)
    if host is not None and state is DeliveryState.DUE:
        where = _DUE_OF_HOST
    elif host is not None and state is DeliveryState.DEAD:
        where = _DEAD_OF_HOST
    else:
        newest = await session.value("SELECT coalesce(max(id), 0) FROM deliveries")
        first = max(min(before, newest + 1) - PART, 0)
        where, values = _OF_PART, (*values, first, state)
    sql = f"{SELECT_DELIVERY} {where} AND id < $2 ORDER BY id DESC LIMIT $3"
    found = tuple(delivery_from(tuple(row)) for row in await session.rows(sql, *values))
    next_id = found[-1].id if len(found) == limit else first
    return FoundDeliveries(deliveries=found, next_id=next_id if next_id > 1 else None)
