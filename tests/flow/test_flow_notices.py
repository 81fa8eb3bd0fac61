"""Telling the operator: once each, whatever dies or refuses meanwhile, and never too much."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.clients.channels import Telegram, Webhook
from gateway.clients.notices import NoticeClient
from gateway.domain.alert import KINDS, Alarm, Kind
from gateway.flow import notifier as notifier_module
from gateway.flow.notifier import GIVE_UP_S, Notifier, Reminding
from gateway.store import Store
from tests.store.journals import T0, open_journal
from tests.support import LogLines, eventually
from tests.support.telegram import (
    CHAT,
    TOKEN,
    FakeTelegram,
    fake_telegram,
    hangs,
    refuses_with,
)

HOUR_MS = 3_600_000
SECRET = "canary-of-the-webhook-secret"


class Desk:
    """A journal, a clock, and a notifier whose steps a test takes."""

    def __init__(self, store: Store, path: Path, client: NoticeClient) -> None:
        self.store = store
        self.path = path
        self.client = client
        self.now = T0
        self.notifier = self.begin()

    def begin(self) -> Notifier:
        """A notifier that remembers nothing, as after a start."""
        notifier = Notifier(self.store, lambda: self.now)
        notifier.reminding = Reminding(every_s=6 * 3600, at_most=2)
        return notifier

    def telegram(self, fake: FakeTelegram, token: str = TOKEN) -> Telegram:
        return Telegram(self.client, fake.url, token, CHAT)

    async def crash(self) -> None:
        """End the process and start another one on the same journal."""
        channels = self.notifier.channels
        await self.store.close()
        self.store = await open_journal(self.path)
        self.notifier = self.begin()
        self.notifier.channels = channels

    async def alarm(self, kind: Kind = Kind.DISK_LOW, about: str | None = "") -> None:
        assert await self.store.raise_alert(Alarm(self.now, kind, f"{kind} {about}", about))

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, and the notifier look now and then."""
        until = self.now + round(seconds * 1000)
        while self.now < until:
            self.now = min(until, self.now + 20_000)
            while await self.notifier.step():
                pass


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with fake_telegram() as fake:
        yield fake


@pytest.fixture
async def desk(tmp_path: Path, telegram: FakeTelegram, log: LogLines) -> AsyncIterator[Desk]:
    path = tmp_path / "gateway.db"
    client = NoticeClient(timeout_s=1.0)
    desk = Desk(await open_journal(path), path, client)
    desk.notifier.channels = (desk.telegram(telegram),)
    yield desk
    await client.close()
    await desk.store.close()
    assert TOKEN not in log.text
    assert SECRET not in log.text


async def test_an_alert_is_told_once_indonesian_first(desk: Desk, telegram: FakeTelegram) -> None:
    await desk.alarm()
    for _ in range(3):
        await desk.notifier.step()
    (message,) = telegram.messages
    assert telegram.paths == [f"/bot{TOKEN}/sendMessage"]
    assert message["chat_id"] == CHAT
    first, *_, last = message["text"].splitlines()
    assert first == "🔴 PERINGATAN: Disk hampir penuh"
    assert "Sejak 15-11-2023 05:13 WIB" in message["text"]
    assert f"Tindakan: {KINDS[Kind.DISK_LOW].todo.id}" in message["text"]
    assert last.startswith("(critical alert: The disk is nearly full. Make room")
    await desk.pass_s(3600)
    assert len(telegram.messages) == 1


async def test_what_was_raised_before_a_crash_is_told_after_it(
    desk: Desk, telegram: FakeTelegram
) -> None:
    await desk.alarm()
    await desk.crash()
    await desk.notifier.step()
    assert len(telegram.messages) == 1
    await desk.crash()
    await desk.pass_s(3600)
    assert len(telegram.messages) == 1, "what was told is not told again"


