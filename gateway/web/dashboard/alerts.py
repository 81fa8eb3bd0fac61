"""*Peringatan*: what an operator must know, what it means, and taking note of it."""

from typing import Final

from aiohttp import web

from gateway.domain.alert import KINDS, Alert, Kind
from gateway.domain.errors import NotDone
from gateway.store import Store
from gateway.web.dashboard.visit import May, Route, Tools, Visit, to_number

_ROWS: Final = 50  # of a page
# Alerts that are looked through for those of one kind; there are some a day.
_LOOKED_THROUGH: Final = 2_000


class AlertPages:
    """`/alerts`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [
            Route("GET", "/alerts", self.list_),
            Route("POST", "/alerts/ack", self.ack, May.OPERATOR),
            Route("POST", "/alerts/ack-all", self.ack_all, May.OPERATOR),
        ]

    async def list_(self, visit: Visit) -> web.StreamResponse:
        """List alerts, newest first: those that are open, or all; of one kind, or of any."""
        wanted, with_past = visit.asked("kind"), visit.asked("past") == "1"
        kind = Kind(wanted) if wanted in set(Kind) else None
        rows, next_id = await _find(
            self._tools.store, kind, visit.asked_id("before"), with_past=with_past
        )
        tabs = [
            (visit.address_with(past=None, before=None, done=None), "alerts.open", not with_past),
            (visit.address_with(past=1, before=None, done=None), "alerts.past", with_past),
        ]
        return await visit.page(
            "alerts.html",
            rows=[(row, KINDS[row.kind]) for row in rows],
            kinds=KINDS,
            kind=kind,
            tabs=[(address, visit.say(key), here) for address, key, here in tabs],
            older=None if next_id is None else visit.address_with(before=next_id),
        )

    async def ack(self, visit: Visit) -> web.StreamResponse:
        """Take note of one."""
        form = await visit.form()
        await visit.do("alert.ack", ids=[to_number(visit, form.get("id", ""))])
        return visit.go("/" if form.get("from") == "overview" else "/alerts", "noted")

    async def ack_all(self, visit: Visit) -> web.StreamResponse:
        """Take note of those that the page showed, and of no newer one."""
        numbers = (await visit.form()).get("ids", "").split()
        if not numbers:
            raise NotDone(visit.say("error.form"))
        meant = {to_number(visit, number) for number in numbers}
        open_ones = {row.id for row in await self._tools.store.alerts(limit=_LOOKED_THROUGH)}
        if meant & open_ones:  # another operator may have been quicker with some
            await visit.do("alert.ack", ids=sorted(meant & open_ones))
        return visit.go("/alerts", "noted")


async def _find(
    store: Store, kind: Kind | None, before_id: int | None, *, with_past: bool
) -> tuple[list[Alert], int | None]:
    """Return a page of alerts, and where the next one begins."""
    found: list[Alert] = []
    looked = 0
    while looked < _LOOKED_THROUGH:
        part = await store.alerts(with_acked=with_past, before_id=before_id, limit=_ROWS + 1)
        looked += len(part)
        for row in part:
            if len(found) == _ROWS:
                return found, found[-1].id
            if kind is None or row.kind is kind:
                found.append(row)
        if len(part) <= _ROWS:
            return found, None
        before_id = part[-1].id
    return found, before_id
