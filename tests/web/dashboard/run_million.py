"""How long each page takes with a million orders, whatever is looked for: one line a page.

    python -m tests.web.dashboard.run_million [NUMBER] [postgresql]

Seeds a journal in a temporary folder, some ten seconds and 300 MB, moves it to PostgreSQL where
that is asked for (some minutes), opens a gateway on it, and asks for each page some times over
HTTP. Exits 1 where one takes longer than a tenth of a second.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from gateway.store.move import move_journal
from tests.support import captured_log, fake_upstream, open_houses, says
from tests.support.browser import Browser, browsing
from tests.support.history import add_history
from tests.support.postgres import PostgresServer

MILLION = 1_000_000
MOST_MS = 100
_TIMES = 7
_SOLD = "R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 5"
_DAY = "from=2026-01-01&to=2099-01-01"
PAGES = (
    "/",
    "/orders",
    "/orders?reseller=toko3",
    "/orders?reseller=nobody",
    "/orders?status=sold",
    "/orders?status=lost",
    "/orders?status=open",
    "/orders?status=REFUNDED&reseller=toko3",
    "/orders?trx_id=H77777",
    "/orders?trx_id=toko31-H1",
    "/orders?trx_id=nothing",
    "/orders?trx_id=H77777&reseller=toko3",
    "/orders?invoice=APIKUY_ML_1700077777",
    "/orders?product=S59_",
    "/orders?product=nothing",
    "/orders?dest=777777",
    "/orders?dest=nothing",
    "/orders?sn=1700000007",
    "/orders?sn=nothing",
    "/orders?dialect=otomax",
    "/orders?dialect=otomax&sn=nothing",
    "/orders?status=FAILED&sn=nothing&reseller=toko3",
    f"/orders?{_DAY}",
    f"/orders?{_DAY}&sn=nothing",
    "/orders?before=500000&status=lost",
    "/orders?before=500000&reseller=toko3&dest=777",
    "/orders/2000",
)


async def measure(browser: Browser, target: str) -> float:
    """Return how long a page takes, milliseconds: the median of some times, after the first."""
    took = []
    for _ in range(_TIMES + 1):
        began = time.perf_counter()
        page = await browser.get(target)
        took.append((time.perf_counter() - began) * 1000)
        assert page.status == 200, target
    return sorted(took[1:])[_TIMES // 2]


class _Quiet:
    """Is told how far a journal has moved."""

    def begin(self, rows: int) -> None: ...

    def say(self, sentence: str) -> None: ...

    def advance(self, rows: int) -> None: ...


async def _moved(journal: Path, postgres: PostgresServer) -> str:
    """Move a journal to PostgreSQL; returns its URL there."""
    name = await postgres.make(empty=True)
    await move_journal(journal, postgres.url(name), _Quiet())
    return postgres.url(name)


async def run(number: int, folder: Path, postgres: PostgresServer | None = None) -> bool:
    """Measure every page; returns whether each is quick enough."""
    is_quick = True
    with captured_log() as log:
        async with fake_upstream() as upstream, open_houses(folder, log) as open_house:
            upstream.order = says(_SOLD)
            house = await open_house(upstream.url)
            await house.order()
            journal = house.gateway.settings.sqlite_path()
            assert journal is not None
            await house.stop()
            add_history(journal, number)
            storage = {} if postgres is None else {"url": await _moved(journal, postgres)}
            house = await open_house(upstream.url, storage=storage)
            async with browsing(house) as browser:
                for target in PAGES:
                    took_ms = await measure(browser, target)
                    is_quick = is_quick and took_ms <= MOST_MS
                    print(f"{took_ms:7.1f} ms  {target}")  # noqa: T201  its whole purpose
    return is_quick


def main() -> None:
    """Measure, and exit."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else MILLION
    postgres = PostgresServer() if "postgresql" in sys.argv[2:] else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(not asyncio.run(run(number, Path(folder), postgres)))
    finally:
        if postgres is not None:
            postgres.close()


if __name__ == "__main__":
    main()
