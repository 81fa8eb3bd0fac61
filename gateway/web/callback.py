"""Answers the upstream's callbacks (contract §7): `OK` once stored, and only to who may call.

What is asked of a caller, in this order: the address, the token where the route has one, and the
signature where there is a body. A body is read after the first two, up to a size and a time.
"""

from aiohttp import web

from gateway import metrics
from gateway.domain.errors import JournalUnavailable
from gateway.domain.reseller import in_networks
from gateway.flow.inbox import Inbox, Taken
from gateway.log import get_logger
from gateway.protocol.webhook import SignedBody
from gateway.vault import Vault
from gateway.web.ask import Ask, Said
from gateway.web.body import NoBody, read_body
from gateway.web.gate import Gate, Networks
from gateway.web.wire import ask_of, line

log = get_logger(__name__)

CALLBACK = "/callback/"  # a token follows
_COUNTED = frozenset({Taken.STORED, Taken.KEPT, Taken.UNSIGNED})


class CallbackRoutes:
    """The routes at and below `/callback`.

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

    async def with_token(self, ask: Ask) -> Said:
        """Answer `GET /callback/{token}`: 403 without a permitted address and a genuine token."""
        upstream_trx_id = self._vault.check_callback_token(ask.path.removeprefix(CALLBACK))
        if not self._may_call(ask):
            return self._refuse(ask, "address", is_genuine=upstream_trx_id is not None)
        if upstream_trx_id is None:
            return self._refuse(ask, "token")
        self._inbox.callers.take()
        try:
            taken = await self._inbox.receive(upstream_trx_id, ask.query)
        except JournalUnavailable as error:
            return _call_again(str(error))
        return self._answer(ask, taken)

    async def signed_with_token(self, request: web.Request) -> web.Response:
        """Answer `POST /callback/{token}`: 403 as for a GET, 401 without a right signature."""
        ask = ask_of(request)
        upstream_trx_id = self._vault.check_callback_token(request.match_info["token"])
        if not self._may_call(ask):
            return _line(self._refuse(ask, "address", is_genuine=upstream_trx_id is not None))
        if upstream_trx_id is None:
            return _line(self._refuse(ask, "token"))
        self._inbox.callers.take()
        return await self._signed(ask, request, upstream_trx_id)

    async def signed(self, request: web.Request) -> web.Response:
        """Answer `POST /callback`, the webhook: its body names the order, and so the key."""
        ask = ask_of(request)
        if not self._may_call(ask):
            return _line(self._refuse(ask, "address"))
        return await self._signed(ask, request, None)

    async def hint(self, ask: Ask) -> Said:
        """Answer `GET /callback`: it proves nothing, so it is only ever a reason to look up."""
        if not self._may_call(ask):
            return self._refuse(ask, "address")
        try:
            # What anybody may send is not kept: it would fill the disk.
            keep = bool(self.callback_ips)
            taken = await self._inbox.receive_hint(ask.query, keep=keep)
        except JournalUnavailable as error:
            return _call_again(str(error))
        return self._answer(ask, taken)

    async def _signed(
        self, ask: Ask, request: web.Request, upstream_trx_id: str | None
    ) -> web.Response:
        signatures = request.headers.getall("x-signature", [])
        if len(signatures) != 1:
            return _line(self._answer(ask, Taken.UNSIGNED))
        try:
            body = SignedBody(await read_body(request), signatures[0])
            taken = await self._inbox.receive_signed(upstream_trx_id, body)
        except NoBody as error:
            log.warning("callback.refused", reason=str(error), address=self._address(ask))
            response = line(str(error), error.status)
            response.force_close()
            return response
        except JournalUnavailable as error:
            return _line(_call_again(str(error)))
        return _line(self._answer(ask, taken))

    def _answer(self, ask: Ask, taken: Taken) -> Said:
        if taken in _COUNTED:
            metrics.callbacks.labels(taken.value).inc()
        if taken is Taken.FULL:
            return _call_again("too many callbacks without an order are kept")
        if taken is Taken.UNSIGNED:
            log.warning("callback.refused", reason="signature", address=self._address(ask))
            return Said("wrong signature", 401)
        if taken is Taken.NOBODYS:
            log.info("callback.ignored", address=self._address(ask))
        return Said("OK")

    def _may_call(self, ask: Ask) -> bool:
        address = self._gate.address(ask)
        return not self.callback_ips or (
            address is not None and in_networks(address, self.callback_ips)
        )

    def _refuse(self, ask: Ask, reason: str, *, is_genuine: bool = False) -> Said:
        if is_genuine:
            self._inbox.callers.refuse(self._address(ask))
        metrics.callbacks.labels(reason).inc()
        log.warning("callback.refused", reason=reason, address=self._address(ask))
        return Said("forbidden", 403)

    def _address(self, ask: Ask) -> str:
        return str(self._gate.address(ask))


def _call_again(reason: str) -> Said:
    log.warning("callback.refused", reason=reason)
    return Said("can not be stored now, call again", 503)


def _line(said: Said) -> web.Response:
    return line(said.text, said.status)
