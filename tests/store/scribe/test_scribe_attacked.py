"""The process that writes is killed, stopped and locked out under load: nobody is told a lie."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store import sqlite_scribe
from tests.store.scribe.attack import Attacker, Customers
from tests.store.scribe.scribes import opened, with_scribe

Note = Callable[[str, object], None]

SECONDS = 20 if os.environ.get("PROOF") else 3
SEEDS = range(1, 7) if os.environ.get("PROOF") else [1]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_becomes_of_it_what_was_told_is_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Note, seed: int
) -> None:
    monkeypatch.setattr(sqlite_scribe, "_NOT_AGAIN_WITHIN_S", 0.1)
    ends = asyncio.Event()
    async with opened(path) as store:
        store._writer.patience_s = 0.3
        await with_scribe(store)
        customers, attacker = Customers(store, seed), Attacker(store, seed)
        going_on = asyncio.ensure_future(customers.go_on(ends))
        await attacker.go_on(SECONDS)
        ends.set()
        await going_on
    lies = customers.lies(path)
    record_property("scribes killed", attacker.done["SIGKILL"])
    record_property("scribes stopped", attacker.done["SIGSTOP"])
    record_property("times locked out", attacker.done["locks"])
    record_property("orders, changes and deliveries told", customers.heard.total())
    record_property("of these refused", customers.heard["refused"])
    record_property("told and not so", len(lies))
    assert lies == []
    assert attacker.done["SIGKILL"] > 2
    assert customers.heard["recorded"] > 1000
    assert customers.heard["delivered"]
