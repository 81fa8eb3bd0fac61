"""A real browser, and what is watched while somebody looks at a page with it.

The browser is the distribution's Chromium. It is kept on this machine: every name but those of
loopback is unknown to it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)

from tests.browser.installed import chromium

Scheme = Literal["light", "dark"]

PHONE: Final = (390, 844)
DESKTOP: Final = (1280, 800)
# For a page, and for what is waited for on it: a machine that is busy with other tests is slow.
PATIENCE_MS: Final = 30_000
expect.set_options(timeout=PATIENCE_MS)

_ARGS: Final = (
    "--no-sandbox",  # tests run as root in a container, where the sandbox can not start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--disable-lcd-text",
    "--lang=id",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@asynccontextmanager
async def launched(**more: Any) -> AsyncIterator[Browser]:
    """Run a browser.

    Args:
        more: what Playwright's `launch` takes beside.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=list(_ARGS), timeout=2 * PATIENCE_MS, **more
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass  # without slots: Playwright notes on an object which of its methods listen
class Visitor:
    """Somebody before a browser.

    Attributes:
        page: the tab.
        origin: of the dashboard.
        has_scripts: whether scripts run.
        faults: what must not happen: requests elsewhere, errors in the console, broken scripts.
    """

    page: Page
    origin: str
    has_scripts: bool = True
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str) -> int:
        """Open a page of the dashboard; returns the HTTP code."""
        answer = await self.page.goto(self.origin + path)
        assert answer is not None
        return answer.status

    async def log_in(self, name: str, password: str) -> None:
        """Log in by the form."""
        await self.open("/login")
        await self.page.get_by_label("Nama").fill(name)
        await self.page.get_by_label("Kata sandi").fill(password)
        await self.page.get_by_role("button", name="Masuk").click()

    async def width(self) -> int:
        """How wide the page is, in CSS pixels: more than the window's means sideways scrolling."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth")
        return width

    @contextmanager
    def expects_a_refusal(self) -> Iterator[None]:
        """Let the console say that an answer was a refusal."""
        before = list(self.faults)
        yield
        self.faults[:] = before + [
            fault for fault in self.faults[len(before) :] if "Failed to load resource" not in fault
        ]

    def _ask(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"asked elsewhere: {request.url}")

    def _say(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"{self.page.url}: {message.text}")


@asynccontextmanager
async def visiting(
    browser: Browser,
    origin: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    has_scripts: bool = True,
    state: Any = None,
) -> AsyncIterator[Visitor]:
    """Give somebody with a profile of his own; nothing that must not happen has, at the end.

    Args:
        browser: from `launched`.
        origin: of the dashboard.
        size: of the window, CSS pixels.
        scheme: which colours his system has.
        has_scripts: whether his browser runs scripts.
        state: what his browser kept from before, as Playwright tells it.
    """
    context: BrowserContext = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="id-ID",
        java_script_enabled=has_scripts,
        storage_state=state,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        visitor = Visitor(await context.new_page(), origin, has_scripts)
        visitor.page.on("request", visitor._ask)
        visitor.page.on("console", visitor._say)
        visitor.page.on("pageerror", lambda error: visitor.faults.append(str(error)))
        yield visitor
        assert not visitor.faults, "\n".join(visitor.faults)
    finally:
        await context.close()
