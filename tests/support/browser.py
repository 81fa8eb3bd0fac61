"""A browser at the dashboard: keeps cookies, says where a form comes from, follows no script."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tests.support.house import House

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Page:
    """What came back, and from where in the end."""

    status: int
    text: str
    headers: CIMultiDictProxy[str]
    url: URL

    @property
    def words(self) -> str:
        """What stands on it, without tags, blanks as one."""
        text = re.sub(r"<(script|style).*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


class Browser:
    """One browser, logged in or not.

    Args:
        house: whose dashboard.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=20),
        )

    async def get(self, target: str, *, follow: bool = True, **headers: str) -> Page:
        """Ask for a page."""
        return await self._ask("GET", target, None, follow, headers)

    async def post(
        self,
        target: str,
        fields: dict[str, str] | None = None,
        *,
        follow: bool = True,
        headers: dict[str, str] | None = None,
    ) -> Page:
        """Send a form, from a page of the dashboard unless `headers` say otherwise."""
        said = {"Origin": self.house.admin_url} if headers is None else headers
        return await self._ask("POST", target, fields or {}, follow, said)

    async def _ask(
        self,
        method: str,
        target: str,
        fields: Any,
        follow: bool,  # noqa: FBT001  passed on
        headers: dict[str, str],
    ) -> Page:
        url = URL(self.house.admin_url + target, encoded=True)
        async with self.client.request(
            method, url, data=fields, headers=headers, allow_redirects=follow
        ) as answer:
            return Page(answer.status, await answer.text(), answer.headers, answer.url)

    async def log_in(self, name: str, password: str = PASSWORD) -> Page:
        """Log in."""
        return await self.post("/login", {"name": name, "password": password})


@asynccontextmanager
async def browsing(house: House, role: str | None = "operator") -> AsyncIterator[Browser]:
    """Give a browser, logged in as somebody of this role (whose name it is), or as nobody."""
    browser = Browser(house)
    try:
        if role is not None:
            if role not in {row.name for row in await house.gateway.store.admins()}:
                values = {"name": role, "role": role, "password": PASSWORD}
                await house.gateway.desk.do("admin.add", values)
            house.secrets.add(PASSWORD)
            page = await browser.log_in(role)
            assert (page.status, page.url.path) == (200, "/"), page.words
        yield browser
    finally:
        await browser.client.close()
