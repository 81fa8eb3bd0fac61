"""Browsers at the dashboard of a running gateway."""

from collections.abc import AsyncIterator

import pytest

from gateway.flow import passwords
from tests.support import House
from tests.support.browser import Browser, browsing


@pytest.fixture
async def operator(house: House) -> AsyncIterator[Browser]:
    """A browser in which an operator is logged in."""
    async with browsing(house, "operator") as browser:
        yield browser


@pytest.fixture
async def viewer(house: House) -> AsyncIterator[Browser]:
    """A browser in which a viewer is logged in."""
    async with browsing(house, "viewer") as browser:
        yield browser


@pytest.fixture
async def nobody(house: House) -> AsyncIterator[Browser]:
    """A browser in which nobody is logged in."""
    async with browsing(house, None) as browser:
        yield browser


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a moment: what a real one costs is shown by one test."""
    monkeypatch.setattr(passwords, "_MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "_ROUNDS", 1)
