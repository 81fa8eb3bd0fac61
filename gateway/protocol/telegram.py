"""Telegram's Bot API, as far as a message to a chat needs it (core.telegram.org/bots/api).

Pure: what is posted, and what the answer says. The token stands in the path, so whoever carries a
request shows nothing of it.
"""

import json
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from gateway.protocol.words import plain

MAX_TEXT_CHARS = 4096
"""Of one message, by sendMessage; Telegram refuses a longer one."""

_SHOWN_CHARS = 120  # of its description, for the operator


class _Parameters(msgspec.Struct):
    retry_after: int | None = None


class _Answer(msgspec.Struct):
    """`{"ok": false, "error_code": 429, "description": "…", "parameters": {"retry_after": 5}}`."""

    ok: bool
    description: str = ""
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


_ANSWER = msgspec.json.Decoder(_Answer)


class Said(NamedTuple):
    """What Telegram answered.

    Attributes:
        ok: it took the message.
        words: its own words, one short line.
        retry_after_s: how long it wants to be left alone, seconds; 0 where it says nothing.
    """

    ok: bool
    words: str
    retry_after_s: int = 0


def send_message(token: str, chat: str, text: str) -> tuple[str, bytes]:
    """Return path and body of the POST that sends a text to a chat.

    Args:
        token: the bot's.
        chat: a chat's number, or `@name` of a channel.
        text: shown as it is, without any mark-up; cut where it is too long.
    """
    body = {"chat_id": chat, "text": text[:MAX_TEXT_CHARS], "disable_web_page_preview": True}
    return f"/bot{quote(token, safe=':')}/sendMessage", json.dumps(body).encode()


def read_answer(status: int, body: bytes) -> Said:
    """Read the answer to sendMessage; one that is not Telegram's took nothing."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Said(ok=False, words=f"HTTP {status}, and no answer of Telegram's")
    if answer.ok:
        return Said(ok=True, words="ok")
    words = plain(answer.description)[:_SHOWN_CHARS] or "no reason"
    return Said(
        ok=False,
        words=f"HTTP {status}: {words}",
        retry_after_s=max(0, answer.parameters.retry_after or 0),
    )
