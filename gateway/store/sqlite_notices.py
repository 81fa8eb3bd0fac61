"""The SQLite journal's part of `store.Notices`: alerts, the outbox of notices, saldo, the pulse.

`SqliteNotices` is what `SqliteStore` is built upon; everything else is plain functions of a
connection. None of it may walk the journal: each looks along an index that holds few rows.
"""

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gateway.domain.alert import Alarm, Alert, Kind, What
from gateway.domain.saldo import Seen
from gateway.store.group_commit import T, Work
from gateway.store.notices import (
    LateDeliveries,
    LongOpen,
    Notice,
    NoticeOutcome,
    Pulse,
    Standing,
)
from gateway.store.rows import ALERT_COLUMNS, alert_from
from gateway.store.sqlite_alerts import (
    ack_alerts,
    end_alert,
    is_reminder_due,
    raise_alert,
    remind,
    standing_alerts,
)
from gateway.store.sqlite_lists import newest_alerts

_PART = 1_000  # open orders that one turn of the reader looks at; some 4 ms
_REMINDED_AT_ONCE = 500  # alerts of one transaction; some 5 ms of the writer
_DUE = "SELECT 1 FROM notices WHERE next_at <= ? LIMIT 1"
_CLAIM = (
    "UPDATE notices SET next_at = ?, attempts = attempts + 1 WHERE id IN"
    " (SELECT id FROM notices WHERE next_at <= ? ORDER BY next_at, id LIMIT ?) RETURNING id"
)
_CLAIMED = (
    f"SELECT n.id, n.what, n.made_at, n.attempts, n.told, {ALERT_COLUMNS} FROM notices n"
    " JOIN alerts a ON a.id = n.alert_id LEFT JOIN orders o ON o.id = a.order_id"
    " WHERE n.id IN (SELECT value FROM json_each(?)) ORDER BY n.id"
)
_NOTE = (
    "UPDATE notices SET told = ?, next_at = ?, done_at = ?, last_result = ?"
    " WHERE id = ? AND attempts = ? AND next_at IS NOT NULL"
)
_OPEN = (
    "SELECT due_at, id, placed_at, reseller, trx_id FROM orders INDEXED BY orders_due"
    " WHERE due_at IS NOT NULL AND (final_at IS NULL OR ask_since IS NOT NULL)"
    " AND (due_at, id) > (?, ?) AND final_at IS NULL ORDER BY due_at, id LIMIT ?"
)
_LATE = (
    "SELECT w.reseller, w.many, d.created_at FROM"
    " (SELECT reseller, count(*) AS many, min(id) AS oldest FROM deliveries"
    " INDEXED BY deliveries_of_pair WHERE next_at IS NOT NULL GROUP BY reseller) w"
    " JOIN deliveries d ON d.id = w.oldest WHERE d.created_at < ?"
    " ORDER BY d.created_at LIMIT ?"
)


