"""The saldo of each upstream key, as it is shown: who buys under it, how much is left, how long.

`points` and `empty_in_h` are what a history of the saldo tells; where none is kept they are empty.
"""

from dataclasses import dataclass

from gateway.web.dashboard.visit import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Saldo:
    """One upstream key.

    Attributes:
        key: how it is named without being told: its hint.
        resellers: who buys under it, by code.
        saldo: the balance last seen, Rupiah, or None.
        points: earlier balances, oldest first: Unix milliseconds and Rupiah.
        empty_in_h: in how many hours it is used up at the pace of late, or None.
    """

    key: str
    resellers: tuple[str, ...]
    saldo: int | None
    points: tuple[tuple[int, int], ...] = ()
    empty_in_h: float | None = None


async def saldi(tools: Tools) -> list[Saldo]:
    """Return every key under which somebody buys, the lowest balance first."""
    by_key: dict[str, tuple[int | None, list[str]]] = {}
    for row in await tools.desk.resellers.show_all():
        if row["upstream_key"] is not None:
            saldo = tools.directory.saldo(row["code"])
            by_key.setdefault(row["upstream_key"], (saldo, []))[1].append(row["code"])
    found = [
        Saldo(key=key, resellers=tuple(codes), saldo=saldo)
        for key, (saldo, codes) in by_key.items()
    ]
    return sorted(found, key=lambda one: (one.saldo is None, one.saldo or 0))
