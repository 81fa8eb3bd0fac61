"""Makes the pictures of the guide: `make screenshots`, of one evening, the same each time.

Letters are as on most phones where Roboto is installed (`apt install fonts-roboto-unhinted`).
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser

from tests.browser.chromium import DESKTOP, PHONE, Visitor, launched, visiting
from tests.browser.evening import Evening, evening
from tests.browser.installed import chromium
from tests.browser.pictures import small
from tests.support import captured_log
from tests.support.browser import PASSWORD

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
_FONTS: Final = Path(__file__).parent / "fonts.conf"
_A_DAY: Final = 70  # orders

PICTURES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ringkasan": ("/", {"size": (1280, 1360)}),
    "ringkasan-gelap": ("/", {"size": (1280, 1360), "scheme": "dark"}),
    "ringkasan-hp": ("/", {"size": PHONE}),
    "transaksi": ("/orders", {"size": DESKTOP}),
    "satu-transaksi": ("/orders/{sold}", {"size": (1280, 1180)}),
    "struk": ("/orders/{sold}/receipt", {"size": (640, 560)}),
    "kiriman-host": ("/deliveries/list?host=otomax.kiosani.com%3A80", {"size": DESKTOP}),
    "satu-reseller": ("/resellers/budicell", {"size": (1280, 1500)}),
    "lembar-panel": ("/resellers/budicell/panel", {"size": (1280, 900)}),
    "peringatan": ("/alerts", {"size": DESKTOP}),
    "peringatan-hp": ("/alerts", {"size": PHONE, "scheme": "dark"}),
}
"""Each picture's name, with its page and how it is looked at."""


async def main(wanted: list[str]) -> None:
    """Make every picture, or those that are named."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, captured_log() as log:
        async with (
            evening(Path(folder), log, a_day=_A_DAY) as one,
            launched(env={**os.environ, "FONTCONFIG_FILE": str(_FONTS)}) as browser,
        ):
            state = await _logged_in(browser, one)
            for name in wanted or PICTURES:
                path, way = PICTURES[name]
                file = FOLDER / f"{name}.png"
                async with visiting(browser, one.house.admin_url, state=state, **way) as visitor:
                    await _picture(visitor, await one.named(path), file)


async def _logged_in(browser: Browser, one: Evening) -> Any:
    """Log in; returns what the browser keeps of it."""
    async with visiting(browser, one.house.admin_url) as visitor:
        await visitor.log_in(one.operator, PASSWORD)
        await visitor.page.wait_for_url(f"{one.house.admin_url}/")
        while await visitor.page.get_by_text("Sebagian jam masih dihitung").count():
            await visitor.page.reload()  # the hours of a week are counted a few at a time
        return await visitor.page.context.storage_state()


async def _picture(visitor: Visitor, path: str, file: Path) -> None:
    """Make one picture."""
    await visitor.open(path)
    await _settled(visitor)
    picture = await visitor.page.screenshot()
    await visitor.page.goto("about:blank")
    packed = await small(visitor.page, picture)
    await asyncio.to_thread(file.write_bytes, packed)
    print(file.name, len(packed))  # noqa: T201  it says what it made


async def _settled(visitor: Visitor) -> None:
    """Wait until the page hears of news, as it does in life."""
    if await visitor.page.locator("[data-live]").count():
        await visitor.page.wait_for_function("document.querySelector('#live.on')")


if __name__ == "__main__":
    if not chromium():
        sys.exit("no Chromium on the PATH: apt install chromium, or set $CHROMIUM")
    asyncio.run(main(sys.argv[1:]))
