"""A reseller's panel as far as deliveries go: a server that remembers what it was told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from aiohttp import web


class Panel:
    """Set `reply` to what it shall answer; the default is `200 OK`."""

    def __init__(self) -> None:
        self.url = ""
        self.targets: list[str] = []
        self.methods: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.times: list[float] = []
        self.now = 0
        self.at_once = 0
        self.reply: Callable[[int], Awaitable[web.StreamResponse]] = answers(200)

    @property
    def told(self) -> list[dict[str, str]]:
        """The parameters of each delivery, decoded."""
        return [
            dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
            for target in self.targets
        ]

    @property
    def statuses(self) -> list[str]:
        return [told["status"] for told in self.told]

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        self.targets.append(request.raw_path)
        self.methods.append(request.method)
        self.bodies.append(await request.read())
        self.headers.append(request.headers)
        self.times.append(asyncio.get_running_loop().time())
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        try:
            return await self.reply(len(self.targets))
        finally:
            self.now -= 1


def answers(
    *statuses: int, after: asyncio.Event | None = None, **headers: str
) -> Callable[[int], Awaitable[web.StreamResponse]]:
    """Answer with these HTTP codes in turn, the last one repeats; `after` an event, if given."""

    async def reply(number: int) -> web.StreamResponse:
        if after is not None:
            await after.wait()
        status = statuses[min(number, len(statuses)) - 1]
        return web.Response(status=status, text="OK", headers=headers)

    return reply


@asynccontextmanager
async def panel_receiving(host: str = "127.0.0.1") -> AsyncIterator[Panel]:
    panel = Panel()
    runner = web.ServerRunner(
        web.Server(panel._take, access_log=None), shutdown_timeout=0.05, handle_signals=False
    )
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    panel.url = f"http://{host}:{runner.addresses[0][1]}/report"
    try:
        yield panel
    finally:
        await runner.cleanup()
