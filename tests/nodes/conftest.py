"""Fixtures: gateways in this process that share one PostgreSQL journal."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from tests.support import House, OpenHouse
from tests.support.postgres import PostgresServer

LEASE_S = 3.0  # more than twice a call to the upstream
CALL_S = 1.0


class OpenNode(Protocol):
    """Opens one more gateway on the journal."""

    async def __call__(
        self, upstream_url: str, *, clock_set_by: float = ..., **sections: dict[str, Any]
    ) -> House: ...


@pytest.fixture
async def journal(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL of a fresh journal."""
    name = await postgres.make()
    yield postgres.url(name)
    await postgres.drop(name)


@pytest.fixture
async def open_node(journal: str, open_house: OpenHouse) -> OpenNode:
    """Opens gateways that all have the keys of the first one's reseller."""
    keys: dict[str, str] = {}

    async def open_one(
        upstream_url: str, *, clock_set_by: float = 0, **sections: dict[str, Any]
    ) -> House:
        given: dict[str, dict[str, Any]] = {
            **sections,
            "storage": {"url": journal, "lease_s": LEASE_S, **sections.get("storage", {})},
        }
        given["upstream"] = {
            "timeout_s": CALL_S,
            "unreachable_s": 2,
            "callback_ips": ["127.0.0.1"],
            **sections.get("upstream", {}),
        }
        house = await open_house(upstream_url, clock_set_by=clock_set_by, **given)
        keys.update(house.keys)
        house.keys = keys
        return house

    return open_one
