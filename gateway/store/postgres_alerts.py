"""Alerts in the PostgreSQL journal, each raised together with the notice that tells it.

Raising and ending are one statement each, or a part of a larger one: no crash lies between what
went wrong and who is told. Of several gateways that see the same at once one raises it, for the
unique indexes of the alerts decide, and one ends it, for the others find it ended.
"""

from collections.abc import Collection
from typing import Final

from gateway.domain.alert import Alarm, Kind, What
from gateway.store.notices import Standing
from gateway.store.postgres_pool import Session, numbers

_RAISED: Final = "alerts (order_id, kind, about, text, raised_at, told_at)"
_NOTICE: Final = "notices (alert_id, what, made_at, next_at)"


def raise_sql(source: str) -> str:
    """Return what raises the alerts in `source`: rows of order_id, kind, about, text and at.

    It returns the id and the at of each that was not raised before; `notice_sql` tells of them.
    """
    return (
        f"INSERT INTO {_RAISED} SELECT order_id, kind, about, text, at, at FROM {source}"
        " ON CONFLICT DO NOTHING RETURNING id, raised_at AS at"
    )


def notice_sql(source: str, what: What) -> str:
    """Return what puts notices of the alerts in `source`, rows of id and at, into the outbox."""
    return f"INSERT INTO {_NOTICE} SELECT id, '{what}', at, at FROM {source}"


def end_sql(which: str, at: str) -> str:
    """Return what ends the alerts `a` of which something is true; rows of id and at come of it."""
    return (
        f"UPDATE alerts a SET ended_at = {at}, acked_at = coalesce(a.acked_at, {at})"
        f" WHERE {which} RETURNING a.id, {at} AS at"
    )


_RAISE: Final = f"""
WITH wanted (order_id, kind, about, text, at) AS (
    VALUES (NULL::bigint, $1::text, $2::text, $3::text, $4::bigint)
), raised AS ({raise_sql("wanted")}), told AS ({notice_sql("raised", What.RAISED)})
SELECT EXISTS (SELECT 1 FROM raised)
"""
_STANDS: Final = "a.kind = $1 AND a.about = $2 AND a.ended_at IS NULL"
_END: Final = f"""
WITH ended AS ({end_sql(_STANDS, "$3::bigint")}), told AS ({notice_sql("ended", What.ENDED)})
SELECT count(*) FROM ended
"""
_FORGOTTEN: Final = "acked_at IS NULL AND told_at <= $1 AND reminders < $2"
_REMIND: Final = f"""
WITH forgotten AS (
    SELECT id FROM alerts WHERE {_FORGOTTEN} ORDER BY id LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED
), reminded AS (
    UPDATE alerts a SET told_at = $3::bigint, reminders = reminders + 1 FROM forgotten f
    WHERE a.id = f.id RETURNING a.id, $3::bigint AS at
), told AS ({notice_sql("reminded", What.REMINDER)})
SELECT count(*) FROM reminded
"""


async def raise_alert(session: Session, alert: Alarm) -> bool:
    """Raise an alert about no order; False where it stands, or is open, already."""
    values = (alert.kind, alert.about, alert.text, alert.at)
    return bool(await session.value(_RAISE, *values))


async def end_alert(session: Session, kind: Kind, about: str, now: int) -> int:
    """End the condition that stands of this kind about this; returns how many that were."""
    return int(await session.value(_END, kind, about, now))


async def standing_alerts(session: Session) -> list[Standing]:
    """List the conditions that are not over."""
    sql = "SELECT kind, about FROM alerts WHERE about IS NOT NULL AND ended_at IS NULL"
    return [(Kind(kind), about) for kind, about in await session.rows(sql)]


async def ack_alerts(session: Session, ids: Collection[int] | None, now: int) -> list[int]:
    """Take note of these open alerts, or of every open one; returns which they were."""
    sql = (
        "UPDATE alerts SET acked_at = $1 WHERE acked_at IS NULL"
        " AND ($2::bigint[] IS NULL OR id = ANY ($2)) RETURNING id"
    )
    rows = await session.rows(sql, now, numbers(ids))
    return sorted(row[0] for row in rows)


async def is_reminder_due(session: Session, told_before: int, at_most: int) -> bool:
    """Whether the operator was told of an open alert so long ago that it is time again."""
    sql = f"SELECT EXISTS (SELECT 1 FROM alerts WHERE {_FORGOTTEN})"
    return bool(await session.value(sql, told_before, at_most))


async def remind(session: Session, told_before: int, now: int, *, at_most: int, limit: int) -> int:
    """Put reminders of some of those alerts into the outbox of notices; returns how many."""
    return int(await session.value(_REMIND, told_before, at_most, now, limit))
