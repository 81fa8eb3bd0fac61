"""A gateway stops in time, whatever its database does."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.nodes.conftest import OpenNode
from tests.support import FakeUpstream, says

REPLY_S = 1.0
STOPS_WITHIN_S = REPLY_S + 5  # contract §12


@asynccontextmanager
async def hanging(journal: str) -> AsyncIterator[None]:
    """Let every connection of others to a database hang: it is open, and nobody answers."""
    connection = await asyncpg.connect(journal)
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1",
        connection.get_server_pid(),
    )
    await connection.close()
    pids = [row["pid"] for row in rows]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(60)
async def test_a_database_that_hangs_does_not_keep_a_gateway_from_stopping(
    open_node: OpenNode, upstream: FakeUpstream, journal: str
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5")
    house = await open_node(upstream.url, server={"reply_timeout_s": REPLY_S})
    assert ", status SUCCESS. Budi" in await house.order("A1")
    loop = asyncio.get_running_loop()
    async with hanging(journal):
        began = loop.time()
        await house.gateway.stop()
        assert loop.time() - began < STOPS_WITHIN_S
    house._stopped = True  # there is no journal any more that could be looked into
    await house._client.close()
