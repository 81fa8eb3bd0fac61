"""The SQLite journal's side of the archive: which timelines are old, and forgetting them.

Plain functions of a connection. The orders are looked through by their numbers, once: up to where
stands in `meta`, and what could not be moved then stands in `archive_later`. So a run looks at
what has become old since the last one, and not at all that is old.
"""

import sqlite3
from collections.abc import Sequence

from gateway.domain.delivery import DeliveryState
from gateway.store import Entry, OldOrder, OldPart, Place
from gateway.store.rows import as_list, delivery_from
from gateway.store.sqlite_write import SELECT_DELIVERY

# Orders a part. Forgetting them takes the writer 2.4 ms, 6 at worst, among 5,000,000 old orders;
# 500 take it 18, and the whole move is hardly quicker.
PART = 100
ARCHIVED = "archived"  # the kind of the one step that stays

_LIST = "(SELECT value FROM json_each(:ids))"
_UNFINISHED = f"('{DeliveryState.DUE}', '{DeliveryState.DEAD}')"
# Nothing is to come, nothing is in doubt, and nothing has happened since. The newest delivery
# stays where it is, for else its number would be given again.
_OLD = f"""
SELECT o.id, o.reseller || '-' || o.trx_id FROM orders o
WHERE o.id IN {_LIST} AND o.final_at < :before AND o.due_at IS NULL AND o.ask_since IS NULL
    AND o.sending = 0
    AND NOT EXISTS (SELECT 1 FROM timeline t WHERE t.order_id = o.id AND t.at >= :before)
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.order_id = o.id AND (
        d.state IN {_UNFINISHED} OR max(d.created_at, coalesce(d.done_at, 0)) >= :before
        OR d.id = (SELECT max(id) FROM deliveries)))
    AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.order_id = o.id AND a.acked_at IS NULL)
ORDER BY o.id
"""
_STEPS = (
    "SELECT n, at, kind, text FROM timeline"
    f" WHERE order_id = ? AND kind <> '{ARCHIVED}' ORDER BY n"
)
_DELIVERIES = f"{SELECT_DELIVERY} WHERE order_id = ? ORDER BY id"


def old_part(connection: sqlite3.Connection, before: int, place: Place) -> OldPart:
    """Look through a part of the orders: what of it is old, and what may be later."""
    if place.again:
        sql = "SELECT order_id FROM archive_later WHERE order_id > ? ORDER BY order_id LIMIT ?"
        ids = [row[0] for row in connection.execute(sql, (place.after or 0, PART))]
        next_place = Place(again=bool(ids), after=ids[-1] if ids else None)
        return _part(connection, before, ids, next_place)
    after = _archived(connection) if place.after is None else place.after
    sql = "SELECT id, placed_at < ? FROM orders WHERE id > ? ORDER BY id LIMIT ?"
    ids, is_old = [], []
    for row in connection.execute(sql, (before, after, PART)):
        ids.append(row[0])
        is_old.append(row[1])
    # Behind the last old one nothing is old, unless the clock was wrong when it was placed.
    while is_old and not is_old[-1]:
        ids.pop()
        is_old.pop()
    is_last = len(ids) < PART
    return _part(connection, before, ids, None if is_last else Place(after=ids[-1]))


def _part(
    connection: sqlite3.Connection, before: int, ids: Sequence[int], next_place: Place | None
) -> OldPart:
    orders = [
        OldOrder(
            id=order_id,
            upstream_trx_id=name,
            steps=tuple((n, Entry(*step)) for n, *step in connection.execute(_STEPS, (order_id,))),
            deliveries=tuple(map(delivery_from, connection.execute(_DELIVERIES, (order_id,)))),
        )
        for order_id, name in _old(connection, before, ids)
    ]
    return OldPart(
        orders=tuple(order for order in orders if order.steps or order.deliveries),
        later=tuple(sorted(set(ids) - {order.id for order in orders})),
        looked_at=tuple(ids),
        next_place=next_place,
    )


def _old(connection: sqlite3.Connection, before: int, ids: Sequence[int]) -> list[tuple[int, str]]:
    return connection.execute(_OLD, {"ids": as_list(ids), "before": before}).fetchall()


def forget(
    connection: sqlite3.Connection, part: OldPart, before: int, at: int, archive: str
) -> list[int]:
    """Delete what an archive keeps of these orders; returns which.

    An order of which something was written meanwhile is left as it is, for later.
    """
    ids = [order.id for order in part.orders]
    still_old = {order_id for order_id, _ in _old(connection, before, ids)}
    forgotten = [order for order in part.orders if order.id in still_old]
    for order in forgotten:
        _forget(connection, order, at, archive)
    left = [*part.later, *(set(ids) - still_old)]
    _note_progress(connection, part, left)
    return [order.id for order in forgotten]


def _forget(connection: sqlite3.Connection, order: OldOrder, at: int, archive: str) -> None:
    text = f"moved to {archive}: steps {len(order.steps)}, deliveries {len(order.deliveries)}"
    connection.execute(
        "INSERT INTO timeline (order_id, n, at, kind, text)"
        " SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4 FROM timeline WHERE order_id = ?1",
        (order.id, at, ARCHIVED, text),
    )
    connection.executemany(
        "DELETE FROM timeline WHERE order_id = ? AND n = ?",
        [(order.id, n) for n, _ in order.steps],
    )
    connection.executemany(
        "DELETE FROM deliveries WHERE id = ?", [(each.id,) for each in order.deliveries]
    )


def _note_progress(connection: sqlite3.Connection, part: OldPart, left: Sequence[int]) -> None:
    ids = {"ids": as_list(part.looked_at)}
    connection.execute(f"DELETE FROM archive_later WHERE order_id IN {_LIST}", ids)
    connection.executemany(
        "INSERT INTO archive_later (order_id) VALUES (?) ON CONFLICT DO NOTHING",
        [(order_id,) for order_id in left],
    )
    through = max(part.looked_at, default=0)
    if through > _archived(connection):
        sql = (
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        connection.execute(sql, (ARCHIVED, str(through).encode()))


def _archived(connection: sqlite3.Connection) -> int:
    """Return up to which order all were looked at."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (ARCHIVED,)).fetchone()
    return 0 if row is None else int(row[0])
