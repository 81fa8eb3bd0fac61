"""The proxies run where they are installed; where one is missing, the end of the run says so."""

import os

import pytest

from tests.proxies.fronts import WRITERS, program

_IS_REQUIRED = bool(os.environ.get("OTOMAX_REQUIRE_PROXIES"))
KINDS = [kind for kind in WRITERS if _IS_REQUIRED or program(kind)]
collect_ignore = [] if KINDS else ["test_proxies.py"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try each test with each proxy."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS)
