"""The nodes of a PostgreSQL journal: rows with a lease each, and what each of them has claimed.

Their clocks may be an hour apart, and the database's may be set. So whether a lease is over is
told by no clock's time: it is when the node was not seen to beat for so long, by what the machine
of who looks has run. A lease is not cut short where its node seems silent, for it may be at work
all the same; but it is over where the node's process is proved to be dead, which a node on the
same machine can see.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from gateway.clock import running_ms
from gateway.domain.errors import JournalUnavailable
from gateway.store.liveness import is_dead, own_name
from gateway.store.nodes import Beat, Changes, Claimed, Hear, Peer
from gateway.store.postgres_fence import RAISED
from gateway.store.postgres_news import News
from gateway.store.postgres_pool import Database, Row, Session

_MS_PER_S: Final = 1000
NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_JOIN: Final = (
    "INSERT INTO nodes (process, lease_ms, seen_at, clear_at)"
    f" VALUES ($1, $2, {NOW}, 0) RETURNING id"
)
_BEAT: Final = (
    f"UPDATE nodes SET seen_at = {NOW}, beats = beats + 1, clear_at = $2::bigint"
    " WHERE id = $1 AND beats >= 0"
)
_NODES: Final = "SELECT id, process, lease_ms, seen_at, beats, clear_at FROM nodes"
# A node that is gone has no beats any more, until nothing is left of it. Not one that has beaten
# meanwhile.
_END: Final = (
    "UPDATE nodes SET beats = -1 FROM unnest($1::bigint[], $2::bigint[]) gone (id, beats)"
    " WHERE nodes.id = gone.id AND nodes.beats = gone.beats"
)
_GOODBYE: Final = "SELECT id, beats FROM nodes WHERE id = $1"
# With one beat: a hundred thousand that waited for their turn would take longer than a statement
# may, and whoever takes them over would give no sign of life meanwhile.
_TAKEN_AT_ONCE: Final = 2_000
_LATER: Final = f"sending AND final_at IS NULL AND due_at > {NOW}"
_MAKE_DUE: Final = (
    f"UPDATE orders SET due_at = {NOW}, fence = {RAISED} WHERE id IN (SELECT id FROM orders"
    f" WHERE {_LATER} AND {{}} LIMIT {_TAKEN_AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED)"
)
_MAKE_ITS_DUE: Final = _MAKE_DUE.format("node IN (SELECT id FROM nodes WHERE beats < 0)")
# What a journal brings that was moved here: whoever was sending had it alone, and is gone.
_MAKE_NOBODYS_DUE: Final = _MAKE_DUE.format("node IS NULL")
_FORGET: Final = (
    "DELETE FROM nodes WHERE beats < 0"
    f" AND NOT EXISTS (SELECT 1 FROM orders WHERE node = nodes.id AND {_LATER})"
)
_UNCLAIM: Final = "DELETE FROM claims WHERE node IN (SELECT id FROM nodes WHERE beats < 0)"
_TIDY: Final = f"DELETE FROM claims WHERE until < {NOW} - 600000"
_TIDY_EVERY: Final = 150  # beats: once a minute
_TURN: Final = f"""
INSERT INTO claims (kind, id, node, until) VALUES ('turn ' || $1::text, 0, $2, {NOW} + $3::bigint)
ON CONFLICT (kind, id) DO UPDATE
SET node = excluded.node, until = excluded.until, fence = nextval('claims_fence')
WHERE claims.until <= {NOW} OR claims.node = excluded.node
"""
_RELEASE: Final = "DELETE FROM claims WHERE node = $1 AND kind = $2 AND id = ANY ($3::bigint[])"


class _Place(NamedTuple):
    """Where it is seen whether something is still to be done, and what is claimed for it."""

    table: str
    claimed: str
    due_at: str
    kind: Claimed


_PLACES: Final = {
    Claimed.DELIVERY: _Place("deliveries", "order_id", "next_at", Claimed.DELIVERY),
    Claimed.LOOK: _Place("orders", "id", "due_at", Claimed.LOOK),
    Claimed.ASK: _Place("orders", "id", "coalesce(looked_up_at, 0)", Claimed.LOOK),
    Claimed.CALLBACK: _Place("waiting_callbacks", "id", "next_at", Claimed.CALLBACK),
}


def _claim_sql(kind: Claimed) -> str:
    """Return the statement that claims; $1 the node, $2 numbers, $3 now, $4 how long, all in ms.

    The rows are held first, so that one that another has just done with is seen as he left it.
    """
    place = _PLACES[kind]
    return f"""
