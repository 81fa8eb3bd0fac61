"""An evening at a top-up server: resellers, orders of a week, and what went wrong in it.

The same every time: chance has a seed, and the gateway's clock is set to a Wednesday evening. All
of it goes through the gateway's own doors, so every page shows what it would show in life.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from yarl import URL

from gateway.clients.guard import NameLookup
from gateway.clock import now_ms
from tests.support import (
    Asked,
    FakeUpstream,
    House,
    LogLines,
    Panel,
    answers,
    eventually,
    fake_upstream,
    invoice,
    open_houses,
    panel_receiving,
    product,
)
from tests.support.browser import PASSWORD
from tests.support.panel import answers as panel_answers

NOW_S: Final = 1_795_614_480  # Wednesday, 25 November 2026, 20.48 WIB
_DAY_S: Final = 86_400
_WIB_S: Final = 7 * 3600
_OPERATOR: Final = "sari"
_NAME: Final = "h2h.tokobudi.id"  # the gateway's own
_ADDRESS: Final = "203.0.113.10"

_GOODS: Final = (
    ("S1_1187", "Mobile Legends 86 Diamonds", "Mobile Legends", 21_340, 9),
    ("S1_1188", "Mobile Legends 172 Diamonds", "Mobile Legends", 42_250, 6),
    ("S1_1201", "Mobile Legends Weekly Diamond Pass", "Mobile Legends", 27_900, 8),
    ("S2_0140", "Free Fire 140 Diamonds", "Free Fire", 18_150, 9),
    ("S2_0355", "Free Fire 355 Diamonds", "Free Fire", 45_400, 4),
    ("S2_0500", "Free Fire Member Mingguan", "Free Fire", 28_750, 5),
    ("S3_0060", "PUBG Mobile 60 UC", "PUBG Mobile", 13_900, 4),
    ("S4_0330", "Genshin Impact 330 Genesis Crystals", "Genshin Impact", 65_000, 2),
    ("S5_0080", "Honor of Kings 80 Tokens", "Honor of Kings", 14_600, 3),
    ("S6_0475", "Valorant 475 Points", "Valorant", 52_300, 2),
    ("S7_0050", "Voucher Google Play Rp50.000", "Google Play", 50_900, 3),
    ("S8_0100", "Voucher Steam Wallet IDR 60.000", "Steam", 66_500, 1),
)
"""Code, name, category, Rupiah, and how often it is bought."""

_SHOPS: Final = (
    ("budicell", "Budi Cell", "panel.budicell.id", 9),
    ("kiosani", "Kios Ani Pulsa", "otomax.kiosani.com", 6),
    ("raja", "Raja Topup Medan", "h2h.rajatopup.net", 7),
    ("ujung", "Warnet Ujung", "ujung.warnet.web.id", 3),
)
"""Code, name, host of the panel, and how often it buys."""

_NAMES: Final = ("Budi", "Sari", "Agus", "Dewi", "Rizky", "Putri", "Eko", "Ayu", "Fajar", "Wulan")
_SERVERS: Final = ("2013", "2087", "8114", "9002", "12047")
# Orders by the hour of the day, WIB: the evening is when people play.
_HOURS: Final = (2, 1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 6, 7, 6, 6, 7, 8, 9, 12, 15, 16, 14, 9, 5)
_SALDI: Final = {"7f2-key-of-most-shops": 6_412_600, "c41-key-of-raja-topup": 3_180_450}
"""The upstream's keys, with the saldo under each, Rupiah."""
_TOP_UP_BELOW: Final = 900_000  # Rupiah
_TOP_UP: Final = 5_000_000
_SILENT_SHOP: Final = "ujung"


