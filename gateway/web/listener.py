"""A listening port: one application behind one door, and how long a connection is kept.

aiohttp's runner keeps idle connections for an hour and unpacks bodies; both are decided here, with
public parts of aiohttp only. A connection begins in `lane`, and goes on in `connection` where it
brings more than plain requests; what it may do stands in `door`.
"""

import asyncio
import logging
import os
import socket
from functools import partial

from aiohttp import web

from gateway.web.connection import (
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    MAX_LINE_BYTES,
    Connection,
    Reception,
)
from gateway.web.door import Door
from gateway.web.lane import Lanes, Quick
from gateway.web.strangers import Strangers

BACKLOG = 1024  # panels that all come back at once after a start of ours
_LINGER_S = 2.0  # a body that nobody reads is listened to so long, so that its sender hears why
_LAST_WORDS_S = 1.0  # for requests under way when the listener is closed


class Listener:
    """One application on one port.

    Args:
        app: what is answered.
        host: address to listen on.
        port: 0 takes a free one.
        door: who may come in, and for how long.
        strangers: who keep answers to wrong keys back, where there are keys.
        quick: what is answered on the lane, before the application is asked.
    """

    def __init__(  # noqa: PLR0913  a port, and whoever watches over it
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        door: Door | None = None,
        strangers: Strangers | None = None,
        quick: Quick | None = None,
    ) -> None:
        self.door = door or Door()
        self._strangers = strangers or Strangers()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_WORDS_S)
        self._host = host
        self._port = port
        self._quick = quick or Quick()
        self._lanes: Lanes | None = None
        self._server: asyncio.Server | None = None

    async def start(self, inherited: socket.socket | None = None) -> None:
        """Listen.

        Args:
            inherited: a socket that listens already, and goes on when this process ends: what
                comes between two processes waits in it. In place of host and port.

        Raises:
            OSError: the address can not be listened on.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None  # noqa: S101  set up above
        Reception(server, self._strangers)
        odd = partial(
            Connection,
            self.door,
            server,
            loop=loop,
            access_log=None,
            logger=logging.getLogger("aiohttp.server"),
            keepalive_timeout=self.door.limits.idle_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
            lingering_time=_LINGER_S,
            auto_decompress=False,
        )
        self._lanes = Lanes(self.door, self._strangers, self._quick, odd)
        lane = self._lanes.lane
        try:
            if inherited is None:
                self._server = await loop.create_server(
                    lane, self._host, self._port, backlog=BACKLOG, reuse_address=True
                )
            else:
                self._server = await loop.create_server(lane, sock=inherited, backlog=BACKLOG)
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise OSError(error.errno, f"{where}: {os.strerror(error.errno or 0)}") from None
        self.door.begin()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on."""
        assert self._server is not None  # noqa: S101  only asked while it listens
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    def stop_accepting(self) -> None:
        """Take no new connection; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Wait for requests under way, then close every connection."""
        self.stop_accepting()
        lanes = [] if self._lanes is None else [self._lanes.end(_LAST_WORDS_S)]
        await asyncio.gather(*lanes, self._runner.cleanup())
        self.door.end()


def url_of(listener: Listener) -> str:
    """Return the address of a listener as a URL."""
    host, port = listener.address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_port() -> int:
    """Return a port of the loopback address that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
