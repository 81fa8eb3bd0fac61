"""Telegram as far as sendMessage goes, and any webhook: servers that remember what they heard."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TOKEN = "123456:AAH-canary_of_the_bot_token_xyz"
CHAT = "-100200300"

Reply = Callable[[], Awaitable[web.Response]]


class FakeTelegram:
    """Set `reply` to what it shall answer; by default it takes what comes with its token."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.reply: Reply | None = None

    @property
    def texts(self) -> list[str]:
        return [str(message["text"]) for message in self.messages]

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        self.headers.append(request.headers)
        body = await request.read()
        self.bodies.append(body)
        self.messages.append(json.loads(body))
        if self.reply is not None:
            return await self.reply()
        if request.path.startswith("/bot") and not request.path.startswith(f"/bot{TOKEN}/"):
            return refusal(401, "Unauthorized")
        return web.json_response({"ok": True, "result": {"text": self.messages[-1].get("text")}})


def refusal(status: int, description: str, **parameters: int) -> web.Response:
    """What Telegram answers where it takes nothing."""
    said = {"ok": False, "error_code": status, "description": description}
    return web.json_response({**said, "parameters": parameters}, status=status)


def refuses_with(status: int, description: str, **parameters: int) -> Reply:
    """Answer so, whatever comes."""

    async def reply() -> web.Response:
        return refusal(status, description, **parameters)

    return reply


def hangs(released: asyncio.Event) -> Reply:
    """Answer only when it is over."""

    async def reply() -> web.Response:
        await released.wait()
        return web.Response(status=500)

    return reply


@asynccontextmanager
async def fake_telegram() -> AsyncIterator[FakeTelegram]:
    fake = FakeTelegram()
    runner = web.ServerRunner(
        web.Server(fake.take, access_log=None), shutdown_timeout=0.05, handle_signals=False
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
