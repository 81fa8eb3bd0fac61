"""Answers the upstream's callbacks (contract §7): `OK` once stored, and only to who may call."""

from aiohttp import web

from gateway import metrics
from gateway.domain.errors import JournalUnavailable
from gateway.domain.reseller import in_networks
from gateway.flow.inbox import Inbox
from gateway.log import get_logger
from gateway.vault import Vault
from gateway.web.gate import Gate, Networks
from gateway.web.wire import line, raw_query

log = get_logger(__name__)


class CallbackRoutes:
    """The route below `/callback`.

    Args:
        gate: from where a request comes.
        inbox: takes callbacks in.
        vault: knows a genuine token.
        callback_ips: where callbacks may come from; empty: anywhere.
    """

    def __init__(self, gate: Gate, inbox: Inbox, vault: Vault, callback_ips: Networks) -> None:
        self._gate = gate
        self._inbox = inbox
        self._vault = vault
        self.callback_ips = tuple(callback_ips)

    async def with_token(self, request: web.Request) -> web.Response:
        """Answer `GET /callback/{token}`: 403 without a permitted address and a genuine token."""
        if not self._may_call(request):
            return self._refuse(request, "address")
        upstream_trx_id = self._vault.check_callback_token(request.match_info["token"])
        if upstream_trx_id is None:
            return self._refuse(request, "token")
        try:
            await self._inbox.receive(upstream_trx_id, raw_query(request))
        except JournalUnavailable as error:
            log.warning("callback.refused", upstream_trx_id=upstream_trx_id, reason=str(error))
            return line("journal unavailable, call again", 503)
        metrics.callbacks.labels("stored").inc()
        log.info("callback.received", upstream_trx_id=upstream_trx_id)
        return line("OK")

    def _may_call(self, request: web.Request) -> bool:
        address = self._gate.address(request)
        return not self.callback_ips or (
            address is not None and in_networks(address, self.callback_ips)
        )

    def _refuse(self, request: web.Request, reason: str) -> web.Response:
        metrics.callbacks.labels(reason).inc()
        address = self._gate.address(request)
        log.warning("callback.refused", reason=reason, address=str(address))
        return line("forbidden", 403)