async def test_a_claim_whose_process_died_is_told_when_its_lease_ends(
    desk: Desk, telegram: FakeTelegram
) -> None:
    await desk.alarm()
    assert len(await desk.store.claim_notices(desk.now, lease_ms=120_000, limit=9)) == 1
    await desk.crash()
    await desk.pass_s(100)
    assert telegram.messages == []
    await desk.pass_s(60)
    assert len(telegram.messages) == 1


async def test_many_at_once_are_one_message(desk: Desk, telegram: FakeTelegram) -> None:
    for n in range(11):
        await desk.alarm(Kind.DELIVERIES_LATE, f"toko{n}")
    await desk.alarm(Kind.UPSTREAM_UNREACHABLE)
    await desk.notifier.step()
    (text,) = telegram.texts
    lines = text.splitlines()
    assert lines[0] == "🔴 12 peringatan"
    assert lines[1].startswith("🔴 Supplier tidak dapat dihubungi"), "the worst comes first"
    assert "… dan 2 lagi" in text
    assert "12 alerts" in lines[-1]


async def test_what_comes_right_after_a_message_waits_and_is_gathered(
    desk: Desk, telegram: FakeTelegram
) -> None:
    await desk.alarm()
    await desk.notifier.step()
    for n in range(5):
        desk.now += 1000
        await desk.alarm(Kind.DELIVERIES_LATE, f"toko{n}")
        await desk.notifier.step()
    assert len(telegram.messages) == 1
    await desk.pass_s(40)
    assert len(telegram.messages) == 2
    assert "5 peringatan" in telegram.texts[1]


async def test_reminders_come_until_somebody_takes_note(
    desk: Desk, telegram: FakeTelegram
) -> None:
    await desk.alarm()
    await desk.pass_s(7 * 3600)
    assert len(telegram.messages) == 2
    assert "MASIH TERJADI" in telegram.texts[1]
    await desk.store.ack_alerts(None, desk.now)
    await desk.pass_s(14 * 3600)
    assert len(telegram.messages) == 2


async def test_a_reminder_that_waits_is_dropped_when_somebody_takes_note(
    desk: Desk, telegram: FakeTelegram
) -> None:
    await desk.alarm()
    await desk.notifier.step()
    assert await desk.store.remind(desk.now + 1, every_ms=0, at_most=9) == 1
    await desk.store.ack_alerts(None, desk.now)
    await desk.pass_s(120)
    assert len(telegram.messages) == 1


async def test_reminders_are_bounded(desk: Desk, telegram: FakeTelegram) -> None:
    await desk.alarm()
    await desk.pass_s(48 * 3600)
    assert len(telegram.messages) == 1 + 2


async def test_the_end_is_told_also_of_what_was_noted(desk: Desk, telegram: FakeTelegram) -> None:
    await desk.alarm()
    await desk.notifier.step()
    await desk.store.ack_alerts(None, desk.now)
    assert await desk.store.end_alert(Kind.DISK_LOW, "", desk.now + HOUR_MS) == 1
    await desk.pass_s(3700)
    assert telegram.texts[1].startswith("✅ SELESAI: Disk hampir penuh")
    assert "Selesai 15-11-2023 06:13 WIB" in telegram.texts[1]
    await desk.pass_s(24 * 3600)
    assert len(telegram.messages) == 2


async def test_telegram_is_left_alone_as_long_as_it_says(
    desk: Desk, telegram: FakeTelegram
) -> None:
    telegram.reply = refuses_with(429, "Too Many Requests: retry after 300", retry_after=300)
    await desk.alarm()
    await desk.notifier.step()
    telegram.reply = None
    await desk.pass_s(280)
    assert len(telegram.messages) == 1
    await desk.pass_s(60)
    assert len(telegram.messages) == 2
    await desk.pass_s(3600)
    assert len(telegram.messages) == 2


