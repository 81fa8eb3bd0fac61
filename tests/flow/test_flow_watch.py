"""What an operator is told by itself: raised while it is so, over when it is over."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.domain.alert import Kind
from gateway.flow import watch as watch_module
from gateway.flow.watch import BACKUP
from tests.support import (
    FakeUpstream,
    House,
    OpenHouse,
    Panel,
    drops,
    eventually,
    invoice,
    refuses,
    says,
)
from tests.support.panel import answers
from tests.support.telegram import CHAT, TOKEN, FakeTelegram, fake_telegram, refuses_with

SUCCESS = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo %d"
HOUR = 3600
QUIET = {"schedule_s": [3600]}


async def look(house: House) -> dict[str, str]:
    """Let the gateway look, and return what stands, by kind."""
    await house.gateway.watch.step()
    return {alert.kind.value: alert.text for alert in await house.gateway.store.alerts()}


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with fake_telegram() as fake:
        yield fake


def to(telegram: FakeTelegram, **more: Any) -> dict[str, Any]:
    """The section `[alert]` with a chat."""
    return {
        "telegram_chat": CHAT,
        "telegram_token": TOKEN,
        "telegram_url": telegram.url,
        **more,
    }


async def test_a_gateway_that_is_well_says_nothing(house: House) -> None:
    await house.order()
    assert await look(house) == {}


async def test_orders_that_are_open_for_long(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=QUIET, alert={"orders_open_s": 1800})
    await house.order("T1")
    await house.order("T2")
    assert await look(house) == {}
    house.clock.skip(1801)
    text = (await look(house))["orders_late"]
    assert text == "2 order terlalu lama pending, tertua toko-T1 30 menit / oldest open for 30 min"
    upstream.look_up = invoice("SUCCESS", "Budi")
    for name in ("toko-T1", "toko-T2"):
        await house.gateway.desk.orders.recheck(name)
    assert await look(house) == {}


async def test_an_upstream_that_does_not_answer(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=QUIET)
    upstream.look_up = upstream.order = drops
    for n in range(3):
        await house.order(f"T{n}")
    heard = house.gateway.watch._heard
    assert await look(house) == {}, "not for long yet"
    assert heard.failing_since is not None
    heard.failing_since -= 61
    assert "tidak ada jawaban sejak 1 menit" in (await look(house))["upstream_unreachable"]
    upstream.look_up = refuses("SERVER_ERROR", 500)
    await house.status("T0")
    assert "upstream_unreachable" in await look(house), "an error of its own is no answer"
    upstream.look_up = invoice("PENDING", "RefId : ML_1")
    await house.status("T1")
    assert heard.failing_since is None
    assert await look(house) == {}


async def test_what_the_process_before_said_of_the_upstream_stands_until_it_answers(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    first = await open_house(upstream.url, recheck=QUIET)
    heard = first.gateway.watch._heard
    for at in (-70.0, -60.0, -50.0):
        heard.failure(asyncio.get_running_loop().time() + at)
    assert "upstream_unreachable" in await look(first)
    await first.stop()
    second = await open_house(upstream.url, recheck=QUIET)
    second.keys.update(first.keys)
    assert "upstream_unreachable" in await look(second)
    await second.order()
    assert await look(second) == {}


@pytest.mark.parametrize("code", ["API_KEY_NOT_FOUND", "IP_NOT_WHITELISTED"])
async def test_a_key_that_the_upstream_refuses(
    house: House, upstream: FakeUpstream, code: str
) -> None:
    upstream.order = refuses(code, 401, "Unauthorized")
    assert "status FAILED. " + code in await house.order()
    text = (await look(house))["key_refused"]
    assert text == f"kunci upstr… (toko) ditolak: {code} / key refused" or code in text
    assert "upstream-key-of-toko" not in text
    upstream.order = says(SUCCESS % 5)
    await house.order("T2")
    assert await look(house) == {}


async def test_a_key_that_is_refused_to_a_look_up_or_to_a_question_of_saldo(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = refuses("IP_NOT_WHITELISTED", 401, "Unauthorized")
    await house.order()
    await eventually(lambda: upstream.look_ups)
    assert "key_refused" in await eventually(lambda: look(house))
    upstream.order = says(SUCCESS % 5)
    await house.order("T2")
    upstream.look_up = invoice("SUCCESS", "Budi")
    await house.becomes("SUCCESS")
    assert await look(house) == {}
    upstream.user = refuses("API_KEY_NOT_FOUND", 401, "Unauthorized")
    await house.user()
    assert "key_refused" in await look(house)


async def test_callbacks_from_another_address(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, recheck=QUIET, upstream={"callback_ips": ["192.0.2.1"]})
    await house.order()
    assert await house.call_back("SUCCESS", token="guessed.toko-T1") == 403
    assert await look(house) == {}, "anybody may call so"
    assert await house.call_back("SUCCESS") == 403
    assert (await look(house))["callbacks_refused"].startswith("callback asli dari 127.0.0.1 ")
    upstream_settings = house.gateway.settings.upstream.model_copy(update={"callback_ips": ()})
    house.gateway.reload(house.gateway.settings.model_copy(update={"upstream": upstream_settings}))
    assert "callbacks_refused" in await look(house)
    assert await house.call_back("SUCCESS") == 200
    assert await look(house) == {}


async def test_a_player_s_name_refuses_no_key(house: House, upstream: FakeUpstream) -> None:
    upstream.order = says(
        "R#{trx_id} S1_1187.{user_id}, status FAILED. Nickname API_KEY_NOT_FOUND salah"
        " . Sisa saldo 5"
    )
    await house.order()
    assert "key_refused" not in await look(house)


async def test_a_refused_key_that_nobody_buys_under_any_more(
    house: House, upstream: FakeUpstream
) -> None:
    upstream.order = refuses("API_KEY_NOT_FOUND", 401, "Unauthorized")
    await house.order()
    assert "key_refused" in await look(house)
    await house.gateway.desk.resellers.change("toko", upstream_key="another-upstream-key")
    assert await look(house) == {}


async def test_saldo_below_a_threshold(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, alert={"saldo_below": 10_000})
    upstream.order = says(SUCCESS % 9_999)
    await house.order()
    text = (await look(house))["saldo_low"]
    assert "(toko) Rp9.999" in text
    upstream.order = says(SUCCESS % 11_000)
    await house.order("T2")
    assert "saldo_low" in await look(house), "not clearly enough yet"
    upstream.order = says(SUCCESS % 12_000)
    await house.order("T3")
    assert await look(house) == {}


async def test_saldo_that_is_empty_soon(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, alert={"saldo_hours": 7})
    for n in range(5):
        upstream.order = says(SUCCESS % (1_000_000 - n * 100_000))
        await house.order(f"T{n}")
        assert ("saldo_low" in await look(house)) == (n == 4), n
        house.clock.skip(HOUR)
    (alert,) = await house.gateway.store.alerts()
    assert "Rp600.000, habis dalam 6 jam / empty within 6 h" in alert.text


async def test_saldo_is_noted_once_a_minute_and_only_where_it_changed(
    house: House, upstream: FakeUpstream
) -> None:
    for n in range(4):
        upstream.order = says(SUCCESS % (1000 - n // 2))
        await house.order(f"T{n}")
        await look(house)
        house.clock.skip(40)
    (account,) = house.gateway.directory.accounts()
    history = await house.gateway.store.saldo_history(account.id, 0)
    assert [seen.saldo for seen in history] == [1000, 999]
    house.clock.skip(31 * 86_400)
    await look(house)
    assert await house.gateway.store.saldo_history(account.id, 0) == []


async def test_a_reseller_who_takes_no_deliveries(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel
) -> None:
    upstream.order = says(SUCCESS % 5)
    panel.reply = answers(500)
    house = await open_house(
        upstream.url,
        recheck=QUIET,
        delivery={"schedule_s": [0, 7200, 7200]},
        alert={"delivery_late_s": 3600},
    )
    await house.order(callback_url=panel.url)
    await eventually(lambda: panel.targets)
    assert await look(house) == {}
    house.clock.skip(3700)
    text = (await look(house))["deliveries_late"]
    assert text.startswith("1 callback ke toko menunggu, tertua 1 jam")
    panel.reply = answers(200)
    house.skip(3600)
    await eventually(lambda: len(panel.targets) == 2)
    assert await eventually(lambda: _gone(house))


async def _gone(house: House) -> bool:
    return await look(house) == {}


async def test_a_disk_that_is_nearly_full(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, alert={"disk_free_mib": 10**9})
    assert " MiB left on the journal's disk" in (await look(house))["disk_low"]
    house.gateway.watch.thresholds = house.gateway.watch.thresholds._replace(disk_free_mib=1)
    assert await look(house) == {}


async def test_a_backup_that_is_old(open_house: OpenHouse, upstream: FakeUpstream) -> None:
    house = await open_house(upstream.url, recheck=QUIET, alert={"backup_s": 86_400})
    upstream.order = says(SUCCESS % 5)
    house.clock.skip(90_000)
    assert await look(house) == {}, "nothing is there that could be lost"
    await house.order()
    house.clock.skip(86_500)
    assert (await look(house))["backup_old"].startswith("belum pernah ada backup")
    made = json.dumps({"at": house.clock(), "path": "/b/1.db.gz", "bytes": 5}).encode()
    await house.gateway.store.put_meta(BACKUP, made)
    assert await look(house) == {}
    house.clock.skip(86_500)
    assert (await look(house))["backup_old"] == (
        "backup terakhir 24 jam lalu / the last good backup is 24 h old"
    )


async def test_a_backup_s_mark_that_nobody_can_read_is_none(house: House) -> None:
    await house.gateway.store.put_meta(BACKUP, b"yesterday")
    assert await house.gateway.watch._backed_up_at() is None


async def test_all_of_it_can_be_switched_off(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    off = {"orders_open_s": 0, "upstream_silent_s": 0, "delivery_late_s": 0, "backup_s": 0}
    house = await open_house(upstream.url, recheck=QUIET, alert=off)
    await house.order()
    for _ in range(3):
        house.gateway.watch._heard.failure(0.0)
    house.clock.skip(10 * 86_400)
    assert await look(house) == {}


async def test_an_alert_goes_its_whole_way_to_telegram(
    open_house: OpenHouse, upstream: FakeUpstream, panel: Panel, telegram: FakeTelegram
) -> None:
    upstream.order = says(SUCCESS % 5)
    panel.reply = answers(500)
    house = await open_house(upstream.url, alert=to(telegram, name="gw-satu"))
    await house.order(callback_url=panel.url)
    (text,) = await eventually(lambda: telegram.texts)
    assert text.startswith("🔴 PERINGATAN [gw-satu]: Callback ke panel gagal total\ntoko-T1: ")
    panel.reply = answers(200)
    (dead,) = await house.deliveries("dead")
    house.gateway.notifier.pause_s = 0
    house.gateway.notifier._free_at.clear()
    await house.gateway.desk.do("delivery.resend", {"delivery_id": dead["id"]})
    await eventually(lambda: len(telegram.texts) == 2)
    assert telegram.texts[1].startswith("✅ SELESAI [gw-satu]: Callback ke panel gagal total")
    assert TOKEN not in house.log.text


async def test_no_order_waits_for_telegram(
    open_house: OpenHouse, upstream: FakeUpstream, telegram: FakeTelegram
) -> None:
    """A channel that hangs, while an alert is told on it."""
    released = asyncio.Event()

    async def hang() -> Any:
        await released.wait()
        return await refuses_with(500, "x")()

    telegram.reply = hang
    house = await open_house(upstream.url, alert=to(telegram))
    await house.set_clock_ahead(3600)
    await eventually(lambda: telegram.messages)
    upstream.order = says(SUCCESS % 5)
    assert "SUCCESS" in await house.order()
    released.set()


async def test_a_journal_that_can_not_be_written_is_told_without_it(
    open_house: OpenHouse,
    upstream: FakeUpstream,
    telegram: FakeTelegram,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "_BROKEN_AFTER_S", 0.0)
    house = await open_house(upstream.url, recheck=QUIET, alert=to(telegram))
    house.gateway.watch.bell.ring()
    await eventually(lambda: house.gateway.watch._pruned_at)  # its own first look is over
    await house.break_journal()
    for _ in range(3):
        await house.gateway.watch.look()
    (text,) = telegram.texts
    assert text.startswith("🔴 PERINGATAN: Jurnal tidak bisa ditulis")
    await house.break_journal(broken=False)
    for _ in range(2):
        await house.gateway.watch.look()
    assert len(telegram.texts) == 2
    assert telegram.texts[1].startswith("✅ SELESAI: Jurnal tidak bisa ditulis")


async def test_the_desk_sends_a_test(
    open_house: OpenHouse, upstream: FakeUpstream, telegram: FakeTelegram
) -> None:
    house = await open_house(upstream.url, alert=to(telegram))
    told = await house.gateway.desk.do("alert.test", {})
    assert told == [{"channel": "telegram", "ok": True, "said": "ok"}]


async def test_kinds_are_shown_where_alerts_are_listed(house: House) -> None:
    await house.set_clock_ahead(3600)
    (shown,) = await house.gateway.desk.do("alert.list", {})
    assert (shown["kind"], shown["severity"]) == (Kind.CLOCK_SET.value, "warning")


async def test_a_reload_takes_over_thresholds_and_channels(
    open_house: OpenHouse, upstream: FakeUpstream, telegram: FakeTelegram
) -> None:
    house = await open_house(upstream.url)
    alert = house.gateway.settings.alert.model_copy(update=to(telegram, disk_free_mib=10**9))
    house.gateway.reload(house.gateway.settings.model_copy(update={"alert": alert}))
    (event,) = house.log.events("config.reloaded")
    assert "alert.telegram_token" in event["changed"]
    assert event["needs_restart"] == []
    assert TOKEN not in house.log.text
    await look(house)
    assert "Disk hampir penuh" in (await eventually(lambda: telegram.texts))[0]


async def test_a_token_comes_from_its_file(
    open_house: OpenHouse, upstream: FakeUpstream, telegram: FakeTelegram, tmp_path: Any
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    files = {"telegram_token": "123456:wrong", "telegram_token_file": "token"}
    house = await open_house(upstream.url, alert=to(telegram) | files)
    assert (await house.gateway.desk.do("alert.test", {}))[0]["ok"]


@pytest.mark.parametrize("content", ["", "two words", None])
async def test_a_token_that_can_not_be_read_stops_nobody_from_selling(
    open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Any, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    alert = {"telegram_chat": CHAT, "telegram_token_file": "token"}
    house = await open_house(upstream.url, alert=alert)
    house.errors_expected = True
    (event,) = house.log.events("alert.channel_unusable")
    assert event["channel"] == "telegram"
    assert "status PENDING" in await house.order()
    assert await house.gateway.desk.do("alert.test", {}) == []
