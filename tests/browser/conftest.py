"""The dashboard in a real browser: `make browser`, which fails where there is none.

The browser stays from one test to the next, so these tests and what they need share one loop.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from gateway.flow import passwords
from gateway.sandbox import Sandbox, SandboxOptions
from tests.browser.chromium import DESKTOP, PHONE, Visitor, launched, visiting
from tests.browser.installed import chromium
from tests.support import House, LogLines, Panel, open_houses, panel_receiving
from tests.support.browser import PASSWORD

if not chromium():
    raise pytest.UsageError("tests/browser: wanted Chromium: apt install chromium, or $CHROMIUM")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[Browser]:
    """The browser."""
    async with launched() as browser:
        yield browser


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a moment."""
    monkeypatch.setattr(passwords, "_MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "_ROUNDS", 1)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(tmp_path: Path, log: LogLines) -> AsyncIterator[tuple[House, Sandbox, Panel]]:
    """A gateway between the upstream's simulator and a panel, with an operator."""
    options = SandboxOptions(delay_s=1.0)
    async with (
        Sandbox.start(options=options) as sandbox,
        panel_receiving() as panel,
        open_houses(tmp_path, log) as open_house,
    ):
        reseller = {"name": "Toko Budi", "callback_url": panel.url}
        house = await open_house(sandbox.url, reseller=reseller)
        values = {"name": "sari", "role": "operator", "password": PASSWORD}
        await house.gateway.desk.do("admin.add", values)
        house.secrets.add(PASSWORD)
        yield house, sandbox, panel


@pytest_asyncio.fixture(loop_scope="session")
async def house(shop: tuple[House, Sandbox, Panel]) -> House:
    """The gateway of `shop`."""
    return shop[0]


@pytest_asyncio.fixture(loop_scope="session")
async def panel(shop: tuple[House, Sandbox, Panel]) -> Panel:
    """The panel of `shop`."""
    return shop[2]


WAYS: dict[str, dict[str, Any]] = {
    "desktop": {"size": DESKTOP},
    "phone at night": {"size": PHONE, "scheme": "dark"},
    "phone without scripts": {"size": PHONE, "has_scripts": False},
}
"""How an operator may look at the dashboard."""


@pytest_asyncio.fixture(loop_scope="session", params=WAYS)
async def sari(
    request: pytest.FixtureRequest, chrome: Browser, house: House
) -> AsyncIterator[Visitor]:
    """The operator, logged in."""
    async with visiting(chrome, house.admin_url, **WAYS[request.param]) as visitor:
        await visitor.log_in("sari", PASSWORD)
        await visitor.page.wait_for_url(f"{house.admin_url}/")
        yield visitor
