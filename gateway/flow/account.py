"""What the upstream says of a reseller's own account, as a line and in JSON, and the saldo in it.

Not an order's way; it stands here because it asks the upstream and writes the saldo down.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway.clients.upstream import CallError, UpstreamClient
from gateway.domain.errors import Code, Refused
from gateway.domain.reseller import Reseller
from gateway.flow.directory import Directory
from gateway.flow.shared import Shared
from gateway.protocol.catalog import USER, balance_in, read_reply
from gateway.protocol.json_api import Answer
from gateway.protocol.upstream import Call, Reply, read_user_reply, user_path
from gateway.store import Store

# At the same time; each may take the whole upstream.timeout_s. Beyond it one is answered BUSY.
MAX_ASKING = 64
_UNREACHABLE = "Server supplier tidak dapat dihubungi, coba lagi sebentar."

T = TypeVar("T")


class Account:
    """Asks for accounts; equal questions at the same time share one call."""

    def __init__(
        self, store: Store, upstream: UpstreamClient, directory: Directory, timeout_s: float
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._directory = directory
        self.timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._lines: Shared[str, tuple[str, int]] = Shared()
        self._users: Shared[str, Answer] = Shared()

    async def line(self, reseller: Reseller) -> str:
        """Return the upstream's user line for this reseller's key.

        Raises:
            Refused: the upstream did not give it; says why.
            JournalUnavailable: the saldo could not be written down.
        """
        return (await self._shared(self._lines, reseller, self._ask_line))[0]

    async def saldo(self, reseller: Reseller) -> int:
        """Return the balance in that line, Rupiah; raises what `line` raises."""
        return (await self._shared(self._lines, reseller, self._ask_line))[1]

    async def user(self, reseller: Reseller) -> Answer:
        """Return the upstream's answer to `/v1/user` for this reseller's key, byte for byte.

        Raises:
            Refused: the upstream is down.
            JournalUnavailable: the saldo could not be written down.
        """
        return await self._shared(self._users, reseller, self._ask_user)

    async def _shared(
        self,
        asking: Shared[str, T],
        reseller: Reseller,
        ask: Callable[[str, str], Coroutine[Any, Any, T]],
    ) -> T:
        """Return what is said of an account; `ask` takes the account and its key."""
        account, key = reseller.account, self._directory.upstream_key(reseller.account)
        if account is None or key is None:
            raise Refused(Code.RESELLER_SUSPENDED)
        running = asking.get(account)
        if running is None:
            if len(self._lines) + len(self._users) >= MAX_ASKING:
                raise Refused(Code.BUSY)
            running = asking.begin(account, ask(account, key))
        try:
            return await running.outcome(self._loop.time() + self.timeout_s)
        except TimeoutError:
            raise Refused(Code.UPSTREAM_UNREACHABLE, _UNREACHABLE) from None

    async def _ask_line(self, account: str, key: str) -> tuple[str, int]:
        answer = read_user_reply(await self._reply(Call("GET", user_path(key)), key))
        if isinstance(answer, Code):
            self._directory.saw_refusal(account, answer)
            raise Refused(answer)
        await self._see(account, answer[1])
        return answer

    async def _ask_user(self, account: str, key: str) -> Answer:
        heard = read_reply(await self._reply(USER.call(key), key), USER)
        if heard is None:
            raise Refused(Code.UPSTREAM_UNREACHABLE, _UNREACHABLE)
        saldo = balance_in(heard.answer.body) if heard.is_found else None
        if saldo is not None:
            await self._see(account, saldo)
        return heard.answer

    async def _reply(self, call: Call, key: str) -> Reply:
        try:
            return await self._upstream.send(call, secrets=(key,))
        except CallError:
            raise Refused(Code.UPSTREAM_UNREACHABLE, _UNREACHABLE) from None

    async def _see(self, account: str, saldo: int) -> None:
        """Remember a balance, Rupiah, and write it down."""
        self._directory.saw_saldo(account, saldo)
        await self._store.see_saldo(account, saldo)

    async def finish(self, within_s: float) -> None:
        """Wait for calls that are under way, at most this many seconds."""
        await asyncio.gather(self._lines.finish(within_s), self._users.finish(within_s))
