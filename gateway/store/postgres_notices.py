"""The PostgreSQL journal's part of `store.Notices`: alerts, their notices, saldo, the pulse.

Several gateways work off one outbox: a notice is claimed by one, and the others pass it by.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from gateway.domain.alert import Alarm, Alert, Kind, What
from gateway.domain.saldo import Seen
from gateway.store.notices import (
    LateDeliveries,
    LongOpen,
    Notice,
    NoticeOutcome,
    Pulse,
    Standing,
)
from gateway.store.postgres_alerts import (
    ack_alerts,
    end_alert,
    is_reminder_due,
    raise_alert,
    remind,
    standing_alerts,
)
from gateway.store.postgres_lists import newest_alerts
from gateway.store.postgres_pool import Database, Session
from gateway.store.rows import ALERT_COLUMNS, alert_from

_REMINDED_AT_ONCE: Final = 500  # alerts of one transaction
_DUE: Final = "SELECT EXISTS (SELECT 1 FROM notices WHERE next_at <= $1)"
_CLAIM: Final = f"""
WITH due AS (
    SELECT id FROM notices WHERE next_at <= $1 ORDER BY next_at, id LIMIT $3
    FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE notices n SET next_at = $2, attempts = attempts + 1 FROM due WHERE n.id = due.id
    RETURNING n.id, n.what, n.made_at, n.attempts, n.told, n.alert_id
)
SELECT n.id, n.what, n.made_at, n.attempts, n.told, {ALERT_COLUMNS} FROM claimed n
JOIN alerts a ON a.id = n.alert_id LEFT JOIN orders o ON o.id = a.order_id ORDER BY n.id
"""
_NOTE: Final = (
    "UPDATE notices n SET told = o.told, next_at = o.next_at, done_at = o.done_at,"
    " last_result = o.result FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::bigint[],"
    " $5::bigint[], $6::text[]) o (id, attempts, told, next_at, done_at, result)"
    " WHERE n.id = o.id AND n.attempts = o.attempts AND n.next_at IS NOT NULL"
)
# In the words of the partial index, so that PostgreSQL knows that it serves.
_OPEN: Final = "due_at IS NOT NULL AND final_at IS NULL"
_COUNT_OPEN: Final = f"SELECT count(*) FROM orders WHERE {_OPEN} AND placed_at < $1"
_OLDEST_OPEN: Final = (
    f"SELECT reseller || '-' || trx_id, placed_at FROM orders WHERE {_OPEN}"
    " ORDER BY placed_at, due_at, id LIMIT 1"
)
_LATE: Final = (
    "SELECT w.reseller, w.many, d.created_at FROM"
    " (SELECT reseller, count(*) AS many, min(id) AS oldest FROM deliveries"
    " WHERE next_at IS NOT NULL GROUP BY reseller) w"
    " JOIN deliveries d ON d.id = w.oldest WHERE d.created_at < $1"
    " ORDER BY d.created_at LIMIT $2"
)
_PULSE: Final = """
WITH waiting AS (
    SELECT count(*) AS due, min(id) AS oldest FROM deliveries WHERE next_at IS NOT NULL
)
SELECT due, (SELECT created_at FROM deliveries WHERE id = oldest) AS oldest_due_at,
    (SELECT count(*) FROM deliveries
     WHERE state = 'dead' AND state <> 'delivered' AND next_at IS NULL) AS dead,
    (SELECT placed_at FROM orders ORDER BY id LIMIT 1) AS first_order_at
FROM waiting
"""
_ALERTS: Final = "SELECT kind, count(*) FROM alerts WHERE acked_at IS NULL GROUP BY kind"
# With the accounts held, so that of two that saw the same at once one writes it.
_HOLD: Final = "SELECT id FROM accounts WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE"
_SEEN: Final = """
INSERT INTO saldo_history (account, at, saldo)
SELECT seen.account, $1::bigint, seen.saldo
FROM unnest($2::text[], $3::bigint[]) seen (account, saldo)
WHERE seen.saldo IS DISTINCT FROM (
    SELECT h.saldo FROM saldo_history h WHERE h.account = seen.account
    ORDER BY h.at DESC LIMIT 1)
