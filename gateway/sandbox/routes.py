"""The upstream over HTTP: carries requests to `core` and answers back, and decides nothing."""

import asyncio
import socket
import struct

from aiohttp import web

from gateway.sandbox.core import Answer, Asked, HangUp, Upstream

_RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER, on for no seconds: closing then sends a reset."""


class Routes:
    """One handler for whatever comes; `table` lists it."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def table(self) -> list[web.RouteDef]:
        """Every method on every path: which of them are there is known to `core`."""
        return [web.route("*", "/{path:.*}", self._carry)]

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        asked = await _read(request)
        answer = self._upstream.ask(asked)
        if answer.after_s > 0:
            try:
                await asyncio.sleep(answer.after_s)
            except asyncio.CancelledError:
                self._upstream.left(asked)
                raise
        if isinstance(answer, HangUp):
            return _hang_up(request, reset=answer.reset)
        if answer.missing:
            return await _break_off(request, answer)
        return web.Response(
            body=answer.body, status=answer.status, headers={"Content-Type": answer.content_type}
        )


async def _read(request: web.Request) -> Asked:
    return Asked(
        request.method,
        request.path,
        request.query,
        {name.lower(): value for name, value in request.headers.items()},
        await request.read() if request.can_read_body else b"",
    )


def _hang_up(request: web.Request, *, reset: bool) -> web.Response:
    """Close the connection; what is returned is never written."""
    transport = request.transport
    if transport is None:
        return web.Response()
    if reset:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    transport.close()
    return web.Response()


async def _break_off(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send what there is of a body that was to be longer, and close the connection."""
    response = web.StreamResponse(
        status=answer.status, headers={"Content-Type": answer.content_type}
    )
    response.content_length = len(answer.body) + answer.missing
    await response.prepare(request)
    await response.write(answer.body)
    if request.transport is not None:
        request.transport.close()
    return response
