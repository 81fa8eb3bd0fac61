"""How numbers, times and spans are written, and how long a log-in is kept back."""

import asyncio

import pytest

from gateway.web.dashboard.knocking import (
    FORGET_S,
    MAX_DELAY_S,
    MAX_NAME_DELAY_S,
    REMEMBERED,
    WAITING_EACH,
    Knocking,
    TooMany,
)
from gateway.web.dashboard.shapes import Shapes

AT = 1_795_655_703_042  # 2026-11-26 01:15:03.042 UTC
ID, EN = Shapes("id", "wib", AT), Shapes("en", "wit", AT)


def test_numbers() -> None:
    assert ID.number(1_234_567) == "1.234.567"
    assert EN.number(1_234_567) == "1,234,567"
    assert ID.rupiah(1_234_567) == EN.rupiah(1_234_567) == "Rp 1.234.567"
    assert ID.rupiah(-5_000) == "Rp -5.000"
    assert ID.rupiah(None) == ID.number(None) == "\u2013"
    assert (ID.percent(985, 1000), EN.percent(1, 3)) == ("98,5 %", "33.3 %")
    assert ID.percent(0, 0) == "\u2013"


def test_times_are_those_of_the_zone() -> None:
    assert ID.time(AT) == "26 Nov 2026 08:15:03"
    assert Shapes("id", "wita").time(AT) == "26 Nov 2026 09:15:03"
    assert EN.time(AT) == "26 Nov 2026 10:15:03"
    assert ID.precise(AT) == "26 Nov 2026 08:15:03.042"
    assert ID.iso(AT) == "2026-11-26T01:15:03.042+00:00"
    assert ID.date(1_786_000_000_000) == "6 Agu 2026"
    assert ID.brief(AT) == "08:15:03"
    assert ID.brief(AT - 86_400_000) == "25 Nov 08:15"
    assert ID.brief(AT - 400 * 86_400_000) == "22 Okt 2025"
    assert ID.weekday(AT) == "Kam 26"


def test_a_day_begins_at_the_zones_midnight() -> None:
    assert ID.midnight(AT) == ID.read_day("2026-11-26")
    assert ID.time(ID.midnight(AT)) == "26 Nov 2026 00:00:00"
    assert ID.read_day("2026-11-26", days=1) == ID.midnight(AT) + 86_400_000
    early = AT - 2 * 3_600_000  # 06:15 WIB, 23:15 of the day before in UTC
    assert ID.day(early) == "2026-11-26"
    for wrong in ("", "26-11-2026", "2026-13-01", "x", "9999-12-31x"):
        assert ID.read_day(wrong) is None
    assert ID.read_day("9999-12-31", days=1) is None


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "\u2013"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1,5 detik"),
        (59_999, "59 detik"),
        (60_000, "1 menit"),
        (3_600_000, "1 jam"),
        (7_500_000, "2 jam 5 menit"),
        (86_400_000 * 3 + 3_600_000 * 4, "3 hari 4 jam"),
    ],
)
def test_spans_are_words(ms: int | None, said: str) -> None:
    assert ID.span(ms) == said


def test_a_span_is_never_negative() -> None:
    assert ID.ago(AT + 5_000) == "0 ms"


# -- log-ins


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guessed(knocking: Knocking, times: int, home: str = "evil", name: str = "budi") -> None:
    for _ in range(times):
        knocking.note(home, name, right=False)


def test_wrong_passwords_make_the_next_ones_wait_longer() -> None:
    knocking, waits = Knocking(_Clock()), []
    for _ in range(12):
        waits.append(knocking.delay_s("evil", "budi"))
        guessed(knocking, 1)
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:8] == [0.5, 1, 2, 4]
    assert waits[8:] == [MAX_DELAY_S] * 4


def test_who_tries_other_names_waits_all_the_same() -> None:
    knocking = Knocking(_Clock())
    for n in range(9):
        guessed(knocking, 1, name=f"name{n}")
    assert knocking.delay_s("evil", "another") == MAX_DELAY_S
    assert knocking.delay_s("home", "another") == 0


def test_nobody_is_locked_out_of_his_own_account() -> None:
    knocking = Knocking(_Clock())
    for n in range(5_000):
        guessed(knocking, 1, home=f"bot{n}")
    assert knocking.delay_s("home", "budi") == MAX_NAME_DELAY_S


def test_it_is_forgotten_in_a_while_and_when_the_password_is_right() -> None:
    clock = _Clock()
    knocking = Knocking(clock)
    guessed(knocking, 20)
    clock.now = FORGET_S
    assert knocking.delay_s("evil", "budi") == 0
    guessed(knocking, 5)
    knocking.note("evil", "budi", right=True)
    assert knocking.delay_s("evil", "budi") == 0


def test_memory_is_bounded() -> None:
    knocking = Knocking(_Clock())
    for n in range(REMEMBERED):
        guessed(knocking, 1, home=f"bot{n}", name=f"name{n}")
    assert len(knocking._records) == REMEMBERED


async def test_places_are_bounded_for_each_address() -> None:
    knocking = Knocking(_Clock())
    guessed(knocking, 9)
    held = asyncio.Event()

    async def wait(_: float) -> None:
        await held.wait()

    knocking.sleep = wait  # type: ignore[assignment]  # it is only called

    async def knock(home: str) -> None:
        async with knocking.kept_back(home, "budi"):
            pass

    waiting = [asyncio.create_task(knock("evil")) for _ in range(WAITING_EACH)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await knock("evil")
    free = asyncio.create_task(knock("home"))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(*waiting, free)
    assert not knocking._waiting
