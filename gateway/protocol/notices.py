"""What the operator is told of alerts, as a text and in JSON. Pure.

A text is Indonesian first, with the English below it, and times in WIB: it is read on a telephone
at night. One alert is told in full; many at once are gathered into one text.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from gateway.domain.alert import KINDS, Alert, Severity, What
from gateway.domain.backoff import MS_PER_S
from gateway.protocol.shown import when
from gateway.protocol.words import plain
from gateway.redaction import redact

_WIB = timezone(timedelta(hours=7), "WIB")
_SHOWN = 10  # alerts of one text; the others are in `alert list`
_POSTED = 500  # alerts of one body, some 800 bytes each
_LINE_CHARS = 200  # of what an alert says
_MARK = {Severity.CRITICAL: "\N{LARGE RED CIRCLE}", Severity.WARNING: "\N{LARGE YELLOW CIRCLE}"}
_OVER = "\N{WHITE HEAVY CHECK MARK}"
# What was sold stands there, and may be a voucher: it is for the panel, not for a chat.
_GOODS = re.compile(r"( with another SN): .*", re.DOTALL)


_TITLES = {
    What.RAISED: ("PERINGATAN", "alert"),
    What.REMINDER: ("MASIH TERJADI", "reminder"),
    What.ENDED: ("SELESAI", "over"),
}


class Tell(msgspec.Struct, frozen=True):
    """One thing to tell: what became of which alert."""

    what: What
    alert: Alert


def wib(at: int) -> str:
    """Return a time in WIB, as `14-07-2025 09:21 WIB`."""
    return (
        datetime.fromtimestamp(at / MS_PER_S, UTC).astimezone(_WIB).strftime("%d-%m-%Y %H:%M %Z")
    )


def detail(alert: Alert) -> str:
    """Return what an alert says, on one line, without secrets and without what was sold."""
    said = redact(plain(_GOODS.sub(r"\1", alert.text)))[:_LINE_CHARS]
    return f"{alert.order}: {said}" if alert.order else said


def text_of(name: str, tells: Sequence[Tell]) -> str:
    """Return what an operator reads.

    Args:
        name: which gateway speaks, where one operator has several; may be empty.
        tells: one or more, oldest first.
    """
    if len(tells) == 1:
        return _one(name, tells[0])
    new = sum(tell.what is not What.ENDED for tell in tells)
    over = len(tells) - new
    counted = [f"{new} peringatan"] * bool(new) + [f"{over} selesai"] * bool(over)
    english = [f"{new} alerts"] * bool(new) + [f"{over} over"] * bool(over)
    lines = [f"{_mark(tells)} {', '.join(counted)}{_by(name)}"]
    # What is worst comes first, for the end of a long list is not shown.
    ranked = sorted(tells, key=_rank)
    lines += [f"{_mark([tell])} {_title(tell)}: {detail(tell.alert)}" for tell in ranked[:_SHOWN]]
    if len(tells) > _SHOWN:
        lines.append(f"… dan {len(tells) - _SHOWN} lagi: otomax-gateway alert list")
    return "\n".join([*lines, "", f"({', '.join(english)}; otomax-gateway alert list)"])


def _rank(tell: Tell) -> tuple[bool, bool]:
    return tell.what is What.ENDED, KINDS[tell.alert.kind].severity is not Severity.CRITICAL


def _title(tell: Tell) -> str:
    title = KINDS[tell.alert.kind].title.id
    return f"{title} ({_TITLES[tell.what][0].lower()})" if tell.what is not What.RAISED else title


def _mark(tells: Sequence[Tell]) -> str:
    open_ones = [KINDS[tell.alert.kind].severity for tell in tells if tell.what is not What.ENDED]
    if not open_ones:
        return _OVER
    return _MARK[Severity.CRITICAL if Severity.CRITICAL in open_ones else Severity.WARNING]


def _by(name: str) -> str:
    return f" [{name}]" if name else ""


def _one(name: str, tell: Tell) -> str:
    alert, sort = tell.alert, KINDS[tell.alert.kind]
    indonesian, english = _TITLES[tell.what]
    lines = [
        f"{_mark([tell])} {indonesian}{_by(name)}: {sort.title.id}",
        detail(alert),
        f"Sejak {wib(alert.raised_at)}",
    ]
    if tell.what is What.ENDED:
        lines.append(f"Selesai {wib(alert.ended_at or alert.raised_at)}")
        return "\n".join([*lines, "", f"({english}: {sort.title.en})"])
    lines += ["", f"Tindakan: {sort.todo.id}"]
    return "\n".join(
        [*lines, f"Tandai: otomax-gateway alert ack {alert.id}", "", _english(english, tell)]
    )


def _english(word: str, tell: Tell) -> str:
    sort = KINDS[tell.alert.kind]
    return f"({sort.severity.value} {word}: {sort.title.en}. {sort.todo.en})"


def trial_text(name: str, now: int) -> str:
    """Return what `alert test` sends."""
    return (
        f"{_OVER} Tes peringatan{_by(name)}, {wib(now)}. Kanal ini menerima peringatan.\n\n"
        "(A test: this channel receives the gateway's alerts.)"
    )


def body_of(name: str, text: str, tells: Sequence[Tell], now: int) -> bytes:
    """Return what a webhook is posted: the text, and every alert with its fields.

    Args:
        name: which gateway speaks.
        text: from `text_of`; it is what a chat would show.
        tells: all that is told; empty in a test.
        now: Unix milliseconds.
    """
    body = {
        "event": "alerts" if tells else "test",
        "gateway": name,
        "sent_at": when(now),
        "text": text,
        "count": len(tells),
        "alerts": [_fields(tell) for tell in tells[:_POSTED]],
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _fields(tell: Tell) -> dict[str, Any]:
    alert, sort = tell.alert, KINDS[tell.alert.kind]
    return {
        "what": tell.what.value,
        "id": alert.id,
        "kind": alert.kind.value,
        "severity": sort.severity.value,
        "about": alert.about,
        "order": alert.order,
        "title": sort.title._asdict(),
        "text": detail(alert),
        "todo": sort.todo._asdict(),
        "raised_at": when(alert.raised_at),
        "ended_at": when(alert.ended_at),
    }
