"""The gateway's folder and its counterparties, as the journeys have them."""

from tests.journey.conftest import (
    _panel,
    _upstream,
    forks,
    office,
    panel,
    processes,
    session_processes,
    upstream,
)

__all__ = [
    "_panel",
    "_upstream",
    "forks",
    "office",
    "panel",
    "processes",
    "session_processes",
    "upstream",
]
