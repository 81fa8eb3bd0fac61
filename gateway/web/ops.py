"""Health for service managers and load balancers (contract §12)."""

from aiohttp import web

from gateway import metrics
from gateway.domain.errors import JournalUnavailable
from gateway.flow.membership import Membership
from gateway.flow.restoring import Restoring
from gateway.flow.settlement import Settlement
from gateway.store import Store
from gateway.web.gate import Gate
from gateway.web.wire import line


class Health:
    """`/healthz`: the process. `/readyz`: journal writable, not leaving. `/metrics`: counts."""

    def __init__(
        self,
        store: Store,
        gate: Gate,
        settlement: Settlement,
        restoring: Restoring,
        membership: Membership,
    ) -> None:
        self._membership = membership
        self._store = store
        self._restoring = restoring
        self._gate = gate
        self._settlement = settlement

    async def healthz(self, _: web.Request) -> web.Response:
        """Answer that the process lives."""
        return line("ok")

    async def readyz(self, _: web.Request) -> web.Response:
        """Answer whether orders can be taken; 503 with the reason where they can not."""
        if self._gate.draining or self._gate.leaving:
            return line("draining", 503)
        if self._restoring.is_asking:
            return line("restoring", 503)
        try:
            await self._store.check_writable()
        except JournalUnavailable:
            return line("the journal can not be written", 503)
        if not self._membership.takes_orders():
            return line("the other gateways do not hear this one yet", 503)
        return line("ok")

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer what is counted, in Prometheus' text format."""
        metrics.open_orders.set(self._settlement.open_orders)
        return web.Response(
            body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )
