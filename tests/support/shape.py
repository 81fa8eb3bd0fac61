"""Whether an answer has the shape of an example: the same keys, types and grammar. Pure.

Written by hand and not with the gateway's own `protocol`: it judges what both sides write.
"""

import json
import re
from typing import Any

_FIXED = ("statusCode", "message", "error")
"""What stands around the data of an answer, and in an envelope, is compared by its value."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_KINDS = {"a time": _TIME, "a uuid": _UUID}

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*')

_STATUS = "SUCCESS|PARTIAL_SUCCESS|PENDING|PAID|REFUNDED|FAILED"
_REST = rf", status (?:{_STATUS})\. [^\n]+ \. Sisa saldo \d+"
_GRAMMARS = {
    "an order's line": re.compile(r"R#\S+ [\w.-]+\.[^,()\n]+(?:\|[^,()\n]+)?" + _REST, re.ASCII),
    "a status line": re.compile(r"R#\S+ [\w-]+ [\w.-]+\.[^,()\n]+\([^,()\n]*\)" + _REST, re.ASCII),
    "a user's line": re.compile(r"[^\n]+\. \S+@\S+\. plan [^\n]+\. balance \d+", re.ASCII),
}


def json_of(text: str) -> Any:
    """Read JSON as the document writes it: with `// comments`, which a URL in a string is not."""
    return json.loads(_STRING_OR_COMMENT.sub(lambda found: found[1] or "", text))


def body_differences(example: Any, answer: Any) -> list[str]:
    """Return how a JSON answer differs from the example; nothing where the shape is the same."""
    found = differences(example, answer)
    if isinstance(example, dict) and isinstance(answer, dict):
        found += [
            f"$.{name} is {answer[name]!r}, not {example[name]!r}"
            for name in _FIXED
            if name in example and name in answer and answer[name] != example[name]
        ]
    return found


def differences(example: Any, answer: Any, at: str = "$") -> list[str]:
    """Return how two JSON values differ in keys and types; a null goes with everything.

    An example's list shows what each element of the answer's list is like; an empty one shows
    nothing, and is a difference.
    """
    if example is None or answer is None:
        return []
    if type(example) is not type(answer):
        return [f"{at} is {type(answer).__name__}, not {type(example).__name__}"]
    if isinstance(example, dict):
        return _key_differences(example, answer, at)
    if isinstance(example, list):
        if example and not answer:
            return [f"{at} is empty"]
        elements = (differences(example[0], one, f"{at}[{n}]") for n, one in enumerate(answer))
        return [difference for found in elements for difference in found]
    if isinstance(example, str):
        return [
            f"{at} is not {kind}: {answer!r}"
            for kind, form in _KINDS.items()
            if form.fullmatch(example) and not form.fullmatch(answer)
        ]
    return []


def line_differences(example: str, answer: str) -> list[str]:
    """Return nothing where an answer follows the grammar that the example follows."""
    (kind,) = (kind for kind, grammar in _GRAMMARS.items() if grammar.fullmatch(example))
    return [] if _GRAMMARS[kind].fullmatch(answer) else [f"is not {kind}: {answer!r}"]


def _key_differences(example: dict[str, Any], answer: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}.{name} is missing" for name in example if name not in answer]
    found += [f"{at}.{name} is not in the document" for name in answer if name not in example]
    for name, value in example.items():
        if name in answer:
            found += differences(value, answer[name], f"{at}.{name}")
    return found