ON CONFLICT DO NOTHING
"""
_HISTORY: Final = (
    "SELECT at, saldo FROM saldo_history WHERE account = $1 AND at >= coalesce("
    "(SELECT max(at) FROM saldo_history WHERE account = $1 AND at < $2::bigint), $2::bigint)"
    " ORDER BY at"
)
# Account by account, along the key: an index over the times would cost each minute its write.
_PRUNE: Final = (
    "WITH old AS (DELETE FROM saldo_history WHERE account IN (SELECT id FROM accounts)"
    " AND at < $1 RETURNING 1), done AS (DELETE FROM notices WHERE done_at < $1 RETURNING 1)"
    " SELECT (SELECT count(*) FROM old) + (SELECT count(*) FROM done)"
)


class PostgresNotices:
    """`store.Notices` on a PostgreSQL journal."""

    _database: Database

    async def raise_alert(self, alert: Alarm) -> bool:
        return await self._database.transact(partial(raise_alert, alert=alert))

    async def end_alert(self, kind: Kind, about: str, now: int) -> int:
        work = partial(end_alert, kind=kind, about=about, now=now)
        return await self._database.transact(work)

    async def standing_alerts(self) -> list[Standing]:
        return await self._database.repeat(standing_alerts)

    async def alerts(
        self, *, with_acked: bool = False, before_id: int | None = None, limit: int = 50
    ) -> list[Alert]:
        work = partial(newest_alerts, before_id=before_id, limit=limit, with_acked=with_acked)
        return await self._database.repeat(work)

    async def ack_alerts(self, ids: Collection[int] | None, now: int) -> list[int]:
        return await self._database.transact(partial(ack_alerts, ids=ids, now=now))

    async def remind(self, now: int, *, every_ms: int, at_most: int) -> int:
        before = now - every_ms
        is_due = partial(is_reminder_due, told_before=before, at_most=at_most)
        if not await self._database.repeat(is_due):
            return 0
        limit = _REMINDED_AT_ONCE
        work = partial(remind, told_before=before, now=now, at_most=at_most, limit=limit)
        reminded = part = await self._database.transact(work)
        while part == limit:
            part = await self._database.transact(work)
            reminded += part
        return reminded

    async def claim_notices(self, now: int, *, lease_ms: int, limit: int) -> list[Notice]:
        async def is_due(session: Session) -> bool:
            return bool(await session.value(_DUE, now))

        async def claim(session: Session) -> list[Notice]:
            rows = await session.rows(_CLAIM, now, now + lease_ms, limit)
            return [_notice_from(tuple(row)) for row in rows]

        # Asked first, for every gateway asks all the time, and a transaction is three questions.
        return await self._database.transact(claim) if await self._database.repeat(is_due) else []

    async def note_notices(self, noted: Sequence[NoticeOutcome]) -> None:
        columns = (
            [one.id for one in noted],
            [one.attempts for one in noted],
            [",".join(one.told) for one in noted],
            [one.next_at for one in noted],
            [one.at if one.next_at is None else None for one in noted],
            [one.result for one in noted],
        )
        await self._database.changed(_NOTE, *columns)

    async def pulse(self) -> Pulse:
        return await self._database.repeat(_pulse)

    async def long_open(self, before: int) -> LongOpen:
        async def work(session: Session) -> LongOpen:
            oldest = await session.row(_OLDEST_OPEN)
            if oldest is None:
                return LongOpen()
            count = await session.value(_COUNT_OPEN, before)
            return LongOpen(count=count, oldest=oldest[0], placed_at=oldest[1])

        return await self._database.repeat(work)

    async def late_deliveries(self, before: int, limit: int) -> list[LateDeliveries]:
        async def work(session: Session) -> list[LateDeliveries]:
            rows = await session.rows(_LATE, before, limit)
            return [LateDeliveries(reseller=row[0], count=row[1], since=row[2]) for row in rows]

        return await self._database.repeat(work)

    async def add_saldi(self, at: int, saldi: dict[str, int]) -> None:
        async def work(session: Session) -> None:
            await session.rows(_HOLD, list(saldi))
            await session.count(_SEEN, at, list(saldi), list(saldi.values()))

        await self._database.transact(work)

    async def saldo_history(self, account: str, since: int) -> list[Seen]:
        async def work(session: Session) -> list[Seen]:
            return [Seen(*row) for row in await session.rows(_HISTORY, account, since)]

        return await self._database.repeat(work)

    async def prune(self, before: int) -> int:
        async def work(session: Session) -> int:
            return int(await session.value(_PRUNE, before))

        return await self._database.transact(work)

    def disk_free(self) -> int | None:
        """Return None: the disk is PostgreSQL's."""
        return None


def _notice_from(row: Sequence[Any]) -> Notice:
    return Notice(
        id=row[0],
        what=What(row[1]),
        made_at=row[2],
        attempts=row[3],
        told=tuple(row[4].split(",")) if row[4] else (),
        alert=alert_from(row[5:]),
    )


async def _pulse(session: Session) -> Pulse:
    alerts = {row[0]: row[1] for row in await session.rows(_ALERTS)}
    (row,) = await session.rows(_PULSE)
    return Pulse(
        alerts=alerts,
        deliveries_due=row["due"],
        deliveries_dead=row["dead"],
        oldest_due_at=row["oldest_due_at"],
        first_order_at=row["first_order_at"],
    )
