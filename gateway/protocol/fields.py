r"""What a field of a request may hold (contract §4), the same in every dialect.

Patterns name their characters one by one: `\d` would take Arabic digits and `$` a line break.
"""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

HOST = re.compile(r"[a-z0-9_-][a-z0-9._-]*|[0-9a-f:.]+")  # a name or an address, no port
CODE = re.compile(r"[a-z0-9]{1,12}")
IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")  # trx_id and product_code
MAX_DESTINATION = 128  # characters of user_id and of server_id
MAX_CALLBACK_URL = 2000  # characters
DEFAULT_PORTS = {"http": 80, "https": 443}

# Who is called, and nothing else: no user info, no percent-encoding, no zone, ASCII.
_NETLOC = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")

# `123|45`, `123/45`, `123(45)`, `123 45`: two numbers that panels write as one destination.
_TWO_NUMBERS = re.compile(r"([0-9]+)(?:[|/ ]([0-9]+)|\(([0-9]+)\))")


def is_identifier(text: str | None) -> bool:
    """Whether this may be a trx_id or a product_code."""
    return text is not None and IDENTIFIER.fullmatch(text) is not None


def is_destination(text: str | None) -> bool:
    """Whether this may be a user_id or a server_id."""
    return (
        text is not None
        and 0 < len(text) <= MAX_DESTINATION
        and text.isprintable()
        and "," not in text
        and not text.isspace()
    )


def glue(user_id: str, server_id: str | None) -> str:
    """Return the destination as it is sent upstream: both parts glued (contract §5)."""
    if server_id is not None:
        return user_id + server_id
    two = _TWO_NUMBERS.fullmatch(user_id)
    return two[1] + (two[2] or two[3]) if two else user_id


def is_callback_url(
    url: str, *, own: Collection[tuple[str, int]], hosts: Collection[str] = ()
) -> bool:
    """Whether deliveries may go to this address, as far as its text tells.

    Args:
        url: as the reseller wrote it.
        own: the gateway's own (host, port) pairs, which are refused.
        hosts: where not empty, the only hosts that are taken.
    """
    if len(url) > MAX_CALLBACK_URL or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
        where = host_and_port(parts)
    except ValueError:
        return False
    if where is None or _NETLOC.fullmatch(parts.netloc) is None:
        return False
    return where not in own and (not hosts or where[0] in hosts)


def host_and_port(parts: SplitResult) -> tuple[str, int] | None:
    """Return the host (lower case) and port of an http or https address, or None for others.

    Raises:
        ValueError: the port is none.
    """
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    port = parts.port
    return parts.hostname.rstrip("."), DEFAULT_PORTS[parts.scheme] if port is None else port
