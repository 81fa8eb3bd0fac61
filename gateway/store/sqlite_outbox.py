"""The SQLite journal's outbox as a whole: what is due in it, and sending much of it again.

Plain functions of a connection. Here stands what a long outbox must not make slow; what is written
about a single delivery is in `sqlite_write`.
"""

import sqlite3

from msgspec.structs import asdict

from gateway.domain.delivery import Delivery
from gateway.store import Busy, DeliveryFilter, Entry, Resent
from gateway.store.rows import DELIVERY_COLUMNS, as_list, delivery_from
from gateway.store.sqlite_page import ADD_NEXT_STEP

_COLUMNS = ", ".join(f"d.{name}" for name in DELIVERY_COLUMNS)
_BUSY_HOST = "(SELECT value FROM json_each(:hosts))"
_BUSY_ORDER = "(SELECT value FROM json_each(:orders))"
_BUSY_RESELLER = "(SELECT value FROM json_each(:resellers))"
_BUSY_PAIR = "(SELECT value FROM json_each(:pairs))"

_COUNT = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE next_at <= :now LIMIT :limit + 1)"
_IN_ORDER = (
    f"SELECT {_COLUMNS} FROM deliveries d WHERE d.next_at <= :now"
    f" AND d.order_id NOT IN {_BUSY_ORDER} AND d.host NOT IN {_BUSY_HOST}"
    f" AND d.reseller NOT IN {_BUSY_RESELLER} AND d.reseller || ' ' || d.host NOT IN {_BUSY_PAIR}"
    " ORDER BY d.next_at, d.id LIMIT :limit"
)
# From pair to pair: to the reseller's next host, or to the next reseller where it has no other or
# is busy. Each step is one look into the index deliveries_of_pair, however many rows lie between.
_BY_PAIR = f"""
WITH RECURSIVE pair (reseller, host) AS (
    SELECT * FROM (
        SELECT reseller, host FROM deliveries WHERE next_at IS NOT NULL
        ORDER BY reseller, host LIMIT 1)
    UNION ALL
    SELECT d.reseller, d.host FROM pair p JOIN deliveries d ON d.id = coalesce(
        iif(p.reseller IN {_BUSY_RESELLER}, NULL, (
            SELECT n.id FROM deliveries n
            WHERE n.next_at IS NOT NULL AND n.reseller = p.reseller AND n.host > p.host
            ORDER BY n.host LIMIT 1)),
        (
            SELECT n.id FROM deliveries n WHERE n.next_at IS NOT NULL AND n.reseller > p.reseller
            ORDER BY n.reseller, n.host LIMIT 1))
)
SELECT {_COLUMNS} FROM pair p CROSS JOIN deliveries d ON d.id IN (
    SELECT f.id FROM deliveries f
    WHERE f.reseller = p.reseller AND f.host = p.host AND f.next_at <= :now
        AND f.order_id NOT IN {_BUSY_ORDER}
    ORDER BY f.next_at, f.id LIMIT :of_each)
WHERE p.host NOT IN {_BUSY_HOST} AND p.reseller NOT IN {_BUSY_RESELLER}
    AND p.reseller || ' ' || p.host NOT IN {_BUSY_PAIR}
ORDER BY d.next_at, d.id LIMIT :limit
"""

# One transaction sends at most so many again, and looks through at most so many: some ten
# milliseconds of the writer, between which orders find their turn.
_PART = 500
_LOOKED_THROUGH = 20_000
_WANTED = (
    "SELECT d.id, d.order_id,"
    " EXISTS (SELECT 1 FROM deliveries n WHERE n.order_id = d.order_id AND n.id > d.id)"
    " FROM deliveries d WHERE d.id BETWEEN :first AND :last AND d.state = :state"
    " AND coalesce(d.done_at, d.created_at) BETWEEN :since AND :until"
    " AND (:reseller IS NULL OR d.reseller = :reseller) AND (:host IS NULL OR d.host = :host)"
    " ORDER BY d.id LIMIT :part"
)
_MAKE_DUE = (
    "UPDATE deliveries SET state = 'due', attempts = 0, next_at = ?, done_at = NULL WHERE id = ?"
)


def due_deliveries(
    connection: sqlite3.Connection, now: int, limit: int, busy: Busy
) -> list[Delivery]:
    """List what is due: in its order where that is little, else from pair to pair."""
    values = {
        "now": now,
        "limit": limit,
        "of_each": busy.of_each,
        "orders": as_list(busy.orders),
        "hosts": as_list(busy.hosts),
        "resellers": as_list(busy.resellers),
        "pairs": as_list([f"{reseller} {host}" for reseller, host in busy.pairs]),
    }
    (count,) = connection.execute(_COUNT, {"now": now, "limit": limit}).fetchone()
    sql = _IN_ORDER if count <= limit else _BY_PAIR
    return [delivery_from(row) for row in connection.execute(sql, values)]


def resend_part(
    connection: sqlite3.Connection,
    wanted: DeliveryFilter,
    first_id: int,
    now: int,
    entry: Entry | None,
) -> Resent:
    """Make due what matches in a part of the outbox; only counts it where there is no entry."""
    last_id = first_id + _LOOKED_THROUGH - 1
    values = {**asdict(wanted), "first": first_id, "last": last_id, "part": _PART}
    found = connection.execute(_WANTED, values).fetchall()
    newest = [
        (delivery_id, order_id) for delivery_id, order_id, has_newer in found if not has_newer
    ]
    if entry is not None:
        connection.executemany(_MAKE_DUE, [(now, delivery_id) for delivery_id, _ in newest])
        steps = [(order_id, entry.at, entry.kind, entry.text) for _, order_id in newest]
        connection.executemany(ADD_NEXT_STEP, steps)
    next_id = found[-1][0] + 1 if len(found) == _PART else last_id + 1
    (end,) = connection.execute("SELECT coalesce(max(id), 0) FROM deliveries").fetchone()
    return Resent(
        resent=len(newest),
        skipped=len(found) - len(newest),
        next_id=next_id if next_id <= end else None,
    )
