"""`otomax-gateway demo`: the whole job on this machine alone, each step shown as it happens.

Nothing is played here: the gateway is built by the code that `serve` runs, the upstream is the
sandbox, the panel is a real HTTP server, and what is printed is read back from the journal.
"""

import asyncio
import contextlib
import shlex
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.options import fail

if TYPE_CHECKING:
    from gateway.app import Gateway

_LIMIT_S: Final = 60  # contract §2: by then every demo order has reached its panel
_LOOK_EVERY_S: Final = 0.05
_PORT: Final = 8080
_CODE: Final = "toko1"
_DELAY_S: Final = 1.0  # between PENDING and the end, so that a reader can follow


@dataclass(frozen=True)
class _Scene:
    """One demo order. The destination tells the sandbox what to make of it."""

    trx_id: str
    user_id: str
    last_status: str
    indonesian: str
    english: str


_SCENES: Final = (
    _Scene("DEMO1", "1234567891001", "SUCCESS", "langsung sukses", "success at once"),
    _Scene("DEMO2", "1234567891002", "SUCCESS", "pending, lalu sukses", "pending, then success"),
    _Scene("DEMO3", "1234567891003", "FAILED", "pending, lalu gagal", "pending, then failed"),
    _Scene("DEMO4", "1234567891004", "REFUNDED", "sukses, lalu dana kembali", "refunded"),
)

# A step of the timeline: how it is told in Indonesian, in English, and whether its text is shown.
_STEPS: Final = {
    "asked": (
        "Panel memesan. Pesanan ditulis ke jurnal sebelum apa pun dikirim.",
        "The panel orders. The order is journaled before anything is sent.",
        False,
    ),
    "sending": (
        "Dikirim ke supplier, satu permintaan untuk satu pesanan.",
        "Sent to the upstream, one request for one order.",
        False,
    ),
    "answered": ("Supplier menjawab:", "The upstream answers:", True),
    "called_back": ("Supplier memanggil callback:", "The upstream calls back:", True),
    "looked_up": (
        "Gateway bertanya sendiri ke supplier sebelum percaya:",
        "The gateway asks the upstream itself before it believes:",
        True,
    ),
    "alert": ("Peringatan untuk operator:", "Alert for the operator:", True),
}


@click.command()
@click.option("--once", is_flag=True, help="End when every demo order has reached its panel.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"The gateway's port.  [default: {_PORT}, or a free one where that is taken]",
)
def demo(*, once: bool, port: int | None) -> None:
    """Show the whole job on this machine alone: nothing to configure, nothing outside is called.

    Starts the sandbox upstream, the gateway with a fresh journal, a reseller and a panel; places
    four orders and prints each step. Serves until Ctrl-C, or ends with --once (exit 0, or 1 where
    an order did not reach its panel in 60 s).
    """
    from gateway.cli.serve import loop_factory

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            done = runner.run(_demo(once=once, port=_choose(port)))
    except OSError as error:
        fail(f"can not listen: {error.strerror or error}; choose another --port")
    raise SystemExit(0 if done else 1)


def _choose(port: int | None) -> int:
    """Return the wanted port, or the usual one where it is free, or any."""
    if port is not None:
        return port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _PORT))
        except OSError:
            return 0
    return _PORT


@dataclass
class _Stage:
    """Everything that runs in a demo."""

    folder: Path
    gateway: "Gateway"
    key: str
    url: str
    panel: "_Panel"
    sandbox_url: str


async def _demo(*, once: bool, port: int) -> bool:
    async with contextlib.AsyncExitStack() as stack:
        stage = await _set_up(stack, port)
        _say_hello(stage)
        teller = _Teller(stage)
        watching = asyncio.create_task(teller.watch())
        stack.callback(watching.cancel)
        try:
            async with asyncio.timeout(_LIMIT_S):
                for number, scene in enumerate(_SCENES, 1):
                    await _play(stage, teller, scene, number)
        except TimeoutError:
            click.secho(f"\nBelum selesai dalam {_LIMIT_S} s / not done in {_LIMIT_S} s", fg="red")
            return False
        _say_result(stage)
        if not once:
            _say_goodbye(stage)
            await _until_interrupted()
    return True


