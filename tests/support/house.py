"""The gateway in this process, with what a panel, the upstream and the operator do to it."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import asyncpg
from multidict import CIMultiDictProxy
from yarl import URL

from gateway.app import Gateway, open_journal
from gateway.clock import SteadyClock, now_ms, running_ms
from gateway.config import Settings
from gateway.store import OrderFilter
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.vault import Vault
from gateway.web.listener import url_of
from tests.support.blank import lay_blank
from tests.support.logs import LogLines
from tests.support.wait import eventually, reserved_port

RESELLER = "toko"
PRODUCT = "S1_1187"
DEST = "123456789"

MANY_AT_ONCE = {"unreachable_s": 10}
"""The upstream of a house that orders much at once: each order has a connection made, and its
server is in the very process of the test."""

_MS_PER_S = 1000
_MINUTE_MS = 60 * _MS_PER_S
_HOUR_MS = 60 * _MINUTE_MS
_MAX_ORDERS = 10_000

_SHORT: dict[str, dict[str, Any]] = {
    "server": {"reply_timeout_s": 3},
    "admin": {"listen": "127.0.0.1:0"},
    "upstream": {"timeout_s": 5, "unreachable_s": 0.5, "callback_ips": ["127.0.0.1"]},
    "recheck": {"schedule_s": [0.1], "settle_s": 0.3, "expire_s": 600},
    "delivery": {
        "schedule_s": [0, 0.1, 0.1, 0.1, 0.1, 0.1],
        "timeout_s": 1,
        "allow_private": True,
    },
    "limits": {"orders_per_s": 0},
    # What depends on this machine, or on a fake's balance, is told only where a test wants it.
    "alert": {"disk_free_mib": 0, "saldo_below": 0, "remind_s": 0},
}


class Clock(SteadyClock):
    """The clock of a gateway, whose time a test may let pass, and whose system's clock it may set.

    Args:
        set_by: seconds that the system's clock is ahead of the true time.
    """

    def __init__(self, set_by: float = 0) -> None:
        self._passed_ms = 0
        self._set_ms = round(set_by * _MS_PER_S)
        super().__init__(
            lambda: now_ms() + self._passed_ms + self._set_ms,
            lambda: running_ms() + self._passed_ms,
        )

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_ms += round(seconds * _MS_PER_S)

    def stay_in_the_hour(self) -> None:
        """Let a minute pass where the hour, and with it perhaps the day, ends within one."""
        if -self() % _HOUR_MS <= _MINUTE_MS:
            self.skip(_MINUTE_MS / _MS_PER_S)

    def set_ahead(self, seconds: float) -> None:
        """Set the system's clock."""
        self._set_ms += round(seconds * _MS_PER_S)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    text: str
    headers: CIMultiDictProxy[str]


