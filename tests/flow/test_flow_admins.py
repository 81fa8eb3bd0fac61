"""What the operator does about who sees the dashboard, and how long a session lasts."""

from typing import Any

import pytest

from gateway.app import Gateway
from gateway.domain.errors import NotDone
from gateway.flow import passwords
from tests.support import House

PASSWORD = "a sentence to remember"


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "_ROUNDS", 1)


async def do(house: House, command: str, **values: Any) -> Any:
    return await house.gateway.desk.do(f"admin.{command}", values)


async def test_admins_are_added_listed_and_removed(house: House) -> None:
    assert await do(house, "list") == []
    made = await do(house, "add", name="budi", password=PASSWORD)
    assert made == {"name": "budi", "role": "operator"}
    await do(house, "add", name="wati", password=PASSWORD, role="viewer")
    listed = {row["name"]: (row["role"], row["sessions"]) for row in await do(house, "list")}
    assert listed == {"budi": ("operator", 0), "wati": ("viewer", 0)}
    await do(house, "remove", name="wati")
    assert [row["name"] for row in await do(house, "list")] == ["budi"]


@pytest.mark.parametrize(
    ("command", "values", "said"),
    [
        ("add", {"name": "Budi"}, "a name is"),
        ("add", {"name": "cli"}, "not cli"),
        ("add", {"name": "x" * 33}, "1 to 32"),
        ("add", {"name": "", "password": PASSWORD}, "a name is"),
        ("add", {"name": "wati", "role": "root"}, "operator, viewer"),
        ("add", {"name": "wati", "password": "short"}, "10 to 200"),
        ("add", {"name": "budi"}, "exists already"),
        ("passwd", {"name": "nobody"}, "there is no nobody"),
        ("passwd", {"name": "budi", "password": "short"}, "10 to 200"),
        ("remove", {"name": "nobody", "password": None}, "there is no nobody"),
        ("revoke", {"password": None}, "name a session"),
        ("revoke", {"session_id": 99, "password": None}, "no session 99"),
    ],
    ids=str,
)
async def test_what_can_not_be_done_is_said_in_words(
    house: House, command: str, values: dict[str, Any], said: str
) -> None:
    await do(house, "add", name="budi", password=PASSWORD)
    given = {"password": PASSWORD, **values}
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(NotDone, match=said):
        await do(house, command, **given)


async def test_who_is_added_while_nothing_runs_may_log_in_later(house: House) -> None:
    await house.stop()
    async with Gateway.at_rest(house.gateway.settings) as gateway:
        await gateway.desk.do("admin.add", {"name": "budi", "password": PASSWORD})
        token = await gateway.sessions.begin("budi", PASSWORD, "203.0.113.9", "Firefox")
        found = await gateway.sessions.find(token)
        assert found is not None
        assert (found.admin, found.role, found.address) == ("budi", "operator", "203.0.113.9")
        assert [row.command for row in await gateway.store.audit()] == [
            "session.begin",
            "admin.add",
        ]


async def test_only_who_knows_name_and_password_gets_a_session(house: House) -> None:
    await do(house, "add", name="budi", password=PASSWORD)
    begin = house.gateway.sessions.begin
    for name, password in (("budi", "x"), ("wati", PASSWORD), ("", ""), ("budi", "")):
        assert await begin(name, password, "-", "-") is None
    for token in (None, "", "x", "\udcff"):
        assert await house.gateway.sessions.find(token) is None
    assert await do(house, "sessions") == []


async def test_a_browser_may_call_itself_anything(house: House) -> None:
    await do(house, "add", name="budi", password=PASSWORD)
    await house.gateway.sessions.begin("budi", PASSWORD, "-", "x" * 9_000)
    (session,) = await do(house, "sessions", name="budi")
    assert session["agent"] == "x" * 200


async def test_a_session_from_the_far_future_of_a_clock_is_none(house: House) -> None:
    await do(house, "add", name="budi", password=PASSWORD)
    token = await house.gateway.sessions.begin("budi", PASSWORD, "-", "-")
    await house.set_clock_ahead(-3_600)
    assert await house.gateway.sessions.find(token) is not None
    await house.set_clock_ahead(-3 * 86_400)
    assert await house.gateway.sessions.find(token) is None
