"""What the operator may do about hosts that are told: see how they stand, pause one, resume it.

A pause stands in the journal, so it outlasts a start. Nothing is begun for a paused host, and no
attempt of what waits for it is used up; what is under way when it is paused ends as ever.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import asdict

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.protocol.shown import when
from gateway.store import HostRow, PausedHost, Store

MOST: Final = 200  # hosts that one look shows; an operator has some dozens
_HOST: Final = re.compile(r"(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5}")
_MAX_REASON: Final = 200  # characters

Silent = Callable[[], Mapping[str, int]]
"""Which hosts do not answer, and since when, Unix milliseconds."""


class Hosts:
    """The part of the desk that is about hosts.

    Args:
        store: the journal.
        clock: Unix milliseconds.
        silent: which hosts do not answer.
        on_change: called when a host was paused or resumed.
    """

    def __init__(
        self, store: Store, clock: Clock, *, silent: Silent, on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self.silent = silent
        self.commands: dict[str, Callable[..., Any]] = {
            "delivery.hosts": self.list_,
            "delivery.pause": self.pause,
            "delivery.resume": self.resume,
        }

    async def list_(self) -> list[dict[str, Any]]:
        """List hosts, those that fail first."""
        silent = self.silent()
        return [_shown(row, silent.get(row.host)) for row in await self.rows()]

    async def rows(self) -> list[HostRow]:
        """Return hosts, those that fail first: dead, silent, paused, waiting, and the others."""
        silent = self.silent()
        return sorted(
            await self._store.hosts(MOST),
            key=lambda row: (not row.dead, row.host not in silent, row.paused is None),
        )

    async def pause(self, host: str, who: str = "cli", reason: str = "") -> dict[str, Any]:
        """Send nothing to a host until it is resumed.

        Args:
            host: `host:port`, as deliveries name it.
            who: an admin's name, or `cli`.
            reason: why, for whoever wonders.

        Raises:
            NotDone: that is no host, or it is paused already.
        """
        host = host.lower()
        if not _HOST.fullmatch(host):
            raise NotDone(f"a host is HOST:PORT, such as panel.toko.id:443, got {host!r}")
        paused = PausedHost(
            host=host, since=self._clock(), who=who, reason=reason.strip()[:_MAX_REASON]
        )
        if not await self._store.pause_host(paused):
            raise NotDone(f"{host} is paused already")
        self._on_change()
        return {**asdict(paused), "since": when(paused.since)}

    async def resume(self, host: str) -> dict[str, str]:
        """Send again to a host; what waits goes out as it is due.

        Raises:
            NotDone: it is not paused.
        """
        if not await self._store.resume_host(host.lower()):
            raise NotDone(f"{host} is not paused; `delivery hosts` shows which are")
        self._on_change()
        return {"host": host.lower()}


def _shown(row: HostRow, silent_since: int | None) -> dict[str, Any]:
    shown = asdict(row)
    paused = shown.pop("paused")
    for name in ("next_at", "delivered_at"):
        shown[name] = when(shown[name])
    shown["silent_since"] = when(silent_since)
    shown["paused_since"] = None if paused is None else when(paused.since)
    shown["paused_by"] = None if paused is None else paused.who
    shown["reason"] = None if paused is None else paused.reason
    return shown
