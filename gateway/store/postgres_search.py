"""Looking through the orders of the PostgreSQL journal, part by part.

As in `sqlite_search`: along the index that holds fewest others a part begins at the next order
that may match, and no question looks at more than a part. PostgreSQL chooses the index of each
question by itself, by what it guesses; so none is asked for which a wrong guess would walk the
journal. Either numbers bound it on both sides, or it is asked in an order that only one index
gives.
"""

from functools import partial
from typing import Any, Final

from gateway.domain.delivery import DeliveryState
from gateway.domain.order import Order, Status
from gateway.store.postgres_orders import SELECT_ORDER
from gateway.store.postgres_pool import Database, Session
from gateway.store.rows import order_from
from gateway.store.search import SPANS_MS, FoundOrders, OrderSearch, TalliedOrders, Tally

PART: Final = 20_000  # numbers of orders that one question looks through
TALLY_PART: Final = 10_000
FEW_OPEN: Final = 2_000  # as many open orders are gone through; more are most of the newest
_NEWEST: Final = 2**62  # above every number

_OPEN: Final = frozenset({Status.PENDING, Status.PAID})
_UNSOLD: Final = frozenset(status for status in Status if status.is_final) - {Status.SUCCESS}
# In the words of the partial indexes, so that PostgreSQL knows that they serve.
_IS_UNSOLD: Final = "final_at IS NOT NULL AND status <> 'SUCCESS'"
_IS_OPEN: Final = "due_at IS NOT NULL AND final_at IS NULL"
_SPAN: Final = " ".join(
    f"WHEN final_at - placed_at < {ms} THEN {n}" for n, ms in enumerate(SPANS_MS)
)
_TALLY: Final = (
    f"SELECT status, CASE {_SPAN} ELSE {len(SPANS_MS)} END AS span, count(*) AS count,"
    " coalesce(sum(product_price), 0)::bigint AS rupiah FROM orders"
)
_PARTS_OF: Final = ("product_code", "dest", "note")
_OPEN_IDS: Final = f"SELECT id FROM orders WHERE {_IS_OPEN} ORDER BY due_at, id LIMIT $1"
_OLDEST: Final = (
    f"{SELECT_ORDER} WHERE id = ANY (ARRAY("
    f"SELECT id FROM ({_OPEN_IDS}) open ORDER BY id LIMIT $2)) ORDER BY id"
)
# Half of the numbers that are left is left with each step.
_FIRST_SINCE: Final = """
WITH RECURSIVE search (low, high) AS (
    SELECT 1::bigint, coalesce(max(id), 0) + 1 FROM orders
    UNION ALL
    SELECT CASE WHEN o.placed_at < $1 THEN s.middle + 1 ELSE s.low END,
        CASE WHEN o.placed_at < $1 THEN s.high ELSE s.middle END
    FROM (SELECT low, high, (low + high) / 2 AS middle FROM search WHERE low < high) s
    CROSS JOIN LATERAL
        (SELECT placed_at FROM orders WHERE id >= s.middle ORDER BY id LIMIT 1) o
) SELECT low FROM search WHERE low = high
"""
# Reseller by reseller, one look into the index of the trx_ids each.
_NAMED: Final = """
SELECT o.id FROM resellers r CROSS JOIN LATERAL
    (SELECT id FROM orders WHERE reseller = r.code AND trx_id = $1 LIMIT 1) o
UNION ALL SELECT id FROM orders WHERE reseller = $2 AND trx_id = $3
"""
_COUNT_DUE: Final = (
    "SELECT count(*) FROM"
    " (SELECT 1 FROM deliveries WHERE next_at IS NOT NULL ORDER BY next_at, id LIMIT $1) due"
)
_COUNT_UNDELIVERED: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state >= $2 AND state <= $2"
    " AND state <> 'delivered' AND next_at IS NULL ORDER BY state, id LIMIT $1) undelivered"
)
_LAST: Final = "SELECT id FROM orders WHERE id < $1 ORDER BY id DESC LIMIT 1"
_LAST_OF: Final = (
    "SELECT id FROM orders WHERE (reseller, id) < ($2::text, $1::bigint) AND reseller >= $2::text"
    " ORDER BY reseller DESC, id DESC LIMIT 1"
)
_LAST_UNSOLD: Final = (
    f"SELECT id FROM orders WHERE {_IS_UNSOLD} AND (status, id) < ($2::text, $1::bigint)"
    " AND status >= $2::text ORDER BY status DESC, id DESC LIMIT 1"
)
_LAST_UNSOLD_OF: Final = (
    f"SELECT id FROM orders WHERE {_IS_UNSOLD}"
    " AND (reseller, status, id) < ($2::text, $3::text, $1::bigint)"
    " AND (reseller, status) >= ($2::text, $3::text)"
    " ORDER BY reseller DESC, status DESC, id DESC LIMIT 1"
)


