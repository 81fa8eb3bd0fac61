"""Who comes into the dashboard, from where a change may come, and what no answer goes without."""

import re

import pytest

from gateway.web.dashboard.login import LogIn
from gateway.web.dashboard.visit import May, Route
from tests.support import House
from tests.support.browser import PASSWORD, Browser
from tests.support.raw import raw_exchange

# What is shown to who is not logged in: the form, and what the form looks like.
PUBLIC = {("GET", "/login"), ("POST", "/login"), ("GET", "/static/{name}")}
# What a viewer may do: end his own sessions.
HIS_OWN = {"/logout", "/sessions/revoke"}
_IDS = {"name": "style.css", "id": "1", "code": "toko", "host": "p.test:80", "what": "orders"}


def routes(house: House) -> list[Route]:
    return house.gateway.dashboard.routes


def target(route: Route) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: _IDS[found[1]], route.path)


def test_every_route_asks_who_it_is_or_is_on_a_short_list(house: House) -> None:
    public = {(one.method, one.path) for one in routes(house) if one.may is May.ANYBODY}
    assert public == PUBLIC
    assert {one.method for one in routes(house)} == {"GET", "POST"}


def test_a_change_is_an_operators(house: House) -> None:
    posts = {one.path for one in routes(house) if one.method == "POST" and one.may < May.OPERATOR}
    assert posts == {*HIS_OWN, "/login"}


async def test_who_is_not_logged_in_is_sent_to_the_form_everywhere(
    house: House, nobody: Browser
) -> None:
    for route in routes(house):
        if route.may is May.ANYBODY:
            continue
        ask = nobody.get if route.method == "GET" else nobody.post
        page = await ask(target(route), follow=False)
        assert (page.status, page.headers["Location"]) == (303, "/login"), route


async def test_a_viewer_is_refused_every_change(house: House, viewer: Browser) -> None:
    for route in routes(house):
        if route.may is May.OPERATOR:
            ask = viewer.get if route.method == "GET" else viewer.post
            page = await ask(target(route))
            assert page.status == 403, route
            assert "hanya boleh melihat" in page.words


FOREIGN = [
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.test"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_every_change_refuses_a_foreign_origin(
    house: House, operator: Browser, headers: dict[str, str]
) -> None:
    for route in routes(house):
        if route.method == "POST":
            page = await operator.post(target(route), headers=headers)
            assert page.status == 403, route
            assert "halaman ini sendiri" in page.words
    # What a browser says of itself counts more than what else is said.
    both = {"Sec-Fetch-Site": "cross-site", "Origin": house.admin_url}
    assert (await operator.post("/logout", headers=both)).status == 403
    assert (await operator.get("/sessions")).url.path == "/sessions", "still logged in"


@pytest.mark.parametrize("said", ["same-origin", None])
async def test_a_form_of_ours_is_taken(operator: Browser, house: House, said: str | None) -> None:
    headers = {"Origin": house.admin_url} if said is None else {"Sec-Fetch-Site": said}
    page = await operator.post("/logout", headers=headers)
    assert page.url.path == "/login"


async def test_no_answer_goes_without_its_headers(house: House, operator: Browser) -> None:
    paths = [target(route) for route in routes(house) if route.method == "GET"]
    paths.remove("/live")
    for path in [*paths, "/healthz", "/metrics", "/nowhere"]:
        page = await operator.get(path, follow=False)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; "), path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Server"] == "otomax-gateway"
        kept = "immutable" if path.startswith("/static/") else "no-store"
        assert kept in page.headers["Cache-Control"], path
        assert "style=" not in page.text
        assert not re.search(r"\son\w+=|<script(?![^>]*\bsrc=)|<style|javascript:", page.text)


async def test_no_route_answers_a_head(house: House, operator: Browser) -> None:
    for route in routes(house):
        async with operator.client.head(house.admin_url + target(route)) as answer:
            assert answer.status == 405, route


# -- logging in


async def test_until_there_is_somebody_the_page_says_which_command_adds_one(
    nobody: Browser,
) -> None:
    page = await nobody.get("/")
    assert page.url.path == "/login"
    assert "otomax-gateway admin add" in page.words
    assert "<form" not in page.text


async def test_a_wrong_password_is_refused_and_tells_nothing(
    house: House, operator: Browser, nobody: Browser
) -> None:
    wrong = await nobody.log_in("operator", "wrong password")
    nobody_there = await nobody.log_in("somebody", "wrong password")
    assert (wrong.status, nobody_there.status) == (403, 403)
    assert wrong.text.split("<footer")[0] == nobody_there.text.split("<footer")[0]
    assert "salah" in wrong.words
    assert (await nobody.get("/")).url.path == "/login"


async def test_a_cookie_is_for_this_host_and_no_script(house: House, nobody: Browser) -> None:
    await house.gateway.desk.do("admin.add", {"name": "budi", "password": PASSWORD})
    fields = {"name": "Budi ", "password": PASSWORD}
    page = await nobody.post("/login", fields, follow=False)
    (cookie,) = page.headers.getall("Set-Cookie")
    assert cookie.startswith("otomax_session=")
    assert "; HttpOnly; " in cookie
    assert cookie.endswith("; Path=/; SameSite=Strict")
    assert "Secure" not in cookie
    headers = {"Origin": house.admin_url, "X-Forwarded-Proto": "https"}
    page = await nobody.post("/login", fields, follow=False, headers=headers)
    (cookie,) = page.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-otomax_session=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie


