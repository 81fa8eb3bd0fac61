"""Resellers, their keys, and the keys at the upstream, in the PostgreSQL journal."""

from collections.abc import Sequence
from typing import Any, Final

from gateway.store import AccountRow, ResellerRow
from gateway.store.nodes import Outrun
from gateway.store.postgres_pool import Session
from gateway.store.rows import KEY_COLUMNS, RESELLER_COLUMNS, reseller_from, reseller_values

_KEPT: Final = frozenset({"code", "created_at"})
_UPDATE: Final = ", ".join(f"{n} = excluded.{n}" for n in RESELLER_COLUMNS if n not in _KEPT)
_PUT: Final = (
    f"INSERT INTO resellers ({', '.join(RESELLER_COLUMNS)})"
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(RESELLER_COLUMNS) + 1))})"
    f" ON CONFLICT (code) DO UPDATE SET {_UPDATE}"
)
_PUT_KEY: Final = (
    f"INSERT INTO reseller_keys (reseller, {', '.join(KEY_COLUMNS)})"
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(KEY_COLUMNS) + 2))})"
)

_CHANGED: Final = (
    "UPDATE changed SET resellers = resellers + 1 WHERE resellers = $1 OR $1::bigint IS NULL"
)


async def resellers(session: Session) -> list[ResellerRow]:
    """List every reseller with its keys, by code, as both were at one moment."""
    async with session.connection.transaction(isolation="repeatable_read", readonly=True):
        keys: dict[str, list[Any]] = {}
        sql = f"SELECT reseller, {', '.join(KEY_COLUMNS)} FROM reseller_keys"
        for code, *key in await session.rows(f"{sql} ORDER BY created_at, hash"):
            keys.setdefault(code, []).append(key)
        sql = f"SELECT {', '.join(RESELLER_COLUMNS)} FROM resellers ORDER BY code"
        rows = await session.rows(sql)
    return [reseller_from(tuple(row), keys.get(row[0], [])) for row in rows]


async def put_resellers(
    session: Session,
    rows: Sequence[ResellerRow],
    accounts: Sequence[AccountRow],
    *,
    seen: int | None,
) -> None:
    """Write these resellers with exactly these keys, and new accounts."""
    # Who writes at the same time waits: a key that he deletes must not come back beside his own.
    await session.connection.execute("LOCK TABLE reseller_keys IN SHARE ROW EXCLUSIVE MODE")
    if not await session.count(_CHANGED, seen):
        raise Outrun
    for account in accounts:
        sql = "INSERT INTO accounts (id, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        await session.count(sql, account.id, account.sealed)
    # All keys first, so that one may pass from a reseller to another.
    sql = "DELETE FROM reseller_keys WHERE reseller = ANY ($1::text[])"
    await session.count(sql, [row.code for row in rows])
    for row in rows:
        await session.count(_PUT, *reseller_values(row))
        for key in row.keys:
            await session.count(_PUT_KEY, row.code, *(getattr(key, name) for name in KEY_COLUMNS))


async def accounts(session: Session) -> list[AccountRow]:
    """List every key at the upstream that was ever bought under."""
    rows = await session.rows("SELECT id, sealed, saldo FROM accounts")
    return [AccountRow(**row) for row in rows]