async def _set_up(stack: contextlib.AsyncExitStack, port: int) -> _Stage:
    from gateway.app import Gateway
    from gateway.config import load_settings
    from gateway.log import setup_logging
    from gateway.sandbox import SandboxOptions, start_sandbox
    from gateway.web.listener import free_port, url_of

    folder = Path(tempfile.mkdtemp(prefix="otomax-gateway-demo-"))
    log = stack.enter_context((folder / "gateway.log").open("w"))
    setup_logging(format="json", level="info", stream=log)
    sandbox = await start_sandbox("127.0.0.1", 0, SandboxOptions(delay_s=_DELAY_S))
    stack.push_async_callback(sandbox.close)
    panel = await _Panel.start(stack)
    port = port or free_port()
    config = folder / "config.toml"
    config.write_text(_config(port, sandbox.url))
    gateway = await Gateway.open(load_settings(config, {}))
    stack.push_async_callback(gateway.stop)
    await gateway.start()
    made = await gateway.desk.do(
        "reseller.add",
        {
            "code": _CODE,
            "name": "Toko Demo",
            "upstream_key": "sandbox-key",
            "callback_url": panel.url,
        },
    )
    return _Stage(folder, gateway, made["key"], url_of(gateway.public), panel, sandbox.url)


def _config(port: int, sandbox_url: str) -> str:
    """Return the demo's configuration, a file like every other, so that commands can name it."""
    return f"""\
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:0"

[upstream]
base_url = "{sandbox_url}"
callback_ips = ["127.0.0.1"]

[delivery]
allow_private = true  # the demo's panel is on this machine
"""


@dataclass
class _Panel:
    """A panel's receiver: a real HTTP server that takes deliveries."""

    url: str = ""
    heard: asyncio.Queue[dict[str, str]] = field(default_factory=asyncio.Queue)

    @classmethod
    async def start(cls, stack: contextlib.AsyncExitStack) -> "_Panel":
        from aiohttp import web

        panel = cls()

        async def receive(request: web.Request) -> web.Response:
            await asyncio.sleep(0)
            panel.heard.put_nowait({"path": request.raw_path, **request.query})
            return web.Response(text="OK")

        app = web.Application()
        app.router.add_get("/callback", receive, allow_head=False)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        panel.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
        return panel


