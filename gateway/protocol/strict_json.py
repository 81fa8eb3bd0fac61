"""A JSON object, read strictly: money must not depend on a guess.

A name that came twice, what is no JSON (`NaN`), and another encoding than UTF-8 are refused, where
the standard library picks, takes or guesses. Only the reading of a whole object lives here.
"""

import json
from typing import Any


def read_object(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, or None where it is none that can be relied on."""
    try:
        # Decoded here, for `json` would take UTF-16 and UTF-32 as well.
        values = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name came twice")
    return values


def _no_constant(name: str) -> Any:  # noqa: ANN401  what `json` asks for; it never returns
    raise ValueError(f"{name} is no JSON")