@pytest.mark.parametrize("status", [400, 401, 500, 502])
async def test_what_is_refused_is_tried_for_a_day_at_least(
    desk: Desk, telegram: FakeTelegram, status: int, log: LogLines
) -> None:
    telegram.reply = refuses_with(status, f"no, and your token {TOKEN} is known")
    await desk.alarm()
    await desk.pass_s(24 * 3600)
    telegram.reply = None
    before = len(telegram.messages)
    assert 20 < before < 80
    await desk.pass_s(3600)
    assert len(telegram.messages) == before + 1, "and told then"
    assert "***" in log.text


async def test_what_nobody_took_is_given_up_in_the_end(
    desk: Desk, telegram: FakeTelegram, log: LogLines
) -> None:
    desk.notifier.reminding = Reminding(every_s=0, at_most=1)
    telegram.reply = refuses_with(403, "Forbidden: bot was kicked from the group chat")
    await desk.alarm()
    await desk.pass_s(GIVE_UP_S + 3600)
    (event,) = log.events("notice.given_up")
    assert event["channels"] == ["telegram"]
    before = len(telegram.messages)
    await desk.pass_s(24 * 3600)
    assert len(telegram.messages) == before


async def test_a_wrong_token_is_told_without_the_token(desk: Desk, telegram: FakeTelegram) -> None:
    wrong = "999:wrong-canary_token_for_telegram"
    desk.notifier.channels = (desk.telegram(telegram, wrong),)
    (told,) = await desk.notifier.test()
    assert told == {"channel": "telegram", "ok": False, "said": "HTTP 401: Unauthorized"}


async def test_a_test_is_sent_at_once(desk: Desk, telegram: FakeTelegram) -> None:
    assert await desk.notifier.test() == [{"channel": "telegram", "ok": True, "said": "ok"}]
    assert telegram.texts[0].startswith("✅ Tes peringatan")


async def test_a_channel_that_hangs_costs_its_time_alone(
    desk: Desk, telegram: FakeTelegram
) -> None:
    released = asyncio.Event()
    desk.client.timeout_s = 0.2
    telegram.reply = hangs(released)
    async with fake_telegram() as webhook:
        channels = (desk.telegram(telegram), Webhook(desk.client, f"{webhook.url}/x?k=1", None))
        desk.notifier.channels = channels
        await desk.alarm()
        await desk.notifier.step()
        released.set()
        assert len(webhook.messages) == 1
        assert webhook.paths == ["/x?k=1"]
        telegram.reply = None
        await desk.pass_s(120)
        assert len(telegram.messages) == 2
        assert len(webhook.messages) == 1, "who has it is not told again"


async def test_an_unreachable_channel_says_why_without_its_address(desk: Desk) -> None:
    nowhere = Webhook(desk.client, f"http://127.0.0.1:1/{SECRET}", SECRET)
    nobody = Webhook(desk.client, f"http://nobody.invalid/{SECRET}", SECRET)
    desk.notifier.channels = (nowhere,)
    assert [told["said"] for told in await desk.notifier.test()] == ["connection refused"]
    desk.notifier.channels = (nobody,)
    assert [told["said"] for told in await desk.notifier.test()] == ["its name does not resolve"]


async def test_a_webhook_is_posted_json_with_a_signature(desk: Desk) -> None:
    async with fake_telegram() as webhook:
        desk.notifier.channels = (Webhook(desk.client, f"{webhook.url}/hook", SECRET),)
        desk.notifier.name = "gw1"
        await desk.alarm(Kind.KEY_REFUSED, "account")
        await desk.notifier.step()
        (body,), (headers,) = webhook.bodies, webhook.headers
        signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        assert headers["x-signature"] == signature
        said = json.loads(body)
        assert (said["event"], said["gateway"]) == ("alerts", "gw1")
        (alert,) = said["alerts"]
        assert (alert["what"], alert["kind"], alert["severity"]) == (
            "raised",
            "key_refused",
            "critical",
        )
        assert "[gw1]" in said["text"]


