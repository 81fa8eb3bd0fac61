"""What strangers call themselves, in every place where an operator reads it: terminal, log, JSON.

Names of players, notes of the upstream, replies of panels, and what an operator himself typed or
pasted: none of it reaches a terminal as a command, begins a line of its own, or ends JSON.
"""

import io
import json
import re
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import alert, delivery, order, reseller
from gateway.cli.desk import harmless, show
from gateway.cli.panel_setup import _fence, _markdown, _plain
from gateway.domain.alert import Alert
from gateway.domain.delivery import Delivery, DeliveryState, Message
from gateway.domain.order import Status
from gateway.log import get_logger, setup_logging
from gateway.protocol.panel import sample
from gateway.protocol.shown import shown_alert, shown_delivery, shown_order
from tests.support.hostile import hostile_names

AT = 1_680_405_885_000
# What terminals obey, and what tears a line or turns it around; the form feed tears, too.
ACTS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
ESCAPES = [
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\nFAILED 1 2 3",
    "a\r\nroot# ",
    "\u2028next",
    "\u202egnp.exe",
    "\x07\x08\x7f",
    "\ud800",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
]
NAMES = [*hostile_names(), *ESCAPES, *(f"{name}\x1b[31m" for name in hostile_names()[:50])]


def hostile_row(name: str) -> dict[str, Any]:
    """An order with its timeline and delivery, as the desk gives it."""
    told = Delivery(
        id=1,
        order_id=1,
        reseller="toko",
        message=Message(status="SUCCESS", method="GET", url=f"http://h/?{name}", host=name),
        state=DeliveryState.DEAD,
        attempts=1,
        next_at=None,
        created_at=AT,
        done_at=AT,
        last_result=name,
    )
    row = {**shown_order(sample(Status.SUCCESS)), "note": name, "dest": name, "said_dest": name}
    step = {"at": "2023-04-02T03:24:45.000+00:00", "kind": name, "text": name}
    shown = {"upstream_trx_id": "toko-1", **shown_delivery(told)}
    return {**row, "timeline": [step], "deliveries": [shown]}


def tables(name: str) -> list[tuple[Any, Callable[[Any], str], int]]:
    """What is shown, how, and on how many lines."""
    row = hostile_row(name)
    raised = shown_alert(Alert(id=1, order=name, text=name, raised_at=AT))
    who = {"code": "toko", "name": name, "suspended": False, "upstream_key": name, "keys": []}
    who |= {"saldo": None, "created_at": None, "callback_hosts": [name], "allow_ips": []}
    who |= {"native": True, "allow_pin": False, "callback_url": name}
    many = len(order._sheet(hostile_row("x")).splitlines())
    return [
        ([row, row], order._table, 3),
        (row, order._sheet, many),
        ([raised], alert._table, 2),
        (row["deliveries"], delivery._table, 2),
        ([who], reseller._table, 2),
        (who, reseller._sheet, len(who)),
    ]


def test_no_name_reaches_a_terminal_or_tears_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for result, table, lines in chain.from_iterable(map(tables, NAMES)):
        show(result, as_json=False, table=table)
        text = capsys.readouterr().out
        assert not ACTS.search(text)
        assert len(text.splitlines()) == lines
        text.encode()


def test_no_name_ends_json_or_is_changed_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    for result, table, _ in chain.from_iterable(map(tables, NAMES)):
        show(result, as_json=True, table=table)
        text = capsys.readouterr().out
        assert not ACTS.search(text)
        assert json.loads(text) == json.loads(json.dumps(result))


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner))
)
def test_plain_data_keeps_its_form(data: Any) -> None:
    assert not ACTS.search(json.dumps(harmless(data), ensure_ascii=False))


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_name_forges_a_line_of_the_log(form: str) -> None:
    stream = io.StringIO()
    setup_logging(format=form, level="debug", stream=stream)
    try:
        for name in NAMES:
            get_logger("x").info("order.answered", note=name, many=[name, {name: name}])
            get_logger("x").warning("delivery.refused", reason=name)
            get_logger("x").error("gateway.failed", exc_info=RuntimeError(name))
    finally:
        setup_logging(format="json", level="warning")
    text = stream.getvalue()
    assert not ACTS.search(text)
    lines = text.split("\n")
    assert len(lines) == 3 * len(NAMES) + 1
    assert lines == [*text.splitlines(), ""]
    events = r"(order\.answered|delivery\.refused|gateway\.failed)"
    head = r'\{"timestamp":"[^"]+","level":"[a-z]+","event":"' if form == "json" else r"\S+Z \w+ +"
    assert all(re.match(head + events, line) for line in lines[:-1])
    if form == "json":
        said = [json.loads(line) for line in lines[:-1]]
        assert {event["source"] for event in said} == {"x"}


# -- the sheet of a panel, as Markdown


def sheet(value: str) -> dict[str, Any]:
    settings = {"URL callback panel": value}
    one = {"kind": "text", "title": "T", "settings": settings, "samples": {}, "callbacks": {}}
    return {
        "reseller": "toko",
        "url": "http://h",
        "sheets": [{**one, "expressions": {}, "notes": []}],
    }


@pytest.mark.parametrize(
    "value",
    [
        "http://h/```",
        "```",
        "````\n# heading",
        "http://h/`a`",
        "x\n  ```\n\n# Forged\n[link](javascript:1)",
        "<script>alert(1)</script>",
        *ESCAPES,
    ],
    ids=ascii,
)
def test_nothing_leaves_its_fence(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    for table in (_markdown, _plain):
        show(sheet(value), as_json=False, table=table)
        text = capsys.readouterr().out
        assert not ACTS.search(text)
        assert not any(line.lstrip().startswith("# Forged") for line in text.splitlines())
    show(sheet(value), as_json=False, table=_markdown)
    lines = capsys.readouterr().out.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.endswith("text"))
    fence = lines[begin].removesuffix("text")
    assert lines[begin + 2] == fence
    assert fence.strip() not in lines[begin + 1]


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert [_fence(value) for value in ("", "a`b", "```", "a````b`")] == [
        "```",
        "```",
        "````",
        "`````",
    ]
