"""A sandbox without sockets, in virtual time, and the ways to ask it.

Only what two files of tests use may live here.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from yarl import URL

from gateway.sandbox.core import Answer, Asked, HangUp, Signed, Upstream
from gateway.sandbox.ledger import Ledger, Purchase
from gateway.sandbox.life import Lives
from gateway.sandbox.options import SandboxOptions
from tests.sandbox.virtual import VirtualLoop, run

EPOCH = 1_795_000_000.0
KEY = "kunci-1"
_T = TypeVar("_T")


class Sender:
    """Takes every callback down, with the second in which it was sent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.sent: list[tuple[float, URL]] = []
        self.posted: list[tuple[float, URL, Signed]] = []

    def send(self, purchase: Purchase, target: URL) -> None:
        purchase.callbacks_acknowledged += 1
        self.sent.append((self._clock() - EPOCH, target))

    def post(self, purchase: Purchase, target: URL, signed: Signed) -> None:
        purchase.callbacks_acknowledged += 1
        self.posted.append((self._clock() - EPOCH, target, signed))


class World:
    """A sandbox in virtual time, and the way to ask it."""

    def __init__(self, loop: VirtualLoop, **options: Any) -> None:
        def clock() -> float:
            return EPOCH + loop.time()

        settings = SandboxOptions(clock=clock, accounts={KEY: 900_000_000}, **options)
        self.ledger = Ledger(settings.clock, settings.accounts)
        self.sender = Sender(clock)
        self.lives = Lives(self.ledger, self.sender, settings)
        self.upstream = Upstream(self.ledger, self.lives, settings)

    def order(self, trx_id: str, dest: str = "55002", version: int = 3) -> Asked:
        query = {"apikey": KEY, "product_code": "S1_1187", "user_id": dest, "trx_id": trx_id}
        query["callback_url"] = f"http://gateway/callback/{trx_id}"
        return Asked("GET", f"/v{version}/otomax/order", query)

    def buy(self, trx_id: str, dest: str = "55002") -> Answer | HangUp:
        return self.upstream.ask(self.order(trx_id, dest))

    def order_as_json(self, path: str = "/v2/order", **fields: object) -> Asked:
        """An order of the JSON dialect; keyword arguments replace or add fields."""
        body: dict[str, object] = {"product_code": "S1_1187", "user_id": "55002"}
        body |= {"trx_id": "t-1", "callback_url": "http://gateway/callback/t-1"} | fields
        headers = {"authorization": KEY, "content-type": "application/json"}
        return Asked("POST", path, headers=headers, body=json.dumps(body).encode())

    def buy_as_json(self, path: str = "/v2/order", **fields: object) -> Answer | HangUp:
        return self.upstream.ask(self.order_as_json(path, **fields))

    def look_up(self, trx_id: str) -> Answer | HangUp:
        asked = Asked("GET", f"/v1/status/trx-id/{trx_id}", headers={"authorization": KEY})
        return self.upstream.ask(asked)


def in_virtual_time(play: Callable[[World], Awaitable[_T]], **options: Any) -> tuple[_T, World]:
    loop = VirtualLoop()
    world = World(loop, **options)

    async def main() -> _T:
        return await play(world)

    return run(loop, main()), world


def said(answer: Answer | HangUp) -> str:
    assert isinstance(answer, Answer)
    return answer.body.decode()


def code(answer: Answer | HangUp) -> str:
    return str(json.loads(said(answer))["message"])


def body(answer: Answer | HangUp) -> Any:
    """Return the JSON of an answer."""
    return json.loads(said(answer))


def status(answer: Answer | HangUp) -> int:
    """Return the HTTP code of an answer in JSON."""
    assert isinstance(answer, Answer)
    assert answer.content_type == "application/json; charset=utf-8"
    return answer.status
