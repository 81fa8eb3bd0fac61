"""Orders without a pause through a load balancer, while the gateways behind it are restarted."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Self

import aiohttp
from yarl import URL

from tests.journey.office import PRODUCT
from tests.proxies.fronts import NAME, PROXY, Front

PANELS = 8  # orders at the same time
_ANSWER_S = 20.0
AT_ONCE = "001"  # the sandbox's destinations that succeed at once, and a little later
LATER = "002"


@dataclass
class Orders:
    """Panels that order one after the other, each with a trx_id of its own.

    Attributes:
        front: the balancer.
        key: the reseller's.
        answers: HTTP code and line by trx_id.
    """

    front: Front
    key: str
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count()
        self._goes_on = True

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S))
        self._panels = [asyncio.create_task(self._order()) for _ in range(PANELS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._goes_on = False
        try:
            await asyncio.gather(*self._panels)
        finally:
            await self._http.close()

    async def more(self, number: int) -> None:
        """Wait until so many more orders were answered."""
        wanted = len(self.answers) + number
        while len(self.answers) < wanted:
            assert not any(panel.done() for panel in self._panels), "a panel heard nothing"
            await asyncio.sleep(0.02)

    async def _order(self) -> None:
        while self._goes_on:
            number = next(self._numbers)
            trx_id = f"ROLL{number}"
            end = AT_ONCE if number % 2 else LATER
            query = {
                "apikey": self.key,
                "product_code": PRODUCT,
                "user_id": f"{number:06}{end}",
                "trx_id": trx_id,
            }
            url = URL(f"https://{PROXY}:{self.front.ports.public}/v3/otomax/order")
            async with self._http.get(
                url.with_query(query), ssl=self.front.tls, server_hostname=NAME
            ) as response:
                self.answers[trx_id] = (response.status, await response.text())