@dataclass(slots=True)
class Evening:
    """A gateway in the evening.

    Attributes:
        house: it.
        upstream: who sells.
        panel: where every panel stands.
        operator: who may log in, with `PASSWORD`.
        link: a reseller's link, as a path.
        chance: decides what is decided by chance.
        fates: what the upstream says of each order.
    """

    house: House
    upstream: FakeUpstream
    panel: Panel
    operator: str = _OPERATOR
    link: str = ""
    chance: Random = field(default_factory=lambda: Random(20_261_125))
    fates: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    saldi: dict[str, int] = field(default_factory=lambda: dict(_SALDI))
    placed: int = 0

    def now_s(self) -> float:
        """The gateway's time, seconds since the epoch."""
        return self.house.clock() / 1000

    async def until(self, at_s: float) -> None:
        """Let time pass up to a moment."""
        self.house.skip(max(0.0, at_s - self.now_s()))
        await asyncio.sleep(0)

    async def sell(self, status: str | None = "SUCCESS", code: str | None = None) -> str:
        """Let a shop order something, and the upstream decide it a while later.

        Args:
            status: what it decides; None: nothing yet.
            code: of the shop; any where None.

        Returns:
            the order's id at the upstream.
        """
        shop = code or self._any(_SHOPS)[0]
        goods = self._any(_GOODS)
        self.placed += 1
        trx_id = str(48_210_000 + self.placed * 7)
        name, user_id = f"{shop}-{trx_id}", str(self.chance.randrange(10**8, 10**9))
        sn = (
            f"{self.chance.choice(_NAMES)} - {user_id} . RefId : {goods[0]}_{20_411 + self.placed}"
        )
        note = sn if status != "FAILED" else "ID pemain tidak ditemukan"
        self.fates[name] = (status or "PENDING", note, goods[3])
        more = {"server_id": self.chance.choice(_SERVERS)} if goods[0] < "S2" else {}
        await self.house.order(trx_id, user_id, reseller=shop, product_code=goods[0], **more)
        if status is not None:
            self.house.clock.skip(self.chance.lognormvariate(1.9, 0.8))
            bill = f"APIKUY_{goods[0][:2]}_{int(self.now_s())}_{self.placed:04d}"
            told = {"invoice_number": bill, "product_price": str(goods[3]), "sn": note}
            assert await self.house.call_back(status, name, **told) == 200
            await self.house.becomes(status, name)
            self._pay(_key(shop), goods[3] if status == "SUCCESS" else 0)
        return name

    def _pay(self, key: str, price: int) -> None:
        self.saldi[key] -= price
        if self.saldi[key] < _TOP_UP_BELOW:
            self.saldi[key] += _TOP_UP

    def _any(self, table: tuple[Any, ...]) -> Any:
        return self.chance.choices(table, [row[-1] for row in table])[0]

    async def named(self, address: str) -> str:
        """Put the numbers of orders into an address: `{sold}`, `{open}` and `{dead}`."""
        orders = await self.house.orders()
        (dead,) = await self.house.deliveries("dead")
        numbers = {
            word: next(row["id"] for row in orders if row["status"] == status)
            for word, status in (("sold", "SUCCESS"), ("open", "PENDING"))
        }
        return address.format(**numbers, dead=dead["order_id"]) if "{" in address else address

    async def order_reply(self, asked: Asked) -> web.StreamResponse:
        """Take an order, as the upstream does."""
        query = asked.query
        line = (
            f"R#{query['trx_id']} {query['product_code']}.{query['user_id']}, status PENDING."
            f" RefId : {query['product_code']}_{20_411 + self.placed}"
            f" . Sisa saldo {self.saldi[query['apikey']]}"
        )
        return web.Response(text=line)

    async def look_up(self, asked: Asked) -> web.StreamResponse:
        """Say what an order's fate is."""
        status, note, price = self.fates[asked.trx_id]
        return await invoice(status, note, amount=price, product={"price": price})(asked)


@asynccontextmanager
async def evening(
    folder: Path, log: LogLines, *, a_day: int, days: int = 7
) -> AsyncIterator[Evening]:
    """Give a gateway in the evening.

    Args:
        folder: where its files are.
        log: where it logs.
        a_day: orders of a whole day.
        days: how many there were.
    """
    async with (
        fake_upstream() as upstream,
        panel_receiving() as panel,
        open_houses(folder, log) as open_house,
    ):
        begin_s = NOW_S - days * _DAY_S
        with _named(panel):
            house = await open_house(
                upstream.url,
                reseller={"code": _SHOPS[0][0], **_shop(_SHOPS[0])},
                clock_set_by=begin_s - now_ms() / 1000,
                server={"public_url": f"https://{_NAME}"},
                alert={"saldo_below": 2_000_000, "disk_free_mib": 0, "remind_s": 0},
                recheck={"schedule_s": [600], "settle_s": 0.3, "expire_s": 86_400},
            )
            one = Evening(house, upstream, panel)
            await _open_shop(one)
            await _week(one, begin_s, a_day)
            await _tonight(one)
            yield one


def _key(shop: str) -> str:
    """Return under which key a shop buys."""
    most, rajas = _SALDI
    return rajas if shop == "raja" else most


def _shop(row: tuple[str, str, str, int]) -> dict[str, Any]:
    return {
        "name": row[1],
        "callback_url": f"http://{row[2]}/h2h/callback",
        "upstream_key": _key(row[0]),
    }


