"""What the tests of the running gateway need: it in this process, and real counterparts.

The counterparts are servers on ports of this machine, the gateway is the one that `serve` runs. A
helper lives here when two folders of tests use it; what a test shows stands in the test.
"""

from tests.support.collection import Walked, walk
from tests.support.house import MANY_AT_ONCE, Clock, House, OpenHouse, open_houses
from tests.support.logs import LogLines, captured_log
from tests.support.panel import Panel, panel_receiving
from tests.support.raw import RawUpstream, chunks_of, raw_exchange, raw_upstream
from tests.support.upstream import (
    Answerer,
    Asked,
    FakeUpstream,
    after,
    answers,
    drops,
    fake_upstream,
    in_turn,
    invoice,
    prices,
    product,
    refuses,
    responds,
    says,
)
from tests.support.wait import eventually, reserved_port, stays

__all__ = [
    "MANY_AT_ONCE",
    "Answerer",
    "Asked",
    "Clock",
    "FakeUpstream",
    "House",
    "LogLines",
    "OpenHouse",
    "Panel",
    "RawUpstream",
    "Walked",
    "after",
    "answers",
    "captured_log",
    "chunks_of",
    "drops",
    "eventually",
    "fake_upstream",
    "in_turn",
    "invoice",
    "open_houses",
    "panel_receiving",
    "prices",
    "product",
    "raw_exchange",
    "raw_upstream",
    "refuses",
    "reserved_port",
    "responds",
    "says",
    "stays",
    "walk",
]
