"""Passwords: what is kept of one, what it costs, and how many are looked at at one time."""

import asyncio

import pytest

from gateway.domain.errors import NotDone
from gateway.flow import passwords
from gateway.flow.passwords import Passwords

RIGHT = "a sentence to remember"


async def test_what_is_kept_tells_no_password_and_costs_what_it_should() -> None:
    keeper = Passwords()
    kept = await keeper.hash(RIGHT)
    assert kept.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert kept != await keeper.hash(RIGHT), "each has its own salt"
    assert await keeper.is_right(kept, RIGHT)


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Passwords:
    monkeypatch.setattr(passwords, "_MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "_ROUNDS", 1)
    return Passwords()


async def test_only_the_right_one_is_right(keeper: Passwords) -> None:
    kept = await keeper.hash(RIGHT)
    for wrong in ("", RIGHT.upper(), f"{RIGHT} ", "\x00", "\ud800", "x" * 10_000):
        assert not await keeper.is_right(kept, wrong)
    for broken in (None, "", "$argon2id$v=19$", "plain"):
        assert not await keeper.is_right(broken, RIGHT)
    assert not await keeper.is_right(None, "nobody's password")


async def test_one_password_however_a_keyboard_writes_it(keeper: Passwords) -> None:
    assert await keeper.is_right(await keeper.hash("caf\u00e9 di pojok"), "cafe\u0301 di pojok")


@pytest.mark.parametrize("wanted", ["", "short", "x" * 9, "x" * 201])
async def test_one_that_can_not_be_is_refused(keeper: Passwords, wanted: str) -> None:
    with pytest.raises(NotDone, match="10 to 200"):
        await keeper.hash(wanted)


async def test_two_are_looked_at_at_one_time(
    keeper: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, most = 0, 0

    async def to_thread(work: object) -> bool:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return True

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    await asyncio.gather(*(keeper.is_right("x", RIGHT) for _ in range(9)))
    assert most == 2
