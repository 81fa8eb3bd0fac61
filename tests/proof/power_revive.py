"""A whole new gateway on what a power cut left: it works everything off, and buys none twice."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from tests.proof.disk_upstream import Books
from tests.support import House, LogLines, Panel, eventually, fake_upstream, open_houses

_PATIENCE_S = 20.0


async def revive(folder: Path, bought: AbstractSet[str], log: LogLines, panel: Panel) -> list[str]:
    """Start a gateway in a folder, let it finish, and return what is wrong then.

    Args:
        folder: what the cut left, with the key file.
        bought: the orders that the upstream had bought until then.
        log: takes the log.
        panel: the one that the orders name.
    """
    panel.targets.clear()
    async with fake_upstream() as upstream, open_houses(folder, log) as open_house:
        books = Books(upstream, calls_back=False)
        books.bought.update(bought)
        house = await open_house(upstream.url, reseller={"callback_url": panel.url})
        noted = {told["upstream_trx_id"] for told in await house.deliveries("delivered")}
        await eventually(lambda: _is_done(house), within_s=_PATIENCE_S)
        orders = await house.orders()
    heard = {f"toko-{told['trx_id']}": told["status"] for told in panel.told}
    found = [f"{name}: bought {times} times" for name, times in books.bought.items() if times > 1]
    found += [f"{name}: bought, and not in the journal" for name in _unknown(books, orders)]
    found += [_wrong(order, books, noted, heard) for order in orders]
    return [sentence for sentence in found if sentence]


async def _is_done(house: House) -> bool:
    still_open = [order for order in await house.orders() if order["status"] == "PENDING"]
    return not still_open and not await house.deliveries("due")


def _unknown(books: Books, orders: list[dict[str, Any]]) -> AbstractSet[str]:
    return books.bought.keys() - {order["upstream_trx_id"] for order in orders}


def _wrong(
    order: dict[str, Any], books: Books, noted: AbstractSet[str], heard: dict[str, str]
) -> str:
    name, status = order["upstream_trx_id"], order["status"]
    if status != books.truth(name):
        return f"{name}: is {status}, and the upstream says {books.truth(name)}"
    if name not in noted and heard.get(name) != status:
        return f"{name}: is {status}, and its panel heard {heard.get(name)}"
    return ""