WITH due AS (
    SELECT id, {place.claimed} AS claimed FROM {place.table}
    WHERE id = ANY ($2::bigint[]) AND {place.due_at} <= $3::bigint
    FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
    INSERT INTO claims (kind, id, node, until)
    SELECT '{place.kind}', claimed, $1::bigint, {NOW} + $4::bigint
    FROM (SELECT DISTINCT claimed FROM due) each
    ON CONFLICT (kind, id) DO UPDATE
    SET node = excluded.node, until = excluded.until, fence = nextval('claims_fence')
    WHERE claims.until <= {NOW} OR claims.node = excluded.node
    RETURNING id, fence
)
SELECT due.id, taken.fence FROM due JOIN taken ON taken.id = due.claimed
"""


_CLAIM: Final = {kind: _claim_sql(kind) for kind in Claimed}


class PostgresNodes:
    """`gateway.store.nodes.Nodes` on a PostgreSQL database.

    Args:
        database: where.
        news: what is told to all nodes.

    Attributes:
        id: this node's number; 0 where it has not joined, as a single command never does.
        peers: how many others there were when it was looked last.
    """

    is_shared = True

    def __init__(self, database: Database, news: News) -> None:
        self.id = 0
        self.peers = 0
        self._database = database
        self._news = news
        self._beats = 0
        self._watched: dict[int, tuple[int, int]] = {}  # by node: its beats, and since when so
        self._process = own_name()

    async def time(self) -> int:
        return await self._database.repeat(_time)

    async def changes(self) -> Changes:
        return await self._database.repeat(_changes)

    async def join(self, lease_s: float) -> None:
        lease_ms = round(lease_s * _MS_PER_S)

        async def work(session: Session) -> int:
            return int(await session.value(_JOIN, self._process, lease_ms))

        while await self._database.changed(_MAKE_NOBODYS_DUE):
            pass
        self.id = await self._database.transact(work)
        self._news.begin()

    async def beat(self, clear_at: int) -> Beat:
        self._beats += 1

        async def work(session: Session) -> Beat:
            if self._beats % _TIDY_EVERY == 0:
                await session.count(_TIDY)
            held = await session.count(_BEAT, self.id, clear_at)
            return await self._look(session, held=held > 0)

        beat = await self._database.repeat(work)
        self.peers = len(beat.peers)
        return beat

    async def _look(self, session: Session, *, held: bool) -> Beat:
        rows = [row for row in await session.rows(_NODES) if row["id"] != self.id]
        self._watched = {row["id"]: self._watch(row) for row in rows}
        gone = [row for row in rows if row["beats"] < 0 or self._is_over(row)]
        taken_over = await _take_over(session, gone) if gone else 0
        peers = (
            Peer(id=row["id"], seen_at=row["seen_at"], clear_at=row["clear_at"])
            for row in rows
            if row not in gone
        )
        changes = await _changes(session)
        return Beat(held=held, changes=changes, peers=tuple(peers), taken_over=taken_over)

    def _is_over(self, row: Row) -> bool:
        """Whether a node's lease is over: it was watched for so long, or its process is dead.

        The lease is the one that it joined with: while nodes are restarted with another one, who
        has the shorter takes nothing from who rightly holds it for longer.
        """
        _, since = self._watched[row["id"]]
        return running_ms() - since >= row["lease_ms"] or is_dead(row["process"], self._process)

    def _watch(self, row: Row) -> tuple[int, int]:
        """Return how often a node has beaten, and since when it was seen so, in running ms."""
        watched = self._watched.get(row["id"])
        if watched is not None and watched[0] == row["beats"]:
            return watched
        return row["beats"], running_ms()

    async def leave(self) -> None:
        if not self.id:
            return
        mine, self.id = self.id, 0

        async def work(session: Session) -> int:
            return await _take_over(session, await session.rows(_GOODBYE, mine))

        await self._database.repeat(work)

    async def claim(
        self, kind: Claimed, ids: Collection[int], now: int, lasts_s: float
    ) -> dict[int, int]:
        if not ids:
            return {}
        values = (self.id, list(ids), now, round(lasts_s * _MS_PER_S))

        async def work(session: Session) -> dict[int, int]:
            rows = await session.rows(_CLAIM[kind], *values)
            return {row["id"]: row["fence"] for row in rows}

        return await self._database.repeat(work)

    async def release(self, kind: Claimed, ids: Collection[int]) -> None:
        values = (self.id, _PLACES[kind].kind, list(ids))

        async def work(session: Session) -> int:
            return await session.count(_RELEASE, *values)

        await self._database.repeat(work)

    async def turn(self, what: str, lasts_s: float) -> bool:
        lasts_ms = round(lasts_s * _MS_PER_S)
        return await self._database.changed(_TURN, what, self.id, lasts_ms) > 0

    def tell(self, what: str, which: int) -> None:
        self._news.tell(what, which, to_others=self.peers > 0 or not self.id)

    def listen(self, hear: Hear) -> None:
        self._news.listen(hear)

    async def close(self) -> None:
        """Tell what is left to be told, and listen no more."""
        await self._news.close()


async def _time(session: Session) -> int:
    return int(await session.value(f"SELECT {NOW}"))


async def _changes(session: Session) -> Changes:
    row = await session.row("SELECT resellers, clock FROM changed")
    if row is None:
        raise JournalUnavailable("the journal has lost the row of the table changed")
    return Changes(**row)


async def _take_over(session: Session, gone: Sequence[Row]) -> int:
    """Take over a part of what nodes were sending, as they were seen; returns how much.

    Any of these may be done twice, by any node: what one leaves is left to the next beat.
    """
    await session.count(_END, [row["id"] for row in gone], [row["beats"] for row in gone])
    await session.count(_UNCLAIM)
    taken_over = await session.count(_MAKE_ITS_DUE)
    await session.count(_FORGET)
    return taken_over
