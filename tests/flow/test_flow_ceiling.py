"""A reseller's ceiling: set, shown, taken away, and what a file says of it."""

from typing import Any

import pytest

from gateway.domain.errors import NotDone
from tests.support import FakeUpstream, House, OpenHouse


async def ceiling(house: House) -> Any:
    shown = await house.gateway.desk.resellers.show("toko")
    reseller = house.gateway.directory.by_code("toko")
    assert reseller is not None
    assert reseller.max_price == shown["max_price"], "it counts at once"
    return shown["max_price"]


async def test_it_is_set_kept_and_taken_away(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, reseller={"max_price": 20_000})
    resellers = house.gateway.desk.resellers
    assert await ceiling(house) == 20_000
    await resellers.change("toko", name="Toko")
    assert await ceiling(house) == 20_000
    await resellers.change("toko", max_price=1)
    assert await ceiling(house) == 1
    await resellers.change("toko", max_price=0)
    assert await ceiling(house) is None


@pytest.mark.parametrize("price", [-1, 10**15, 10**30])
async def test_it_is_a_price(house: House, price: int) -> None:
    with pytest.raises(NotDone, match="toko: max_price: wanted whole Rupiah from 1 to "):
        await house.gateway.desk.resellers.change("toko", max_price=price)
    assert await ceiling(house) is None


async def test_a_file_sets_it_and_sets_it_back(house: House) -> None:
    apply = house.gateway.desk.resellers.apply
    told = await apply([{"code": "toko", "max_price": 500}], dry_run=False)
    assert "~ toko: max_price: (none) becomes 500" in told["changes"]
    assert await ceiling(house) == 500
    assert (await apply([{"code": "toko", "max_price": 500}], dry_run=False))["changes"] == []
    told = await apply([{"code": "toko"}], dry_run=False)
    assert told["changes"] == ["~ toko: max_price: 500 becomes (none)"]
    assert await ceiling(house) is None
    assert (await apply([{"code": "toko", "max_price": 0}], dry_run=False))["changes"] == []