class _Teller:
    """Prints what happens to every order, as the journal and the panel tell it."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage
        self._began = time.monotonic()
        self._printed: dict[str, int] = {}
        self.told: dict[str, list[str]] = {}
        self.news = asyncio.Event()
        self.turn = asyncio.Lock()  # who holds it prints

    async def watch(self) -> None:
        """Print new steps, for ever."""
        desk = self._stage.gateway.desk
        while True:
            async with self.turn:
                for order in reversed(await desk.do("order.list", {"limit": 20})):
                    await self.tell_steps(order["upstream_trx_id"])
                while not self._stage.panel.heard.empty():
                    self._tell_delivery(self._stage.panel.heard.get_nowait())
            await asyncio.sleep(_LOOK_EVERY_S)

    async def tell_steps(self, name: str) -> None:
        """Print what the journal says of an order and was not printed yet."""
        shown = await self._stage.gateway.desk.do("order.show", {"name": name})
        steps = shown["timeline"]
        for step in steps[self._printed.get(name, 0) :]:
            if step["kind"] in _STEPS:
                indonesian, english, with_text = _STEPS[step["kind"]]
                text = step["text"] if with_text else None
                self.say(shown["trx_id"], indonesian, english, text)
        self._printed[name] = len(steps)

    def _tell_delivery(self, heard: dict[str, str]) -> None:
        trx_id, status = heard.get("trx_id", "?"), heard.get("status", "?")
        self.say(
            trx_id,
            f"Panel diberi tahu: {status}.",
            f"The panel is told: {status}.",
            f"GET {heard['path']}",
            colour=_COLOURS.get(status, "white"),
        )
        self.told.setdefault(trx_id, []).append(status)
        self.news.set()

    def say(
        self, trx_id: str, indonesian: str, english: str, text: str | None, colour: str = "cyan"
    ) -> None:
        """Print one step: when, of which order, in both languages, and the bytes."""
        at = f"{time.monotonic() - self._began:6.2f} s"
        click.echo(
            f"{click.style(at, dim=True)}  {click.style(trx_id, fg=colour, bold=True)}", nl=False
        )
        click.echo(f"  {indonesian}")
        click.echo(click.style(f"{'':10}{'':{len(trx_id)}}  {english}", dim=True))
        if text is not None:
            click.echo(click.style(f"{'':10}{'':{len(trx_id)}}  {text}", fg=colour))


_COLOURS: Final = {
    "SUCCESS": "green",
    "PARTIAL_SUCCESS": "yellow",
    "PENDING": "yellow",
    "FAILED": "red",
    "REFUNDED": "magenta",
}


async def _play(stage: _Stage, teller: _Teller, scene: _Scene, number: int) -> None:
    """Place one order as a panel does, and wait until the panel knows its end."""
    title = f"{number}/{len(_SCENES)}  {scene.indonesian} · {scene.english}"
    click.secho(f"\n{title}", bold=True)
    async with teller.turn:
        answer = await _get(_order_url(stage, scene.user_id, scene.trx_id))
        await teller.tell_steps(f"{_CODE}-{scene.trx_id}")
        teller.say(scene.trx_id, "Panel membaca jawaban:", "The panel reads the answer:", answer)
    while scene.last_status not in teller.told.get(scene.trx_id, []):
        teller.news.clear()
        await teller.news.wait()


async def _get(url: str) -> str:
    import aiohttp
    from yarl import URL

    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(url, encoded=True)) as response,
    ):
        return await response.text()


def _order_url(stage: _Stage, user_id: str, trx_id: str) -> str:
    return (
        f"{stage.url}/v3/otomax/order?apikey={stage.key}&product_code=S1_1187"
        f"&user_id={user_id}&trx_id={trx_id}"
    )


def _say_hello(stage: _Stage) -> None:
    click.secho("otomax-gateway demo", bold=True)
    click.echo("Semua berjalan di komputer ini saja; tidak ada uang sungguhan.")
    click.secho("Everything runs on this machine alone; no real money moves.\n", dim=True)
    click.echo("  panel ──GET──▶ gateway ──GET──▶ supplier (sandbox)")
    click.echo("  panel ◀─GET─── gateway ◀─callback─── supplier")
    click.echo(f"\n  gateway   {stage.url}")
    click.echo(f"  supplier  {stage.sandbox_url}  (sandbox)")
    click.echo(f"  panel     {stage.panel.url}")


def _say_result(stage: _Stage) -> None:
    click.secho("\nHasil / result", bold=True)
    for scene in _SCENES:
        status = click.style(f"{scene.last_status:<9}", fg=_COLOURS[scene.last_status])
        click.echo(f"  {_CODE}-{scene.trx_id}  {status} {scene.indonesian} · {scene.english}")
    click.echo("\n4 pesanan sampai ke panel, masing-masing dibeli paling banyak satu kali.")
    click.secho("4 orders reached their panel, each bought at most once.", dim=True)
    click.echo(f"\nJurnal / journal: {stage.folder / 'gateway.db'}")


def _say_goodbye(stage: _Stage) -> None:
    config = stage.folder / "config.toml"
    click.echo("\nCoba sendiri, tempel di terminal lain / try it, paste into another terminal:\n")
    click.secho(f"  curl '{_order_url(stage, '1234567891002', 'COBA1')}'", fg="green")
    command = shlex.quote(sys.argv[0])
    click.echo(f"\n  {command} order show {_CODE}-DEMO2 --config {config}")
    click.echo("\nTiga angka terakhir user_id memilih hasilnya (otomax-gateway sandbox --help).")
    click.secho("The last three digits of user_id choose what becomes of the order.", dim=True)
    click.echo("\nCtrl-C untuk berhenti / to stop.\n")


async def _until_interrupted() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
