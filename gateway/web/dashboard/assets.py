"""What browsers keep: our own stylesheet, script and mark, each read once.

Each has an address that changes with what it holds, so it may be kept for long.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

_FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "style.css": "text/css",
        "pages.css": "text/css",
        "live.js": "text/javascript",
        "mark.svg": "image/svg+xml",
    }
)
"""Each file with its content type."""


@cache
def content(name: str) -> bytes:
    """Return what a file holds; it waits for the disk, once."""
    return (_FOLDER / name).read_bytes()


@cache
def address_of(name: str) -> str:
    """Return the address of a file, which changes with what it holds."""
    return f"/static/{name}?v={hashlib.sha256(content(name)).hexdigest()[:12]}"
