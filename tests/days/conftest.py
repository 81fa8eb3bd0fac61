"""The processes of these days are those of the journeys."""

from tests.journey.conftest import (
    _panel,
    _quick_upstream,
    _upstream,
    cluster,
    forks,
    members,
    members_shared_by,
    office,
    original,
    panel,
    processes,
    quick_upstream,
    session_processes,
    spoiled_upstream,
    upstream,
)

__all__ = [
    "_panel",
    "_quick_upstream",
    "_upstream",
    "cluster",
    "forks",
    "members",
    "members_shared_by",
    "office",
    "original",
    "panel",
    "processes",
    "quick_upstream",
    "session_processes",
    "spoiled_upstream",
    "upstream",
]
