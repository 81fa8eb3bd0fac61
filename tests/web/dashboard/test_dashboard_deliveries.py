"""*Kiriman*: hosts, their deliveries, sending again, pausing."""

import asyncio
import re
from html import unescape
from urllib.parse import urlsplit

import pytest

from gateway.domain.errors import NotDone
from gateway.flow import relay
from gateway.store import PausedHost
from tests.support import FakeUpstream, House, OpenHouse, Panel, eventually, says, stays
from tests.support.browser import Browser
from tests.support.panel import answers

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose deliveries die soon, and that buys with success at once."""
    upstream.order = says(SUCCESS)
    return await open_house(
        upstream.url, delivery={"schedule_s": [0, 0]}, recheck={"schedule_s": [3600]}
    )


async def becomes(house: House, state: str, count: int) -> None:
    async def look() -> bool:
        return len(await house.deliveries(state)) == count

    await eventually(look)


def host_of(panel: Panel) -> str:
    return urlsplit(panel.url).netloc


def fields(text: str, action: str) -> dict[str, str]:
    """What the form that goes to an address would send, pressed as it is."""
    form = re.search(rf'<form method="post" action="{action}".*?</form>', text, re.DOTALL)
    assert form is not None
    pairs = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
    return {name: unescape(value) for name, value in pairs}


async def test_hosts_are_listed_with_what_waits_and_what_died(
    house: House, operator: Browser, panel: Panel
) -> None:
    panel.reply = answers(500)
    await house.order("T1", callback_url=panel.url)
    await becomes(house, "dead", 1)
    page = await operator.get("/deliveries")
    assert f"{host_of(panel)} ada yang gagal total 0 1 HTTP 500" in page.words
    page = await operator.get(f"/deliveries/list?host={host_of(panel)}&state=dead")
    assert "toko-T1 SUCCESS Gagal total 2" in page.words
    assert "toko-T1" not in (await operator.get("/deliveries/list?host=x.test:80")).words
    assert "toko-T1" in (await operator.get("/deliveries/list")).words
    assert "toko-T1" not in (await operator.get("/deliveries/list?state=due")).words


async def test_one_is_sent_again(house: House, operator: Browser, panel: Panel) -> None:
    panel.reply = answers(500, 500, 200)
    await house.order("T1", callback_url=panel.url)
    await becomes(house, "dead", 1)
    (dead,) = await house.deliveries("dead")
    page = await operator.post("/deliveries/resend", {"id": str(dead["id"])})
    assert "dijadwalkan lagi" in page.words
    await becomes(house, "delivered", 1)
    assert len(panel.targets) == 3
    (row,) = await house.gateway.store.audit(about=str(dead["id"]))
    assert (row.who, row.command) == ("operator", "delivery.resend")


async def test_many_are_counted_before_they_are_sent_again(
    house: House, operator: Browser, panel: Panel
) -> None:
    panel.reply = answers(500)
    for n in range(3):
        await house.order(f"T{n}", callback_url=panel.url)
    await becomes(house, "dead", 3)
    told = len(panel.targets)
    panel.reply = answers(200)
    host = host_of(panel)
    page = await operator.get(
        f"/deliveries/resend-all?host={host}&state=dead&since=2020-01-01T00:00"
    )
    assert "3 kiriman" in page.words
    assert len(panel.targets) == told
    meant = fields(page.text, "/deliveries/resend-all")
    page = await operator.post("/deliveries/resend-all", meant)
    assert page.status == 200
    await becomes(house, "delivered", 3)
    far = await operator.get(f"/deliveries/resend-all?host={host}&since=2999-01-01T00:00")
    assert "0 kiriman" in far.words
    assert 'action="/deliveries/resend-all"' not in far.text


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "since=", "since=2026-11-26T08:00&state=superseded", "since=99999"],
)
async def test_what_can_not_be_meant_is_refused(operator: Browser, query: str) -> None:
    assert (await operator.get(f"/deliveries/resend-all?{query}")).status == 409


async def test_a_paused_host_is_told_nothing_and_loses_nothing(
    house: House, operator: Browser, panel: Panel
) -> None:
    host = host_of(panel)
    page = await operator.post("/deliveries/pause", {"host": host, "reason": "pindah <server>"})
    assert "Host dijeda." in page.words
    assert "Dijeda oleh operator sejak" in page.words
    assert "pindah <server>" in page.words
    await house.order("T1", callback_url=panel.url)
    await stays(lambda: panel.targets, [])
    assert (await house.deliveries("due"))[0]["attempts"] == 0
    assert f"{host} dijeda 1 0" in (await operator.get("/deliveries")).words
    order = await house.shown("toko-T1")
    assert "dijeda" in (await operator.get(f"/orders/{order['id']}")).words
    assert f"Host dijeda {host}" in (await operator.get("/system")).words
    await operator.post("/deliveries/resume", {"host": host})
    await becomes(house, "delivered", 1)
    assert len(panel.targets) == 1
    rows = await house.gateway.store.audit(about=host)
    assert [(row.who, row.command) for row in rows] == [
        ("operator", "delivery.resume"),
        ("operator", "delivery.pause"),
    ]


async def test_a_pause_delays_nobody_else(
    house: House, panel: Panel, open_house: OpenHouse
) -> None:
    await house.gateway.desk.do("delivery.pause", {"host": "127.0.0.1:9"})
    for n in range(3):
        await house.order(f"P{n}", callback_url="http://127.0.0.1:9/x")
    await house.order("T1", callback_url=panel.url)
    await becomes(house, "delivered", 1)
    await becomes(house, "due", 3)


async def test_what_is_paused_elsewhere_is_seen_soon(
    house: House, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_PAUSED_FOR_S", 0.2)
    house.gateway.relay.look_who_is_paused()
    await asyncio.sleep(0.3)
    store, host = house.gateway.store, host_of(panel)
    await store.pause_host(PausedHost(host=host, since=0, who="another gateway"))
    await asyncio.sleep(0.6)
    await house.order("T1", callback_url=panel.url)
    await stays(lambda: panel.targets, [])
    await store.resume_host(host)
    await becomes(house, "delivered", 1)


async def test_a_start_keeps_a_pause(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS)
    first = await open_house(upstream.url)
    await first.gateway.desk.do("delivery.pause", {"host": host_of(panel)})
    await first.order("T1", callback_url=panel.url)
    await first.stop()
    second = await open_house(upstream.url)
    await stays(lambda: panel.targets, [])
    await second.gateway.desk.do("delivery.resume", {"host": host_of(panel)})
    await eventually(lambda: len(panel.targets) == 1)


@pytest.mark.parametrize("host", ["", "x", "http://p.test", "p.test:80/x", "p.test:80 ", "a b:80"])
async def test_what_is_no_host_is_not_paused(house: House, host: str) -> None:
    with pytest.raises(NotDone, match="a host is HOST:PORT"):
        await house.gateway.desk.do("delivery.pause", {"host": host})


async def test_a_host_that_does_not_answer_is_called_silent(
    house: House, operator: Browser
) -> None:
    for n in range(6):
        await house.order(f"T{n}", callback_url="http://127.0.0.1:9/x")

    async def look() -> bool:
        return "tidak menjawab" in (await operator.get("/deliveries")).words

    await eventually(look)
    (row,) = await house.gateway.desk.do("delivery.hosts", {})
    assert row["silent_since"] is not None


async def test_a_viewer_sees_and_changes_nothing(
    house: House, viewer: Browser, panel: Panel
) -> None:
    await house.order("T1", callback_url=panel.url)
    page = await viewer.get("/deliveries/list")
    assert "toko-T1" in page.words
    assert "Kirim ulang" not in page.words
    for path in ("pause", "resume", "resend", "resend-all"):
        assert (await viewer.post(f"/deliveries/{path}", {"host": "p.test:80"})).status == 403
    assert await house.gateway.store.paused_hosts() == []


async def test_deliveries_are_paged(house: House, operator: Browser, panel: Panel) -> None:
    for n in range(55):
        await house.order(f"T{n:02}", callback_url=panel.url)
    await becomes(house, "delivered", 55)
    first = await operator.get(f"/deliveries/list?host={host_of(panel)}")
    assert "toko-T54" in first.words
    assert "toko-T04" not in first.words
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    second = await operator.get(unescape(older[1]))
    assert "toko-T04" in second.words
    assert "toko-T54" not in second.words
    assert 'rel="next"' not in second.text