class SearchTables:
    """`gateway.store.search.Search` on a PostgreSQL journal."""

    _database: Database

    async def first_order_since(self, at: int) -> int:
        """Return the number of the first order placed at a time or later."""
        return await self._database.repeat(partial(_number, sql=_FIRST_SINCE, values=(at,)))

    async def find_orders(self, wanted: OrderSearch, limit: int) -> FoundOrders:
        """Look through a part of the orders, from the newest back."""
        return await self._database.repeat(partial(_find, wanted=wanted, limit=limit))

    async def tally_orders(self, wanted: OrderSearch) -> TalliedOrders:
        """Count in a part of the orders, from the newest back."""
        return await self._database.repeat(partial(_tally, wanted=wanted))

    async def oldest_open(self, limit: int) -> list[Order]:
        """List the orders that are open for the longest time."""

        async def work(session: Session) -> list[Order]:
            rows = await session.rows(_OLDEST, FEW_OPEN, limit)
            return [order_from(tuple(row)) for row in rows]

        return await self._database.repeat(work)

    async def count_deliveries(self, state: DeliveryState, most: int) -> int:
        """Count the deliveries that are due or dead; no further than `most`."""
        if state is DeliveryState.DUE:
            work = partial(_number, sql=_COUNT_DUE, values=(most,))
        else:
            work = partial(_number, sql=_COUNT_UNDELIVERED, values=(most, state))
        return await self._database.repeat(work)


async def _number(session: Session, sql: str, values: tuple[Any, ...]) -> int:
    return int(await session.value(sql, *values) or 0)


class _Part:
    """Where a part lies, and what its orders have to be."""

    def __init__(self, session: Session, wanted: OrderSearch) -> None:
        self._session = session
        self._wanted = wanted
        self._statuses = {Status(word) for word in wanted.statuses}
        self._conditions: list[str] = []
        self._values: list[Any] = []
        self._first = wanted.from_id

    @property
    def next_id(self) -> int | None:
        """Where the next part begins; None where there is none."""
        return self._first if self._first > self._wanted.from_id else None

    async def rows(self, select: str, end: str) -> list[Any]:
        """Return what a statement finds among the orders of this part."""
        return await self._session.rows(
            f"{select} WHERE {' AND '.join(self._conditions)} {end}", *self._values
        )

    async def look(self, size: int) -> "_Part":
        """Find out where it lies, at most so many numbers long; returns itself."""
        wanted = self._wanted
        self._describe()
        before = _NEWEST if wanted.before_id is None else wanted.before_id
        ids = await self._few()
        if ids is not None:
            self._add("id = ANY ({}::bigint[])", ids)
        elif wanted.invoice_number is None:
            before = await self._last(before) + 1
            self._first = max(self._first, before - size)
        self._add("id >= {}", self._first)
        self._add("id < {}", before)
        return self

    def _add(self, condition: str, value: object) -> None:
        self._values.append(value)
        self._conditions.append(condition.format(f"${len(self._values)}"))

    def _describe(self) -> None:
        for name in ("reseller", "invoice_number", "dialect"):
            value = getattr(self._wanted, name)
            if value is not None:
                self._add(f"{name} = {{}}", value)
        for name in _PARTS_OF:
            value = getattr(self._wanted, name)
            if value is not None:
                self._add(f"{name} ILIKE {{}}", f"%{_literally(value)}%")
        if self._statuses:
            self._add("status = ANY ({}::text[])", list(self._wanted.statuses))

    async def _few(self) -> list[int] | None:
        """Return the numbers of the few orders that may match; None where they may be many."""
        trx_id = self._wanted.trx_id
        if trx_id is not None:
            code, _, rest = trx_id.partition("-")
            return [row[0] for row in await self._session.rows(_NAMED, trx_id, code, rest)]
        if self._wanted.invoice_number is None and self._statuses and self._statuses <= _OPEN:
            rows = await self._session.rows(_OPEN_IDS, FEW_OPEN + 1)
            return [row[0] for row in rows] if len(rows) <= FEW_OPEN else None
        return None

    async def _last(self, before: int) -> int:
        """Return the newest order that may match; 0 where none may."""
        code = self._wanted.reseller
        mine = [] if code is None else [code]
        if not self._statuses or not self._statuses <= _UNSOLD:
            sql = _LAST_OF if mine else _LAST
            return await _number(self._session, sql, (before, *mine))
        self._conditions.append(_IS_UNSOLD)
        sql, last = _LAST_UNSOLD_OF if mine else _LAST_UNSOLD, 0
        for status in self._statuses:
            last = max(last, await _number(self._session, sql, (before, *mine, status)))
        return last


def _literally(text: str) -> str:
    """Return a text in which LIKE finds no sign of its own."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _find(session: Session, wanted: OrderSearch, limit: int) -> FoundOrders:
    part = await _Part(session, wanted).look(PART)
    rows = await part.rows(SELECT_ORDER, f"ORDER BY id DESC LIMIT {limit:d}")
    orders = tuple(order_from(tuple(row)) for row in rows)
    next_id = orders[-1].id if len(orders) == limit else part.next_id
    is_beyond = next_id is not None and next_id > wanted.from_id
    return FoundOrders(orders=orders, next_id=next_id if is_beyond else None)


async def _tally(session: Session, wanted: OrderSearch) -> TalliedOrders:
    part = await _Part(session, wanted).look(TALLY_PART)
    rows = await part.rows(_TALLY, "GROUP BY 1, 2")
    return TalliedOrders(tallies=tuple(Tally(*row) for row in rows), next_id=part.next_id)
