"""Which deliveries are due, in the SQLite journal: plain functions of a connection.

Here stands what a long outbox must not make slow. What is written about a delivery is in
`sqlite_write`.
"""

import json
import sqlite3
from collections.abc import Collection

from gateway.domain.delivery import Delivery
from gateway.store import Busy
from gateway.store.rows import DELIVERY_COLUMNS, delivery_from

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


def _list(values: Collection[int] | Collection[str]) -> str:
    return json.dumps(list(values))


def due_deliveries(
    connection: sqlite3.Connection, now: int, limit: int, busy: Busy
) -> list[Delivery]:
    """List what is due: in its order where that is little, else from pair to pair."""
    values = {
        "now": now,
        "limit": limit,
        "of_each": busy.of_each,
        "orders": _list(busy.orders),
        "hosts": _list(busy.hosts),
        "resellers": _list(busy.resellers),
        "pairs": _list([f"{reseller} {host}" for reseller, host in busy.pairs]),
    }
    (count,) = connection.execute(_COUNT, {"now": now, "limit": limit}).fetchone()
    sql = _IN_ORDER if count <= limit else _BY_PAIR
    return [delivery_from(row) for row in connection.execute(sql, values)]
