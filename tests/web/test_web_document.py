"""The upstream's document, walked through the gateway: a client that changed only host and key."""

from collections.abc import AsyncIterator

import pytest

from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.server import Sandbox
from tests.support import House, OpenHouse, walk

UPSTREAM_KEY = "upstream-key-of-toko"
CALLS = 37  # requests and examples of the collection


@pytest.fixture
async def bought_from(open_house: OpenHouse) -> AsyncIterator[tuple[House, Sandbox]]:
    options = SandboxOptions(accounts={UPSTREAM_KEY: 100_000_000})
    async with Sandbox.start(options=options) as sandbox:
        yield await open_house(sandbox.url), sandbox


async def test_every_request_and_every_example_is_answered_as_documented(
    bought_from: tuple[House, Sandbox],
) -> None:
    house, sandbox = bought_from
    walked = await walk(house.url, house.keys["toko"])
    assert [str(step) for step in walked if step.differences] == []
    assert len(walked) == CALLS
    # Nobody else's key was shown to the upstream, and each order was bought once, as what it was.
    assert {purchase.trx_id for purchase in sandbox.ledger.purchases} == {
        order["upstream_trx_id"] for order in await house.orders()
    }


async def test_the_gateway_answers_what_the_upstream_does(
    bought_from: tuple[House, Sandbox],
) -> None:
    house, sandbox = bought_from
    direct = {step.name: step.request for step in await walk(sandbox.url, UPSTREAM_KEY)}
    through = {step.name: step.request for step in await walk(house.url, house.keys["toko"])}
    assert direct == through
