"""Makes the pictures of the guide: `make screenshots`. They are of one evening, the same each time.

The pictures are drawn with few colours, so that each is small enough for a page of the guide.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser

from tests.browser.chromium import DESKTOP, PHONE, Visitor, chromium, launched, visiting
from tests.browser.evening import Evening, evening
from tests.support import captured_log
from tests.support.browser import PASSWORD

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
_A_DAY: Final = 70  # orders

_PICTURES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ringkasan": ("/", {"size": (1280, 1360)}),
    "ringkasan-gelap": ("/", {"size": (1280, 1360), "scheme": "dark"}),
    "ringkasan-hp": ("/", {"size": PHONE}),
    "transaksi": ("/orders", {"size": DESKTOP}),
    "transaksi-hp": ("/orders", {"size": PHONE, "scheme": "dark"}),
    "satu-transaksi": ("/orders/{sold}", {"size": (1280, 1180)}),
    "satu-transaksi-hp": ("/orders/{sold}", {"size": PHONE}),
    "struk": ("/orders/{sold}/receipt", {"size": (640, 560)}),
    "putuskan": ("/orders/{open}/settle", {"size": (1280, 800)}),
    "kiriman": ("/deliveries", {"size": (1280, 480)}),
    "kiriman-host": ("/deliveries/list?host=otomax.kiosani.com%3A80", {"size": DESKTOP}),
    "reseller": ("/resellers", {"size": (1280, 480)}),
    "satu-reseller": ("/resellers/budicell", {"size": (1280, 1500)}),
    "lembar-panel": ("/resellers/budicell/panel", {"size": (1280, 900)}),
    "lembar-panel-hp": ("/resellers/budicell/panel", {"size": PHONE}),
    "produk": ("/products", {"size": DESKTOP}),
    "perubahan-harga": ("/products/changes", {"size": DESKTOP}),
    "peringatan": ("/alerts", {"size": DESKTOP}),
    "peringatan-hp": ("/alerts", {"size": PHONE, "scheme": "dark"}),
    "log-audit": ("/audit", {"size": DESKTOP}),
    "sistem": ("/system", {"size": DESKTOP}),
}
"""Each picture's name, with its page and how it is looked at."""


async def main(wanted: list[str]) -> None:
    """Make every picture, or those that are named."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, captured_log() as log:
        async with evening(Path(folder), log, a_day=_A_DAY) as one, launched() as browser:
            for name in wanted or _PICTURES:
                path, way = _PICTURES[name]
                await _picture(browser, one, FOLDER / f"{name}.png", path, way)


async def _picture(
    browser: Browser, one: Evening, file: Path, path: str, way: dict[str, Any]
) -> None:
    """Make one picture."""
    async with visiting(browser, one.house.admin_url, **way) as visitor:
        await visitor.log_in(one.operator, PASSWORD)
        await visitor.page.wait_for_url(f"{one.house.admin_url}/")
        await visitor.open(await one.named(path))
        await _settled(visitor)
        await visitor.page.screenshot(path=file)
    print(file, file.stat().st_size)  # noqa: T201  it says what it made


async def _settled(visitor: Visitor) -> None:
    """Wait until the page hears of news, as it does in life."""
    if await visitor.page.locator("[data-live]").count():
        await visitor.page.wait_for_function("document.querySelector('#live.on')")


if __name__ == "__main__":
    if not chromium():
        sys.exit("no Chromium on the PATH: apt install chromium, or set $CHROMIUM")
    asyncio.run(main(sys.argv[1:]))
