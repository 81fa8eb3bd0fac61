"""The PostgreSQL journal's outbox: what is due in it, an attempt's result, sending again.

What is due is listed from pair to pair where that is much, as `sqlite_outbox` tells.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from msgspec.structs import replace

from gateway.domain.alert import What
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.store import Busy, DeliveryFilter, DeliveryRecord, Entry, Resent
from gateway.store.nodes import ClaimLost
from gateway.store.postgres_alerts import end_sql, notice_sql, raise_sql
from gateway.store.postgres_fence import RAISED, Fenced, FencedChange
from gateway.store.postgres_pool import Database, Session
from gateway.store.rows import DELIVERY_COLUMNS, delivery_from

_COLUMNS: Final = ", ".join(DELIVERY_COLUMNS)
SELECT_DELIVERY: Final = f"SELECT {_COLUMNS} FROM deliveries"
_READ: Final = f"SELECT fence, {_COLUMNS} FROM deliveries WHERE id = $1"

_OF_D: Final = ", ".join(f"d.{name}" for name in DELIVERY_COLUMNS)
# $1 now, $2 limit, $3 orders, $4 hosts, $5 resellers, $6 and $7 the pairs' resellers and hosts,
# $8 this node
_NOT_BUSY: Final = (
    "{0}.host <> ALL ($4::text[]) AND {0}.reseller <> ALL ($5::text[])"
    " AND ({0}.reseller, {0}.host) NOT IN (SELECT * FROM unnest($6::text[], $7::text[]))"
)
_NOT_CLAIMED: Final = (
    "NOT EXISTS (SELECT 1 FROM claims c WHERE c.kind = 'delivery' AND c.id = {0}.order_id"
    " AND c.until > $1 AND c.node <> $8)"
)
_COUNT: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE next_at <= $1 LIMIT $2::bigint + 1) due"
)
_IN_ORDER: Final = (
    f"SELECT {_OF_D} FROM deliveries d WHERE d.next_at <= $1 AND d.order_id <> ALL ($3::bigint[])"
    f" AND {_NOT_BUSY.format('d')} AND {_NOT_CLAIMED.format('d')}"
    " ORDER BY d.next_at, d.id LIMIT $2"
)
# Each step is one look into the index deliveries_of_pair, however many rows lie between.
_BY_PAIR: Final = f"""
WITH RECURSIVE pair (reseller, host) AS (
    (SELECT reseller, host FROM deliveries WHERE next_at IS NOT NULL
     ORDER BY reseller, host LIMIT 1)
    UNION ALL
    SELECT next.reseller, next.host FROM pair p CROSS JOIN LATERAL (
        (SELECT n.reseller, n.host FROM deliveries n
         WHERE n.next_at IS NOT NULL AND n.reseller = p.reseller AND n.host > p.host
             AND p.reseller <> ALL ($5::text[])
         ORDER BY n.host LIMIT 1)
        UNION ALL
        (SELECT n.reseller, n.host FROM deliveries n
         WHERE n.next_at IS NOT NULL AND n.reseller > p.reseller
         ORDER BY n.reseller, n.host LIMIT 1)
        LIMIT 1
    ) next
)
SELECT {_OF_D} FROM pair p CROSS JOIN LATERAL (
    SELECT * FROM deliveries f
    WHERE f.reseller = p.reseller AND f.host = p.host AND f.next_at <= $1
        AND f.order_id <> ALL ($3::bigint[]) AND {_NOT_CLAIMED.format("f")}
    ORDER BY f.next_at, f.id LIMIT $9
) d WHERE {_NOT_BUSY.format("p")}
ORDER BY d.next_at, d.id LIMIT $2
"""

# One transaction sends at most so many again, and looks through at most so many, for it holds
# their orders.
_PART: Final = 500
_LOOKED_THROUGH: Final = 20_000
_WANTED: Final = (
    "SELECT d.id, d.order_id,"
    " EXISTS (SELECT 1 FROM deliveries n WHERE n.order_id = d.order_id AND n.id > d.id)"
    " AS has_newer FROM deliveries d WHERE d.id BETWEEN $1 AND $2 AND d.state = $3"
    " AND coalesce(d.done_at, d.created_at) BETWEEN $4 AND $5"
    " AND ($6::text IS NULL OR d.reseller = $6) AND ($7::text IS NULL OR d.host = $7)"
    " AND ($9::bigint[] IS NULL OR d.id = ANY ($9))"
    " ORDER BY d.id LIMIT $8"
)
# In the order of their numbers, so that two who do this do not wait for each other. The fence is
# raised: whoever has decided upon such an order begins anew, and finds what is due now.
_HOLD: Final = (
    f"UPDATE orders SET fence = {RAISED} WHERE id IN"
    " (SELECT id FROM orders WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE)"
)
_MAKE_DUE: Final = (
    f"UPDATE deliveries SET state = 'due', attempts = 0, next_at = $2, done_at = NULL,"
    f" fence = {RAISED} WHERE id = ANY ($1::bigint[])"
)
_ADD_STEP: Final = (
    "INSERT INTO timeline (order_id, at, kind, text)"
    " SELECT order_id, $2::bigint, $3::text, $4::text FROM unnest($1::bigint[]) order_id"
)


async def due_deliveries(
    session: Session, now: int, limit: int, busy: Busy, *, node: int
) -> list[Delivery]:
    """List what is due: in its order where that is little, else from pair to pair.

    Not what another node than this one has claimed.
    """
    pairs = ([code for code, _ in busy.pairs], [host for _, host in busy.pairs])
    values = (now, limit, list(busy.orders), list(busy.hosts), list(busy.resellers), *pairs, node)
    if await session.value(_COUNT, now, limit) <= limit:
        rows = await session.rows(_IN_ORDER, *values)
    else:
        rows = await session.rows(_BY_PAIR, *values, busy.of_each)
    return [delivery_from(tuple(row)) for row in rows]


class DeliveryWrites:
    """Writes what came of attempts.

    Args:
        database: where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def change(
        self,
        delivery_id: int,
        decide: Callable[[Delivery], DeliveryRecord],
        claim: int | None,
    ) -> DeliveryRecord:
        """Write what a function makes of a delivery; returns what was written.

        Raises:
            ClaimLost: nothing was written, for the order's deliveries are another's by now.
        """
        return await self._database.apart(self._change(delivery_id, decide, claim))

    async def _change(
        self,
        delivery_id: int,
        decide: Callable[[Delivery], DeliveryRecord],
        claim: int | None,
    ) -> DeliveryRecord:
        turn = self._turns.get(delivery_id)
        if turn is None:
            turn = self._turns[delivery_id] = asyncio.Lock()
        async with turn:
            read = partial(_read, delivery_id=delivery_id)
            write = partial(_write, claim=claim)
            change: FencedChange[Delivery, DeliveryRecord]
            change = FencedChange(self._database, read, decide, write)
            written, _ = await change.make()
        return written