class SqliteNotices(ABC):
    """`store.Notices` on one SQLite file."""

    path: Path

    @abstractmethod
    async def _read(self, work: Work[T]) -> T: ...

    @abstractmethod
    async def _write_aside(self, work: Work[T]) -> T: ...

    async def raise_alert(self, alert: Alarm) -> bool:
        return await self._write_aside(lambda connection: raise_alert(connection, alert))

    async def end_alert(self, kind: Kind, about: str, now: int) -> int:
        return await self._write_aside(lambda connection: end_alert(connection, kind, about, now))

    async def standing_alerts(self) -> list[Standing]:
        return await self._read(standing_alerts)

    async def alerts(
        self, *, with_acked: bool = False, before_id: int | None = None, limit: int = 50
    ) -> list[Alert]:
        return await self._read(
            lambda connection: newest_alerts(connection, before_id, limit, with_acked=with_acked)
        )

    async def ack_alerts(self, ids: Collection[int] | None, now: int) -> list[int]:
        return await self._write_aside(lambda connection: ack_alerts(connection, ids, now))

    async def remind(self, now: int, *, every_ms: int, at_most: int) -> int:
        before = now - every_ms
        if not await self._read(lambda connection: is_reminder_due(connection, before, at_most)):
            return 0  # a write costs an fsync, and this is asked all the time
        limit = _REMINDED_AT_ONCE
        work = partial(remind, told_before=before, now=now, at_most=at_most, limit=limit)
        reminded = part = await self._write_aside(work)
        while part == limit:
            part = await self._write_aside(work)
            reminded += part
        return reminded

    async def claim_notices(self, now: int, *, lease_ms: int, limit: int) -> list[Notice]:
        if not await self._read(lambda connection: connection.execute(_DUE, (now,)).fetchone()):
            return []
        return await self._write_aside(
            lambda connection: _claim(connection, now, now + lease_ms, limit)
        )

    async def note_notices(self, noted: Sequence[NoticeOutcome]) -> None:
        rows = [
            (
                ",".join(one.told),
                one.next_at,
                one.at if one.next_at is None else None,
                one.result,
                one.id,
                one.attempts,
            )
            for one in noted
        ]
        await self._write_aside(lambda connection: connection.executemany(_NOTE, rows).rowcount)

    async def pulse(self) -> Pulse:
        return await self._read(_pulse)

    async def long_open(self, before: int) -> LongOpen:
        found, place = LongOpen(), (0, 0)
        while True:
            rows = await self._read(partial(_open_part, place=place))
            found = _with(found, rows, before)
            if len(rows) < _PART:
                return found
            place = rows[-1][:2]

    async def late_deliveries(self, before: int, limit: int) -> list[LateDeliveries]:
        def work(connection: sqlite3.Connection) -> list[LateDeliveries]:
            rows = connection.execute(_LATE, (before, limit)).fetchall()
            return [LateDeliveries(reseller=row[0], count=row[1], since=row[2]) for row in rows]

        return await self._read(work)

    async def add_saldi(self, at: int, saldi: dict[str, int]) -> None:
        # Not what stands there: a start knows nothing of what the process before it has written.
        sql = (
            "INSERT INTO saldo_history (account, at, saldo) SELECT ?1, ?2, ?3 WHERE ?3 IS NOT"
            " (SELECT saldo FROM saldo_history WHERE account = ?1 AND at <= ?2"
            " ORDER BY at DESC LIMIT 1) ON CONFLICT DO NOTHING"
        )
        rows = [(account, at, saldo) for account, saldo in saldi.items()]
        await self._write_aside(lambda connection: connection.executemany(sql, rows).rowcount)

    async def saldo_history(self, account: str, since: int) -> list[Seen]:
        sql = (
            "SELECT at, saldo FROM saldo_history WHERE account = ?1 AND at >= coalesce("
            "(SELECT max(at) FROM saldo_history WHERE account = ?1 AND at < ?2), ?2) ORDER BY at"
        )
        return await self._read(
            lambda connection: [Seen(*row) for row in connection.execute(sql, (account, since))]
        )

    async def prune(self, before: int) -> int:
        return await self._write_aside(lambda connection: _prune(connection, before))

    def disk_free(self) -> int | None:
        try:
            about = os.statvfs(self.path.parent)
        except OSError:
            return None
        return about.f_bavail * about.f_frsize


def _claim(connection: sqlite3.Connection, now: int, until: int, limit: int) -> list[Notice]:
    ids = [row[0] for row in connection.execute(_CLAIM, (until, now, limit)).fetchall()]
    return [_notice_from(row) for row in connection.execute(_CLAIMED, (str(ids),))]


def _notice_from(row: Sequence[Any]) -> Notice:
    return Notice(
        id=row[0],
        what=What(row[1]),
        made_at=row[2],
        attempts=row[3],
        told=tuple(row[4].split(",")) if row[4] else (),
        alert=alert_from(row[5:]),
    )


def _open_part(connection: sqlite3.Connection, place: tuple[int, int]) -> list[Any]:
    return connection.execute(_OPEN, (*place, _PART)).fetchall()


def _with(found: LongOpen, rows: Sequence[Any], before: int) -> LongOpen:
    """Count another part of the open orders."""
    if not rows:
        return found
    count = found.count + sum(row[2] < before for row in rows)
    _, _, placed_at, reseller, trx_id = min(rows, key=lambda row: row[2])
    if found.placed_at is not None and found.placed_at <= placed_at:
        return LongOpen(count=count, oldest=found.oldest, placed_at=found.placed_at)
    return LongOpen(count=count, oldest=f"{reseller}-{trx_id}", placed_at=placed_at)


def _pulse(connection: sqlite3.Connection) -> Pulse:
    due, oldest = connection.execute(
        "SELECT count(*), min(id) FROM deliveries INDEXED BY deliveries_due"
        " WHERE next_at IS NOT NULL"
    ).fetchone()
    (dead,) = connection.execute(
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_undelivered"
        " WHERE state = 'dead' AND state <> 'delivered' AND next_at IS NULL"
    ).fetchone()
    alerts = "SELECT kind, count(*) FROM alerts WHERE acked_at IS NULL GROUP BY kind"
    made_at = connection.execute("SELECT created_at FROM deliveries WHERE id = ?", (oldest,))
    first = connection.execute("SELECT placed_at FROM orders ORDER BY id LIMIT 1")
    return Pulse(
        alerts=dict(connection.execute(alerts).fetchall()),
        deliveries_due=due,
        deliveries_dead=dead,
        oldest_due_at=_only(made_at),
        first_order_at=_only(first),
    )


def _only(cursor: sqlite3.Cursor) -> int | None:
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _prune(connection: sqlite3.Connection, before: int) -> int:
    pruned = 0
    # Account by account, along the key: an index over the times would cost each minute its write.
    for (account,) in connection.execute("SELECT id FROM accounts").fetchall():
        sql = "DELETE FROM saldo_history WHERE account = ? AND at < ?"
        pruned += connection.execute(sql, (account, before)).rowcount
    return pruned + connection.execute("DELETE FROM notices WHERE done_at < ?", (before,)).rowcount
