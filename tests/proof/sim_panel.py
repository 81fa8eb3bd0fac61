"""The panels' receiving side: hosts that are well, slow, gone for hours, forgetful, or dead.

`SimResellerClient` stands where the gateway has its HTTP client for deliveries. What reached a
panel is written down here as the panel saw it.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.clients.exchange import MayLeave, at_any_time
from gateway.clients.reseller import Attempt
from tests.proof.judge import Heard
from tests.proof.sim_loop import Life, never, now
from tests.proof.sim_weather import Weather

Posted = tuple[str | None, str | None]
"""Body and `x-signature` of a POST."""

_MS_PER_S = 1000
_OK = 200


@dataclass(slots=True)
class Host:
    """One panel's address."""

    name: str
    gone_until: float = 0.0
    slow_s: float = 0.0


class Panels:
    """All panels, and what each order's panel heard.

    Args:
        chance: of the panels alone.
        weather: how bad it is.
        hits: counts what went wrong, by kind.
    """

    def __init__(self, chance: random.Random, weather: Weather, hits: Counter[str]) -> None:
        self.heard: defaultdict[str, list[Heard]] = defaultdict(list)
        self._chance = chance
        self._weather = weather
        self._hits = hits
        self.hosts = {host.name: host for host in self._make_hosts()}

    def _make_hosts(self) -> list[Host]:
        """One that is well, one slow, one gone for hours, one that never comes back."""
        hours = self._chance.uniform(0.2, 12.0)
        return [
            *(Host(f"panel{number}.test:8000") for number in range(3)),
            Host("slow.test", slow_s=self._chance.choice((2.0, 9.0))),
            Host("away.test", gone_until=hours * 3600),
            Host("dead.test", gone_until=float("inf")),
        ]

    def pick(self) -> Host:
        """Choose a panel for an order; most are well."""
        hosts = list(self.hosts.values())
        return self._chance.choices(hosts, weights=(10, 10, 10, 4, 2, 1))[0]

    async def take(self, url: str, posted: Posted, timeout_s: float) -> int | None:
        """Receive one delivery; the HTTP code that its sender hears, or None."""
        parts, began_at = urlsplit(url), now()
        host = self.hosts[parts.netloc]
        if now() < host.gone_until:
            self._hits["panel away"] += 1
            await asyncio.sleep(self._chance.choice((0.001, timeout_s)))
            return None
        ends_at = now() + timeout_s
        arrives_s = self._chance.uniform(0.001, 0.1)
        answers_s = self._chance.uniform(0.001, 0.1) + host.slow_s * self._chance.uniform(0, 2)
        await asyncio.sleep(arrives_s)
        refuses = self._chance.random() < self._weather.refused
        forgets = self._chance.random() < self._weather.forgotten
        body, signature = posted
        heard = Heard(
            at=now(),
            url=url,
            took=not refuses,
            body=body,
            signature=signature,
            began_at=began_at,
        )
        self.heard[_name(heard)].append(heard)
        if forgets or now() + answers_s >= ends_at:
            self._hits["panel's answer lost"] += 1
            await asyncio.sleep(ends_at - now() if not forgets else answers_s)
            return None
        await asyncio.sleep(answers_s)
        if refuses:
            self._hits["panel refused"] += 1
        return 500 if refuses else _OK


def _name(heard: Heard) -> str:
    """Return whose it is: by its address, or at a reseller's own one by the trx_id in it."""
    folder, _, name = urlsplit(heard.url).path.removeprefix("/").partition("/")
    if folder == "cb":
        return name
    read = heard.read
    return f"{name}-{None if read is None else read.trx_id}"


class SimResellerClient:
    """`gateway.clients.reseller.ResellerClient` in one life of the gateway."""

    def __init__(
        self, panels: Panels, life: Life, timeout_s: float, *, allow_private: bool
    ) -> None:
        self._panels = panels
        self._life = life
        self._timeout_s = timeout_s

    async def deliver(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        may_leave: MayLeave = at_any_time,
    ) -> Attempt:
        if self._life.over:
            await never()
        began_at = now()
        posted: Posted = (None, None)
        if method == "POST" and body is not None:
            posted = body.decode(), (headers or {}).get("x-signature")
        status = await self._panels.take(url, posted, self._timeout_s)
        elapsed_s = now() - began_at
        return Attempt(
            status=status,
            accepted=status == _OK,
            reason="no answer" if status is None else f"HTTP {status}",
            reply="",
            elapsed_ms=round(elapsed_s * _MS_PER_S),
        )

    async def close(self) -> None:
        return
