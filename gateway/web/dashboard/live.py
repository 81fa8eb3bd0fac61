"""`/live`: tells a page that something changed, so that it fetches itself again.

Server-sent events, at most one a second, with small numbers alone. How many streams there are is
bounded, in all and for one session; each ends when its session does and when the gateway goes
down.
"""

import asyncio
import json
from collections import Counter

from aiohttp import web

from gateway.domain.errors import JournalUnavailable
from gateway.web.dashboard.visit import Route, Tools, Visit

STREAMS = 32  # in all
STREAMS_EACH = 6  # of one session: as many tabs
_GAP_S = 1.0  # between two events: the page asks the journal at each
HEARTBEAT_S = 10.0  # below what proxies wait for a byte
_LOOK_S = 0.5  # how soon a stream ends when the gateway goes down
_RETRY_MS = 3000


class Live:
    """The streams.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._open: Counter[int] = Counter()
        self.heartbeat_s = HEARTBEAT_S
        self.routes = [Route("GET", "/live", self.stream)]

    async def stream(self, visit: Visit) -> web.StreamResponse:
        """Tell until the browser goes, the session ends, or the gateway does."""
        assert visit.who is not None  # noqa: S101  the door lets in who is logged in
        session = visit.who.id
        if self._open[session] >= STREAMS_EACH or self._open.total() >= STREAMS:
            return web.Response(status=503, headers={"Retry-After": "30"})
        self._open[session] += 1
        try:
            return await self._tell(visit)
        finally:
            self._open[session] -= 1
            if not self._open[session]:
                del self._open[session]

    async def _tell(self, visit: Visit) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(visit.request)
        pulse = self._tools.desk.pulse
        told = pulse.beats
        try:
            await response.write(f"retry: {_RETRY_MS}\n\n".encode())
            while await self._goes_on(visit):
                beats = await self._wait(visit, told)
                text = ": still here\n\n" if beats == told else _event(beats)
                await response.write(text.encode())
                told = beats
                await asyncio.sleep(_GAP_S)
            await response.write_eof()
        except (ConnectionError, JournalUnavailable):
            return response  # the browser has gone, or asks again later
        return response

    async def _goes_on(self, visit: Visit) -> bool:
        """Whether the browser and the gateway stay, and the session is still one."""
        return not self._has_end(visit) and await self._tools.sessions.goes_on(visit.who)

    def _has_end(self, visit: Visit) -> bool:
        transport = visit.request.transport
        return self._tools.gate.draining or transport is None or transport.is_closing()

    async def _wait(self, visit: Visit, told: int) -> int:
        """Wait for news, for the heartbeat, or for an end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.heartbeat_s
        while loop.time() < until and not self._has_end(visit):
            beats = await self._tools.desk.pulse.after(told, _LOOK_S)
            if beats != told:
                return beats
        return told


def _event(beats: int) -> str:
    return f"data: {json.dumps({'beats': beats})}\n\n"