class House:
    """A running gateway with resellers. Made by `OpenHouse`, which also stops it."""

    def __init__(self, gateway: Gateway, vault: Vault, clock: Clock, log: LogLines) -> None:
        self.gateway = gateway
        self.vault = vault
        self.clock = clock
        self.log = log
        self.keys: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.errors_expected = False
        self.url = ""
        self.port = 0
        self.admin_url = ""
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        self._stopped = False

    async def start(self) -> None:
        await self.gateway.start()
        self.url, self.admin_url = url_of(self.gateway.public), url_of(self.gateway.admin)
        self.port = self.gateway.public.address[1]

    # -- what a panel does

    async def get(self, target: str, *, method: str = "GET", **headers: str) -> Answer:
        """Ask for a target, byte for byte. Names of headers are written with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.url + target, encoded=True)
        async with self._client.request(method, url, headers=named) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def post(self, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post these bytes to a target, byte for byte."""
        url = URL(self.url + target, encoded=True)
        async with self._client.post(url, data=body, headers=headers) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def ask_json(
        self,
        method: str,
        path: str,
        fields: object = None,
        *,
        raw: bytes | None = None,
        reseller: str = RESELLER,
        **headers: str,
    ) -> Answer:
        """Ask in the upstream's JSON, with a body of these fields or of these very bytes."""
        named = {"Authorization": self.keys.get(reseller, "")}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = raw if fields is None else json.dumps(fields).encode()
        url = URL(self.url + path, encoded=True)
        async with self._client.request(method, url, data=body, headers=named) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def order_json(
        self,
        trx_id: str | None = "T1",
        dest: str | None = DEST,
        *,
        version: int = 2,
        reseller: str = RESELLER,
        **more: object,
    ) -> Answer:
        """Order in the upstream's JSON. A field of None is left out; `more` wins."""
        fields = {"product_code": PRODUCT, "user_id": dest, "trx_id": trx_id, **more}
        given = {name: value for name, value in fields.items() if value is not None}
        answer = await self.ask_json("POST", f"/v{version}/order", given, reseller=reseller)
        await self.replies_journaled()
        return answer

    def order_target(
        self,
        trx_id: str | None = "T1",
        dest: str | None = DEST,
        *,
        version: int = 3,
        reseller: str = RESELLER,
        **more: Any,
    ) -> str:
        """An order's target. A parameter of None is left out; `more` wins over what is usual."""
        fields = {
            "apikey": self.keys.get(reseller),
            "product_code": PRODUCT,
            "user_id": dest,
            "trx_id": trx_id,
            **more,
        }
        query = "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)
        return f"/v{version}/otomax/order?{query}"

    async def order(self, *args: Any, **kwargs: Any) -> str:
        """Order as `order_target` says; returns the line, which came with HTTP 200.

        A PENDING may be answered a moment before the reply that said it is journaled; what a test
        looks at next is the journal, so this waits until it is.
        """
        answer = await self.get(self.order_target(*args, **kwargs))
        assert answer.status == 200, answer
        await self.replies_journaled()
        return answer.text

    async def status(self, asked_id: str = "T1", reseller: str = RESELLER) -> str:
        answer = await self.get(f"/v1/otomax/status/{asked_id}?apikey={self.keys[reseller]}")
        assert answer.status == 200, answer
        return answer.text

    async def user(self, reseller: str = RESELLER) -> str:
        answer = await self.get(f"/v1/otomax/user?apikey={self.keys[reseller]}")
        assert answer.status == 200, answer
        return answer.text

    # -- what the upstream does

    def token(self, upstream_trx_id: str) -> str:
        return self.vault.callback_token(upstream_trx_id)

    async def call_back(
        self,
        status: str,
        trx_id: str = "toko-T1",
        *,
        token: str | None = None,
        **more: str | None,
    ) -> int:
        """Call back as the upstream's document shows; returns the HTTP code."""
        fields = {
            "invoice_number": "APIKUY_ML_1_0001",
            "trx_id": trx_id,
            "status": status,
            "product_price": "1511",
            "sn": "Budi - 123456789() . RefId: ML_1",
            "msg": "R",
            **more,
        }
        query = "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)
        token = self.token(trx_id) if token is None else token
        return (await self.get(f"/callback/{token}?{query}")).status

    # -- what the operator does

    async def add(self, code: str = RESELLER, **values: Any) -> str:
        """Add a reseller; returns the key."""
        values = {"upstream_key": f"upstream-key-of-{code}", **values}
        made = await self.gateway.desk.resellers.add(code, **values)
        self.keys[code] = made["key"]
        self.secrets |= {made["key"], values["upstream_key"] or made["key"]}
        return self.keys[code]

    async def shown(self, name: str = "toko-T1") -> dict[str, Any]:
        return await self.gateway.desk.orders.show(name)

    async def kinds(self, name: str = "toko-T1") -> list[str]:
        """The steps of an order's timeline."""
        return [step["kind"] for step in (await self.shown(name))["timeline"]]

    async def becomes(self, status: str, name: str = "toko-T1") -> dict[str, Any]:
        """Wait until the journal holds this status of an order; returns the order."""

        async def look() -> dict[str, Any]:
            shown = await self.shown(name)
            return shown if shown["status"] == status else {}

        found: dict[str, Any] = await eventually(look)
        return found

    async def orders(self) -> list[dict[str, Any]]:
        return await self.gateway.desk.orders.list_(limit=_MAX_ORDERS)

    async def deliveries(self, state: str | None = None) -> list[dict[str, Any]]:
        return await self.gateway.desk.delivery_list(state=state, limit=_MAX_ORDERS)

    async def alerts(self) -> list[str]:
        found = await self.gateway.store.alerts(with_acked=True, limit=_MAX_ORDERS)
        return [alert.text for alert in reversed(found)]

    async def count_rows(self) -> dict[str, int]:
        """Count what stands in each table of the journal that a stranger could fill."""
        tables = ("orders", "timeline", "deliveries", "alerts", "waiting_callbacks")

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            counts = ((t, connection.execute(f"SELECT count(*) FROM {t}")) for t in tables)
            return {table: count.fetchone()[0] for table, count in counts}

        store = self.gateway.store
        if isinstance(store, PostgresStore):
            return {t: await store._value(f"SELECT count(*) FROM {t}") for t in tables}
        return await self._sqlite._read(work)

    async def replies_journaled(self) -> None:
        """Wait until no answer is ahead of the journal; not long, for the journal may be away."""
        flights = self.gateway.intake._flights
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not any(f.told for f in flights.values()), within_s=1)

    # -- what happens to it

    @property
    def _sqlite(self) -> SqliteStore:
        store = self.gateway.store
        assert isinstance(store, SqliteStore)
        return store

    async def on_journal(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do something on the journal's writing thread, outside any transaction."""
        await self._sqlite._writing_thread.run(work)

    async def break_journal(self, *, broken: bool = True) -> None:
        """Let every write to the journal fail, or none again."""
        if isinstance(self.gateway.store, PostgresStore):
            await self._break_postgres("SET {} = on" if broken else "RESET {}")
            return
        sql = f"PRAGMA query_only = {'ON' if broken else 'OFF'}"
        await self.on_journal(lambda connection: connection.execute(sql).fetchall())

    async def _break_postgres(self, how: str) -> None:
        """Let who connects from now on only read, or write again; whoever is connected is cut."""
        connection = await asyncpg.connect(self.gateway.settings.storage.url)
        try:
            name = await connection.fetchval("SELECT current_database()")
            setting = how.format("default_transaction_read_only")
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(f"ALTER DATABASE {name} {setting}")
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()

    def answer_wrong_keys_at_once(self) -> None:
        """Keep no answer to a wrong key back: a test shows something else, with many of them."""

        async def at_once(_: float) -> None:
            return

        self.gateway.gate.strangers._sleep = at_once  # type: ignore[assignment]  # it is only called

    def skip(self, seconds: float) -> None:
        """Let time pass, and let the workers look at once."""
        self.clock.skip(seconds)
        self.gateway.recheck.bell.ring()
        self.gateway.relay.bell.ring()
        self.gateway.inbox.bell.ring()

    async def set_clock_ahead(self, seconds: float) -> None:
        """Set the system's clock, and let the gateway notice."""
        self.clock.set_ahead(seconds)
        await self.gateway.timekeeper.step()

    async def stop(self) -> None:
        """Stop, once; then look that nothing secret was logged, and nothing broke."""
        if self._stopped:
            return
        self._stopped = True
        tokens: set[str] = set()
        try:
            orders = await self.gateway.store.orders(OrderFilter(limit=_MAX_ORDERS))
            tokens = {self.token(order.upstream_trx_id).partition(".")[0] for order in orders}
        finally:
            await self._client.close()
            await self.gateway.stop()
        for secret in self.secrets | tokens:
            assert secret not in self.log.text
        errors = [] if self.errors_expected else self.log.errors()
        assert errors == [], errors


class OpenHouse(Protocol):
    """Opens a gateway on an upstream, with one reseller unless told otherwise."""

    async def __call__(
        self,
        upstream_url: str,
        *,
        reseller: dict[str, Any] | None = ...,
        clock_set_by: float = ...,
        **sections: dict[str, Any],
    ) -> House: ...


@asynccontextmanager
async def open_houses(
    folder: Path, log: LogLines, journal: str | None = None, *, from_blank: bool = False
) -> AsyncIterator[OpenHouse]:
    """Give what opens houses, and stop them all at the end.

    Args:
        folder: where they have their files.
        log: where they log.
        journal: the URL of their journal, unless a test names one; None: a file in the folder.
        from_blank: begin with a copy of an empty journal, where there is none yet, not with none.
    """
    storage = {} if journal is None else {"url": journal}
    async with AsyncExitStack() as stack:

        async def open_house(
            upstream_url: str,
            *,
            reseller: dict[str, Any] | None = None,
            clock_set_by: float = 0,
            **sections: dict[str, Any],
        ) -> House:
            port = stack.enter_context(reserved_port())
            sections["storage"] = {**storage, **sections.get("storage", {})}
            settings = _settings(folder, upstream_url, port, sections)
            clock = Clock(clock_set_by)
            if from_blank and isinstance(file := settings.journal(), Path):
                lay_blank(file)
            journal = await open_journal(settings)
            house = House(Gateway(settings, journal, clock), journal.vault, clock, log)
            stack.push_async_callback(house.stop)
            await house.start()
            if not await house.gateway.desk.resellers.show_all():
                await house.add(**(reseller or {}))
            return house

        yield open_house


def _settings(
    folder: Path, upstream_url: str, port: int, sections: dict[str, dict[str, Any]]
) -> Settings:
    address = f"127.0.0.1:{port}"
    values = {
        name: {**_SHORT.get(name, {}), **sections.get(name, {})} for name in {*_SHORT, *sections}
    }
    values["server"] = {"listen": address, "public_url": f"http://{address}", **values["server"]}
    values["upstream"] = {"base_url": upstream_url, **values["upstream"]}
    return Settings.model_validate(values, context={"folder": folder})
