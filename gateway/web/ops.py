"""Health for service managers and load balancers (contract §12)."""

from aiohttp import web

from gateway.domain.errors import JournalUnavailable
from gateway.store import Store
from gateway.web.gate import Gate
from gateway.web.wire import line


class Health:
    """`/healthz`: the process. `/readyz`: journal writable, not draining."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def healthz(self, _: web.Request) -> web.Response:
        """Answer that the process lives."""
        return line("ok")

    async def readyz(self, _: web.Request) -> web.Response:
        """Answer whether orders can be taken; 503 with the reason where they can not."""
        if self._gate.draining:
            return line("draining", 503)
        try:
            await self._store.check_writable()
        except JournalUnavailable:
            return line("the journal can not be written", 503)
        return line("ok")
