"""What Telegram answers, and what is made of it."""

import json

import pytest

from gateway.protocol.telegram import Said, read_answer


def _refusal(description: str, **parameters: int) -> bytes:
    return json.dumps({"ok": False, "description": description, "parameters": parameters}).encode()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"ok": true, "result": {"message_id": 1}}', Said(ok=True, words="ok")),
        (400, _refusal("chat not found"), Said(ok=False, words="HTTP 400: chat not found")),
        (403, b'{"ok": false}', Said(ok=False, words="HTTP 403: no reason")),
        (429, _refusal("wait", retry_after=35), Said(False, "HTTP 429: wait", 35)),
        (429, _refusal("wait", retry_after=-1), Said(False, "HTTP 429: wait", 0)),
    ],
)
def test_an_answer_is_read(status: int, body: bytes, said: Said) -> None:
    assert read_answer(status, body) == said


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000, b"{}", b'{"ok": 1}', b""])
def test_what_is_no_answer_took_nothing(body: bytes) -> None:
    assert read_answer(502, body) == Said(False, "HTTP 502, and no answer of Telegram's")
