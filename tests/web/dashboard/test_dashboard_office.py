"""Sessions, the audit log, languages, zones, and the stream that keeps a page up to date."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from gateway.domain.errors import NotDone
from gateway.flow.audit import KEPT, READS
from gateway.web.dashboard import live, words
from gateway.web.dashboard.words import ALL
from tests.support import FakeUpstream, House, eventually
from tests.support.browser import Browser, browsing

PACKAGE = Path(live.__file__).parent


# -- sessions


async def test_an_operator_ends_anybodys_session(
    house: House, operator: Browser, viewer: Browser
) -> None:
    rows = await house.gateway.store.sessions()
    (his,) = [row for row in rows if row.admin == "viewer"]
    page = await operator.get("/sessions")
    assert "viewer" in page.words
    page = await operator.post("/sessions/revoke", {"id": str(his.id)})
    assert "Sesi sudah diakhiri" in page.words
    assert (await viewer.get("/")).url.path == "/login"


async def test_a_viewer_sees_and_ends_his_own_alone(
    house: House, operator: Browser, viewer: Browser
) -> None:
    rows = {row.admin: row.id for row in await house.gateway.store.sessions()}
    page = await viewer.get("/sessions")
    assert f'value="{rows["viewer"]}"' in page.text
    assert f'value="{rows["operator"]}"' not in page.text
    page = await viewer.post("/sessions/revoke", {"id": str(rows["operator"])})
    assert page.status == 409
    assert (await operator.get("/")).url.path == "/"
    await viewer.post("/sessions/revoke", {"id": str(rows["viewer"])})
    assert (await viewer.get("/")).url.path == "/login"


@pytest.mark.parametrize("sent", ["", "x", "-1", "1' OR 1", "9" * 5000, "\u0661"])
@pytest.mark.parametrize("path", ["/sessions/revoke", "/alerts/ack"])
async def test_a_number_that_is_none_is_refused(operator: Browser, path: str, sent: str) -> None:
    assert (await operator.post(path, {"id": sent})).status == 409


# -- the audit log


async def test_what_is_done_stands_in_the_log_with_who_did_it(
    house: House, operator: Browser
) -> None:
    do = house.gateway.desk.do
    await do("reseller.set", {"code": "toko", "name": "Toko <b>Budi</b>\u202e"})
    with pytest.raises(NotDone):
        await do("order.settle", {"name": "toko-9", "status": "FAILED", "reason": "x"}, "wati")
    page = await operator.get("/audit")
    assert "cli reseller.set toko" in page.words
    assert "Toko <b>Budi</b>\\u202e" in page.words
    assert "<b>Budi" not in page.text
    assert "wati order.settle toko-9" in page.words
    assert "not done: there is no order toko-9" in page.words
    assert "operator session.begin 127.0.0.1" in page.words
    alone = await operator.get("/audit?who=wati")
    assert "order.settle" in alone.words
    assert "reseller.set" not in alone.words
    assert "reseller.set" not in (await operator.get("/audit?about=toko-9")).words


async def test_no_secret_is_kept_in_the_log(house: House, operator: Browser) -> None:
    secrets = {
        "upstream_key": "upstream-secret",
        "key": "reseller-secret-1",
        "pin": "924411",
        "password": "native-secret",
    }
    url = "https://p.test/cb?password=hidden-in-url"
    await house.gateway.desk.do("reseller.add", {"code": "kios", "callback_url": url, **secrets})
    await house.gateway.desk.do("reseller.rotate_key", {"code": "kios", "key": "other-secret-2"})
    await house.gateway.desk.do("admin.passwd", {"name": "operator", "password": "new-password-9"})
    kept = repr(await house.gateway.store.audit())
    assert "kios" in kept
    for secret in (*secrets.values(), "other-secret-2", "new-password-9", "hidden-in-url"):
        assert secret not in kept


def test_of_each_command_it_is_said_whether_it_is_kept(house: House) -> None:
    assert set(house.gateway.desk._commands) == READS | KEPT.keys()
    assert not READS & KEPT.keys()


async def test_a_reconciliation_and_a_backup_are_one_row_each(
    house: House, tmp_path: Path
) -> None:
    do = house.gateway.desk.do
    begun = await do("reconcile.begin", {"day": "2026-01-02"})
    part = await do("reconcile.some", {"first": begun["first"], "last": begun["last"]})
    await do("reconcile.keep", {"result": {**part, "saldo": None}})
    await do("backup.begin", {"to": str(tmp_path)})
    for _ in range(3):
        await do("backup.state", {})
    rows = await house.gateway.store.audit()
    assert [(row.command, row.about) for row in rows] == [
        ("backup.begin", str(tmp_path)),
        ("reconcile.begin", "2026-01-02"),
    ]


async def test_what_reads_or_only_counts_leaves_no_row(house: House) -> None:
    do = house.gateway.desk.do
    for command in ("reseller.list", "order.list", "alert.list", "delivery.list", "admin.list"):
        await do(command, {})
    await do("delivery.resend_all", {"since": 0, "dry_run": True})
    await do("reseller.apply", {"wanted": [], "dry_run": True})
    assert await house.gateway.store.audit() == []


async def test_nothing_is_done_that_can_not_be_written_down(house: House) -> None:
    await house.break_journal()
    with pytest.raises(Exception, match="journal"):
        await house.gateway.desk.do("order.recheck", {"name": "toko-1"})
    await house.break_journal(broken=False)
    assert await house.gateway.store.audit() == []


async def test_the_log_is_paged(house: House, operator: Browser) -> None:
    for number in range(60):
        values = {"code": "toko", "name": f"name {number:02}"}
        await house.gateway.desk.do("reseller.set", values)
    first = await operator.get("/audit?who=cli")
    assert "name 59" in first.words
    assert "name 09" not in first.words
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    second = await operator.get(older[1].replace("&amp;", "&"))
    assert "name 09" in second.words
    assert "name 59" not in second.words
    assert 'rel="next"' not in second.text


# -- languages and zones


async def test_language_and_zone_are_chosen_in_the_address_and_kept(operator: Browser) -> None:
    assert '<html lang="id">' in (await operator.get("/audit")).text
    page = await operator.get("/audit?lang=en&zone=wit")
    assert '<html lang="en">' in page.text
    assert "Who changed what" in page.words
    page = await operator.get("/sessions?lang=xx")
    assert '<html lang="en">' in page.text
    assert " WIT" in page.words


def test_every_sentence_is_there_in_both_languages() -> None:
    for key, both in ALL.items():
        names = [set(re.findall(r"\{(\w+)", text)) for text in both]
        assert all(text.strip() for text in both), key
        assert names[0] == names[1], key


def test_no_sentence_takes_the_place_of_another_pages() -> None:
    assert len(ALL) == sum(map(len, words._PAGES))


def test_no_template_holds_a_sentence_of_its_own() -> None:
    for path in sorted((PACKAGE / "templates").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
        named = re.findall(r'\b(?:aria-label|alt|title|placeholder)="([^"]*)"', text)
        bare = re.sub(r"<!doctype html>|<code>otomax-gateway [a-z ]*|<[^>]*>", " ", text)
        words = re.findall(r"[^\W\d_]{2,}", " ".join([bare, *named]))
        assert words == [], path.name


def test_every_key_that_a_template_says_is_known() -> None:
    for path in sorted((PACKAGE / "templates").glob("*.html")):
        for key in re.findall(r'say\("([\w.]+)"[,)]', path.read_text(encoding="utf-8")):
            assert key in ALL, f"{path.name}: {key}"


# -- live


async def test_a_page_is_told_at_once_that_something_changed(
    house: House, operator: Browser, upstream: FakeUpstream
) -> None:
    async with operator.client.get(f"{house.admin_url}/live") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert await stream.content.readline() == b"retry: 3000\n"
        await house.order()
        async with asyncio.timeout(10):
            while not (line := await stream.content.readline()).startswith(b"data: "):
                pass
        assert re.fullmatch(rb'data: \{"beats": \d+\}\n', line)


async def test_a_stream_ends_with_its_session_and_with_the_gateway(
    house: House, operator: Browser, viewer: Browser
) -> None:
    async with (
        operator.client.get(f"{house.admin_url}/live") as first,
        viewer.client.get(f"{house.admin_url}/live") as second,
    ):
        await house.gateway.desk.do("admin.revoke", {"name": "operator"})
        async with asyncio.timeout(10):
            await first.content.read()
        house.gateway.gate.draining = True
        async with asyncio.timeout(10):
            await second.content.read()
    house.gateway.gate.draining = False


async def test_a_stream_ends_when_its_session_ends_by_itself(
    house: House, operator: Browser
) -> None:
    async with operator.client.get(f"{house.admin_url}/live") as stream:
        house.clock.skip(12 * 3600)
        async with asyncio.timeout(10):
            await stream.content.read()


async def test_streams_are_bounded(house: House, operator: Browser) -> None:
    streams: list[aiohttp.ClientResponse] = []
    url = f"{house.admin_url}/live"
    try:
        for _ in range(live.STREAMS_EACH):
            streams += [await operator.client.get(url)]
        assert {stream.status for stream in streams} == {200}
        async with operator.client.get(url) as one_more:
            assert one_more.status == 503
        async with browsing(house, "viewer") as other, other.client.get(url) as his:
            assert his.status == 200
    finally:
        for stream in streams:
            stream.close()
    await eventually(lambda: house.gateway.dashboard.live._open.total() == 0)
