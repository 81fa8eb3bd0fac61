"""What the gateway is measured against: `python -m gateway.bench.yardstick KIND GIVEN`.

Each is what aiohttp's own documentation shows, and no more: nothing is stored, checked or logged.
It prints its port, and ends with stdin.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

_CONSTANT = (
    "R#100000 APIKUY_ML_1680405885_1234 S1_1187.123456789(1002), status SUCCESS."
    " Nickname - 123456789(1002) . RefId: ML_1680405885_1234 . Sisa saldo 987654321"
)

_PER_HOST = 4  # `delivery.per_host`

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def _constant(_: web.Request) -> web.Response:
    return web.Response(text=_CONSTANT)


def _proxy(session: aiohttp.ClientSession, upstream: str) -> Handler:
    async def forward(request: web.Request) -> web.Response:
        url = URL(upstream + request.raw_path, encoded=True)
        async with session.get(url) as answer:
            return web.Response(text=await answer.text(), status=answer.status)

    return forward


async def _serve(kind: str, upstream: str) -> None:
    async with aiohttp.ClientSession() as session:
        app = web.Application()
        handler = _constant if kind == "constant" else _proxy(session, upstream)
        app.router.add_get("/v1/otomax/status/{id}", handler)
        app.router.add_get("/v3/otomax/order", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _say(runner.addresses[0][1])
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


async def _deliver(told: bytes) -> None:
    """Call every URL of a list, each host with as many calls at a time as the gateway makes."""
    by_host: dict[str, list[str]] = defaultdict(list)
    for url in msgspec.json.decode(told, type=list[str]):
        by_host[url.split("/", 3)[2]].append(url)
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=_PER_HOST)
    async with aiohttp.ClientSession(connector=connector) as session:
        _say("ready")
        places = [urls for urls in by_host.values() for _ in range(_PER_HOST)]
        await asyncio.gather(*(_call(session, urls) for urls in places))


async def _call(session: aiohttp.ClientSession, urls: list[str]) -> None:
    while urls:
        url = URL(urls.pop(), encoded=True)
        async with session.get(url) as answer:
            await answer.read()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    """Run until stdin ends."""
    kind, given = sys.argv[1:3]
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(
            _deliver(Path(given).read_bytes()) if kind == "deliver" else _serve(kind, given)
        )


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed, as the gateway does."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    main()
