"""*Sistem*: how the gateway itself stands: journal, backup, upstream, queues, configuration."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import NotDone
from gateway.flow import reconciling, safekeeping
from gateway.web.dashboard.visit import May, Route, Tools, Visit

_OLD_BACKUP_S: Final = 129_600  # a day and a half: a nightly one may be late, not left out
_BEGIN: Final = "backup.begin"


class SystemPage:
    """`/system`.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.routes = [
            Route("GET", "/system", self.show),
            Route("POST", "/system/backup", self.back_up, May.OPERATOR),
        ]

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show it."""
        tools, store = self._tools, self._tools.store
        pulse = await store.pulse()
        backup = await self._kept(safekeeping.LAST)
        reconciled = await self._kept(reconciling.LAST)
        differences = (reconciled or {}).get("differences", [])
        return await visit.page(
            "system.html",
            site=tools.site,
            size=await asyncio.to_thread(store.size),
            free=await asyncio.to_thread(store.disk_free),
            problems=await asyncio.to_thread(tools.site.problems),
            queues=tools.site.queues(),
            upstream=tools.site.upstream(),
            pulse=pulse,
            paused=await store.paused_hosts(),
            noted_at=await store.noted_time(),
            sessions=len(await store.sessions()),
            backup=backup,
            backup_is_old=backup is not None and _age_s(visit, backup) > _OLD_BACKUP_S,
            can_back_up=backup is not None and tools.desk.knows(_BEGIN),
            reconciled=reconciled,
            differences=differences,
            found=(reconciled or {}).get("found", len(differences)),
        )

    async def _kept(self, name: str) -> dict[str, Any] | None:
        """Return what the journal keeps as JSON under a name, or None."""
        said = await self._tools.store.meta(name)
        if said is None:
            return None
        try:
            kept = json.loads(said)
        except ValueError:
            return None
        return kept if isinstance(kept, dict) and isinstance(kept.get("at"), int) else None

    async def back_up(self, visit: Visit) -> web.StreamResponse:
        """Begin a backup beside the last one.

        Raises:
            NotDone: none was ever made, so nobody has said where they belong.
        """
        last = await self._kept(safekeeping.LAST)
        if last is None or not self._tools.desk.knows(_BEGIN):
            raise NotDone(visit.say("system.no_backup"))
        await visit.do(_BEGIN, to=str(Path(str(last["path"])).parent))
        return visit.go("/system", "backing_up")


def _age_s(visit: Visit, kept: dict[str, Any]) -> float:
    return (visit.shapes.now - int(kept["at"])) / MS_PER_S
