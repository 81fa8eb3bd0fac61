"""The way to the upstream and back, in virtual time: what is slow, what breaks, what comes late.

The upstream is the sandbox's heart with its books. `SimUpstreamClient` stands where the gateway
has its HTTP client and keeps to what that promises: `Unsent` only where nothing left, `NoAnswer`
where something may have.
"""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from yarl import URL

from gateway.clients.exchange import MayLeave, at_any_time
from gateway.clients.upstream import NoAnswer, Unsent
from gateway.protocol.upstream import Call, Reply
from gateway.sandbox.asking import Wanted
from gateway.sandbox.core import Answer, Asked, HangUp, Signed, Upstream
from gateway.sandbox.ledger import Ledger, Purchase
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.orders import ORDER_ROUTES
from tests.proof.judge import Sent
from tests.proof.sim_loop import Life, never, now, outside
from tests.proof.sim_weather import LATE_AT_MOST_S, Weather

CallBack = Callable[[str, Signed | None], Awaitable[int | None]]
"""Calls the gateway from the upstream's address, with a target and perhaps a signed body; gives
the HTTP code, or None."""

_OK = 200
_LOOKUPS = "/v1/status/trx-id/"
_NOT_FOUND = b'"INVOICE_NOT_FOUND"'


@dataclass(slots=True)
class _Trip:
    """One request on the wire."""

    asked: Asked
    answer: asyncio.Future[Answer | HangUp]
    began_at: float
    arrived_at: float | None = None
    client_left_at: float | None = None
    allowed: bool = True


class Network:
    """Everything between the gateway and the upstream, and the upstream itself.

    Args:
        chance: of the network alone.
        weather: how bad it is.
        options: of the sandbox.
        hits: counts what went wrong, by kind.
        call_back: reaches the gateway.
    """

    def __init__(
        self,
        chance: random.Random,
        weather: Weather,
        options: SandboxOptions,
        hits: Counter[str],
        call_back: CallBack,
    ) -> None:
        self.ledger = Ledger(options.clock, options.accounts)
        self.down_until = 0.0
        self.announced: set[tuple[str, str]] = set()  # invoice_number and status, as stored by us
        # By product and destination, under which trx_ids these were asked for, in their order.
        self.names: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._lives = Lives(self.ledger, self, options)
        self._upstream = Upstream(self.ledger, self._lives, options)
        self._options = options
        self._chance = chance
        self._weather = weather
        self._hits = hits
        self._call_back = call_back
        self._not_found: set[str] = set()  # what the gateway was told since it last sent it
        self._trips: defaultdict[str, list[_Trip]] = defaultdict(list)

    def sent(self, trx_id: str) -> list[Sent]:
        """Every order request under this trx_id."""
        return [
            Sent(
                began_at=trip.began_at,
                ended_at=max(trip.client_left_at or now(), trip.arrived_at or 0.0),
                closed_at=trip.client_left_at,
                allowed=trip.allowed,
            )
            for trip in self._trips[trx_id]
        ]

    # -- from the gateway to the upstream

    async def connect(self, connect_s: float) -> None:
        """Make a connection; raises Unsent where there is none to be had."""
        if now() < self.down_until:
            self._hits["unreachable"] += 1
            await asyncio.sleep(self._chance.choice((0.001, 0.05, connect_s)))
            raise Unsent("connect failed: simulated")

    async def ask(self, asked: Asked, timeout_s: float) -> Answer:
        """Carry one request; raises NoAnswer as the HTTP client does."""
        trip = _Trip(asked, asyncio.get_running_loop().create_future(), now())
        if asked.path in ORDER_ROUTES:
            self._note(trip, ORDER_ROUTES[asked.path].wanted(asked))
        travel = outside(self._travel(trip, self._delay_s(), self._delay_s()))
        breaks_s = self._breaks_s()
        try:
            async with asyncio.timeout(min(timeout_s, breaks_s)):
                answer = await trip.answer
        except TimeoutError:
            self._hits["reset" if breaks_s < timeout_s else "time-out"] += 1
            raise NoAnswer("simulated: no answer came") from None
        finally:
            self._client_leaves(trip, travel)
        if isinstance(answer, HangUp):
            raise NoAnswer("simulated: the connection dropped before an answer")
        if answer.missing:
            raise NoAnswer("simulated: the answer broke off")
        if asked.path.startswith(_LOOKUPS) and _NOT_FOUND in answer.body:
            self._not_found.add(asked.path.removeprefix(_LOOKUPS))
        return answer

    def _note(self, trip: _Trip, wanted: Wanted) -> None:
        """Write an order request down, and whether there may be one."""
        trx_id = wanted.trx_id or ""
        self.names[wanted.product_code, wanted.user_id + wanted.server_id][trx_id] = None
        trip.allowed = not self._trips[trx_id] or trx_id in self._not_found
        self._not_found.discard(trx_id)
        self._trips[trx_id].append(trip)

    async def _travel(self, trip: _Trip, there_s: float, back_s: float) -> None:
        await asyncio.sleep(there_s)
        trip.arrived_at = now()
        answer = self._upstream.ask(trip.asked)
        if trip.client_left_at is not None:
            self._hits["arrived late"] += 1
            self._upstream.left(trip.asked)
            return
        await asyncio.sleep(answer.after_s + back_s)
        if not trip.answer.done():
            trip.answer.set_result(answer)

    def _client_leaves(self, trip: _Trip, travel: asyncio.Task[None]) -> None:
        """The connection is closed. What has not arrived is lost, or comes a while later."""
        trip.client_left_at = now()
        travel.cancel()
        if trip.arrived_at is not None:
            self._upstream.left(trip.asked)
        elif self._chance.random() < 0.5:
            outside(self._travel(trip, self._chance.uniform(0, LATE_AT_MOST_S), 0.0))
        else:
            self._hits["lost on the way"] += 1

    def _delay_s(self) -> float:
        if self._chance.random() >= self._weather.slow:
            return self._chance.uniform(0.001, 0.05)
        self._hits["slow"] += 1
        return self._chance.choice((0.5, 3.0, 14.9, 30.0, 59.9, 70.0)) * self._chance.random()

    def _breaks_s(self) -> float:
        """When the connection breaks, in seconds from its beginning."""
        if self._chance.random() >= self._weather.gone:
            return float("inf")
        return self._chance.choice((0.002, 0.03, 0.1, 5.0)) * self._chance.random()

    # -- from the upstream to the gateway

    def send(self, purchase: Purchase, target: URL) -> None:
        """Begin a GET, as `gateway.sandbox.life` asks for."""
        told = (target.query["invoice_number"], target.query["status"])
        path = f"{target.raw_path}?{target.raw_query_string}"
        outside(self._repeat(purchase, told, path, None))

    def post(self, purchase: Purchase, target: URL, signed: Signed) -> None:
        """Begin a POST, as `gateway.sandbox.life` asks for."""
        invoice = json.loads(signed.body)
        told = (invoice["invoice_number"], invoice["status"])
        outside(self._repeat(purchase, told, target.raw_path, signed))

    async def _repeat(
        self, purchase: Purchase, told: tuple[str, str], target: str, signed: Signed | None
    ) -> None:
        for pause_s in (*self._options.callback_repeats_s, 0.0):
            purchase.callback_attempts += 1
            await asyncio.sleep(self._delay_s())
            if await self._call_back(target, signed) == _OK:
                self.announced.add(told)
                if self._chance.random() >= self._weather.gone:
                    purchase.callbacks_acknowledged += 1
                    return
                self._hits["callback unheard"] += 1
            await asyncio.sleep(pause_s)