async def test_bytes_that_are_no_text_keep_nobody_out(house: House, nobody: Browser) -> None:
    """What a browser calls itself is kept with its session, whatever it is."""
    await house.gateway.desk.do("admin.add", {"name": "budi", "password": PASSWORD})
    body = f"name=budi&password={PASSWORD.replace(' ', '+')}".encode()
    head = (
        b"POST /login HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nConnection: close\r\n"
        b"User-Agent: \xff\x9b<b>\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    answer = await raw_exchange(house.gateway.admin.address[1], head + body)
    assert answer.startswith(b"HTTP/1.1 303 ")
    (session,) = await house.gateway.store.sessions("budi")
    assert session.agent == r"\udcff\udc9b<b>"


async def test_a_session_of_plain_http_is_none_over_tls(operator: Browser) -> None:
    """Whoever can write into the plain way sets no session on the safe one."""
    page = await operator.get("/", follow=False, **{"X-Forwarded-Proto": "https"})
    assert page.status == 303


async def test_a_session_ends_by_itself(house: House, operator: Browser) -> None:
    house.clock.skip(11 * 3600)
    assert (await operator.get("/")).url.path == "/"
    house.clock.skip(12 * 3600)
    assert (await operator.get("/")).url.path == "/login"


async def test_a_session_that_is_used_ends_after_a_week(house: House, operator: Browser) -> None:
    for _ in range(16):
        house.clock.skip(10 * 3600)
        assert (await operator.get("/")).url.path == "/"
    house.clock.skip(10 * 3600)
    assert (await operator.get("/")).url.path == "/login"


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("admin.revoke", {"name": "operator"}),
        ("admin.passwd", {"name": "operator", "password": "another password"}),
        ("admin.remove", {"name": "operator"}),
    ],
)
async def test_what_is_revoked_has_ended_at_once(
    house: House, operator: Browser, command: str, values: dict[str, str]
) -> None:
    assert (await operator.get("/")).url.path == "/"
    await house.gateway.desk.do(command, values)
    assert (await operator.get("/")).url.path == "/login"


@pytest.mark.parametrize("command", ["admin.passwd", "admin.remove"])
async def test_a_password_that_is_changed_while_it_is_compared_lets_nobody_in(
    house: House, nobody: Browser, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = house.gateway.desk
    await desk.do("admin.add", {"name": "budi", "password": PASSWORD})
    passwords = house.gateway.sessions._passwords
    compare = passwords.is_right

    async def slowly(kept: str | None, password: str) -> bool:
        is_right = await compare(kept, password)
        values = {"password": "another password"} if command == "admin.passwd" else {}
        await desk.do(command, {"name": "budi", **values})
        return is_right

    monkeypatch.setattr(passwords, "is_right", slowly)
    assert (await nobody.log_in("budi")).status == 403
    assert await house.gateway.store.sessions() == []


async def test_logging_in_again_leaves_no_session_behind(house: House, operator: Browser) -> None:
    (before,) = await house.gateway.store.sessions()
    await operator.log_in("operator")
    (after,) = await house.gateway.store.sessions()
    assert after.id != before.id


async def test_logging_out_ends_the_session_not_only_the_cookie(
    house: House, operator: Browser
) -> None:
    cookies = {c.key: c.value for c in operator.client.cookie_jar}
    await operator.post("/logout")
    operator.client.cookie_jar.update_cookies(cookies)
    assert (await operator.get("/")).url.path == "/login"


async def test_nothing_of_a_session_or_password_is_in_the_journal(
    house: House, operator: Browser
) -> None:
    (token,) = [c.value for c in operator.client.cookie_jar if c.key == "otomax_session"]
    path = house.gateway.settings.sqlite_path()
    assert path is not None
    held = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    assert b"$argon2id$" in held
    for secret in (token, PASSWORD):
        assert secret.encode() not in held


async def test_a_journal_that_can_not_write_can_still_be_looked_at(
    house: House, operator: Browser
) -> None:
    house.clock.skip(120)
    await house.break_journal()
    assert (await operator.get("/")).status == 200
    page = await operator.post("/sessions/revoke", {"id": "1"})
    assert page.status == 503
    assert "Jurnal sedang tidak bisa" in page.words
    await house.break_journal(broken=False)


async def test_wrong_passwords_are_kept_back(house: House, nobody: Browser) -> None:
    await house.gateway.desk.do("admin.add", {"name": "budi", "password": PASSWORD})
    waited: list[float] = []

    async def note(delay_s: float) -> None:
        waited.append(delay_s)

    (log_in,) = [r for r in routes(house) if (r.method, r.path) == ("POST", "/login")]
    page: LogIn = log_in.handler.__self__  # type: ignore[attr-defined]  # a bound method
    page.knocking.sleep = note  # type: ignore[assignment]  # it is only called
    for _ in range(6):
        assert (await nobody.log_in("budi", "wrong password")).status == 403
    assert waited == [0.5, 1.0]
    assert (await nobody.log_in("budi")).url.path == "/", "late, and not refused"
    assert waited[2:] == [2.0]


async def test_each_request_is_one_event_without_what_was_sent(
    house: House, operator: Browser
) -> None:
    await operator.post("/sessions/revoke", {"id": "x", "password": "not-for-the-log"})
    assert "POST /sessions/revoke" in house.log.text
    assert "not-for-the-log" not in house.log.text
    (token,) = [c.value for c in operator.client.cookie_jar if c.key == "otomax_session"]
    assert token not in house.log.text
