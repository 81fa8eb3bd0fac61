"""Every page of the dashboard, asked for by nobody and by an operator; everything is heard."""

import re

import aiohttp

from gateway.web.dashboard.routes import Dashboard
from tests.days.canaries import Ears

ADMIN = "budi"
ADMIN_PASSWORD = "kata-sandi-operator"
NEW_PASSWORD = "kata-sandi-baru-operator"
# What stands in a path in place of its parameter; a number is an order's.
_NAMED = {"code": "toko1", "name": "style.css", "what": "orders"}


def pages(dashboard: Dashboard) -> list[tuple[str, str]]:
    """Return the method and path of every route; logging out comes last."""
    found = [(route.method, route.path) for route in dashboard.routes]
    return sorted(found, key=lambda one: one[1] == "/logout")


async def hear_dashboard(
    ears: Ears, admin: str, password: str, dashboard: Dashboard, orders: int
) -> set[str]:
    """Ask for every route, before and after logging in.

    Args:
        ears: hears what comes.
        admin: the address of the operator's listener.
        password: of `ADMIN`.
        dashboard: whose routes.
        orders: of how many orders pages are asked for.

    Returns:
        The paths that were asked for, as routes write them.
    """
    jar = aiohttp.CookieJar(unsafe=True)
    own = {"Origin": admin}
    asked = set()
    async with aiohttp.ClientSession(cookie_jar=jar, headers=own) as http:
        for method, path in pages(dashboard):
            await _hear(http, ears, method, admin, path, 1)
        await http.post(f"{admin}/login", data={"name": ADMIN, "password": f"{password}x"})
        await http.post(f"{admin}/login", data={"name": ADMIN, "password": password})
        (token,) = [cookie.value for cookie in jar if cookie.key == "otomax_session"]
        ears.keep({f"session token with {password[:14]}": token})
        for method, path in pages(dashboard):
            asked.add(path)
            if path == "/live":
                continue  # has no end; it tells a number
            for number in range(1, orders + 1 if "{id}" in path and method == "GET" else 2):
                await _hear(http, ears, method, admin, path, number)
    return asked


async def _hear(
    http: aiohttp.ClientSession, ears: Ears, method: str, admin: str, path: str, number: int
) -> None:
    target = re.sub(r"\{(\w+)\}", lambda found: _NAMED.get(found[1], str(number)), path)
    async with http.request(method, admin + target, allow_redirects=False) as answer:
        # The cookie is the browser's own; whatever else comes is looked at.
        headers = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        ears.hear(f"dashboard {method} {path}", await answer.read() + repr(headers).encode())
