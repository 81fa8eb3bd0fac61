"""Secrets that are looked for in everything that comes out, in every form that they may take."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

Secret = str | bytes


def forms(secret: Secret) -> dict[bytes, str]:
    """Return how a secret may be written, each with its name."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    named = {
        "as it is": raw,
        "in hexadecimal": raw.hex().encode(),
        "in upper hexadecimal": raw.hex().upper().encode(),
        "as bytes": repr(raw)[2:-1].encode(),
        **{f"in base64, {n} bytes in": _base64(raw, n) for n in range(3)},
    }
    named |= {f"{name}, for URLs": _for_urls(b) for name, b in named.items() if "base64" in name}
    if isinstance(secret, str):
        named |= {
            "percent-encoded": quote(secret, safe="").encode(),
            "percent-encoded, but for the slash": quote(secret).encode(),
            "percent-encoded in small letters": quote(secret, safe="").lower().encode(),
            "as a form": quote_plus(secret).encode(),
            "percent-encoded twice": quote(quote(secret, safe=""), safe="").encode(),
            "in JSON": json.dumps(secret)[1:-1].encode(),
            "in JSON, its slash too": json.dumps(secret)[1:-1].replace("/", "\\/").encode(),
            "in JSON twice": json.dumps(json.dumps(secret)[1:-1])[1:-1].encode(),
            "in Python": repr(secret)[1:-1].encode(),
            "in HTML": escape(secret).encode(),
            "backwards": secret[::-1].encode(),
            "in UTF-16": secret.encode("utf-16-le"),
        }
    return {form: name for name, form in named.items()}


def _base64(raw: bytes, before: int) -> bytes:
    """Return what of a secret's base64 is the same whatever stands before and behind it."""
    encoded = base64.b64encode(b"\0" * before + raw)
    whole = (before + len(raw)) // 3 * 4
    return encoded[(0, 2, 3)[before] : whole]


def _for_urls(encoded: bytes) -> bytes:
    return encoded.replace(b"+", b"-").replace(b"/", b"_")


@dataclass
class Ears:
    """Takes in everything that came out of the product.

    Attributes:
        heard: what came, with where it came from.
        secrets: what must not be in it, by name.
        allowed: the one place where a secret has to be: its name, and how that place is called.
    """

    heard: list[tuple[str, bytes]] = field(default_factory=list)
    secrets: dict[str, Secret] = field(default_factory=dict)
    allowed: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, where: str, what: str | bytes) -> None:
        self.heard.append((where, what.encode() if isinstance(what, str) else what))

    def hear_files(self, where: str, files: Iterable[Path]) -> None:
        for file in files:
            self.hear(f"{where} {file.name}", file.read_bytes())

    def keep(self, secrets: Mapping[str, Secret]) -> None:
        """Look for these, too."""
        for name, secret in secrets.items():
            assert len(secret) >= 12, f"{name} may stand anywhere by chance"
            self.secrets[name] = secret

    def leaks(self) -> list[str]:
        """Return each place where a secret is that must not be there."""
        found = []
        for name, secret in self.secrets.items():
            for form, form_name in forms(secret).items():
                found += [
                    f"{name}, {form_name}: {where}: {_around(what, form)!r}"
                    for where, what in self.heard
                    if form in what and (name, where) not in self.allowed
                ]
        return found


def _around(what: bytes, form: bytes) -> bytes:
    at = what.index(form)
    return what[max(0, at - 80) : at + len(form) + 20]
