"""Builds the house and wires it: settings in, a running gateway out. The only place that does.

`serve`, the demo and the tests run this very code; the commands take `open_journal` from here.
"""

from gateway.app.bounds import rules_of
from gateway.app.gateway import Gateway
from gateway.app.journal import Journal, open_journal

__all__ = ["Gateway", "Journal", "open_journal", "rules_of"]
