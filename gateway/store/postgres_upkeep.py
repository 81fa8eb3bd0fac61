"""What the PostgreSQL journal writes about itself: the time, and dates that move with it.

Functions of a session, each to be run inside a transaction.
"""

from typing import Final

from gateway.domain.alert import Alarm
from gateway.store.postgres_alerts import raise_alert
from gateway.store.postgres_fence import RAISED
from gateway.store.postgres_pool import Session

# Those that have a date: each kind in the words of its own index.
_WITH_A_DATE: Final = (
    "(final_at IS NULL OR ask_since IS NOT NULL)",
    "final_at IS NOT NULL AND ask_since IS NULL",
)


# A million open orders take half a minute; meanwhile nothing is decided upon them.
_MOVE_S: Final = 120.0
_MOVED: Final = "UPDATE changed SET clock = clock + 1 WHERE clock = $1"


async def move_times(session: Session, by: int, alert: Alarm, seen: int) -> int | None:
    """Move every date that is still to come; returns how many orders and deliveries.

    Once, however many nodes notice that the clock was set: None where another has done it since
    the number `seen`, which goes up each time.
    """
    if not await session.count(_MOVED, seen):
        return None
    await session.may_take(_MOVE_S)
    moved = 0
    for which in _WITH_A_DATE:
        moved += await session.count(
            f"UPDATE orders SET fence = {RAISED}, due_at = due_at + $1,"
            " first_sent_at = first_sent_at + $1, send_ended_at = send_ended_at + $1,"
            " looked_up_at = looked_up_at + $1, ask_since = ask_since + $1"
            f" WHERE due_at IS NOT NULL AND {which}",
            by,
        )
    moved += await session.count(
        f"UPDATE deliveries SET fence = {RAISED}, next_at = next_at + $1"
        " WHERE next_at IS NOT NULL",
        by,
    )
    sql = "UPDATE waiting_callbacks SET next_at = next_at + $1, received_at = received_at + $1"
    await session.count(sql, by)
    await session.count("UPDATE reseller_keys SET ends_at = ends_at + $1", by)
    sql = "UPDATE alerts SET told_at = told_at + $1 WHERE acked_at IS NULL"
    await session.count(sql, by)
    sql = (
        "UPDATE notices SET next_at = next_at + $1, made_at = made_at + $1"
        " WHERE next_at IS NOT NULL"
    )
    await session.count(sql, by)
    await raise_alert(session, alert)
    await note_time(session, alert.at)  # in this very transaction: no date is moved twice
    return moved


async def bring_back(session: Session, now: int, furthest: int) -> None:
    """Make due now what waits for a date beyond this one."""
    for which in _WITH_A_DATE:
        sql = f"UPDATE orders SET due_at = $1, fence = {RAISED} WHERE due_at > $2 AND {which}"
        await session.count(sql, now, furthest)
    sql = f"UPDATE deliveries SET next_at = $1, fence = {RAISED} WHERE next_at > $2"
    await session.count(sql, now, furthest)
    await session.count("UPDATE notices SET next_at = $1 WHERE next_at > $2", now, furthest)


async def note_time(session: Session, now: int) -> None:
    """Write down what time it is, Unix milliseconds."""
    sql = (
        "INSERT INTO meta (key, value) VALUES ('time', $1)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )
    await session.count(sql, str(now).encode())