async def _read(session: Session, delivery_id: int) -> Fenced[Delivery]:
    row = await session.row(_READ, delivery_id)
    if row is None:
        raise LookupError(f"no delivery has the number {delivery_id}")
    return Fenced(delivery_from(tuple(row)[1:]), row[0])


# $1 to $3 the delivery and its fences, $4 to $8 as it stands, $9 to $11 the step, $12 to $14 the
# alert, $15 how the alerts begin that are no longer true, $16 the claim, which ends with it, $17
# what the alert is about.
_UNTRUE: Final = (
    "a.order_id = (SELECT order_id FROM changed) AND a.acked_at IS NULL"
    " AND starts_with(a.text, $15)"
)
_CHANGE: Final = f"""
WITH held AS (
    SELECT id FROM claims WHERE kind = 'delivery' AND fence = $16::bigint
        AND id = (SELECT order_id FROM deliveries WHERE id = $1) FOR UPDATE
), changed AS (
    UPDATE deliveries SET fence = $3, state = $4, attempts = $5, next_at = $6, done_at = $7,
        last_result = $8
    WHERE id = $1 AND fence = $2 AND ($16::bigint IS NULL OR EXISTS (SELECT 1 FROM held))
    RETURNING order_id
), unclaimed AS (
    DELETE FROM claims c USING changed
    WHERE c.kind = 'delivery' AND c.id = changed.order_id AND c.fence = $16::bigint
), settled AS ({end_sql(_UNTRUE, "$9::bigint")}
), calmed AS ({notice_sql("settled", What.ENDED)}
), wanted AS (
    SELECT order_id, $13::text AS kind, $17::text AS about, $14::text AS text, $12::bigint AS at
    FROM changed WHERE $14::text IS NOT NULL
), raised AS ({raise_sql("wanted")}
), alarmed AS ({notice_sql("raised", What.RAISED)}
), steps AS (
    INSERT INTO timeline (order_id, at, kind, text)
    SELECT changed.order_id, s.at, s.kind, s.text FROM changed, (
        SELECT 1 AS place, $9::bigint AS at, $10::text AS kind, $11::text AS text
        UNION ALL SELECT 2, $12::bigint, 'alert', $14::text FROM raised
    ) s ORDER BY s.place
)
SELECT EXISTS (SELECT 1 FROM changed) AS is_changed, EXISTS (SELECT 1 FROM raised) AS is_raised,
    EXISTS (SELECT 1 FROM held) AS is_held
"""