async def test_a_webhook_s_redirect_is_not_followed(desk: Desk, telegram: FakeTelegram) -> None:
    async def elsewhere() -> web.Response:
        return web.Response(status=307, headers={"Location": telegram.url})

    async with fake_telegram() as webhook:
        webhook.reply = elsewhere
        desk.notifier.channels = (Webhook(desk.client, webhook.url, None),)
        (told,) = await desk.notifier.test()
    assert told["said"] == "HTTP 307, redirects are not followed"
    assert telegram.messages == []


async def test_without_a_channel_nothing_waits_for_ever(
    desk: Desk, telegram: FakeTelegram
) -> None:
    channels, desk.notifier.channels = desk.notifier.channels, ()
    await desk.alarm()
    await desk.pass_s(40)
    desk.notifier.channels = channels
    await desk.pass_s(60)
    assert telegram.messages == [], "a channel that is new is not told what is old"


async def test_what_was_told_while_the_journal_went_away_is_not_told_again(
    desk: Desk, telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier_module, "AFTER_TROUBLE_S", 0.05)
    thread = desk.store._writing_thread  # type: ignore[attr-defined]  # of the SQLite journal
    loop = asyncio.get_running_loop()

    async def break_it() -> web.Response:
        await thread.run(lambda c: c.execute("PRAGMA query_only = ON").fetchall())
        return web.json_response({"ok": True})

    telegram.reply = break_it
    await desk.alarm()
    step = loop.create_task(desk.notifier.step())
    await eventually(lambda: telegram.messages)
    await asyncio.sleep(0.2)
    assert not step.done()
    await thread.run(lambda c: c.execute("PRAGMA query_only = OFF").fetchall())
    await step
    await desk.pass_s(3600)
    assert len(telegram.messages) == 1


async def test_a_message_under_way_when_the_house_goes_down_is_written_down(
    desk: Desk, telegram: FakeTelegram
) -> None:
    released = asyncio.Event()

    async def slow() -> web.Response:
        await released.wait()
        return web.json_response({"ok": True})

    telegram.reply = slow
    await desk.alarm()
    worker = asyncio.get_running_loop().create_task(desk.notifier.run())
    await eventually(lambda: telegram.messages)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    released.set()
    await desk.notifier.finish(2)
    await desk.crash()
    await desk.pass_s(3600)
    assert len(telegram.messages) == 1


async def test_a_mistake_of_ours_ends_no_worker(
    desk: Desk, telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch, log: LogLines
) -> None:
    monkeypatch.setattr(notifier_module, "_EVERY_S", 0.01)
    monkeypatch.setattr(notifier_module, "text_of", lambda *_: 1 / 0)
    await desk.alarm()
    worker = asyncio.get_running_loop().create_task(desk.notifier.run())
    await eventually(lambda: log.events("notice.failed"))
    assert not worker.done()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_what_was_sold_is_not_told(desk: Desk, telegram: FakeTelegram) -> None:
    text = "lookup said SUCCESS while the order is SUCCESS with another SN: VOUCHER-1234"
    await desk.store.raise_alert(Alarm(desk.now, Kind.CONTRADICTION, text))
    await desk.notifier.step()
    assert "with another SN" in telegram.texts[0]
    assert "VOUCHER" not in telegram.texts[0]


async def test_a_clock_that_is_set_back_delays_nothing(desk: Desk, telegram: FakeTelegram) -> None:
    await desk.alarm()
    await desk.notifier.step()
    year_ms = 365 * 24 * HOUR_MS
    desk.now -= year_ms
    await desk.store.move_times(-year_ms, Alarm(desk.now, Kind.CLOCK_SET, "set back"))
    await desk.pass_s(60)
    assert len(telegram.messages) == 2
    await desk.pass_s(7 * 3600)
    assert "2 peringatan" in telegram.texts[2]
