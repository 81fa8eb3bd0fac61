"""The upstream simulator: a real server that does all that the upstream's document says.

It keeps its own ledger. Demo, tests and bench use this one. It is the *other party*: nothing of
the gateway's own reading or writing of the wire may be used here (no `gateway.protocol`, `flow`,
`store`, `web`), so that a mistake there is found and not mirrored.
"""

from typing import TYPE_CHECKING

from gateway.sandbox.ledger import Ledger
from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import OUTCOMES, Outcome, outcome_table
from gateway.sandbox.purchases import Account, Purchase, Status

if TYPE_CHECKING:
    from gateway.sandbox.server import Sandbox, start_sandbox

__all__ = [
    "OUTCOMES",
    "Account",
    "Ledger",
    "Outcome",
    "Purchase",
    "Sandbox",
    "SandboxOptions",
    "Status",
    "outcome_table",
    "start_sandbox",
]


def __getattr__(name: str) -> object:
    """Import the server only when asked for: `--help` needs the table, not aiohttp."""
    if name not in {"Sandbox", "start_sandbox"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gateway.sandbox import server

    return getattr(server, name)
