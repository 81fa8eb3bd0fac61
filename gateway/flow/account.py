"""What the upstream says of a reseller's own account: its line, and the saldo in it.

Not an order's way; it stands here because it asks the upstream and writes the saldo down.
"""

import asyncio

from gateway.clients.upstream import CallError, UpstreamClient
from gateway.domain.errors import Code, Refused
from gateway.domain.reseller import Reseller
from gateway.flow.directory import Directory
from gateway.flow.worker import Tasks
from gateway.protocol.upstream import read_user_reply, user_path
from gateway.store import Store

# At the same time; each may take the whole upstream.timeout_s. Beyond it one is answered BUSY.
MAX_ASKING = 64
_UNREACHABLE = "Server supplier tidak dapat dihubungi, coba lagi sebentar."


class Account:
    """Asks for accounts; equal questions at the same time share one call."""

    def __init__(
        self, store: Store, upstream: UpstreamClient, directory: Directory, timeout_s: float
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._directory = directory
        self.timeout_s = timeout_s
        self._tasks = Tasks()
        self._asking: dict[str, asyncio.Task[tuple[str, int]]] = {}

    async def line(self, reseller: Reseller) -> str:
        """Return the upstream's user line for this reseller's key.

        Raises:
            Refused: the upstream did not give it; says why.
            JournalUnavailable: the saldo could not be written down.
        """
        return (await self._answer(reseller))[0]

    async def saldo(self, reseller: Reseller) -> int:
        """Return the balance in that line, Rupiah; raises what `line` raises."""
        return (await self._answer(reseller))[1]

    async def _answer(self, reseller: Reseller) -> tuple[str, int]:
        asking = self._asking.get(reseller.code)
        if asking is None:
            if len(self._asking) >= MAX_ASKING:
                raise Refused(Code.BUSY)
            asking = self._tasks.start(self._ask(reseller))
            self._asking[reseller.code] = asking
            asking.add_done_callback(lambda _: self._asking.pop(reseller.code, None))
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.shield(asking)
        except TimeoutError:
            raise Refused(Code.UPSTREAM_UNREACHABLE, _UNREACHABLE) from None

    async def _ask(self, reseller: Reseller) -> tuple[str, int]:
        key = self._directory.upstream_key(reseller.account)
        if key is None or reseller.account is None:
            raise Refused(Code.RESELLER_SUSPENDED)
        try:
            reply = await self._upstream.get(user_path(key), secrets=(key,))
        except CallError:
            raise Refused(Code.UPSTREAM_UNREACHABLE, _UNREACHABLE) from None
        answer = read_user_reply(reply)
        if isinstance(answer, Code):
            raise Refused(answer)
        line, saldo = answer
        self._directory.saw_saldo(reseller.account, saldo)
        await self._store.see_saldo(reseller.account, saldo)
        return line, saldo

    async def finish(self, within_s: float) -> None:
        """Wait for calls that are under way, at most this many seconds."""
        await self._tasks.finish(within_s)
