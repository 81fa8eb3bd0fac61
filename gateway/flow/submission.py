"""Send what was begun, once: one request an order, and whatever comes of it through the one door.

The send was made durable before this module is called (contract T1). What provably never left is
tried again for a short while; everything else is sent a second time only when `domain.truth` says
so.
"""

import asyncio
from dataclasses import dataclass

from gateway.clients.upstream import NoAnswer, Unsent, UpstreamClient
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Change, Evidence, Order, Silence, Source
from gateway.flow.directory import Directory
from gateway.flow.settlement import Settlement
from gateway.flow.worker import AFTER_TROUBLE_S, passed
from gateway.log import get_logger
from gateway.protocol.text import Line
from gateway.protocol.upstream import Reply, order_path, read_order_reply
from gateway.vault import Vault

log = get_logger(__name__)

_FIRST_PAUSE_S = 0.2  # between tries to connect; doubles
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """An order after its send, and the upstream's own line where it is what is true now."""

    order: Order
    line: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How orders are sent.

    Attributes:
        unreachable_s: how long a send that provably did not leave is tried.
        max_in_flight: sends at the same time; the others wait for their turn.
        public_url: where the upstream calls back.
    """

    unreachable_s: float
    max_in_flight: int
    public_url: str


class Submission:
    """Sends orders to the upstream."""

    def __init__(
        self,
        upstream: UpstreamClient,
        settlement: Settlement,
        directory: Directory,
        vault: Vault,
        manner: Manner,
    ) -> None:
        self.in_flight: set[int] = set()
        self._upstream = upstream
        self._settlement = settlement
        self._directory = directory
        self._vault = vault
        self._manner = manner
        self._slots = asyncio.Semaphore(manner.max_in_flight)

    async def submit(self, order: Order) -> Told:
        """Send an order whose send has been begun in the journal, and settle what comes of it.

        The answer is journaled even if the journal is away for a while: this goes on until it is.
        """
        self.in_flight.add(order.id)
        try:
            has_to_wait = self._slots.locked()
            async with self._slots:
                passed("send.before")
                is_late = has_to_wait or self._settlement.is_stale(order)
                if is_late and not await self._settlement.may_leave(order):
                    evidence, line, said = _silence(Silence.UNSENT, "its turn came too late")
                else:
                    evidence, line, said = await self._send(order)
                passed("send.after")
            change = await self._settle(order.id, evidence, said)
        finally:
            self.in_flight.discard(order.id)
        relayed = line is not None and change.order.status is evidence.verdict
        return Told(change.order, line if relayed else None)

    async def _send(self, order: Order) -> tuple[Evidence, Line | None, str]:
        key = self._directory.upstream_key(order.account)
        if key is None:
            return _silence(Silence.UNSENT, "the order's upstream key is not known")
        token = self._vault.callback_token(order.upstream_trx_id)
        callback_url = f"{self._manner.public_url}/callback/{token}"
        path = order_path(order, key, callback_url)
        try:
            reply = await self._connect_and_send(path, (key, token), self._patience_s(order))
        except Unsent as error:
            return _silence(Silence.UNSENT, error.reason)
        except NoAnswer as error:
            return _silence(Silence.NO_ANSWER, error.reason)
        return *read_order_reply(reply, order), reply.describe()

    def _patience_s(self, order: Order) -> float:
        """Return how long to try a send that does not leave; a further one not beyond T6."""
        unreachable_s = self._manner.unreachable_s
        if order.sends == 1:
            return unreachable_s
        return max(0.0, min(unreachable_s, self._settlement.time_left_s(order)))

    async def _connect_and_send(
        self, path: str, secrets: tuple[str, ...], patience_s: float
    ) -> Reply:
        """Send once; only what never left is tried again, for `patience_s` in all."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._upstream.get(path, secrets=secrets)
            except Unsent:
                left_s = give_up_at - loop.time()
                if left_s <= 0:
                    raise
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _settle(self, order_id: int, evidence: Evidence, said: str) -> Change:
        while True:
            try:
                return await self._settlement.settle(order_id, evidence, said)
            except JournalUnavailable as error:
                log.warning("order.unsettled", order_id=order_id, reason=str(error))
            await asyncio.sleep(AFTER_TROUBLE_S)


def _silence(verdict: Silence, reason: str) -> tuple[Evidence, None, str]:
    return Evidence(source=Source.REPLY, verdict=verdict, reason=reason), None, reason