@contextmanager
def _named(panel: Panel) -> Iterator[None]:
    """Let the panels' names lead to the one panel that there is, while the block runs.

    The gateway's own name has an address that is for documents, and nobody is asked for it.
    """
    known, port = {row[2] for row in _SHOPS}, int(panel.url.split(":")[2].split("/")[0])
    ask, loop = NameLookup.resolve, asyncio.get_running_loop()
    ask_system = loop.getaddrinfo

    async def resolve(
        names: NameLookup, host: str, asked: int = 0, family: Any = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await ask(names, "127.0.0.1" if host in known else host, asked, family)
        return [{**one, "port": port} if host in known else one for one in found]

    async def addresses(host: Any, *args: Any, **more: Any) -> Any:
        if host != _NAME:
            return await ask_system(host, *args, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (_ADDRESS, 0))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "getaddrinfo", addresses)
        patch.setattr(NameLookup, "resolve", resolve)
        yield


async def _open_shop(one: Evening) -> None:
    """Let everybody come."""
    house, upstream = one.house, one.upstream
    upstream.order, upstream.look_up = one.order_reply, one.look_up
    listed = [
        {**product(code, price), "product_name": name, "category_title": category}
        for code, name, category, price, _ in _GOODS
    ]
    listed[-1]["is_active"] = False
    upstream.lists["/v1/products"] = answers(listed)
    for name, role in ((_OPERATOR, "operator"), ("joko", "viewer")):
        values = {"name": name, "role": role, "password": PASSWORD}
        await house.gateway.desk.do("admin.add", values)
    for row in _SHOPS[1:]:
        values = {"code": row[0], **_shop(row)}
        made = await house.gateway.desk.do("reseller.add", values, _OPERATOR)
        house.keys[row[0]] = made["key"]
    house.secrets |= {PASSWORD, *_SALDI, *house.keys.values()}
    await house.gateway.price_watch.step()


async def _week(one: Evening, begin_s: float, a_day: int) -> None:
    """Let people buy, up to half an hour ago."""
    for at_s in _moments(one.chance, begin_s, a_day):
        await one.until(at_s)
        await one.sell("FAILED" if one.chance.random() < 0.04 else "SUCCESS")
        if one.placed == 3 * a_day:
            await _dearer(one)
        if one.placed % 4 == 0:
            await one.house.gateway.watch.step()


def _moments(chance: Random, begin_s: float, a_day: int) -> list[float]:
    """Return when somebody buys, seconds since the epoch."""
    found: list[float] = []
    first_hour = int(begin_s // 3600) + 1
    last_hour = (NOW_S - 1800) // 3600
    for hour in range(first_hour, last_hour + 1):
        share = _HOURS[(hour * 3600 + _WIB_S) % _DAY_S // 3600] / sum(_HOURS)
        count = int(share * a_day + chance.random())
        found += [hour * 3600 + chance.random() * 3600 for _ in range(count)]
    return sorted(at for at in found if at < NOW_S - 1800)


async def _dearer(one: Evening) -> None:
    """Let prices change."""
    listed = [
        {**product(code, price + 350 * (n % 3 - 1)), "product_name": name, "category_title": group}
        for n, (code, name, group, price, _) in enumerate(_GOODS)
    ]
    one.upstream.lists["/v1/products"] = answers(listed)
    await one.house.gateway.price_watch.step()


async def _tonight(one: Evening) -> None:
    """Let something go wrong, and leave it for somebody to see to."""
    house, desk = one.house, one.house.gateway.desk
    await eventually(lambda: _nothing_due(house), within_s=60)
    one.saldi[_key("budicell")] = 1_873_400  # the alert of a low saldo is of tonight
    one.saldi[_key("raja")] = 3_904_150
    await one.until(NOW_S - 1750)
    await one.sell(None, "raja")
    one.panel.reply = panel_answers(500)
    await one.until(NOW_S - 1500)
    await one.sell("SUCCESS", _SILENT_SHOP)
    await eventually(lambda: house.deliveries("dead"), within_s=60)
    one.panel.reply = panel_answers(200)
    values = {"host": f"{_SHOPS[1][2]}:80", "reason": "Ani ganti server, selesai jam 21"}
    values["who"] = _OPERATOR
    await desk.do("delivery.pause", values, _OPERATOR)
    for n, code in enumerate(["budicell", "kiosani", "raja", "budicell", "kiosani", "budicell"]):
        await one.until(NOW_S - 1200 + 190 * n)
        name = await one.sell("SUCCESS", code)
        if code != _SHOPS[1][0]:
            await eventually(partial(_is_told, house, name), within_s=60)
    for code, ago_s in (("budicell", 21), ("raja", 9)):
        await one.until(NOW_S - ago_s)
        await one.sell(None, code)
    made = await desk.do("link.make", {"code": "budicell", "days": 7, "who": _OPERATOR}, _OPERATOR)
    one.link = URL(made["url"]).path
    house.secrets.add(one.link.rpartition("/")[2])
    await one.until(NOW_S)
    await house.gateway.watch.step()


async def _is_told(house: House, name: str) -> bool:
    return "told" in await house.kinds(name)


async def _nothing_due(house: House) -> bool:
    return not await house.deliveries("due")
