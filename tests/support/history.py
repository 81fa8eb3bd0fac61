"""Two months of orders in a journal: many resellers, products, statuses, dialects and ages."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.bench.seed import Copier
from gateway.clock import now_ms

RESELLERS = 40
PRODUCTS = 60
DAYS = 60
_DAY_MS = 86_400_000
# Of a thousand orders 30 failed and 5 were refunded; the rest is sold.
_STATUS = (
    "CASE WHEN i % 1000 < 30 THEN 'FAILED' WHEN i % 1000 < 35 THEN 'REFUNDED' ELSE 'SUCCESS' END"
)
# Evenly over the days that end now; most are final within seconds, some within minutes.
_PLACED = ":begin + i * :step"
_LASTED = "(800 + i * 7919 % 6000 + (i % 50 = 0) * 180000)"
_VALUES = {
    "id": ":base + i",
    "reseller": f"'toko' || (i * 31 % {RESELLERS})",
    "trx_id": "'H' || i",
    "product_code": f"'S' || (i * 17 % {PRODUCTS}) || '_1187'",
    "dest": "'9' || (100000000 + i * 7717 % 800000000)",
    "user_id": "'9' || (100000000 + i * 7717 % 800000000)",
    "note": "'Budi - RefId: ML_' || (1700000000 + i)",
    "invoice_number": "'APIKUY_ML_' || (1700000000 + i)",
    "product_price": "1500 + i % 97 * 500",
    "status": _STATUS,
    "dialect": "CASE WHEN i % 10 < 7 THEN 'text' WHEN i % 10 < 9 THEN 'json' ELSE 'otomax' END",
    "placed_at": _PLACED,
    "first_sent_at": _PLACED,
    "send_ended_at": f"{_PLACED} + 300",
    "final_at": f"{_PLACED} + {_LASTED}",
    "due_at": "NULL",
}


def add_history(journal: Path, number: int, days: int = DAYS) -> None:
    """Add orders to a journal whose gateway is stopped; its newest order must be settled.

    Args:
        journal: its file.
        number: how many.
        days: over how many days that end now.
    """
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        for n in range(RESELLERS):
            connection.execute(
                "INSERT INTO resellers (code, name, callback_hosts, allow_ips, delivery,"
                " suspended, created_at) VALUES (?, '', '[]', '[]', 'toss', 0, 0)"
                " ON CONFLICT DO NOTHING",
                (f"toko{n}",),
            )
        given = {"begin": now_ms() - days * _DAY_MS, "step": days * _DAY_MS // number}
        Copier(connection, given=given).orders(_VALUES, number)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
