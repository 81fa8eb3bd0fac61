"""The processes of these days are those of the journeys."""

from tests.journey.conftest import (
    _quick_upstream,
    _upstream,
    forks,
    processes,
    quick_upstream,
    session_processes,
)

__all__ = [
    "_quick_upstream",
    "_upstream",
    "forks",
    "processes",
    "quick_upstream",
    "session_processes",
]
