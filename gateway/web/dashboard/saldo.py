"""The saldo of each upstream key, as it is shown: whose it is, how much is left, how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.saldo import WINDOW_MS, Seen, hours_left
from gateway.flow.directory import Account
from gateway.web.dashboard.visit import Tools

_SHOWN: Final = 20  # keys, the lowest balance first: each asks the journal for its history
WIDTH: Final = 120
HEIGHT: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Saldo:
    """One upstream key.

    Attributes:
        key: how it is named without being told: its hint.
        resellers: who buys under it, by code.
        saldo: the balance last seen, Rupiah, or None.
        lowest: the least of the last day, Rupiah, or None.
        highest: the most of the last day, Rupiah, or None.
        line: how it went in the last day, as the points of an SVG line; empty where nothing did.
        empty_in_h: in how many hours it is used up at the pace of that day, or None.
    """

    key: str
    resellers: tuple[str, ...]
    saldo: int | None
    lowest: int | None = None
    highest: int | None = None
    line: str = ""
    empty_in_h: float | None = None


async def saldi(tools: Tools) -> list[Saldo]:
    """Return the keys under which somebody buys, the lowest balance first."""
    accounts = tools.directory.accounts()
    lowest_first = sorted(accounts, key=lambda one: (one.saldo is None, one.saldo or 0))
    return [await _saldo(tools, account) for account in lowest_first[:_SHOWN]]


async def _saldo(tools: Tools, account: Account) -> Saldo:
    now = tools.clock()
    history = await tools.store.saldo_history(account.id, now - WINDOW_MS)
    if account.saldo is not None:
        history = [*history, Seen(now, account.saldo)]
    seen = [one.saldo for one in history]
    return Saldo(
        key=account.hint,
        resellers=account.codes,
        saldo=account.saldo,
        lowest=min(seen, default=None),
        highest=max(seen, default=None),
        line=line(history, now),
        empty_in_h=hours_left(history, now),
    )


def line(history: Sequence[Seen], now: int) -> str:
    """Return a day of balances as the points of an SVG line, WIDTH by HEIGHT; newest at the right.

    A balance stays what it is until the next one is seen, so the line has steps, and one point
    for each unit of the width at most.
    """
    highest = max((one.saldo for one in history), default=0)
    lowest = min((one.saldo for one in history), default=0)
    if highest == lowest:
        return ""
    by_place: dict[int, int] = {}
    for one in history:
        place = round(WIDTH * max(0, one.at - now + WINDOW_MS) / WINDOW_MS)
        by_place[place] = one.saldo
    points: list[str] = []
    before: float | None = None
    for place, saldo in sorted(by_place.items()):
        y = round(1 + (HEIGHT - 2) * (highest - saldo) / (highest - lowest), 1)
        points += [f"{place},{before}"] if before is not None else []
        points.append(f"{place},{y}")
        before = y
    return " ".join(points)
