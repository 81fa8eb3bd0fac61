"""The sandbox as a running server: wires its parts, listens, and leaves nothing behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web

from gateway.sandbox.callbacks import CallbackSender
from gateway.sandbox.core import Upstream
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.routes import Routes

_SHUTDOWN_S = 0.1
"""A handler answers at once or sleeps on purpose (a slow order): nothing is worth a wait."""

_KEEP_ALIVE_S = 75.0
"""An idle connection is kept as long as by `web.run_app`; AppRunner alone keeps it an hour."""


class Sandbox:
    """The upstream on a port of this machine. Made by `start` or `start_sandbox`.

    Attributes:
        url: where it listens, `http://127.0.0.1:PORT`, without a slash at the end.
        ledger: what was asked for, what was bought, and who has how much.
        catalog: what is sold; its `set_price` and `set_active` work at once.
    """

    def __init__(self, options: SandboxOptions) -> None:
        self.url = ""
        self.ledger = Ledger(options.clock, options.accounts)
        self.catalog = self.ledger.catalog
        self._sender = CallbackSender(options)
        self._lives = Lives(self.ledger, self._sender, options)
        app = web.Application()
        app.add_routes(Routes(Upstream(self.ledger, self._lives, options)).table())
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=_SHUTDOWN_S,
            # A client that goes away ends the wait for its answer: it is off the wire then.
            handler_cancellation=True,
        )

    @classmethod
    @asynccontextmanager
    async def start(
        cls, host: str = "127.0.0.1", port: int = 0, options: SandboxOptions | None = None
    ) -> AsyncIterator[Self]:
        """Run a sandbox while the block runs; port 0 takes a free one. Raises like `bind`."""
        sandbox = cls(options or SandboxOptions())
        try:
            await sandbox.bind(host, port)
            yield sandbox
        finally:
            await sandbox.close()

    async def bind(self, host: str, port: int) -> None:
        """Listen, and know the own `url` from then on.

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound = self._runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.url = f"http://{shown}:{bound[1]}"

    async def close(self) -> None:
        """Stop at once: no more steps, callbacks or connections. Twice does no harm."""
        # First the door, so that no request plans a step or a callback behind our back.
        await self._runner.cleanup()
        self._lives.close()
        await self._sender.close()


async def start_sandbox(
    host: str = "127.0.0.1", port: int = 0, options: SandboxOptions | None = None
) -> Sandbox:
    """A sandbox that listens until its `close()` is awaited. Raises like `Sandbox.bind`."""
    sandbox = Sandbox(options or SandboxOptions())
    try:
        await sandbox.bind(host, port)
    except OSError:
        await sandbox.close()
        raise
    return sandbox
