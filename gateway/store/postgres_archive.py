"""The PostgreSQL journal's side of the archive, as `sqlite_archive` tells.

The archive itself is a SQLite file here too: it is carried away, and read with anything.
"""

from collections.abc import Sequence
from typing import Final

from gateway.domain.delivery import DeliveryState
from gateway.store import Entry, OldOrder, OldPart, Place
from gateway.store.postgres_outbox import SELECT_DELIVERY
from gateway.store.postgres_pool import Row, Session
from gateway.store.rows import delivery_from

PART: Final = 100  # orders
ARCHIVED: Final = "archived"  # the kind of the one step that stays

_OLD: Final = f"""
SELECT o.id, o.reseller || '-' || o.trx_id AS name FROM orders o
WHERE o.id = ANY ($1::bigint[]) AND o.final_at < $2 AND o.due_at IS NULL AND o.ask_since IS NULL
    AND NOT o.sending
    AND NOT EXISTS (SELECT 1 FROM timeline t WHERE t.order_id = o.id AND t.at >= $2)
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.order_id = o.id AND (
        d.state IN ('{DeliveryState.DUE}', '{DeliveryState.DEAD}')
        OR greatest(d.created_at, d.done_at) >= $2
        OR d.id = (SELECT max(id) FROM deliveries)))
    AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.order_id = o.id AND a.acked_at IS NULL)
ORDER BY o.id
"""
_STEPS: Final = (
    "SELECT order_id, n, at, kind, text FROM timeline"
    f" WHERE order_id = ANY ($1::bigint[]) AND kind <> '{ARCHIVED}' ORDER BY order_id, n"
)
_DELIVERIES: Final = f"{SELECT_DELIVERY} WHERE order_id = ANY ($1::bigint[]) ORDER BY id"
# Whoever changes one of them waits, and what was decided upon it meanwhile is decided again.
_HOLD: Final = "SELECT id FROM orders WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"


async def old_part(session: Session, before: int, place: Place) -> OldPart:
    """Look through a part of the orders: what of it is old, and what may be later."""
    if place.again:
        sql = "SELECT order_id FROM archive_later WHERE order_id > $1 ORDER BY order_id LIMIT $2"
        ids = [row[0] for row in await session.rows(sql, place.after or 0, PART)]
        next_place = Place(again=bool(ids), after=ids[-1] if ids else None)
        return await _part(session, before, ids, next_place)
    after = await _archived(session) if place.after is None else place.after
    sql = "SELECT id, placed_at < $1 FROM orders WHERE id > $2 ORDER BY id LIMIT $3"
    found = await session.rows(sql, before, after, PART)
    # Behind the last old one nothing is old, unless the clock was wrong when it was placed.
    while found and not found[-1][1]:
        found.pop()
    ids = [row[0] for row in found]
    is_last = len(ids) < PART
    return await _part(session, before, ids, None if is_last else Place(after=ids[-1]))


async def _part(
    session: Session, before: int, ids: list[int], next_place: Place | None
) -> OldPart:
    old = await session.rows(_OLD, ids, before)
    orders = await _told_of(session, old)
    return OldPart(
        orders=tuple(order for order in orders if order.steps or order.deliveries),
        later=tuple(sorted(set(ids) - {order.id for order in orders})),
        looked_at=tuple(ids),
        next_place=next_place,
    )


async def _told_of(session: Session, old: Sequence[Row]) -> list[OldOrder]:
    """Return orders with their steps and deliveries."""
    ids = [row["id"] for row in old]
    steps: dict[int, list[tuple[int, Entry]]] = {}
    for row in await session.rows(_STEPS, ids):
        entry = Entry(row["at"], row["kind"], row["text"])
        steps.setdefault(row["order_id"], []).append((row["n"], entry))
    found = [delivery_from(tuple(row)) for row in await session.rows(_DELIVERIES, ids)]
    return [
        OldOrder(
            id=row["id"],
            upstream_trx_id=row["name"],
            steps=tuple(steps.get(row["id"], ())),
            deliveries=tuple(each for each in found if each.order_id == row["id"]),
        )
        for row in old
    ]


async def forget(session: Session, part: OldPart, before: int, at: int, archive: str) -> list[int]:
    """Delete what an archive keeps of these orders; returns which.

    An order of which something was written meanwhile is left as it is, for later.
    """
    ids = [order.id for order in part.orders]
    await session.rows(_HOLD, ids)
    old = await session.rows(_OLD, ids, before)
    # Others may have written a step with an old date, or moved it, since it was read.
    same = {order.id: order for order in await _told_of(session, old)}
    forgotten = [order for order in part.orders if same.get(order.id) == order]
    for order in forgotten:
        await _forget(session, order, at, archive)
    left = [*part.later, *(set(ids) - {order.id for order in forgotten})]
    await _note_progress(session, part, left)
    return [order.id for order in forgotten]


async def _forget(session: Session, order: OldOrder, at: int, archive: str) -> None:
    text = f"moved to {archive}: steps {len(order.steps)}, deliveries {len(order.deliveries)}"
    sql = "INSERT INTO timeline (order_id, at, kind, text) VALUES ($1, $2, $3, $4)"
    await session.count(sql, order.id, at, ARCHIVED, text)
    sql = "DELETE FROM timeline WHERE order_id = $1 AND n = ANY ($2::bigint[])"
    await session.count(sql, order.id, [n for n, _ in order.steps])
    sql = "DELETE FROM deliveries WHERE id = ANY ($1::bigint[])"
    await session.count(sql, [each.id for each in order.deliveries])


async def _note_progress(session: Session, part: OldPart, left: list[int]) -> None:
    sql = "DELETE FROM archive_later WHERE order_id = ANY ($1::bigint[])"
    await session.count(sql, list(part.looked_at))
    sql = (
        "INSERT INTO archive_later (order_id) SELECT * FROM unnest($1::bigint[])"
        " ON CONFLICT DO NOTHING"
    )
    await session.count(sql, left)
    through = max(part.looked_at, default=0)
    if through > await _archived(session):
        sql = (
            "INSERT INTO meta (key, value) VALUES ($1, $2)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        await session.count(sql, ARCHIVED, str(through).encode())


async def _archived(session: Session) -> int:
    """Return up to which order all were looked at."""
    value = await session.value("SELECT value FROM meta WHERE key = $1", ARCHIVED)
    return 0 if value is None else int(value)
