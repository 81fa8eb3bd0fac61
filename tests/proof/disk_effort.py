"""How hard the disk is tried: a few chosen cases in every test run, every case where PROOF=1."""

import os
from typing import TypeVar

import pytest

from gateway.flow import recheck, relay, submission, worker

T = TypeVar("T")
LONG = os.environ.get("PROOF") == "1"
_SOON_S = 0.02


def effort(quick: T, proof: T) -> T:
    """Return the one that is wanted."""
    return proof if LONG else quick


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway try a journal that failed again soon, so that a bad day is a short one."""
    for module in (recheck, relay, submission, worker):
        monkeypatch.setattr(module, "AFTER_TROUBLE_S", _SOON_S)
