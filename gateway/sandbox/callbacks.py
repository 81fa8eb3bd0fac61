"""Sends callbacks until they are answered with 200.

The HTTP that the upstream makes; when to call back is decided in `life`.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from gateway.sandbox.exchange import Signed
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.purchases import Purchase
from gateway.sandbox.report import printable

_ACKNOWLEDGED = 200
_JSON = "application/json"
_REPLY_LIMIT_BYTES = 4096


class CallbackSender:
    """One HTTP session and the callbacks on their way; made inside a running loop."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()
        wait_s = options.callback_timeout_s
        self._session = ClientSession(
            # No total: with many callbacks at once it would count the wait for a free connection.
            timeout=ClientTimeout(total=None, sock_connect=wait_s, sock_read=wait_s),
            cookie_jar=DummyCookieJar(),
        )

    def send(self, purchase: Purchase, target: URL) -> None:
        """Start a GET; `target` is the whole URL and stays the same in every attempt."""
        self._start(_Callback(purchase, target, target.query["status"]))

    def post(self, purchase: Purchase, target: URL, signed: Signed) -> None:
        """Start a POST of a JSON body with its signature; both stay the same in every attempt."""
        self._start(_Callback(purchase, target, "JSON", signed))

    def _start(self, callback: "_Callback") -> None:
        task = asyncio.create_task(self._repeat(callback))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is on its way, without another attempt."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    async def _repeat(self, callback: "_Callback") -> None:
        for pause_s in (*self._options.callback_repeats_s, None):
            if await self._attempt(callback, pause_s):
                callback.purchase.callbacks_acknowledged += 1
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)

    async def _attempt(self, callback: "_Callback", pause_s: float | None) -> bool:
        callback.purchase.callback_attempts += 1
        answer: int | str
        try:
            answer = await self._call(callback)
        except (ClientError, TimeoutError, OSError) as error:
            answer = type(error).__name__
        if self._options.report is not None:
            self._options.report(_told(callback, answer, pause_s))
        return answer == _ACKNOWLEDGED

    async def _call(self, callback: "_Callback") -> int:
        method, body, headers = "GET", None, {}
        if callback.signed is not None:
            method, body = "POST", callback.signed.body
            headers = {"Content-Type": _JSON, "x-signature": callback.signed.signature}
        async with self._session.request(
            method, callback.target, data=body, headers=headers, allow_redirects=False
        ) as response:
            # Read what is there, so that the connection can be used again.
            await response.content.read(_REPLY_LIMIT_BYTES)
            return response.status


@dataclass(frozen=True, slots=True)
class _Callback:
    """One callback; `word` is what a report says of it."""

    purchase: Purchase
    target: URL
    word: str
    signed: Signed | None = None


def _told(callback: _Callback, answer: int | str, pause_s: float | None) -> str:
    """One line about one attempt, without the URL's path: a secret token may stand in it."""
    if answer == _ACKNOWLEDGED:
        after = ""
    else:
        after = ", given up" if pause_s is None else f", again in {pause_s:g} s"
    purchase, target = callback.purchase, callback.target
    line = (
        f"callback {purchase.invoice_number} R#{purchase.trx_id or ''} {callback.word}"
        f" -> {target.host}:{target.port}: {answer}{after}"
    )
    return printable(line)
