"""What must not stand in a log is taken out here: keys, pins, passwords, signatures, tokens.

Pure: text in, safe text out. It masks rather too much than too little; `log` sends every text that
it did not write itself through `redact`, and whoever shows an exception's text does the same.
"""

import re
from typing import Final

MASK: Final = "***"
TEXT_MAX_CHARS: Final = 4000  # a log line is read by people; the rest of a page of HTML is not
SECRET_NAMES: Final = frozenset(
    {
        *("apikey", "api_key", "key", "reseller_key", "upstream_key", "authorization", "token"),
        *("pin", "password", "passwd", "secret", "sign", "signature", "x_signature"),
        *("query", "query_string"),
    }
)
"""Field names whose values are never shown, in small letters and with `_` for `-`."""

MARKERS: Final = (
    *("key", "authorization", "callback/", "callback%2f", "otg_", "pin", "passw", "sign"),
    *("token", "secret", "query"),
)
"""A line (in small letters) without any of these holds nothing that `redact` would mask, but a
callback token (see `TOKEN_CHARS`)."""

TOKEN_CHARS: Final = 27
"""A shorter text holds no callback token: 24 characters of mac, a dot, a code and a hyphen."""

_NAME = r"(?:api[_-]?key|pin|passw(?:or)?d|sign|x-signature|signature|token|secret)"
# What may stand between a name and its value: `=`, `: `, `": "`, `', b'`, `%3D`.
_BETWEEN = r"""(?:["']?\s*(?:[=:]|%3d)\s*|["']\s*,\s*)(?:b?["'])?"""
_RULES: Final = (
    (re.compile(rf"(\bauthorization{_BETWEEN})[^\r\n]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"((?<![a-z]){_NAME}{_BETWEEN})[^&\s]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"((?:/|%2f)callback(?:/|%2f))[^\s?&#]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(otg_[a-z0-9]{1,12}_)[A-Za-z0-9_%-]+", re.IGNORECASE), rf"\1{MASK}"),
)
# The mac of a callback token, wherever it stands (gateway.vault: 24 characters and a dot).
_MAC = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{24}(?=\.[a-z0-9]{1,12}-)")
# Control characters (also the C1 set, which terminals obey), line and paragraph separators, the
# marks that turn the writing direction, and lone surrogates, which no stream can encode.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def redact(text: str) -> str:
    """Mask whatever looks like a secret.

    Args:
        text: any text, hostile ones too; only its first 4,000 characters are kept.

    Returns:
        The text with `***` for the values of apikey, Authorization, pin, password, sign,
        x-signature and token, for callback tokens, and for what follows `otg_<code>_`.
    """
    if len(text) > TEXT_MAX_CHARS:
        text = f"{text[:TEXT_MAX_CHARS]}…"
    low = text.lower()
    if any(marker in low for marker in MARKERS):
        for rule, mask in _RULES:
            text = rule.sub(mask, text)
    return _MAC.sub(MASK, text) if "." in text and "-" in text else text


def escape(text: str) -> str:
    r"""Write control characters and their like as `\n`, `\x9b`, `\u2028`, so that none acts."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def escape_json(text: str) -> str:
    r"""Write the same characters as JSON's own `\u009b`; the line breaks between values stay."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json(found[0]), text)


def _json(character: str) -> str:
    return f"\\u{ord(character):04x}"