class SimUpstreamClient:
    """`gateway.clients.upstream.UpstreamClient` in one life of the gateway."""

    def __init__(
        self, network: Network, life: Life, base_url: str, *, timeout_s: float, connect_s: float
    ) -> None:
        self._network = network
        self._life = life
        self._timeout_s = timeout_s
        self._connect_s = connect_s

    async def get(
        self, path: str, *, authorization: str | None = None, secrets: tuple[str, ...] = ()
    ) -> Reply:
        return await self.send(Call("GET", path, authorization), secrets=secrets)

    async def send(
        self,
        call: Call,
        *,
        secrets: tuple[str, ...] = (),
        may_leave: MayLeave = at_any_time,
    ) -> Reply:
        if self._life.over:
            await never()
        await self._network.connect(self._connect_s)
        if not may_leave():
            raise Unsent("its time was over before it left")
        answer = await self._network.ask(_asked(call), self._timeout_s)
        return Reply(
            status=answer.status,
            content_type=answer.content_type.partition(";")[0],
            body=answer.body if len(answer.body) <= call.limit_bytes else None,
            secrets=secrets,
        )

    async def close(self) -> None:
        return


def _asked(call: Call) -> Asked:
    """Return a call as the upstream's server reads it."""
    raw_path, _, query = call.path.partition("?")
    headers = {}
    if call.authorization is not None:
        headers["authorization"] = call.authorization
    if call.body is not None:
        headers["content-type"] = "application/json"
    values = dict(parse_qsl(query))
    return Asked(call.method, unquote(raw_path), values, headers, call.body or b"")
