"""*Kiriman*: who was told what, by host; telling again, and pausing a host.

Sending many again is asked twice: a page counts what is meant, and its form names exactly that.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from gateway.domain.backoff import MS_PER_S
from gateway.domain.delivery import DeliveryState
from gateway.domain.errors import NotDone
from gateway.store import FoundDeliveries
from gateway.web.dashboard.shapes import Shapes
from gateway.web.dashboard.visit import May, Route, Tools, Visit, to_number

_ROWS: Final = 50  # of a page
_LOOK_S: Final = 0.05  # how long a page looks through the outbox for one host's rows
_RESENT: Final = (DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.DUE)
_DAY_MS: Final = 86_400 * MS_PER_S


class DeliveryPages:
    """`/deliveries` and what is below.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [
            Route("GET", "/deliveries", self.hosts),
            Route("GET", "/deliveries/list", self.list_),
            Route("POST", "/deliveries/resend", self.resend, May.OPERATOR),
            Route("GET", "/deliveries/resend-all", self.ask_resend_all, May.OPERATOR),
            Route("POST", "/deliveries/resend-all", self.resend_all, May.OPERATOR),
            Route("POST", "/deliveries/pause", self.pause, May.OPERATOR),
            Route("POST", "/deliveries/resume", self.resume, May.OPERATOR),
        ]

    async def hosts(self, visit: Visit) -> web.StreamResponse:
        """List hosts, those that fail first."""
        hosts = self._tools.desk.hosts
        rows, silent = await hosts.rows(), hosts.silent()
        return await visit.page("deliveries.html", rows=rows, silent=silent)

    async def list_(self, visit: Visit) -> web.StreamResponse:
        """List deliveries, newest first: to one host or to all, in one state or in any."""
        host, state = visit.asked("host") or None, _state(visit.asked("state"))
        found = await self._find(host, state, visit.asked_id("before"))
        orders = await asyncio.gather(
            *(self._tools.store.order(delivery.order_id) for delivery in found.deliveries)
        )
        paused = {row.host: row for row in await self._tools.store.paused_hosts()}
        return await visit.page(
            "deliveries_list.html",
            rows=list(zip(found.deliveries, orders, strict=True)),
            host=host,
            state=state,
            tabs=_tabs(visit, state),
            resent_states=_RESENT,
            older=None if found.next_id is None else visit.address_with(before=found.next_id),
            is_full=len(found.deliveries) == _ROWS,
            paused=paused.get(host or ""),
            silent_since=self._tools.desk.hosts.silent().get(host or ""),
            since=minute(visit.shapes, visit.shapes.now - _DAY_MS),
        )

    async def _find(
        self, host: str | None, state: DeliveryState | None, before_id: int | None
    ) -> FoundDeliveries:
        """Look for a page's rows, for a time that is bounded."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK_S
        rows: list[Any] = []
        while True:
            room = _ROWS - len(rows)
            part = await self._tools.store.find_deliveries(host, state, before_id, room)
            rows += part.deliveries
            before_id = part.next_id
            if len(rows) == _ROWS or before_id is None or loop.time() >= until:
                return FoundDeliveries(deliveries=tuple(rows), next_id=before_id)

    async def resend(self, visit: Visit) -> web.StreamResponse:
        """Send one again."""
        form = await visit.form()
        await visit.do("delivery.resend", delivery_id=to_number(visit, form.get("id", "")))
        return visit.go(_list_of(form.get("host", "")), "resent")

    async def ask_resend_all(self, visit: Visit) -> web.StreamResponse:
        """Count what is meant, and ask whether it is."""
        wanted = _wanted(visit, {name: visit.asked(name) for name in ("host", "state", "since")})
        wanted["until"] = visit.shapes.now
        counted = await visit.do("delivery.resend_all", dry_run=True, **wanted)
        return await visit.page(
            "deliveries_resend.html",
            wanted=wanted,
            counted=counted,
            back=_list_of(visit.asked("host")),
        )

    async def resend_all(self, visit: Visit) -> web.StreamResponse:
        """Send again what the page before has counted."""
        form = await visit.form()
        wanted: dict[str, Any] = {"host": form.get("host") or None}
        wanted["state"] = _resent_state(visit, form)
        for name in ("since", "until"):
            wanted[name] = to_number(visit, form.get(name, ""))
        await visit.do("delivery.resend_all", **wanted)
        return visit.go(_list_of(form.get("host", "")), "resent_all")

    async def pause(self, visit: Visit) -> web.StreamResponse:
        """Pause a host."""
        form = await visit.form()
        who = visit.who.admin if visit.who is not None else ""
        host = form.get("host", "")
        await visit.do("delivery.pause", host=host, who=who, reason=form.get("reason", ""))
        return visit.go(_list_of(host.lower()), "paused")

    async def resume(self, visit: Visit) -> web.StreamResponse:
        """Pause it no more."""
        host = (await visit.form()).get("host", "")
        await visit.do("delivery.resume", host=host)
        return visit.go(_list_of(host), "resumed")


def _tabs(visit: Visit, here: DeliveryState | None) -> list[tuple[str, str, bool]]:
    """Return the states that a list can be of: address, name, and whether it is this one."""
    everything = (
        visit.address_with(state=None, before=None, done=None),
        visit.say("deliveries.any"),
    )
    return [
        (*everything, here is None),
        *(
            (
                visit.address_with(state=state.value, before=None, done=None),
                visit.say(f"state.{state}"),
                state is here,
            )
            for state in DeliveryState
        ),
    ]


def _state(text: str) -> DeliveryState | None:
    return DeliveryState(text) if text in set(DeliveryState) else None


def _resent_state(visit: Visit, form: Mapping[str, str]) -> DeliveryState:
    state = _state(form.get("state") or DeliveryState.DEAD)
    if state not in _RESENT:
        raise NotDone(visit.say("error.form"))
    return state


def _wanted(visit: Visit, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what is to be sent again, as the desk takes it."""
    since = read_minute(visit.shapes, form["since"])
    if since is None:
        raise NotDone(visit.say("deliveries.no_time"))
    return {
        "host": form["host"] or None,
        "state": _resent_state(visit, form),
        "since": since,
    }


def _list_of(host: str) -> str:
    return f"/deliveries/list?host={quote(host, safe='')}" if host else "/deliveries/list"


def minute(shapes: Shapes, at: int) -> str:
    """Return `2026-11-26T08:15`, as the field of a date with a time has it."""
    return f"{shapes.day(at)}T{shapes.hour(at)}"


def read_minute(shapes: Shapes, text: str) -> int | None:
    """Read that in the visitor's zone, with seconds or without; Unix milliseconds, or None."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=shapes.tz)
    try:
        return round(at.timestamp() * MS_PER_S)
    except (ValueError, OverflowError):
        return None