async def _write(
    session: Session,
    before: Fenced[Delivery],
    record: DeliveryRecord,
    fence: int,
    *,
    claim: int | None,
) -> DeliveryRecord | None:
    """Write a changed delivery and what goes with it; None where it was changed meanwhile."""
    told, entry, alert = record.delivery, record.entry, record.alert
    row = await session.row(
        _CHANGE,
        *(before.value.id, before.fence, fence),
        *(told.state, told.attempts, told.next_at, told.done_at, told.last_result),
        *(entry.at, entry.kind, entry.text),
        *((None, None, None) if alert is None else (alert.at, alert.kind, alert.text)),
        record.settles,
        claim,
        None if alert is None else alert.about,
    )
    if row is not None and claim is not None and not row["is_held"]:
        raise ClaimLost
    if row is None or not row["is_changed"]:
        return None
    return record if row["is_raised"] else replace(record, alert=None)


async def resend_delivery(
    session: Session, delivery_id: int, now: int, entry: Entry
) -> Delivery | None:
    """Make a delivery due now; None where its order has a newer one."""
    await session.count(_HOLD, [(await _read(session, delivery_id)).value.order_id])
    found = (await _read(session, delivery_id)).value
    sql = "SELECT 1 FROM deliveries WHERE order_id = $1 AND id > $2 LIMIT 1"
    if await session.value(sql, found.order_id, delivery_id):
        return None
    await session.count(_MAKE_DUE, [delivery_id], now)
    await session.count(_ADD_STEP, [found.order_id], entry.at, entry.kind, entry.text)
    return replace(found, state=DeliveryState.DUE, attempts=0, next_at=now, done_at=None)


async def resend_part(
    session: Session, wanted: DeliveryFilter, first_id: int, now: int, entry: Entry | None
) -> Resent:
    """Make due what matches in a part of the outbox; only counts it where there is no entry."""
    last_id = first_id + _LOOKED_THROUGH - 1
    chosen = (wanted.state, wanted.since, wanted.until, wanted.reseller, wanted.host)
    values = (first_id, last_id, *chosen, _PART)
    found = held = await session.rows(_WANTED, *values, None)
    if entry is not None:
        await session.count(_HOLD, [row["order_id"] for row in found])
        # As they are now that nobody changes them.
        held = await session.rows(_WANTED, *values, [row["id"] for row in found])
    newest = [row for row in held if not row["has_newer"]]
    if entry is not None:
        await session.count(_MAKE_DUE, [row["id"] for row in newest], now)
        orders = [row["order_id"] for row in newest]
        await session.count(_ADD_STEP, orders, entry.at, entry.kind, entry.text)
    next_id = found[-1]["id"] + 1 if len(found) == _PART else last_id + 1
    end = await session.value("SELECT coalesce(max(id), 0) FROM deliveries")
    return Resent(
        resent=len(newest),
        skipped=len(held) - len(newest),
        next_id=next_id if next_id <= end else None,
    )
