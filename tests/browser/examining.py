"""What must hold of every page that somebody sees, whatever it shows."""

from typing import Final

from axe_playwright_python.async_playwright import Axe

from tests.browser.chromium import Visitor

_GRAVE: Final = {"serious", "critical"}
_axe: Final = Axe()


async def examine(visitor: Visitor) -> None:
    """Fail where a page is wider than its window, or hard to use for somebody.

    What asks for accessibility is a script, so one without scripts is asked for widths alone.
    """
    window = visitor.page.viewport_size
    assert window is not None
    assert await visitor.width() <= window["width"], f"{visitor.page.url} scrolls sideways"
    if visitor.has_scripts:
        assert await grave_faults(visitor) == []


async def grave_faults(visitor: Visitor) -> list[str]:
    """Return what axe finds to be serious or critical, a line each."""
    found = await _axe.run(visitor.page)
    return [
        f"{visitor.page.url} {fault['id']}: {node['html'][:120]} {node['failureSummary']}"
        for fault in found.response["violations"]
        if fault["impact"] in _GRAVE
        for node in fault["nodes"]
    ]
