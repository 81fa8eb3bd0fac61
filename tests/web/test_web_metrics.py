"""What /metrics shows, and that what is built upon it (contrib/) asks for nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import metrics
from gateway.domain.alert import Kind
from tests.support import FakeUpstream, House, OpenHouse, says
from tests.support.telegram import CHAT, TOKEN, fake_telegram

CONTRIB = Path(__file__).parents[2] / "contrib"
SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 54321"
METRIC = re.compile(r"otomax_gateway_\w+")

OUTCOMES = (
    "stored|kept|signature|full|nobody|address|token|accepted|refused|sent|failed|given_up"
    "|answered|server_error|unsent|no_answer"
)
# Every label, and what it may hold; a stranger's text would be a new series for each of them.
LABELS: dict[str, re.Pattern[str]] = {
    "route": re.compile(r"order|status|user|trx|balance|products|category|product|dashboard"),
    "http_status": re.compile(r"[1-5]\d\d"),
    "source": re.compile(r"reply|callback|lookup|operator"),
    "status": re.compile(r"PENDING|PAID|SUCCESS|PARTIAL_SUCCESS|FAILED|REFUNDED"),
    "outcome": re.compile(OUTCOMES),
    "reason": re.compile(r"full|address|silent|slow|unread|[a-z]{1,12}"),
    "listener": re.compile(r"public|admin|test"),  # the last one is of other tests in this process
    "kind": re.compile("|".join(Kind)),
    "channel": re.compile(r"telegram|webhook"),
    "key": re.compile(r"\S{1,24}"),
    "le": re.compile(r"[\d.]+|\+Inf"),
}
MAX_SERIES = 1000  # of a gateway with few resellers; what grows beyond it grows with strangers


async def shown(house: House) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{house.admin_url}/metrics") as response,
    ):
        return await response.text()


@pytest.fixture
async def busy(open_house: OpenHouse, upstream: FakeUpstream) -> Any:
    """A gateway to which everything has happened that is counted."""
    upstream.order = says(SUCCESS)
    async with fake_telegram() as telegram:
        chat = {"telegram_chat": CHAT, "telegram_token": TOKEN, "telegram_url": telegram.url}
        house = await open_house(upstream.url, alert=chat)
        await house.order()
        await house.call_back("SUCCESS")
        await house.get("/v1/otomax/user?apikey=wrong")
        await house.get("/nowhere/at/all")
        await house.set_clock_ahead(3600)
        await house.gateway.desk.do("alert.test", {})
        house.gateway.watch._paces.clear()
        account = house.gateway.directory.accounts()[0].id
        now = house.clock()
        for hours, saldo in ((5, 90_000), (1, 60_000)):
            await house.gateway.store.add_saldi(now - hours * 3_600_000, {account: saldo})
        await house.gateway.watch.step()
        await house.gateway.housekeeper.step()
        # One that only a connection too many counts, and one that only a refused delivery does.
        metrics.connections_refused.labels("crowd").inc(0)
        metrics.delivery("accepted").inc(0)
        yield house


async def test_all_of_it_is_described_and_no_label_is_a_stranger_s(busy: House) -> None:
    text = await shown(busy)
    families = list(text_string_to_metric_families(text))
    assert all(len(family.documentation) > 20 for family in families)
    samples = [sample for family in families for sample in family.samples]
    for sample in samples:
        for name, value in sample.labels.items():
            assert LABELS[name].fullmatch(value), sample
    assert len(samples) < MAX_SERIES
    for secret in (*busy.secrets, TOKEN):
        assert secret not in text


async def test_figures_are_what_they_are(busy: House) -> None:
    text = await shown(busy)
    figures = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    hint = busy.gateway.directory.accounts()[0].hint
    assert figures["otomax_gateway_saldo_rupiah", hint] == 54321
    hours = figures["otomax_gateway_saldo_hours_left", hint]
    assert 54321 / 9000 < hours < 54321 / 5000
    assert figures["otomax_gateway_alerts_open", "clock_set"] == 1
    assert figures["otomax_gateway_alerts_open", "disk_low"] == 0
    assert figures[("otomax_gateway_disk_free_bytes",)] > 0
    assert figures[("otomax_gateway_backup_age_seconds",)] == float("inf")
    assert figures["otomax_gateway_upstream_calls_total", "answered"] >= 1
    assert figures["otomax_gateway_upstream_seconds_bucket", "+Inf"] >= 1
    assert figures["otomax_gateway_notices_total", "telegram", "sent"] >= 1


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml"])
async def test_what_is_built_upon_metrics_names_real_ones(busy: House, name: str) -> None:
    there = {
        sample.name
        for family in text_string_to_metric_families(await shown(busy))
        for sample in family.samples
    }
    named = set(METRIC.findall((CONTRIB / name).read_text(encoding="utf-8")))
    assert named
    assert named - there == set()


def test_every_metric_has_its_place_on_the_dashboard() -> None:
    text = (CONTRIB / "grafana.json").read_text(encoding="utf-8")
    ours = {family.name for family in metrics._REGISTRY.collect()}
    assert {name for name in ours if name not in text} == set()


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((CONTRIB / "grafana.json").read_text(encoding="utf-8"))
    assert dashboard["schemaVersion"] >= 38, "Grafana 10"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["title"]
        if panel["type"] != "row":
            assert all(target["expr"] for target in panel["targets"])
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {
                "${datasource}"
            }


def test_every_rule_waits_and_says_what_to_do() -> None:
    text = (CONTRIB / "alerts.yml").read_text(encoding="utf-8")
    rules = text.split("- alert: ")[1:]
    assert len(rules) > 10
    for rule in rules:
        for part in ("expr:", "for:", "severity:", "summary:", "description:"):
            assert rule.count(part) == 1, rule


def test_a_latency_counts_what_the_library_would() -> None:
    latency = metrics.Latency("x", "about", (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 2.0):
        latency.observe(seconds)
    (family,) = latency.collect()
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert found == {"0.1": 2, "1.0": 3, "+Inf": 4, "x_count": 4, "x_sum": 2.65}
